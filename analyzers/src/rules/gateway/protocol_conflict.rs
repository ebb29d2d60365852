//! ## MSH0411 GatewayProtocolConflict (Warning)
//!
//! **What it checks.** Servers of one port and address (`bind`), in one Gateway or in several for the same workloads, whose
//! protocols can not share it: TCP beside HTTP or other TCP, and HTTPS or TLS where plain HTTP or TCP has the port before
//! them. istiod goes by the age of the Gateways, and by the order of the servers within one. Files do not tell the age;
//! where it decides, the message says so. TLS that comes before plain HTTP or TCP is served beside it. What serves one
//! host in two Gateways is left to IST0145, and listeners of the Gateway API to MSH0407.
//!
//! **Why it matters.** The later server is dropped as a whole: its hosts are not served, and no status or metric of istiod
//! says so. A Gateway that is deleted and made again is the youngest, so that what was served may be dropped after that.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - {hosts: [shop.example.com], port: {name: http, number: 443, protocol: HTTP}}
//!   - {hosts: [api.example.com], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: api}}
//! ```
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: web, namespace: edge}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: [shop.example.com], port: {name: http, number: 8080, protocol: HTTP}}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: database, namespace: data}
//! spec: {selector: {istio: ingressgateway}, servers: [{hosts: ["*"], port: {name: db, number: 8080, protocol: TCP}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - {hosts: [shop.example.com], port: {name: http, number: 80, protocol: HTTP}}
//!   - {hosts: [grpc.example.com], port: {name: grpc, number: 80, protocol: GRPC}}
//!   - {hosts: [api.example.com], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: api}}
//!   - {hosts: [raw.example.com], port: {name: tls, number: 443, protocol: TLS}, tls: {mode: PASSTHROUGH}}
//! ```
//!
//! **Good**
//!
//! TLS is told apart by its hosts, and what is plain takes the rest.
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers:
//!   - {hosts: [api.example.com], port: {name: https, number: 8443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: api}}
//!   - {hosts: [shop.example.com], port: {name: http, number: 8443, protocol: HTTP}}
//! ```

use super::conflict::split;
use super::picked::{Cache, Pairs, selector};
use crate::codes::MSH0411;
use crate::rule::{Context, Sink};
use mesh_envoy::matcher::Truth;
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::translate::Carries;
use mesh_resolver::watch::Watch;
use mesh_resolver::{Protocol, Selector};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy)]
struct Entry<'a> {
    gateway: &'a Object,
    server: Node<'a>,
    /// Where the protocol is written.
    at: Node<'a>,
    carries: Carries,
}

impl<'a> Entry<'a> {
    /// None where it is refused before it is merged: TLS without settings for it, and such settings on other bytes.
    fn of(gateway: &'a Object, server: Node<'a>) -> Option<Entry<'a>> {
        let at = server.at(&["port", "protocol"])?;
        let protocol = Protocol::parse(at.text());
        let has_tls = server.get("tls").is_some_and(Node::is_mapping);
        let is_taken = protocol.is_http() || (protocol.is_tcp() && protocol.is_tls() == has_tls);
        is_taken.then(|| Entry { gateway, server, at, carries: Carries::of(protocol, has_tls) })
    }
    /// Of two plain ones: whether they can not both be served.
    fn excludes(&self, other: &Entry<'_>) -> bool {
        !self.carries.may_join(other.carries)
    }
    /// Whether IST0145 or KIA0301 says of both that one is not used.
    fn is_told_already(&self, other: &Entry<'a>) -> bool {
        let (a, b) = (selector(self.gateway).pairs, selector(other.gateway).pairs);
        let are_compared = a.iter().all(|p| b.contains(p)) || b.iter().all(|p| a.contains(p));
        let mine = || self.server.list("hosts").map(|h| split(self.gateway, h.text()));
        let theirs = || other.server.list("hosts").map(|h| split(other.gateway, h.text()));
        let is_one = |(ns, host): (&str, &str)| theirs().any(|(n, h)| h == host && (n == ns || n == "*" || ns == "*"));
        !std::ptr::eq(self.gateway, other.gateway) && are_compared && mine().any(is_one)
    }
}

