//! `meshctl ztunnel-config`: what an ambient node proxy holds.

mod istioctl;
mod tables;

use crate::args::DumpArgs;
use crate::args::proxy_config::LogArgs;
use crate::args::ztunnel_config::{ZtunnelConfigArgs, ZtunnelConfigCommand};
use crate::commands::proxy_config::{self, Answer, Format, cannot_be_read, format, log};
use crate::context::{Compat, Context};
use crate::dump::{self, Need};
use crate::print::dump::document;
use crate::print::time::parse_rfc3339;
use crate::status::{Failure, Outcome};
use crate::watch;
use mesh_envoy::identify::Content;
use mesh_envoy::ztunnel::{Certificate, Dump, Service, Workload, WorkloadState};
use serde::Serialize;
use std::collections::BTreeMap;

pub fn run(args: &ZtunnelConfigArgs, context: &Context) -> Outcome {
    let mut place = source(&args.what).clone();
    place.which.node.clone_from(&args.node);
    if let (Some(_), Some(pod)) = (&place.which.node, &place.pod) {
        return Err(Failure::usage(format!("--node says whose ztunnel is meant, and so does {pod}: give one of them")));
    }
    if let ZtunnelConfigCommand::Log(a) = &args.what {
        return log::run(&LogArgs { source: place, ..a.clone() }, context);
    }
    watch::run(&place, context, || answer(&args.what, &place, context))
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

fn answer(command: &ZtunnelConfigCommand, place: &DumpArgs, context: &Context) -> Result<Answer, Failure> {
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
    if let Format::Document(as_) = format {
        let value = match command {
            ZtunnelConfigCommand::All(_) => serde_json::from_str(text).map_err(|e| Failure::input(e.to_string()))?,
            ZtunnelConfigCommand::Certificate(_) => value(&dump.certificates),
            ZtunnelConfigCommand::Connections(_) => value(&states(&dump, &filter).collect::<Vec<_>>()),
            ZtunnelConfigCommand::Policy(_) => value(&dump.policies.iter().filter(|p| in_namespace(&filter, &p.namespace)).collect::<Vec<_>>()),
            ZtunnelConfigCommand::Service(_) => value(&dump.services.iter().filter(|s| in_namespace(&filter, &s.namespace)).collect::<Vec<_>>()),
            ZtunnelConfigCommand::Workload(_) | ZtunnelConfigCommand::Log(_) => {
                value(&dump.workloads.iter().filter(|w| workload_matches(&filter, w)).collect::<Vec<_>>())
            }
        };
        return Ok(document(value, as_, context.compat));
    }
    let table = |what: What| match context.compat {
        Compat::Istioctl => match what {
            What::Workloads => istioctl::workloads(&dump, &filter),
            What::Services => istioctl::services(&dump, &filter),
            What::Policies => istioctl::policies(&dump, &filter),
            What::Certificates => istioctl::certificates(&dump, context.now),
            What::Connections => istioctl::connections(&dump, &filter),
        },
        Compat::Meshctl => {
            let width = proxy_config::width(format);
            let table = match what {
                What::Workloads => tables::workloads(&dump, &filter, width),
                What::Services => tables::services(&dump, &filter, width),
                What::Policies => tables::policies(&dump, &filter, width),
                What::Certificates => tables::certificates(&dump, context.now),
                What::Connections => tables::connections(&dump, &filter),
            };
            proxy_config::show(&table, format)
        }
    };
    Ok(match command {
        ZtunnelConfigCommand::All(a) => {
            let parts = [
                ("WORKLOAD", What::Workloads),
                ("SERVICE", What::Services),
                ("POLICY", What::Policies),
                ("SECRET", What::Certificates),
                ("CONNECTIONS", What::Connections),
            ];
            let heading = |name: &str| if a.with_headers { format!("\n------ {name} INFO ------\n\n") } else { "\n".to_owned() };
            parts.into_iter().map(|(name, what)| heading(name) + &table(what)).collect()
        }
        ZtunnelConfigCommand::Certificate(_) => table(What::Certificates),
        ZtunnelConfigCommand::Connections(_) => table(What::Connections),
        ZtunnelConfigCommand::Policy(_) => table(What::Policies),
        ZtunnelConfigCommand::Service(_) => table(What::Services),
        ZtunnelConfigCommand::Workload(_) | ZtunnelConfigCommand::Log(_) => table(What::Workloads),
    })
}

/// What a table shows.
#[derive(Clone, Copy)]
enum What {
    Workloads,
    Services,
    Policies,
    Certificates,
    Connections,
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
