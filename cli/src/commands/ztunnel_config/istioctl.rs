//! ztunnel's state as istioctl prints it.

use super::{Addresses, Filter, Names, hex, in_namespace, states, valid, workload_matches};
use crate::print::table::Table;
use mesh_envoy::ztunnel::Dump;
use std::collections::HashMap;

pub fn workloads(dump: &Dump, filter: &Filter) -> String {
    let mut table = Table::new(["NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL"]);
    for w in dump.workloads.iter().filter(|w| workload_matches(filter, w)) {
        let address = if w.workload_ips.is_empty() { w.hostname.clone() } else { w.workload_ips.join(",") };
        let waypoint = dump.waypoint_name(w.waypoint.as_ref()).to_owned();
        table.row(vec![w.namespace.clone(), w.name.clone(), address, w.node.clone(), waypoint, w.protocol.clone()]);
    }
    table.render(1)
}

pub fn services(dump: &Dump, filter: &Filter) -> String {
    let healthy: HashMap<&str, bool> = dump.workloads.iter().map(|w| (w.uid.as_str(), w.status == "Healthy")).collect();
    let mut table = Table::new(["NAMESPACE", "SERVICE NAME", "SERVICE VIP", "WAYPOINT", "ENDPOINTS"]);
    for s in dump.services.iter().filter(|s| in_namespace(filter, &s.namespace)) {
        let vips: Vec<&str> = s.vips.iter().map(|v| v.split_once('/').map_or("", |(_, ip)| ip)).collect();
        let up = s.endpoints.values().filter(|e| healthy.get(e.workload_uid.as_str()) == Some(&true)).count();
        let endpoints = format!("{up}/{}", s.endpoints.len());
        table.row(vec![s.namespace.clone(), s.name.clone(), vips.join(","), dump.waypoint_name(s.waypoint.as_ref()).to_owned(), endpoints]);
    }
    table.render(1)
}

pub fn policies(dump: &Dump, filter: &Filter) -> String {
    let mut table = Table::new(["NAMESPACE", "POLICY NAME", "ACTION", "SCOPE"]);
    for p in dump.policies.iter().filter(|p| in_namespace(filter, &p.namespace)) {
        table.row(vec![p.namespace.clone(), p.name.clone(), p.action.clone(), p.scope.clone()]);
    }
    table.render(1)
}

pub fn certificates(dump: &Dump, now: i64) -> String {
    let mut table = Table::new(["CERTIFICATE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"]);
    let na = || "NA".to_owned();
    for c in &dump.certificates {
        let state = if c.state.contains("Unavailable") { "Unavailable".to_owned() } else { c.state.clone() };
        if c.cert_chain.is_empty() {
            table.row(vec![c.identity.clone(), na(), state, "false".to_owned(), na(), na(), na()]);
            continue;
        }
        let roots = c.root_certs.as_deref().unwrap_or_default();
        let last = c.cert_chain.len() - 1;
        // Older ztunnels put the root at the end of the chain.
        let kinds = (0..=last).map(|i| {
            if i == 0 {
                "Leaf"
            } else if i == last && roots.is_empty() {
                "Root"
            } else {
                "Intermediate"
            }
        });
        for (kind, cert) in kinds.zip(&c.cert_chain).chain(roots.iter().map(|r| ("Root", r))) {
            let or_na = |s: &str| if s.is_empty() { na() } else { s.to_owned() };
            table.row(vec![
                c.identity.clone(),
                kind.to_owned(),
                state.clone(),
                valid(cert, now).to_string(),
                hex(&cert.serial_number),
                or_na(&cert.expiration_time),
                or_na(&cert.valid_from),
            ]);
        }
    }
    table.render(5)
}

pub fn connections(dump: &Dump, filter: &Filter) -> String {
    let names = Names::new(&dump.services, &dump.workloads);
    let show = |address: &str| if filter.addresses == Addresses::Raw { address.to_owned() } else { names.resolve(address) };
    let mut table = Table::new(["WORKLOAD", "DIRECTION", "LOCAL", "REMOTE", "REMOTE TARGET", "PROTOCOL"]);
    for s in states(dump, filter) {
        let name = format!("{}.{}", s.info.name, s.info.namespace);
        if filter.direction != "outbound" {
            for c in &s.connections.inbound {
                table.row(vec![name.clone(), "Inbound".to_owned(), show(&c.actual_dst), show(&c.src), c.original_dst.clone(), c.protocol.clone()]);
            }
        }
        if filter.direction != "inbound" {
            for c in &s.connections.outbound {
                table.row(vec![name.clone(), "Outbound".to_owned(), show(&c.src), show(&c.actual_dst), show(&c.original_dst), c.protocol.clone()]);
            }
        }
    }
    table.render(1)
}
