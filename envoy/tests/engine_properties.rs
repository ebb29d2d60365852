//! The lookups that are written for speed, against slow transcriptions of Envoy's documentation.

use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::chain::{Choice, Subject};
use mesh_envoy::engine::domain::Domains;
use mesh_envoy::engine::inspect::Inspected;
use mesh_envoy::engine::listener::Listener;
use mesh_envoy::engine::recorder::{Off, Trace};
use mesh_envoy::engine::request::{Connection, Entry, Protocol};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// "Exact domain names, suffix domain wildcards, prefix domain wildcards, the wildcard `*`; the longest wildcards first."
fn domain_by_the_book(domains: &[String], host: &str) -> Option<u32> {
    let host = host.to_lowercase();
    let lower: Vec<String> = domains.iter().map(|d| d.to_lowercase()).collect();
    let at = |wanted: &str| lower.iter().position(|d| d == wanted).map(|i| i as u32);
    if let Some(i) = at(&host) {
        return Some(i);
    }
    // Every proper suffix, longest first, then every proper prefix.
    for cut in 1..host.len() {
        if let Some(i) = at(&format!("*{}", &host[cut..])) {
            return Some(i);
        }
    }
    for cut in (1..host.len()).rev() {
        if let Some(i) = at(&format!("{}*", &host[..cut])) {
            return Some(i);
        }
    }
    at("*")
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "A", "com", "b-a"]), 1..4).prop_map(|labels| labels.join("."))
}

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => name(),
        3 => name().prop_map(|n| format!("*.{n}")),
        1 => name().prop_map(|n| format!("*-{n}")),
        2 => name().prop_map(|n| format!("{n}.*")),
        1 => Just("*".to_owned()),
    ]
}

/// The criteria of the generated chains, with small ranges so that they meet.
#[derive(Clone, Debug)]
struct Chain {
    port: Option<u16>,
    destination: Vec<(String, u8)>,
    names: Vec<String>,
    transport: Option<&'static str>,
    alpn: Vec<&'static str>,
    direct: Vec<(String, u8)>,
    kind: &'static str,
    source: Vec<(String, u8)>,
    source_ports: Vec<u16>,
}

fn prefixes() -> impl Strategy<Value = Vec<(String, u8)>> {
    let one = prop::sample::select(vec![("10.0.0.0", 8), ("10.1.0.0", 16), ("10.1.2.3", 32), ("127.0.0.0", 8), ("0.0.0.0", 0)]);
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(one.prop_map(|(a, l)| (a.to_owned(), l)), 1..3)]
}

fn chain() -> impl Strategy<Value = Chain> {
    let names = prop::sample::select(vec!["a.com", "b.a.com", "*.a.com", "*.com"]).prop_map(str::to_owned);
    (
        prop_oneof![3 => Just(None), 2 => prop::sample::select(vec![Some(80u16), Some(443)])],
        prefixes(),
        prop_oneof![2 => Just(Vec::new()), 2 => prop::collection::vec(names, 1..3)],
        prop_oneof![2 => Just(None), 1 => Just(Some("tls")), 1 => Just(Some("raw_buffer"))],
        prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(vec!["h2", "http/1.1", "istio"]), 1..3)],
        prefixes(),
        prop::sample::select(vec!["ANY", "ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL"]),
        prefixes(),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(prop::sample::select(vec![1000u16, 2000]), 1..3)],
    )
        .prop_map(|(port, destination, names, transport, alpn, direct, kind, source, source_ports)| Chain {
            port,
            destination,
            names,
            transport,
            alpn,
            direct,
            kind,
            source,
            source_ports,
        })
}

fn ranges(list: &[(String, u8)]) -> Value {
    list.iter().map(|(a, l)| json!({"address_prefix": a, "prefix_len": l})).collect()
}

fn listener(chains: &[Chain]) -> Value {
    let chains: Vec<Value> = chains
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let mut m = json!({"prefix_ranges": ranges(&c.destination), "server_names": c.names, "application_protocols": c.alpn,
                "direct_source_prefix_ranges": ranges(&c.direct), "source_type": c.kind, "source_prefix_ranges": ranges(&c.source),
                "source_ports": c.source_ports});
            if let Some(p) = c.port {
                m["destination_port"] = json!(p);
            }
            if let Some(t) = c.transport {
                m["transport_protocol"] = json!(t);
            }
            json!({"name": i.to_string(), "filter_chain_match": m})
        })
        .collect();
    json!({"listeners": [{"name": "l", "filter_chains": chains, "default_filter_chain": {"name": "default"}}], "routes": [], "clusters": []})
}

/// One criterion: the values that a chain asks for, and the connection's values, the most specific first.
type Criterion = (fn(&Chain) -> Vec<String>, Vec<String>);

fn masked(ip: IpAddr, bits: u8) -> String {
    let IpAddr::V4(v4) = ip else { panic!("IPv4 alone here") };
    let mask = if bits == 0 { 0 } else { u32::MAX << (32 - bits) };
    format!("{}/{bits}", std::net::Ipv4Addr::from(u32::from(v4) & mask))
}

