//! ztunnel's state as meshctl prints it: what istioctl's tables leave out.

use super::{Addresses, Filter, Names, hex, in_namespace, states, workload_matches};
use crate::commands::proxy_config::tables::secret::left;
use crate::commands::proxy_config::tables::{Width, cell};
use crate::print::table::Table;
use crate::print::time::parse_rfc3339;
use mesh_envoy::ztunnel::{Certificate, Dump, Locality, Service, Workload};
use std::collections::HashMap;

pub fn workloads(dump: &Dump, filter: &Filter, width: Width) -> Table {
    let more: &[&str] = if width == Width::Wide { &["SERVICE ACCOUNT", "WORKLOAD", "LOCALITY", "NETWORK", "POLICIES"] } else { &[] };
    let mut table = Table::new(["NAMESPACE", "NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL", "STATE"].iter().chain(more).copied());
    for w in dump.workloads.iter().filter(|w| workload_matches(filter, w)) {
        let address = if w.workload_ips.is_empty() { w.hostname.clone() } else { w.workload_ips.join(",") };
        let waypoint = dump.waypoint_name(w.waypoint.as_ref());
        let cells: [&str; 7] = [&w.namespace, &w.name, &address, &w.node, waypoint, &w.protocol, &w.status];
        let mut row: Vec<String> = cells.into_iter().map(cell).collect();
        if width == Width::Wide {
            row.extend([cell(&w.service_account), maker(w), locality(&w.locality), cell(&w.network), cell(w.authorization_policies.join(","))]);
        }
        table.row(row);
    }
    table
}

/// What made the Pod: `Deployment/cart`.
fn maker(w: &Workload) -> String {
    if w.workload_name.is_empty() { cell("") } else { format!("{}/{}", cell(&w.workload_type), w.workload_name) }
}

fn locality(l: &Locality) -> String {
    let parts: Vec<&str> = [&l.region, &l.zone, &l.subzone].into_iter().map(String::as_str).take_while(|p| !p.is_empty()).collect();
    cell(parts.join("/"))
}

pub fn services(dump: &Dump, filter: &Filter, width: Width) -> Table {
    let healthy: HashMap<&str, bool> = dump.workloads.iter().map(|w| (w.uid.as_str(), w.status == "Healthy")).collect();
    let more: &[&str] = if width == Width::Wide { &["HOSTNAME", "LOAD BALANCER", "SUBJECT ALT NAMES"] } else { &[] };
    let mut table = Table::new(["NAMESPACE", "SERVICE", "VIP", "PORTS", "WAYPOINT", "ENDPOINTS UP/ALL"].iter().chain(more).copied());
    for s in dump.services.iter().filter(|s| in_namespace(filter, &s.namespace)) {
        let vips: Vec<&str> = s.vips.iter().map(|v| v.split_once('/').map_or(v.as_str(), |(_, ip)| ip)).collect();
        let up = s.endpoints.values().filter(|e| healthy.get(e.workload_uid.as_str()) == Some(&true)).count();
        let waypoint = dump.waypoint_name(s.waypoint.as_ref());
        let mut row = vec![cell(&s.namespace), cell(&s.name), cell(vips.join(",")), ports(s), cell(waypoint), format!("{up}/{}", s.endpoints.len())];
        if width == Width::Wide {
            row.extend([cell(&s.hostname), balancing(s), cell(s.subject_alt_names.join(","))]);
        }
        table.row(row);
    }
    table
}

/// `80->8080`: the port of the service and that of its workloads.
fn ports(s: &Service) -> String {
    let mut ports: Vec<(u64, String)> = s.ports.iter().map(|(port, target)| (port.parse().unwrap_or(0), format!("{port}->{target}"))).collect();
    ports.sort();
    cell(ports.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(","))
}

