//! Meshes and requests, drawn from a seed: the same in every run.

/// A sequence of numbers that a seed decides (splitmix64).
pub struct Lot(pub u64);

impl Lot {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    /// True of so many in a hundred.
    pub fn of_100(&mut self, share: usize) -> bool {
        self.below(100) < share
    }
    pub fn one<'t>(&mut self, list: &[&'t str]) -> &'t str {
        list[self.below(list.len())]
    }
}

/// Name, namespace, labels, port of the container, whether it has a sidecar.
pub struct Workload {
    pub name: &'static str,
    pub namespace: &'static str,
    pub account: &'static str,
    labels: &'static str,
    pub port: u16,
    pub has_sidecar: bool,
}

const fn workload(name: &'static str, namespace: &'static str, account: &'static str, labels: &'static str, port: u16) -> Workload {
    Workload { name, namespace, account, labels, port, has_sidecar: true }
}

pub const WORKLOADS: &[Workload] = &[
    workload("web", "shop", "web", "app: web", 8081),
    workload("admin", "shop", "admin", "app: admin", 8082),
    workload("batch", "jobs", "batch", "app: batch", 8083),
    workload("cart-v1", "shop", "cart", "app: cart, version: v1", 8080),
    workload("cart-v2", "shop", "cart", "app: cart, version: v2", 8080),
    workload("reviews", "jobs", "reviews", "app: reviews, version: v1", 9080),
    Workload { has_sidecar: false, ..workload("plain", "shop", "plain", "app: plain", 8000) },
];

pub const CLIENTS: &[&str] = &["web.shop", "admin.shop", "batch.jobs", "plain.shop"];

/// Hosts as clients of any namespace write them, with the port of the service.
pub const TARGETS: &[(&str, u16)] = &[
    ("cart.shop", 80),
    ("cart.shop.svc.cluster.local", 80),
    ("reviews.jobs", 9080),
    ("reviews.jobs.svc.cluster.local", 9080),
    ("plain.shop", 8000),
    ("empty.shop", 80),
];

const METHODS: &[&str] = &["GET", "POST", "DELETE"];
const PATHS: &[&str] = &["/", "/api/items", "/api/items/7", "/api", "/admin", "/v2/admin", "/old?x=1", "/old", "/old/"];
const HEADERS: &[(&str, &str)] = &[("x-team", "blue"), ("x-team", "red"), ("x-canary", "1"), ("x-canary", "yes"), ("end-user", "jason")];