fn spelled(list: &[(String, u8)]) -> Vec<String> {
    let list: Vec<String> = list.iter().map(|(a, l)| masked(a.parse().expect("an address"), *l)).collect();
    if list.is_empty() { vec!["0.0.0.0/0".to_owned()] } else { list }
}

fn or_any(list: Vec<String>) -> Vec<String> {
    if list.is_empty() { vec![String::new()] } else { list }
}

fn chain_by_the_book(chains: &[Chain], s: Subject<'_>) -> Vec<usize> {
    let every_prefix = |ip: IpAddr| (0..=32).rev().map(|bits| masked(ip, bits)).collect::<Vec<_>>();
    let c = s.connection;
    let mut names = vec![s.inspected.server_name.to_string()];
    let mut rest: &str = &s.inspected.server_name;
    while let Some((_, after)) = rest.split_once('.') {
        names.push(format!("*.{after}"));
        rest = after;
    }
    let with_any = |mut list: Vec<String>| {
        list.push(String::new());
        list
    };
    let kind = if c.is_local() { "SAME_IP_OR_LOOPBACK" } else { "EXTERNAL" };
    let criteria: [Criterion; 9] = [
        (|c| or_any(c.port.iter().map(ToString::to_string).collect()), with_any(vec![c.destination.port().to_string()])),
        (|c| spelled(&c.destination), every_prefix(c.destination.ip())),
        (|c| or_any(c.names.clone()), with_any(names)),
        (|c| or_any(c.transport.iter().map(ToString::to_string).collect()), with_any(vec![s.inspected.transport.to_owned()])),
        (|c| or_any(c.alpn.iter().map(ToString::to_string).collect()), with_any(s.inspected.application.iter().map(ToString::to_string).collect())),
        (|c| spelled(&c.direct), every_prefix(c.direct_source)),
        (|c| vec![c.kind.to_owned()], vec![kind.to_owned(), "ANY".to_owned()]),
        (|c| spelled(&c.source), every_prefix(c.source.ip())),
        (|c| or_any(c.source_ports.iter().map(ToString::to_string).collect()), with_any(vec![c.source.port().to_string()])),
    ];
    let mut left: Vec<usize> = (0..chains.len()).collect();
    for (asks, values) in criteria {
        let found = values.iter().map(|v| left.iter().copied().filter(|i| asks(&chains[*i]).contains(v)).collect::<Vec<_>>()).find(|l| !l.is_empty());
        left = found.unwrap_or_default();
    }
    left
}

fn subject() -> impl Strategy<Value = (Connection<'static>, Inspected<'static>)> {
    let ip = || prop::sample::select(vec!["10.1.2.3", "10.1.9.9", "10.9.9.9", "127.0.0.1", "9.9.9.9"]);
    (
        ip(),
        prop::sample::select(vec![80u16, 443, 8080]),
        ip(),
        prop::sample::select(vec![1000u16, 3000]),
        ip(),
        prop::sample::select(vec!["", "a.com", "b.a.com", "c.b.a.com", "x.com"]),
        prop::sample::select(vec!["tls", "raw_buffer"]),
        prop::collection::vec(prop::sample::select(vec!["h2", "http/1.1", "istio"]), 0..3),
    )
        .prop_map(|(d, port, source, source_port, direct, name, transport, application)| {
            let address = |s: &str| s.parse::<IpAddr>().expect("an address");
            let connection = Connection {
                destination: SocketAddr::new(address(d), port),
                source: SocketAddr::new(address(source), source_port),
                direct_source: address(direct),
                tls: None,
                protocol: Protocol::Http11,
                filter_state: &[],
            };
            (connection, Inspected { transport, server_name: name.into(), application })
        })
}

/// A generated listener: its addresses, and what else decides whether it is entered.
#[derive(Clone, Debug)]
struct Listens {
    name: &'static str,
    addresses: Vec<SocketAddr>,
    is_bound: bool,
    hands_off: bool,
    direction: &'static str,
    restores: bool,
}

fn listens() -> impl Strategy<Value = Listens> {
    let address = (prop::sample::select(vec!["0.0.0.0", "::", "10.1.2.3", "fd00::1"]), prop::sample::select(vec![80u16, 443]))
        .prop_map(|(ip, port)| SocketAddr::new(ip.parse::<IpAddr>().expect("an address"), port));
    (
        prop::sample::select(vec!["a", "a", "a", "virtualInbound"]),
        prop::collection::vec(address, 0..3),
        any::<bool>(),
        prop::sample::select(vec![false, false, true]),
        prop::sample::select(vec!["UNSPECIFIED", "INBOUND", "OUTBOUND"]),
        prop::sample::select(vec![false, false, true]),
    )
        .prop_map(|(name, addresses, is_bound, hands_off, direction, restores)| Listens { name, addresses, is_bound, hands_off, direction, restores })
}