/// Whether it is known which of two is merged first. Manifests have no age.
fn is_ordered(a: &Entry<'_>, b: &Entry<'_>) -> bool {
    std::ptr::eq(a.gateway, b.gateway) || (!a.gateway.creation().is_empty() && !b.gateway.creation().is_empty())
}

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let watch = Watch::new(cx.mesh.snapshot);
    let is_watched = |g: &Object| watch.is_everything() || watch.object(g) == Truth::Yes;
    // What istiod makes of the Gateway API is for the Services that it names.
    let of_services = |g: &Object| g.annotation("internal.istio.io/gateway-service").is_some();
    let mut gateways: Vec<&'a Object> = cx.mesh.objects(Kind::Gateway).iter().copied().filter(|g| is_watched(g) && !of_services(g)).collect();
    // istiod's order.
    gateways.sort_by_key(|g| (g.creation(), g.name(), g.namespace()));
    let mut groups: BTreeMap<Pairs<'a>, Vec<usize>> = BTreeMap::new();
    for (i, gateway) in gateways.iter().enumerate() {
        groups.entry(selector(gateway).pairs).or_default().push(i);
    }
    let is_scoped = is_scoped(cx);
    let mut seen = Seen::default();
    for members in together(cx, &groups) {
        // A control plane reads the Gateways of its own revision, and may be told to keep to namespaces.
        let mut by_reader: BTreeMap<(&str, &str), Vec<&'a Object>> = BTreeMap::new();
        for gateway in members.into_iter().map(|i| gateways[i]) {
            let reader = (gateway.label("istio.io/rev").unwrap_or(""), if is_scoped { gateway.namespace() } else { "" });
            by_reader.entry(reader).or_default().push(gateway);
        }
        for gateways in by_reader.into_values() {
            let mut ports: BTreeMap<i64, BTreeMap<&str, Vec<Entry<'a>>>> = BTreeMap::new();
            for entry in gateways.into_iter().flat_map(entries) {
                let Some(number) = entry.server.at(&["port", "number"]).and_then(Node::int) else { continue };
                ports.entry(number).or_default().entry(entry.server.text_of("bind")).or_default().push(entry);
            }
            for (number, by_address) in &ports {
                for servers in by_address.values() {
                    let port = Port { number: *number, servers, has_other_addresses: by_address.len() > 1 };
                    port.judge(cx, sink, &mut seen);
                }
            }
        }
    }
}

fn entries<'a>(gateway: &'a Object) -> impl Iterator<Item = Entry<'a>> {
    gateway.spec().into_iter().flat_map(|s| s.list("servers")).filter_map(|s| Entry::of(gateway, s))
}

/// Gateways that one proxy gets: those of one selector, and those whose selectors pick one workload. Indexes in ascending order.
fn together<'a>(cx: &Context<'a>, groups: &BTreeMap<Pairs<'a>, Vec<usize>>) -> BTreeSet<Vec<usize>> {
    let with_all = |mut members: Vec<usize>| {
        members.extend(groups.get(&Pairs::new()).into_iter().flatten());
        members.sort_unstable();
        members.dedup();
        members
    };
    let mut out: BTreeSet<Vec<usize>> = groups.values().cloned().map(with_all).collect();
    if groups.len() < 2 {
        return out;
    }
    let mut cache = Cache::default();
    let mut of_workload: FxHashMap<*const Object, Vec<usize>> = FxHashMap::default();
    for (pairs, members) in groups.iter().filter(|(pairs, _)| !pairs.is_empty()) {
        let picked = cache.of(cx, &Selector { pairs: pairs.clone(), expressions: None });
        for workload in picked.workloads.iter().filter(|w| w.object.role != Role::Assumed) {
            of_workload.entry(std::ptr::from_ref(workload.object)).or_default().extend(members);
        }
    }
    out.extend(of_workload.into_values().map(with_all));
    out
}

/// Whether istiod is told, in the input, that Gateways are for the workloads of their namespace alone.
fn is_scoped(cx: &Context<'_>) -> bool {
    let istiod = Selector { pairs: vec![("app", "istiod")], expressions: None };
    let is_it = |e: Node<'_>| e.text_of("name") == "PILOT_SCOPE_GATEWAY_TO_NAMESPACE" && e.text_of("value") != "false";
    cx.mesh.workloads.matching(None, &istiod).any(|w| {
        let containers = w.pod.get("spec").into_iter().flat_map(|s| s.list("containers"));
        containers.flat_map(|c| c.list("env")).any(is_it)
    })
}

/// Servers that were reported: Gateway and place.
type Seen<'a> = FxHashSet<(*const Object, u32)>;

/// The servers of one port and address, in istiod's order.
struct Port<'p, 'a> {
    number: i64,
    servers: &'p [Entry<'a>],
    /// Then istiod compares with the plain server that it added last, whatever its address: it may take TLS that came later.
    has_other_addresses: bool,
}

