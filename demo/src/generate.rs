//! A mesh of so many services, made by a seed: gateways, frontends, two tiers between, and leaves; several namespaces, a
//! canary here and there, gRPC and plain TCP, services outside. Each namespace's Sidecar shows its proxies what they call,
//! as large meshes are set up.

use crate::own::SCRIPT;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Services of a mesh, at least and at most.
pub const LEAST: usize = 4;
pub const MOST: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Http,
    Grpc,
    Tcp,
}

impl Speaks {
    fn name(self) -> &'static str {
        match self {
            Speaks::Http => "http",
            Speaks::Grpc => "grpc",
            Speaks::Tcp => "tcp",
        }
    }
    fn port(self) -> u16 {
        match self {
            Speaks::Http => 8080,
            Speaks::Grpc => 9090,
            Speaks::Tcp => 6379,
        }
    }
}

struct Service {
    name: String,
    namespace: usize,
    tier: usize,
    speaks: Speaks,
    has_canary: bool,
    /// Services that it calls, by their places, and of a hundred requests in how many.
    calls: Vec<(usize, u8)>,
    outside: Option<usize>,
}

const DOMAINS: &[&str] = &["shop", "orders", "payments", "catalog", "accounts", "search", "shipping", "media", "support", "risk"];
const ROLES: &[&[&str]] = &[
    &["web", "app", "partner-api"],
    &["cart", "checkout", "profile", "listing", "booking"],
    &["pricing", "stock", "rules", "rating", "quota"],
    &["store", "index", "ledger", "cache", "files"],
];

/// The manifests of a mesh: files by their names.
pub fn files(size: usize, seed: u64) -> Vec<(&'static str, String)> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let namespaces = (size / 12).clamp(2, 30);
    let services = services(size, namespaces, &mut dice);
    let outside = 1 + size / 60;
    vec![("apps.yaml", apps(&services, namespaces)), ("traffic.yaml", traffic(&services, namespaces, outside))]
}

fn namespace(i: usize) -> String {
    let domain = DOMAINS[i % DOMAINS.len()];
    if i < DOMAINS.len() { domain.to_owned() } else { format!("{domain}-{}", i / DOMAINS.len() + 1) }
}

fn services(size: usize, namespaces: usize, dice: &mut fastrand::Rng) -> Vec<Service> {
    let frontends = (size / 10).max(1);
    let middle = (size - frontends) * 3 / 9;
    let tiers = [frontends, middle, middle, size - frontends - 2 * middle];
    let mut out: Vec<Service> = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut above = 0..0;
    for (tier, count) in tiers.into_iter().enumerate() {
        let first = out.len();
        for i in 0..count {
            let caller = (!above.is_empty()).then(|| above.start + i % above.len());
            // Most services are called by their own team.
            let namespace = match caller {
                Some(c) if dice.u8(..10) < 7 => out[c].namespace,
                _ => dice.usize(..namespaces),
            };
            let speaks = match tier {
                0 => Speaks::Http,
                3 if dice.u8(..10) < 3 => Speaks::Tcp,
                _ if dice.u8(..10) < 2 => Speaks::Grpc,
                _ => Speaks::Http,
            };
            let role = ROLES[tier][dice.usize(..ROLES[tier].len())];
            let number = names.entry(format!("{role}.{namespace}")).and_modify(|n| *n += 1).or_insert(1);
            let name = if *number == 1 { role.to_owned() } else { format!("{role}-{number}") };
            let has_canary = speaks != Speaks::Tcp && tier > 0 && dice.u8(..12) == 0;
            let outside = (tier >= 2 && dice.u8(..10) == 0).then(|| dice.usize(..1 + size / 60));
            let place = out.len();
            out.push(Service { name, namespace, tier, speaks, has_canary, calls: Vec::new(), outside });
            if let Some(c) = caller {
                out[c].calls.push((place, 100));
            }
            // And some by another one too, now and then.
            if !above.is_empty() && dice.u8(..10) < 3 {
                let other = dice.usize(above.clone());
                if Some(other) != caller {
                    out[other].calls.push((place, 25));
                }
            }
        }
        above = first..out.len();
    }
    out
}

fn apps(services: &[Service], namespaces: usize) -> String {
    let mut out = String::from("# A generated mesh: namespaces, and for each service an account, a Service and its Deployments.\n");
    let _ = write!(out, "apiVersion: v1\nkind: Namespace\nmetadata: {{name: istio-system}}\n");
    for i in 0..namespaces {
        let _ = write!(out, "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {}, labels: {{istio-injection: enabled}}}}\n", namespace(i));
    }
    gateway(&mut out);
    for s in services {
        let (name, ns, port) = (&s.name, namespace(s.namespace), s.speaks.port());
        let _ = write!(
            out,
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {ns}}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {ns}, labels: {{app: {name}}}}}\n\
             spec:\n  selector: {{app: {name}}}\n  ports: [{{name: {}, port: {port}}}]\n",
            s.speaks.name()
        );
        for version in if s.has_canary { &["v1", "v2"][..] } else { &["v1"] } {
            deployment(&mut out, services, s, version);
        }
    }
    out
}

