//! `meshctl ztunnel-config`: what an ambient node proxy holds.

use crate::args::DumpArgs;
use crate::args::ztunnel_config::{ZtunnelConfigArgs, ZtunnelConfigCommand};
use crate::commands::proxy_config::{Answer, Format, cannot_be_read, format, log};
use crate::context::{Compat, Context};
use crate::dump::{self, Need};
use crate::print::dump::document;
use crate::print::table::Table;
use crate::print::time::parse_rfc3339;
use crate::status::{Failure, Outcome};
use crate::watch;
use mesh_envoy::identify::Content;
use mesh_envoy::ztunnel::{Certificate, Dump, Service, Workload, WorkloadState};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

pub fn run(args: &ZtunnelConfigArgs, context: &Context) -> Outcome {
    if let ZtunnelConfigCommand::Log(a) = &args.what {
        return log::run(a, context);
    }
    watch::run(source(&args.what), context, || answer(&args.what, context))
}

/// Which workloads, services, policies and connections are shown.
#[derive(Default)]
struct Filter {
    namespace: String,
    node: String,
    address: String,
    direction: String,
    addresses: Addresses,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Addresses {
    #[default]
    Named,
    Raw,
}

fn source(command: &ZtunnelConfigCommand) -> &DumpArgs {
    match command {
        ZtunnelConfigCommand::All(a) => &a.source,
        ZtunnelConfigCommand::Certificate(a) => a,
        ZtunnelConfigCommand::Connections(a) => &a.source,
        ZtunnelConfigCommand::Log(a) => &a.source,
        ZtunnelConfigCommand::Policy(a) => &a.source,
        ZtunnelConfigCommand::Service(a) => &a.source,
        ZtunnelConfigCommand::Workload(a) => &a.source,
    }
}

fn filter(command: &ZtunnelConfigCommand) -> Filter {
    match command {
        ZtunnelConfigCommand::All(_) | ZtunnelConfigCommand::Certificate(_) | ZtunnelConfigCommand::Log(_) => Filter::default(),
        ZtunnelConfigCommand::Connections(a) => Filter {
            namespace: a.workload_namespace.clone(),
            direction: a.direction.clone(),
            addresses: if a.raw { Addresses::Raw } else { Addresses::Named },
            ..Filter::default()
        },
        ZtunnelConfigCommand::Policy(a) => Filter { namespace: a.policy_namespace.clone(), ..Filter::default() },
        ZtunnelConfigCommand::Service(a) => Filter { namespace: a.service_namespace.clone(), ..Filter::default() },
        ZtunnelConfigCommand::Workload(a) => {
            Filter { namespace: a.workload_namespace.clone(), node: a.workload_node.clone(), address: a.address.clone(), ..Filter::default() }
        }
    }
}

fn answer(command: &ZtunnelConfigCommand, context: &Context) -> Result<Answer, Failure> {
    let place = source(command);
    let format = format(place.output.as_deref().unwrap_or("table"))?;
    dump::answers(place, Need::Ztunnel, context, &|found| {
        let text = &found.page.text;
        let held = mesh_envoy::ztunnel::read(text).map_err(|e| cannot_be_read(text, &e.to_string(), Content::Ztunnel, Need::Ztunnel))?;
        let shown = show(command, text, held, format, context)?;
        Ok(Answer::whole(shown).with(found.problems))
    })
}

/// The whole output.
fn show(command: &ZtunnelConfigCommand, text: &str, dump: Dump, format: Format, context: &Context) -> Result<String, Failure> {
    let dump = sorted(if context.compat == Compat::Istioctl { dump.without_unknown_fields() } else { dump });
    let filter = filter(command);
    let table = match (command, format) {
        (ZtunnelConfigCommand::All(_), Format::Document(d)) => {
            let value = serde_json::from_str(text).map_err(|e| Failure::input(e.to_string()))?;
            return Ok(document(value, d, context.compat));
        }
        (ZtunnelConfigCommand::All(a), _) => {
            let parts = [
                ("WORKLOAD", workloads(&dump, &filter)),
                ("SERVICE", services(&dump, &filter)),
                ("POLICY", policies(&dump, &filter)),
                ("SECRET", certificates(&dump, context.now)),
                ("CONNECTIONS", connections(&dump, &filter)),
            ];
            let text: Vec<String> =
                parts.iter().map(|(n, t)| if a.with_headers { format!("\n------ {n} INFO ------\n\n{t}") } else { format!("\n{t}") }).collect();
            return Ok(text.concat());
        }
        (_, Format::Document(d)) => {
            let value = match command {
                ZtunnelConfigCommand::Certificate(_) => value(&dump.certificates),
                ZtunnelConfigCommand::Connections(_) => value(&states(&dump, &filter).collect::<Vec<_>>()),
                ZtunnelConfigCommand::Policy(_) => value(&dump.policies.iter().filter(|p| in_namespace(&filter, &p.namespace)).collect::<Vec<_>>()),
                ZtunnelConfigCommand::Service(_) => value(&dump.services.iter().filter(|s| in_namespace(&filter, &s.namespace)).collect::<Vec<_>>()),
                _ => value(&dump.workloads.iter().filter(|w| workload_matches(&filter, w)).collect::<Vec<_>>()),
            };
            return Ok(document(value, d, context.compat));
        }
        (ZtunnelConfigCommand::Certificate(_), _) => certificates(&dump, context.now),
        (ZtunnelConfigCommand::Connections(_), _) => connections(&dump, &filter),
        (ZtunnelConfigCommand::Policy(_), _) => policies(&dump, &filter),
        (ZtunnelConfigCommand::Service(_), _) => services(&dump, &filter),
        (ZtunnelConfigCommand::Workload(_) | ZtunnelConfigCommand::Log(_), _) => workloads(&dump, &filter),
    };
    Ok(table)
}

fn value<T: Serialize>(list: &T) -> serde_json::Value {
    serde_json::to_value(list).unwrap_or_default()
}

fn sorted(mut dump: Dump) -> Dump {
    dump.workloads.sort_by(|a, b| key(a).cmp(&key(b)));
    dump.services.sort_by(|a, b| (&a.namespace, &a.name, &a.hostname).cmp(&(&b.namespace, &b.name, &b.hostname)));
    dump.policies.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    dump.workload_state.sort_by(|a, b| (&a.info.namespace, &a.info.name).cmp(&(&b.info.namespace, &b.info.name)));
    dump
}

fn key(w: &Workload) -> (String, &str, &str) {
    (format!("{}.{}", w.namespace, w.name), &w.node, &w.uid)
}

fn in_namespace(filter: &Filter, namespace: &str) -> bool {
    filter.namespace.is_empty() || filter.namespace.eq_ignore_ascii_case(namespace)
}

fn workload_matches(filter: &Filter, w: &Workload) -> bool {
    in_namespace(filter, &w.namespace)
        && (filter.node.is_empty() || filter.node.eq_ignore_ascii_case(&w.node))
        && (filter.address.is_empty() || w.workload_ips.iter().any(|ip| ip.eq_ignore_ascii_case(&filter.address)))
}

fn workloads(dump: &Dump, filter: &Filter) -> String {
    let mut table = Table::new(["NAMESPACE", "POD NAME", "ADDRESS", "NODE", "WAYPOINT", "PROTOCOL"]);
    for w in dump.workloads.iter().filter(|w| workload_matches(filter, w)) {
        let address = if w.workload_ips.is_empty() { w.hostname.clone() } else { w.workload_ips.join(",") };
        let waypoint = dump.waypoint_name(w.waypoint.as_ref()).to_owned();
        table.row(vec![w.namespace.clone(), w.name.clone(), address, w.node.clone(), waypoint, w.protocol.clone()]);
    }
    table.render(1)
}

fn services(dump: &Dump, filter: &Filter) -> String {
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

fn policies(dump: &Dump, filter: &Filter) -> String {
    let mut table = Table::new(["NAMESPACE", "POLICY NAME", "ACTION", "SCOPE"]);
    for p in dump.policies.iter().filter(|p| in_namespace(filter, &p.namespace)) {
        table.row(vec![p.namespace.clone(), p.name.clone(), p.action.clone(), p.scope.clone()]);
    }
    table.render(1)
}

fn certificates(dump: &Dump, now: i64) -> String {
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

fn valid(cert: &Certificate, now: i64) -> bool {
    match (parse_rfc3339(&cert.valid_from), parse_rfc3339(&cert.expiration_time)) {
        (Some(from), Some(until)) => from < now && now < until,
        _ => false,
    }
}

/// A decimal number of any length in lower-case hex.
fn hex(decimal: &str) -> String {
    if decimal.is_empty() || !decimal.bytes().all(|b| b.is_ascii_digit()) {
        return "<nil>".to_owned();
    }
    let mut digits: Vec<u8> = Vec::new();
    for d in decimal.bytes() {
        let mut carry = u32::from(d - b'0');
        for digit in digits.iter_mut() {
            let v = u32::from(*digit) * 10 + carry;
            *digit = (v & 15) as u8;
            carry = v >> 4;
        }
        while carry > 0 {
            digits.push((carry & 15) as u8);
            carry >>= 4;
        }
    }
    if digits.is_empty() { "0".to_owned() } else { digits.iter().rev().map(|d| char::from(b"0123456789abcdef"[usize::from(*d)])).collect() }
}

fn states<'d>(dump: &'d Dump, filter: &'d Filter) -> impl Iterator<Item = &'d WorkloadState> {
    dump.workload_state.iter().filter(|s| filter.namespace.is_empty() || filter.namespace == s.info.namespace)
}

fn connections(dump: &Dump, filter: &Filter) -> String {
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

/// Names of addresses: services by their first VIP, workloads by their first IP.
struct Names(BTreeMap<String, String>);

impl Names {
    fn new(services: &[Service], workloads: &[Workload]) -> Names {
        let mut names = BTreeMap::new();
        for w in workloads {
            names.insert(w.workload_ips.first().cloned().unwrap_or_default(), format!("{}.{}", w.name, w.namespace));
        }
        for s in services {
            let ip = s.vips.first().and_then(|v| v.split_once('/')).map_or("", |(_, ip)| ip);
            names.insert(ip.to_owned(), s.hostname.clone());
        }
        names.remove("");
        Names(names)
    }
    fn resolve(&self, address: &str) -> String {
        let Some((ip, port)) = address.rsplit_once(':') else { return address.to_owned() };
        self.0.get(ip.trim_matches(['[', ']'])).map_or_else(|| address.to_owned(), |name| format!("{name}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn long_serial_numbers_become_hex() {
        assert_eq!(hex("305554775863395697262503895661564044819"), "e5dfb59150b2ba7f108d93dcec5aa613");
        assert_eq!((hex("0"), hex("255"), hex("x")), ("0".to_owned(), "ff".to_owned(), "<nil>".to_owned()));
    }
}
