//! `graph --egress`: what leaves the mesh, by the host that is asked for, against the hosts that ServiceEntries declare.

use super::view::label;
use crate::context::Compat;
use crate::print::document::Document;
use crate::print::table::Table;
use crate::telemetry::Answer;
use crate::term::safe;
use mesh_model::graph::{GRPC, HTTP, TCP};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// A host that somebody asks for, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    host: String,
    /// `PassthroughCluster`, `BlackHoleCluster` or `ServiceEntry NAMESPACE/NAME`.
    via: String,
    protocol: String,
    from: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    /// Requests or bytes a second.
    rate: f64,
    failed: f64,
}

struct Egress {
    seen: BTreeMap<Key, Amount>,
    /// Declared hosts, each with its ServiceEntry, that nobody asked for.
    unused: BTreeSet<(String, String)>,
    /// Hosts that go through without a ServiceEntry.
    undeclared: BTreeSet<String>,
}

fn is_failure(code: &str) -> bool {
    match code.len() {
        3 => code.starts_with(['4', '5']),
        _ => code != "0",
    }
}

/// Whether a declared host, perhaps `*.example.com`, is the one that was asked for, perhaps with a port.
fn declares(declared: &str, host: &str) -> bool {
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(h, _)| h);
    match declared.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => host == declared,
    }
}

fn collect(answer: &Answer) -> Egress {
    let graph = &answer.graph;
    let text = |name| graph.names.text(name);
    let mut seen: BTreeMap<Key, Amount> = BTreeMap::new();
    for node in &graph.nodes {
        for edge in &node.edges {
            let to = &graph.nodes[edge.to];
            let via = match &to.marks.service_entry {
                _ if to.marks.is_egress_cluster => text(to.service).to_owned(),
                Some(entry) => format!("ServiceEntry {}/{}", entry.namespace, text(to.service)),
                None => continue,
            };
            for (code, shares) in edge.by_code() {
                for share in shares {
                    let host = match text(share.host) {
                        "" | "unknown" | "PassthroughCluster" | "BlackHoleCluster" => "(host not reported)",
                        host => host,
                    };
                    let key = Key { host: host.to_owned(), via: via.clone(), protocol: text(edge.protocol).to_owned(), from: label(graph, node) };
                    let amount = seen.entry(key).or_default();
                    amount.rate += share.rate;
                    if matches!(edge.protocol, HTTP | GRPC) && is_failure(text(code)) {
                        amount.failed += share.rate;
                    }
                }
            }
        }
    }
    let declared: BTreeSet<(String, String)> =
        answer.facts.service_entries.iter().flat_map(|e| e.hosts.iter().map(|h| (h.clone(), format!("{}/{}", e.namespace, e.name)))).collect();
    let hosts: BTreeSet<&str> = seen.keys().map(|k| k.host.as_str()).collect();
    let unused = declared.iter().filter(|(d, _)| !hosts.iter().any(|h| declares(d, h))).cloned().collect();
    let is_open = |k: &&Key| !k.via.starts_with("ServiceEntry") && !k.host.starts_with('(') && !declared.iter().any(|(d, _)| declares(d, &k.host));
    let undeclared = seen.keys().filter(is_open).map(|k| k.host.clone()).collect();
    Egress { seen, unused, undeclared }
}

pub fn text(answer: &Answer) -> String {
    let egress = collect(answer);
    let mut out = String::new();
    if egress.seen.is_empty() {
        out.push_str("Nothing was seen that leaves the mesh.\n");
    } else {
        let mut table = Table::new(["HOST", "VIA", "FROM", "PROTOCOL", "RATE", "ERRORS"]);
        for (key, amount) in &egress.seen {
            let is_bytes = key.protocol == answer.graph.names.text(TCP);
            table.row(vec![
                key.host.clone(),
                key.via.clone(),
                key.from.clone(),
                key.protocol.clone(),
                if is_bytes { format!("{:.0} B/s", amount.rate) } else { format!("{:.2}/s", amount.rate) },
                if is_bytes || amount.rate <= 0.0 { "-".to_owned() } else { format!("{:.1}%", amount.failed / amount.rate * 100.0) },
            ]);
        }
        out.push_str(&table.render(2));
    }
    if !egress.undeclared.is_empty() {
        let hosts: Vec<&str> = egress.undeclared.iter().map(String::as_str).collect();
        out.push_str(&format!("\nWithout a ServiceEntry that was seen: {}\n", safe(&hosts.join(", "))));
    }
    if !egress.unused.is_empty() {
        let hosts: Vec<String> = egress.unused.iter().map(|(h, e)| format!("{h} ({e})")).collect();
        out.push_str(&format!("\nDeclared, and not asked for in this time: {}\n", safe(&hosts.join(", "))));
    }
    if answer.facts.service_entries.is_empty() {
        out.push_str("\nNo ServiceEntry was seen: what is declared is not judged.\n");
    }
    out
}

pub fn json(answer: &Answer, compat: Compat) -> String {
    let egress = collect(answer);
    let seen: Vec<_> = egress
        .seen
        .iter()
        .map(|(k, a)| json!({"host": k.host, "via": k.via, "from": k.from, "protocol": k.protocol, "rate": a.rate, "failedRate": a.failed}))
        .collect();
    let unused: Vec<_> = egress.unused.iter().map(|(host, entry)| json!({"host": host, "serviceEntry": entry})).collect();
    let value = json!({
        "complete": answer.problems.is_empty(),
        "problems": answer.problems,
        "egress": seen,
        "undeclared": egress.undeclared,
        "unused": unused,
        "declarationsSeen": !answer.facts.service_entries.is_empty(),
    });
    crate::print::dump::document(value, Document::Json, compat)
}

#[cfg(test)]
mod tests {
    use super::declares;

    #[test]
    fn declared_hosts_with_stars_and_ports() {
        for (declared, host, want) in [
            ("api.example.com", "api.example.com", true),
            ("api.example.com", "api.example.com:443", true),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "example.com", false),
            ("api.example.com", "other.example.com", false),
        ] {
            assert_eq!(declares(declared, host), want, "{declared} {host}");
        }
    }
}