#[derive(Clone, Debug)]
pub struct Asked {
    pub client: &'static str,
    pub host: &'static str,
    pub port: u16,
    pub method: &'static str,
    pub path: &'static str,
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Asked {
    /// The Host header.
    pub fn authority(&self) -> String {
        if self.port == 80 { self.host.to_owned() } else { format!("{}:{}", self.host, self.port) }
    }
    pub fn url(&self) -> String {
        format!("http://{}{}", self.authority(), self.path)
    }
}

pub fn request(lot: &mut Lot, client: &'static str) -> Asked {
    let (host, port) = TARGETS[lot.below(TARGETS.len())];
    let mut headers: Vec<(&str, &str)> = Vec::new();
    for _ in 0..lot.below(3) {
        let (name, value) = HEADERS[lot.below(HEADERS.len())];
        if headers.iter().all(|(n, _)| *n != name) {
            headers.push((name, value));
        }
    }
    Asked { client, host, port, method: METHODS[lot.below(METHODS.len())], path: PATHS[lot.below(PATHS.len())], headers }
}

fn object(out: &mut String, api: &str, kind: &str, name: &str, namespace: &str, spec: &str) {
    *out += &format!("---\n{{apiVersion: {api}, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, spec: {{{spec}}}}}\n");
}

const NETWORKING: &str = "networking.istio.io/v1";
const SECURITY: &str = "security.istio.io/v1";

/// Namespaces, workloads and services: the same in every mesh.
fn standing() -> String {
    let mut out = String::new();
    for n in ["shop", "jobs"] {
        out += &format!("---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {n}, labels: {{istio-injection: enabled}}}}}}\n");
    }
    for w in WORKLOADS {
        let refuse = if w.has_sidecar { "" } else { ", sidecar.istio.io/inject: 'false'" };
        let (labels, account, port) = (w.labels, w.account, w.port);
        let spec = format!(
            "selector: {{matchLabels: {{{labels}}}}}, template: {{metadata: {{labels: {{{labels}{refuse}}}}}, spec: {{serviceAccountName: {account}, containers: [{{name: app, ports: [{{containerPort: {port}}}]}}]}}}}"
        );
        object(&mut out, "apps/v1", "Deployment", w.name, w.namespace, &spec);
    }
    for (name, namespace, port, target) in
        [("cart", "shop", 80, 8080), ("reviews", "jobs", 9080, 9080), ("plain", "shop", 8000, 8000), ("empty", "shop", 80, 8080)]
    {
        let spec = format!("selector: {{app: {name}}}, ports: [{{name: http, port: {port}, targetPort: {target}}}]");
        object(&mut out, "v1", "Service", name, namespace, &spec);
    }
    out
}

/// A mesh as YAML.
pub fn mesh(lot: &mut Lot) -> String {
    let mut out = standing();
    for (host, namespace) in [("cart", "shop"), ("reviews", "jobs")] {
        if lot.of_100(75) {
            virtual_service(lot, &mut out, host, namespace);
        }
        destination_rule(lot, &mut out, host, namespace);
    }
    // Mutual TLS to where nobody can end it.
    if lot.of_100(25) {
        object(&mut out, NETWORKING, "DestinationRule", "plain", "shop", "host: plain, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}");
    }
    let modes = ["STRICT", "PERMISSIVE", "DISABLE"];
    for namespace in ["istio-system", "shop", "jobs"] {
        if lot.of_100(40) {
            let spec = format!("mtls: {{mode: {}}}", lot.one(&modes));
            object(&mut out, SECURITY, "PeerAuthentication", "default", namespace, &spec);
        }
    }
    if lot.of_100(40) {
        let spec = format!(
            "selector: {{matchLabels: {{app: cart}}}}, mtls: {{mode: {}}}, portLevelMtls: {{8080: {{mode: {}}}}}",
            lot.one(&["STRICT", "PERMISSIVE", "UNSET"]),
            lot.one(&modes)
        );
        object(&mut out, SECURITY, "PeerAuthentication", "cart", "shop", &spec);
    }
    for i in 0..lot.below(4) {
        policy(lot, &mut out, i);
    }
    if lot.of_100(15) {
        object(&mut out, NETWORKING, "Sidecar", "default", "shop", "egress: [{hosts: ['./*']}]");
    }
    out
}

fn virtual_service(lot: &mut Lot, out: &mut String, host: &str, namespace: &str) {
    let mut rules: Vec<String> = (0..lot.below(4)).map(|i| rule(lot, i, host, true)).collect();
    if lot.of_100(80) {
        rules.push(rule(lot, 9, host, false));
    }
    if rules.is_empty() {
        return;
    }
    object(out, NETWORKING, "VirtualService", host, namespace, &format!("hosts: [{host}], http: [{}]", rules.join(", ")));
}

fn rule(lot: &mut Lot, n: usize, host: &str, has_match: bool) -> String {
    let mut parts = vec![format!("name: r{n}")];
    if has_match {
        let all: Vec<String> = (0..=lot.below(2)).map(|_| one_match(lot)).collect();
        parts.push(format!("match: [{}]", all.join(", ")));
    }
    match lot.below(12) {
        0 => parts.push(format!("redirect: {{uri: /gone, redirectCode: {}}}", lot.one(&["301", "308"]))),
        1 => parts.push("directResponse: {status: 418}".to_owned()),
        2 => parts.push(format!("fault: {{abort: {{httpStatus: 503, percentage: {{value: 100}}}}}}, {}", route(lot, host))),
        3 => parts.push(format!("rewrite: {{uri: {}}}, {}", lot.one(&["/", "/admin"]), route(lot, host))),
        4 => parts.push(format!("rewrite: {{authority: other.example.com}}, {}", route(lot, host))),
        5 => parts.push(format!("timeout: 20s, retries: {{attempts: 0}}, {}", route(lot, host))),
        _ => parts.push(route(lot, host)),
    }
    format!("{{{}}}", parts.join(", "))
}

fn one_match(lot: &mut Lot) -> String {
    let all = [
        "uri: {exact: /api/items}",
        "uri: {prefix: /api}",
        "uri: {prefix: /old}, ignoreUriCase: true",
        "uri: {regex: '/v[0-9]+/.*'}",
        "headers: {x-team: {exact: blue}}",
        "headers: {x-canary: {regex: '[0-9]'}}",
        "headers: {end-user: {prefix: ja}}, method: {exact: GET}",
        "withoutHeaders: {x-team: {exact: red}}, uri: {prefix: /}",
        "method: {exact: DELETE}",
        "queryParams: {x: {exact: '1'}}",
        "sourceLabels: {app: web}",
        "sourceNamespace: jobs",
        "authority: {prefix: cart.shop.svc}",
        "port: 80",
    ];
    format!("{{{}}}", all[lot.below(all.len())])
}

fn destination(lot: &mut Lot, host: &str) -> &'static str {
    match (host, lot.below(10)) {
        ("cart", 0..3) => "host: cart, subset: v1",
        ("cart", 3 | 4) => "host: cart, subset: v2",
        ("cart", 5) => "host: cart, subset: missing",
        ("cart", _) => "host: cart",
        (_, 0..4) => "host: reviews",
        (_, 4) => "host: reviews, subset: nobody",
        (_, 5) => "host: cart.shop.svc.cluster.local, port: {number: 80}",
        (_, 6) => "host: nothing.jobs.svc.cluster.local",
        (_, 7) => "host: empty.shop.svc.cluster.local",
        _ => "host: reviews, port: {number: 9080}",
    }
}

