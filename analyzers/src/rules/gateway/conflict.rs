//! ## IST0145 ConflictingGateways (Error)
//!
//! **What it checks.** Two Gateways for the same workloads have a server with the same host on the same port and bind.
//! The workloads are the same where the selectors are, or where one selector includes the other and picks something.
//!
//! **Why it matters.** One of the two servers is used, and the other is ignored.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [api.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! # meshctl: cluster east
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! # meshctl: cluster west
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! ## KIA0301 GatewayHostOverlap (Warning)
//!
//! **What it checks.** The same, where the host is spelled differently: `shop.example.com`, `*/shop.example.com` and
//! `./shop.example.com` are one host.
//!
//! **Why it matters.** As above: of two servers for one host and port only one is used.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*/shop.example.com"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: a, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [web/shop.example.com], port: {name: http, number: 80, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: b, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [api/shop.example.com, "*.example.com"], port: {name: http, number: 80, protocol: HTTP}}]}
//! ```

use super::picked::{Cache, Pairs, selector};
use crate::codes::{IST0145, KIA0301};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::Selector;
use rustc_hash::{FxHashMap, FxHashSet};

struct Entry<'a> {
    gateway: &'a Object,
    host: Node<'a>,
    /// Namespaces that the host is taken from; `*` for all.
    from: &'a str,
    bind: &'a str,
}

/// Entries by selector (its number), port and bare host.
type Index<'a> = FxHashMap<(usize, i64, &'a str), Vec<Entry<'a>>>;

/// Selectors with more labels are compared with equal ones only.
const LABELS: usize = 6;
/// So many other Gateways are named.
const NAMED: usize = 5;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let gateways = cx.mesh.objects(Kind::Gateway);
    let mut numbers: FxHashMap<Pairs<'a>, usize> = FxHashMap::default();
    let mut index: Index<'a> = FxHashMap::default();
    for gateway in gateways.iter().copied() {
        let next = numbers.len();
        let number = *numbers.entry(selector(gateway).pairs).or_insert(next);
        for server in servers(gateway) {
            for host in server.list("hosts") {
                let (from, bare) = split(gateway, host.text());
                let entry = Entry { gateway, host, from, bind: server.text_of("bind") };
                index.entry((number, port(server), bare)).or_default().push(entry);
            }
        }
    }
    let related = related_selectors(cx, &numbers);
    for gateway in gateways.iter().copied() {
        let Some(&number) = numbers.get(&selector(gateway).pairs) else { continue };
        let same: Vec<usize> = std::iter::once(number).chain(related.get(&number).into_iter().flatten().copied()).collect();
        let mut seen: FxHashSet<(i64, Vec<&str>)> = FxHashSet::default();
        for server in servers(gateway) {
            let hosts: Vec<&str> = server.list("hosts").map(Node::text).collect();
            if seen.insert((port(server), hosts)) {
                judge(sink, gateway, server, &same, &index);
            }
        }
    }
}

fn judge<'a>(sink: &mut Sink<'a>, gateway: &'a Object, server: Node<'a>, same: &[usize], index: &Index<'a>) {
    let port = port(server);
    let mut equal = Others::default();
    let mut alike = Others::default();
    for host in server.list("hosts") {
        let (from, bare) = split(gateway, host.text());
        for entry in same.iter().filter_map(|n| index.get(&(*n, port, bare))).flatten() {
            if std::ptr::eq(entry.gateway, gateway) || entry.bind != server.text_of("bind") {
                continue;
            }
            if entry.host.text() == host.text() {
                equal.add(host, entry);
            } else if from == entry.from || from == "*" || entry.from == "*" {
                alike.add(host, entry);
            }
            if equal.full() {
                break;
            }
        }
    }
    for (code, others) in [(&IST0145, &equal), (&KIA0301, &alike)] {
        let (Some((at, other)), true) = (others.first, std::ptr::eq(others, &equal) || equal.first.is_none()) else { continue };
        let names = others.gateways.iter().map(|g| format!("`{}`", g.full_name())).collect::<Vec<_>>().join(", ");
        let more = if others.full() { " and more" } else { "" };
        let word = if others.gateways.len() == 1 { "Gateway" } else { "Gateways" };
        sink.report(
            code,
            gateway,
            at,
            format!("host `{}` on port `{port}` is served by {word} {names}{more} too, for the same workloads: only one of the servers is used", at.text()),
        )
        .help("serve each host of a port from one Gateway")
        .related(other.0, other.1, "served here too");
    }
}

/// Other Gateways that serve a server's hosts.
#[derive(Default)]
struct Others<'a> {
    first: Option<(Node<'a>, (&'a Object, Node<'a>))>,
    gateways: Vec<&'a Object>,
}

impl<'a> Others<'a> {
    fn add(&mut self, host: Node<'a>, entry: &Entry<'a>) {
        self.first.get_or_insert((host, (entry.gateway, entry.host)));
        if !self.full() && !self.gateways.iter().any(|g| std::ptr::eq(*g, entry.gateway)) {
            self.gateways.push(entry.gateway);
        }
    }
    fn full(&self) -> bool {
        self.gateways.len() >= NAMED
    }
}

fn servers<'a>(gateway: &'a Object) -> impl Iterator<Item = Node<'a>> {
    gateway.spec().into_iter().flat_map(|s| s.list("servers"))
}

fn port(server: Node<'_>) -> i64 {
    server.at(&["port", "number"]).and_then(Node::int).unwrap_or(0)
}

/// The namespaces that a server's host is for, and the host itself.
pub fn split<'a>(gateway: &'a Object, host: &'a str) -> (&'a str, &'a str) {
    match host.split_once('/') {
        Some((".", bare)) => (gateway.namespace(), bare),
        Some((ns, bare)) => (ns, bare),
        None => ("*", host),
    }
}

/// For each selector those that include it or that it includes, where the narrower one picks a workload.
fn related_selectors<'a>(cx: &Context<'a>, numbers: &FxHashMap<Pairs<'a>, usize>) -> FxHashMap<usize, Vec<usize>> {
    let mut out: FxHashMap<usize, Vec<usize>> = FxHashMap::default();
    if numbers.len() < 2 {
        return out;
    }
    let mut cache = Cache::default();
    for (pairs, &number) in numbers.iter().filter(|(p, _)| !p.is_empty() && p.len() <= LABELS) {
        for mask in 0..(1usize << pairs.len()) - 1 {
            let part: Pairs<'a> = pairs.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0).map(|(_, p)| *p).collect();
            let Some(&wider) = numbers.get(&part) else { continue };
            if !cache.of(cx, &Selector { pairs: pairs.clone(), expressions: None }).workloads.is_empty() {
                out.entry(number).or_default().push(wider);
                out.entry(wider).or_default().push(number);
            }
        }
    }
    for list in out.values_mut() {
        list.sort_unstable();
    }
    out
}