impl<'a> Port<'_, 'a> {
    fn judge(&self, cx: &Context<'a>, sink: &mut Sink<'a>, seen: &mut Seen<'a>) {
        let Some(first) = self.servers.iter().position(|e| e.carries.is_plain()) else { return };
        let plain = || self.servers.iter().enumerate().filter(|(_, e)| e.carries.is_plain());
        let all_ordered = plain().all(|(_, e)| is_ordered(&self.servers[first], e));
        for (i, entry) in self.servers.iter().enumerate() {
            let verdict = match entry.carries {
                Carries::Tls => self.of_tls(i),
                _ if all_ordered => self.of_plain(cx, first, i),
                // Said once, of what can share with nothing, where that is judged.
                Carries::Http => plain().map(|(_, e)| e).find(|e| entry.excludes(e) && e.gateway.role != Role::Judged).map(|e| (e, Served::First)),
                Carries::Bytes => {
                    let before = plain().find(|(p, e)| *p < i && is_ordered(e, entry)).map(|(_, e)| (e, Served::No));
                    let http = || plain().map(|(_, e)| e).find(|e| e.carries == Carries::Http).map(|e| (e, Served::First));
                    let bytes = || plain().find(|(p, e)| *p != i && (i != first || e.gateway.role != Role::Judged)).map(|(_, e)| (e, Served::First));
                    before.or_else(http).or_else(bytes)
                }
            };
            if let Some((other, served)) = verdict.filter(|(other, _)| !entry.is_told_already(other)) {
                self.report(sink, entry, other, served, seen);
            }
        }
    }
    fn of_tls(&self, i: usize) -> Option<(&Entry<'a>, Served)> {
        let entry = &self.servers[i];
        let plain = || self.servers.iter().enumerate().filter(|(_, e)| e.carries.is_plain());
        let served = if self.has_other_addresses { Served::Perhaps } else { Served::No };
        let before = plain().find(|(p, e)| *p < i && is_ordered(e, entry)).map(|(_, e)| (e, served));
        before.or_else(|| plain().find(|(_, e)| !is_ordered(e, entry)).map(|(_, e)| (e, Served::IfOlder)))
    }
    /// Where the order of all plain ones is known.
    fn of_plain(&self, cx: &Context<'a>, first: usize, i: usize) -> Option<(&Entry<'a>, Served)> {
        let (winner, entry) = (&self.servers[first], &self.servers[i]);
        if i == first || !winner.excludes(entry) {
            return None;
        }
        // An older Gateway that is not in the input may have HTTP, which this one joins, and drop the bytes before it.
        let is_certain = winner.carries == Carries::Http || entry.carries == Carries::Bytes || cx.mesh.is_complete();
        Some((winner, if is_certain { Served::No } else { Served::First }))
    }
    fn report(&self, sink: &mut Sink<'a>, entry: &Entry<'a>, other: &Entry<'a>, served: Served, seen: &mut Seen<'a>) {
        if !seen.insert((std::ptr::from_ref(entry.gateway), entry.at.span().start)) {
            return;
        }
        let is_one_gateway = std::ptr::eq(entry.gateway, other.gateway);
        let of = if is_one_gateway { String::new() } else { format!(" of Gateway `{}`, for the same workloads,", other.gateway.full_name()) };
        let (own, theirs, number) = (entry.at.text(), other.at.text(), self.number);
        let message = match served {
            Served::No => format!("`{own}` on port `{number}` is not served: `{theirs}`{of} has the port before it"),
            Served::Perhaps => format!("`{own}` on port `{number}` may not be served: `{theirs}`{of} has the port before it"),
            Served::IfOlder => {
                format!("`{own}` on port `{number}` is not served if `{theirs}`{of} has the port before it: the older Gateway comes first")
            }
            Served::First => {
                let which = if is_one_gateway { "the first" } else { "that of the older Gateway" };
                format!("`{own}` on port `{number}` and `{theirs}`{of} exclude each other: only {which} is served")
            }
        };
        sink.report(&MSH0411, entry.gateway, entry.at, message)
            .help("give one of them another port: a port has plain HTTP, or TCP of one server, or TLS that is told apart by its hosts")
            .related(other.gateway, other.at, "has the port too");
    }
}

/// What becomes of a server beside another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    No,
    Perhaps,
    /// Not if the other one's Gateway is older.
    IfOlder,
    /// Only one of both is, the first.
    First,
}