fn listeners(list: &[Listens]) -> Value {
    let at = |a: &SocketAddr| json!({"socket_address": {"address": a.ip().to_string(), "port_value": a.port()}});
    let one = |(i, l): (usize, &Listens)| {
        let more: Vec<Value> = l.addresses.iter().skip(1).map(|a| json!({"address": at(a)})).collect();
        let filters: &[Value] = &[json!({"name": "envoy.filters.listener.original_dst", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}})];
        let mut m = json!({"name": l.name, "stat_prefix": i.to_string(), "additional_addresses": more, "bind_to_port": l.is_bound,
            "use_original_dst": l.hands_off, "traffic_direction": l.direction, "listener_filters": if l.restores { filters } else { &[] }});
        if let Some(first) = l.addresses.first() {
            m["address"] = at(first);
        }
        m
    };
    json!({"listeners": list.iter().enumerate().map(one).collect::<Vec<_>>(), "routes": [], "clusters": []})
}

/// The search through all listeners, in their order.
fn listener_by_the_book(list: &[Listens], entry: Entry, to: SocketAddr) -> Option<usize> {
    let by_address = |may: &dyn Fn(&Listens) -> bool| {
        let exact = list.iter().position(|l| may(l) && l.addresses.contains(&to));
        let takes = |a: &SocketAddr| a.port() == to.port() && a.ip().is_unspecified() && (a.is_ipv6() || to.is_ipv4());
        exact.or_else(|| list.iter().position(|l| may(l) && l.addresses.iter().any(takes)))
    };
    let entered = match entry {
        Entry::Direct => None,
        Entry::CapturedOutbound => list.iter().position(|l| l.hands_off && l.direction != "INBOUND"),
        Entry::CapturedInbound => {
            list.iter().position(|l| l.name == "virtualInbound").or_else(|| list.iter().position(|l| l.restores && l.direction == "INBOUND"))
        }
    };
    match entered {
        None => by_address(&|l| l.is_bound),
        Some(i) if list[i].hands_off => by_address(&|_| true).or(Some(i)),
        Some(i) => Some(i),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn listeners_are_found_as_a_search_through_all_finds_them(
        list in prop::collection::vec(listens(), 0..8),
        ip in prop::sample::select(vec!["10.1.2.3", "10.9.9.9", "fd00::1", "fd00::2", "0.0.0.0", "::"]),
        port in prop::sample::select(vec![80u16, 443, 8080]),
        entry in prop::sample::select(vec![Entry::Direct, Entry::CapturedOutbound, Entry::CapturedInbound]),
    ) {
        let configuration = Configuration::read(&listeners(&list)).expect("a configuration");
        prop_assert_eq!((configuration.listeners.len(), &configuration.problems), (list.len(), &Vec::new()));
        let to = SocketAddr::new(ip.parse::<IpAddr>().expect("an address"), port);
        let place = |found: &Listener| configuration.listeners.iter().position(|l| std::ptr::eq(l, found));
        let found = configuration.listeners.choose(entry, to, &mut Off).and_then(place);
        prop_assert_eq!(found, listener_by_the_book(&list, entry, to), "{:?} {:?} {}", list, entry, to);
        let mut trace = Trace::default();
        let traced = configuration.listeners.choose(entry, to, &mut trace).and_then(place);
        prop_assert_eq!(found, traced);
    }

    #[test]
    fn domains_are_found_as_the_documentation_says(domains in prop::collection::vec(domain(), 0..8), host in name()) {
        let mut found = Domains::default();
        domains.iter().enumerate().for_each(|(i, d)| found.add(d, i as u32));
        prop_assert_eq!(found.find(&host), domain_by_the_book(&domains, &host), "{:?} {}", domains, host);
    }

    #[test]
    fn filter_chains_are_chosen_as_the_documentation_says(chains in prop::collection::vec(chain(), 0..6), (connection, inspected) in subject()) {
        let configuration = Configuration::read(&listener(&chains)).expect("a configuration");
        let subject = Subject { connection: &connection, inspected: &inspected };
        let list = configuration.listeners[0].chains();
        let want = chain_by_the_book(&chains, subject);
        match list.choose(subject, &mut Off) {
            Choice::Chain(c) if &*c.name == "default" => prop_assert!(want.is_empty(), "{:?}", want),
            Choice::Chain(c) => prop_assert_eq!(vec![c.name.to_string()], want.iter().map(ToString::to_string).collect::<Vec<_>>()),
            Choice::Ambiguous(..) => prop_assert!(want.len() > 1),
            other => prop_assert!(false, "{:?}", other),
        }
        // The index finds what the search through all chains finds.
        let mut trace = Trace::default();
        let named = |choice: &Choice<'_>| match choice {
            Choice::Chain(c) => vec![c.name.to_string()],
            Choice::Ambiguous(a, b) => vec![a.name.to_string(), b.name.to_string()],
            other => vec![format!("{other:?}")],
        };
        let searched = list.choose(subject, &mut trace);
        prop_assert_eq!(named(&list.choose(subject, &mut Off)), named(&searched));
        // Every chain that is not chosen is told, with the condition that failed.
        if let Choice::Chain(_) = searched {
            let told = trace.take();
            prop_assert_eq!(told.len(), chains.len());
            prop_assert!(told.iter().all(|p| !p.why.is_empty()));
        }
    }
}