fn balancing(s: &Service) -> String {
    let Some(lb) = &s.load_balancer else { return cell("") };
    let by = if lb.routing_preferences.is_empty() { String::new() } else { format!(" by {}", lb.routing_preferences.join(",")) };
    cell(format!("{}{by}", lb.mode))
}

pub fn policies(dump: &Dump, filter: &Filter, width: Width) -> Table {
    let more: &[&str] = if width == Width::Wide { &["WORKLOADS"] } else { &[] };
    let mut table = Table::new(["NAMESPACE", "POLICY", "ACTION", "SCOPE", "RULES"].iter().chain(more).copied());
    for p in dump.policies.iter().filter(|p| in_namespace(filter, &p.namespace)) {
        let mut row = vec![cell(&p.namespace), cell(&p.name), cell(&p.action), cell(&p.scope), p.rules.as_array().map_or(0, Vec::len).to_string()];
        if width == Width::Wide {
            let name = format!("{}/{}", p.namespace, p.name);
            row.push(dump.workloads.iter().filter(|w| w.authorization_policies.contains(&name)).count().to_string());
        }
        table.row(row);
    }
    table
}

/// The table as of `now` (seconds since the epoch).
pub fn certificates(dump: &Dump, now: i64) -> Table {
    let mut table = Table::new(["IDENTITY", "TYPE", "STATE", "VALID", "LEFT", "NOT AFTER", "SERIAL"]);
    for c in &dump.certificates {
        let none = || cell("");
        if c.cert_chain.is_empty() {
            table.row(vec![cell(&c.identity), none(), cell(&c.state), "no certificate".to_owned(), none(), none(), none()]);
        }
        let roots = c.root_certs.as_deref().unwrap_or_default();
        let last = c.cert_chain.len().saturating_sub(1);
        let kind = |i: usize| match i {
            0 => "Leaf",
            // Older ztunnels put the root at the end of the chain.
            i if i == last && roots.is_empty() => "Root",
            _ => "Intermediate",
        };
        let chain = c.cert_chain.iter().enumerate().map(|(i, cert)| (kind(i), cert));
        for (kind, cert) in chain.chain(roots.iter().map(|r| ("Root", r))) {
            let (valid, left) = validity(cert, now);
            table.row(vec![cell(&c.identity), kind.to_owned(), cell(&c.state), valid.to_owned(), left, cell(&cert.expiration_time), hex(&cert.serial_number)]);
        }
    }
    table
}

fn validity(cert: &Certificate, now: i64) -> (&'static str, String) {
    match (parse_rfc3339(&cert.valid_from), parse_rfc3339(&cert.expiration_time)) {
        (Some(from), Some(until)) if now <= from => ("not yet", left(until - now)),
        (_, Some(until)) if now >= until => ("EXPIRED", left(until - now)),
        (_, Some(until)) => ("yes", left(until - now)),
        (_, None) => ("not known", cell("")),
    }
}

pub fn connections(dump: &Dump, filter: &Filter) -> Table {
    let names = Names::new(&dump.services, &dump.workloads);
    let show = |address: &str| cell(if filter.addresses == Addresses::Raw { address.to_owned() } else { names.resolve(address) });
    let mut table = Table::new(["WORKLOAD", "DIRECTION", "LOCAL", "REMOTE", "REMOTE TARGET", "PROTOCOL", "STATE"]);
    for s in states(dump, filter) {
        let name = format!("{}.{}", s.info.name, s.info.namespace);
        let inbound = s.connections.inbound.iter().filter(|_| filter.direction != "outbound").map(|c| ("Inbound", &c.actual_dst, &c.src, c));
        let outbound = s.connections.outbound.iter().filter(|_| filter.direction != "inbound").map(|c| ("Outbound", &c.src, &c.actual_dst, c));
        for (direction, local, remote, c) in inbound.chain(outbound) {
            let target = show(&c.original_dst);
            table.row(vec![name.clone(), direction.to_owned(), show(local), show(remote), target, cell(&c.protocol), cell(&s.state)]);
        }
    }
    table
}