fn gateway(out: &mut String) {
    let _ = write!(
        out,
        "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: istio-ingressgateway, namespace: istio-system}}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{name: istio-ingressgateway, namespace: istio-system}}\n\
         spec:\n  selector: {{istio: ingressgateway}}\n  ports: [{{name: http2, port: 80, targetPort: 8080}}]\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: istio-ingressgateway, namespace: istio-system}}\n\
         spec:\n  selector: {{matchLabels: {{istio: ingressgateway}}}}\n  template:\n    metadata: {{labels: {{istio: ingressgateway, app: istio-ingressgateway}}}}\n    \
         spec:\n      serviceAccountName: istio-ingressgateway\n      containers: [{{name: istio-proxy, image: mesh-proxy, ports: [{{containerPort: 8080}}]}}]\n"
    );
}

fn deployment(out: &mut String, services: &[Service], s: &Service, version: &str) {
    let (name, ns) = (&s.name, namespace(s.namespace));
    let mut steps: Vec<String> = s
        .calls
        .iter()
        .map(|(to, percent)| {
            let to = &services[*to];
            let target = format!("{}.{}:{}", to.name, namespace(to.namespace), to.speaks.port());
            if *percent == 100 { format!("{{call: '{target}'}}") } else { format!("{{call: {{service: '{target}', probability: {percent}}}}}") }
        })
        .collect();
    if s.calls.len() > 1 {
        steps = vec![format!("[{}]", steps.join(", "))];
    }
    if let Some(i) = s.outside {
        steps.push(format!("{{call: {{service: '{}:80', probability: 20}}}}", outside(i)));
    }
    steps.insert(0, format!("{{sleep: {}ms}}", 1 + s.tier));
    let annotations = if s.speaks == Speaks::Tcp { String::new() } else { format!("\n      annotations:\n        {SCRIPT}: \"[{}]\"", steps.join(", ")) };
    let _ = write!(
        out,
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}-{version}, namespace: {ns}, labels: {{app: {name}, version: {version}}}}}\n\
         spec:\n  selector: {{matchLabels: {{app: {name}, version: {version}}}}}\n  template:\n    metadata:\n      labels: {{app: {name}, version: {version}}}{annotations}\n    \
         spec:\n      serviceAccountName: {name}\n      containers: [{{name: app, image: {name}, ports: [{{containerPort: {}}}]}}]\n",
        s.speaks.port()
    );
}

fn outside(i: usize) -> String {
    format!("api-{}.partner.example", i + 1)
}

fn traffic(services: &[Service], namespaces: usize, external: usize) -> String {
    let mut out = String::from("# Mutual TLS everywhere; what comes in, who sees whom, canaries, and services outside.\n");
    let _ = write!(
        out,
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: default, namespace: istio-system}}\nspec: {{mtls: {{mode: STRICT}}}}\n\
         ---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: public, namespace: istio-system}}\n\
         spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n  - port: {{number: 80, name: http, protocol: HTTP}}\n    hosts: ['*.mesh.example']\n"
    );
    for s in services.iter().filter(|s| s.tier == 0) {
        let (name, ns) = (&s.name, namespace(s.namespace));
        let _ = write!(
            out,
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}-public, namespace: {ns}}}\n\
             spec:\n  hosts: [{name}-{ns}.mesh.example]\n  gateways: [istio-system/public]\n  http:\n  - route: [{{destination: {{host: {name}.{ns}.svc.cluster.local, port: {{number: {}}}}}}}]\n",
            s.speaks.port()
        );
    }
    for s in services.iter().filter(|s| s.has_canary) {
        let (name, ns) = (&s.name, namespace(s.namespace));
        let host = format!("{name}.{ns}.svc.cluster.local");
        let _ = write!(
            out,
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {ns}}}\n\
             spec:\n  host: {host}\n  subsets:\n  - {{name: v1, labels: {{version: v1}}}}\n  - {{name: v2, labels: {{version: v2}}}}\n\
             ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: {ns}}}\n\
             spec:\n  hosts: [{host}]\n  http:\n  - route:\n    - {{destination: {{host: {host}, subset: v1}}, weight: 90}}\n    - {{destination: {{host: {host}, subset: v2}}, weight: 10}}\n"
        );
    }
    for i in 0..external {
        let _ = write!(
            out,
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: api-{n}, namespace: istio-system}}\n\
             spec:\n  hosts: [{}]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n  endpoints: [{{address: 192.0.2.{n}}}]\n",
            outside(i),
            n = i + 1
        );
    }
    for i in 0..namespaces {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for s in services.iter().filter(|s| s.namespace == i) {
            seen.extend(s.calls.iter().map(|(to, _)| services[*to].namespace).filter(|n| *n != i).map(|n| format!("'{}/*'", namespace(n))));
        }
        let own = namespace(i);
        let hosts: Vec<String> = ["'./*'".to_owned(), "'istio-system/*'".to_owned()].into_iter().chain(seen).collect();
        if services.iter().any(|s| s.namespace == i) {
            let _ = write!(
                out,
                "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: default, namespace: {own}}}\nspec: {{egress: [{{hosts: [{}]}}]}}\n",
                hosts.join(", ")
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_mesh_again_and_each_size_is_that() {
        for size in [LEAST, 5, 11, 60, 200] {
            let all = files(size, 7);
            assert_eq!(all, files(size, 7));
            assert!(size < 11 || all != files(size, 8));
            let apps = &all[0].1;
            // The gateway's is one more.
            assert_eq!(apps.matches("kind: Service\n").count(), size + 1);
        }
        let traffic = &files(200, 1)[1].1;
        assert!(traffic.contains("weight: 10") && traffic.matches("kind: ServiceEntry").count() == 4 && traffic.matches("kind: Sidecar").count() > 10);
    }
}