fn route(lot: &mut Lot, host: &str) -> String {
    let first = destination(lot, host);
    match lot.below(5) {
        0 => {
            let second = destination(lot, host);
            if first == second {
                return format!("route: [{{destination: {{{first}}}}}]");
            }
            format!("route: [{{destination: {{{first}}}, weight: 40}}, {{destination: {{{second}}}, weight: 60}}]")
        }
        _ => format!("route: [{{destination: {{{first}}}}}]"),
    }
}

fn destination_rule(lot: &mut Lot, out: &mut String, host: &str, namespace: &str) {
    if lot.of_100(20) {
        return;
    }
    let tls = |lot: &mut Lot| lot.one(&["", "", "", "tls: {mode: DISABLE}", "tls: {mode: ISTIO_MUTUAL}"]);
    let whole = match lot.below(4) {
        0 => {
            let port = if host == "cart" { 80 } else { 9080 };
            let own = tls(lot);
            format!("trafficPolicy: {{{}portLevelSettings: [{{port: {{number: {port}}}, {own}}}]}}, ", with_comma(tls(lot)))
        }
        _ => match tls(lot) {
            "" => String::new(),
            own => format!("trafficPolicy: {{{own}}}, "),
        },
    };
    let of_subset = match tls(lot) {
        "" => String::new(),
        own => format!(", trafficPolicy: {{{own}}}"),
    };
    let spec = format!(
        "host: {host}, {whole}subsets: [{{name: v1, labels: {{version: v1}}{of_subset}}}, {{name: v2, labels: {{version: v2}}}}, {{name: nobody, labels: {{version: v9}}}}]"
    );
    object(out, NETWORKING, "DestinationRule", host, namespace, &spec);
}

fn with_comma(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{text}, ") }
}

fn policy(lot: &mut Lot, out: &mut String, n: usize) {
    let sources = [
        "",
        "",
        "principals: [cluster.local/ns/shop/sa/web]",
        "notPrincipals: [cluster.local/ns/shop/sa/web]",
        "principals: ['*']",
        "principals: ['*/sa/batch']",
        "namespaces: [jobs]",
        "notNamespaces: [jobs, sh*]",
        "serviceAccounts: [shop/admin, batch]",
        "namespaces: [shop], notPrincipals: ['cluster.local/ns/shop/sa/admin']",
    ];
    let operations = [
        "",
        "",
        "methods: [GET]",
        "notMethods: [GET]",
        "paths: [/api/*]",
        "methods: [POST, DELETE], paths: ['*admin']",
        "ports: ['8080']",
        "notPorts: ['8080']",
        "notPaths: [/admin*]",
        "hosts: [cart.shop*]",
        "paths: ['/api/{*}']",
        "notHosts: ['other.example.com']",
    ];
    let conditions = [
        "",
        "",
        "",
        "{key: 'request.headers[x-team]', values: [blue]}",
        "{key: 'request.headers[x-canary]', notValues: ['1']}",
        "{key: destination.port, values: ['8080', '9080']}",
        "{key: source.namespace, values: [shop]}",
    ];
    let rules: Vec<String> = (0..lot.below(3))
        .map(|_| {
            let mut parts = Vec::new();
            let (s, o, c) = (lot.one(&sources), lot.one(&operations), lot.one(&conditions));
            if !s.is_empty() {
                parts.push(format!("from: [{{source: {{{s}}}}}]"));
            }
            if !o.is_empty() {
                parts.push(format!("to: [{{operation: {{{o}}}}}]"));
            }
            if !c.is_empty() {
                parts.push(format!("when: [{c}]"));
            }
            format!("{{{}}}", parts.join(", "))
        })
        .collect();
    let namespace = lot.one(&["shop", "shop", "jobs", "istio-system"]);
    let selector = if namespace == "shop" && lot.of_100(50) { "selector: {matchLabels: {app: cart}}, " } else { "" };
    let spec = format!("{selector}action: {}, rules: [{}]", lot.one(&["ALLOW", "ALLOW", "DENY", "AUDIT"]), rules.join(", "));
    object(out, SECURITY, "AuthorizationPolicy", &format!("p{n}"), namespace, &spec);
}
