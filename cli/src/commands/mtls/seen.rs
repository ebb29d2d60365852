//! What was seen to come in plaintext, as the servers' own proxies counted it.

use crate::args::mtls::MtlsArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::beside::{Pending, Round};
use crate::commands::generate::observed_services;
use crate::context::{Context, Notes};
use crate::status::Failure;
use crate::telemetry;
use crate::telemetry::observed::{self, Call, Observed, Reporter};
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::Appender;
use mesh_resolver::Mesh;
use mesh_resolver::mtls::{Port, Report, Takes, Verdict};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Requests (or bytes) a second: all whose security the server knows, and those in plaintext.
#[derive(Clone, Debug, Default, PartialEq)]
struct Amount {
    all: f64,
    plaintext: f64,
    /// The workload's ports that it came in at, where metrics do not tell at which one of them.
    common: BTreeSet<u16>,
}

impl Amount {
    fn add(&mut self, call: &Call, ports: &[u16]) {
        if ports.len() > 1 {
            self.common.extend(ports);
        }
        self.all += call.rate;
        if call.security == "none" {
            self.plaintext += call.rate;
        }
    }
    /// That it is common to several ports; "" where it is one's own.
    fn together(&self) -> String {
        let ports: Vec<String> = self.common.iter().map(u16::to_string).collect();
        if ports.is_empty() { String::new() } else { format!(" (at the ports {} together)", ports.join(" and ")) }
    }
    /// From 0 to 1.
    fn share(&self) -> f64 {
        if self.all > 0.0 { self.plaintext / self.all } else { 0.0 }
    }
}

/// By port; requests and bytes are not to be added up.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    requests: BTreeMap<(String, String, u16), Amount>,
    bytes: BTreeMap<(String, String, u16), Amount>,
    /// As it was typed: `10m`.
    since: Option<String>,
}

/// Metrics that are being read.
pub struct Asked {
    recording: Pending<Result<Recording, Failure>>,
    round: Round,
    source: TelemetryArgs,
    name: String,
}

/// Asks for them beside everything else, where a source of metrics is named.
pub fn ask(args: &MtlsArgs, metrics: &[String], context: &Context) -> Result<Option<Asked>, Failure> {
    let url = args.prometheus.clone().filter(|_| metrics.is_empty());
    if metrics.is_empty() && url.is_none() {
        return Ok(None);
    }
    let wait = Duration::from_millis(telemetry::duration("--within", &args.within)?.unsigned_abs());
    let name = url.as_ref().map_or_else(|| metrics.join(", "), |url| format!("prometheus {url}"));
    // What lies here is read whole.
    let round = Round::begin(if url.is_some() { wait } else { WHOLE });
    let mut source = TelemetryArgs::of(url, metrics.to_vec(), args.since.clone(), args.access.clone());
    source.at.clone_from(&context.at);
    source.access.within = source.prometheus.is_some().then(|| round.whole());
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    let (of_metrics, quiet) = (source.clone(), Context { notes: Notes::Quiet, ..context.clone() });
    let recording = round.ask(move || telemetry::read(&of_metrics, &options, &quiet));
    Ok(Some(Asked { recording, round, source, name }))
}

/// For what is not asked over the network.
const WHOLE: Duration = Duration::from_secs(3600);

impl Asked {
    /// A file that is named must be there; a Prometheus that does not answer takes nothing from what the objects say.
    pub fn take(self, args: &MtlsArgs, mesh: &Mesh<'_>, context: &Context, problems: &mut Vec<String>) -> Result<Seen, Failure> {
        const WITHOUT: &str = "what came in plaintext was not seen";
        let is_live = self.source.prometheus.is_some();
        // A source without traffic has its objects all the same.
        let without_traffic = |failure| match failure {
            Failure::Input(why) => Failure::Other(why),
            other => other,
        };
        let read = match self.recording.take() {
            Some(Ok(recording)) => observed::read(&recording, &self.source, context).map_err(without_traffic),
            Some(Err(failure)) => Err(failure),
            None => {
                problems.push(self.round.silent(&self.name, WITHOUT));
                return Ok(Seen::default());
            }
        };
        match read {
            Ok(observed) => Ok(seen(observed, args, mesh, problems)),
            Err(Failure::Other(why)) => {
                problems.push(format!("{WITHOUT}: {why}"));
                Ok(Seen::default())
            }
            Err(Failure::Input(why)) if is_live => {
                problems.push(format!("{WITHOUT}: {why}"));
                Ok(Seen::default())
            }
            Err(failure) => Err(failure),
        }
    }
}

fn seen(observed: Observed, args: &MtlsArgs, mesh: &Mesh<'_>, problems: &mut Vec<String>) -> Seen {
    problems.extend(observed.problems);
    let mut seen = Seen { since: Some(args.since.clone()), ..Seen::default() };
    for call in observed.calls.iter().filter(|c| c.reporter == Reporter::Server && matches!(c.security.as_str(), "none" | "mutual_tls")) {
        let (namespace, workload) = &call.destination;
        let ports = ports(mesh, call);
        for port in &ports {
            let of = if call.protocol == "tcp" { &mut seen.bytes } else { &mut seen.requests };
            of.entry((namespace.clone(), workload.clone(), *port)).or_default().add(call, &ports);
        }
    }
    seen
}

/// Metrics name the service and not its port: those of its ports that carry what was counted.
fn ports(mesh: &Mesh<'_>, call: &Call) -> Vec<u16> {
    let Some(id) = mesh_resolver::why::Named::parse(&format!("{}/{}", call.destination.0, call.destination.1), None).workloads(mesh).first().copied() else {
        return Vec::new();
    };
    let w = mesh.workloads.get(id);
    let ports = observed_services(mesh, call).into_iter().flat_map(|(_, ports)| ports);
    let mut out: Vec<u16> = ports.filter_map(|p| p.of_workload(w)).collect();
    out.sort_unstable();
    out.dedup();
    out
}

impl Seen {
    pub fn is_there(&self) -> bool {
        self.since.is_some()
    }

    /// Of a port; a Pod's traffic stands under the name of what made it.
    fn find(&self, of: &BTreeMap<(String, String, u16), Amount>, p: &Port) -> Option<Amount> {
        let exact = of.get(&(p.namespace.clone(), p.workload.clone(), p.port)).cloned();
        exact.or_else(|| {
            let maker = p.workload.rsplitn(3, '-').nth(2)?;
            of.get(&(p.namespace.clone(), maker.to_owned(), p.port)).cloned()
        })
    }

    pub fn text(&self, p: &Port) -> String {
        let one = |of, unit: &str| self.find(of, p).map(|a| format!("{:.1}% of {:.2} {unit}{}", a.share() * 100.0, a.all, a.together()));
        let all: Vec<String> = [one(&self.requests, "req/s"), one(&self.bytes, "B/s")].into_iter().flatten().collect();
        if all.is_empty() { "nothing seen".to_owned() } else { all.join(", ") }
    }

    pub fn value(&self, p: &Port) -> Value {
        let one = |of| self.find(of, p).map(|a: Amount| json!({"plaintextShare": a.share(), "perSecond": a.all, "ofPorts": a.common}));
        if self.is_there() { json!({"requests": one(&self.requests), "bytes": one(&self.bytes)}) } else { Value::Null }
    }

    /// What was seen in plaintext is not encrypted, whatever the objects say now. Of ports that are counted together it came in at those
    /// that take it, where there are such.
    pub fn judge(&self, report: &mut Report) {
        let Some(since) = &self.since else { return };
        let key = |p: &Port| (p.namespace.clone(), p.workload.clone(), p.port);
        let is_strict = |p: &Port| matches!(p.takes, Takes::Strict | Takes::AmbientStrict);
        let open: BTreeSet<(String, String, u16)> = report.ports.iter().filter(|p| !is_strict(p)).map(key).collect();
        for port in &mut report.ports {
            let amounts: Vec<Amount> = [&self.requests, &self.bytes].into_iter().filter_map(|of| self.find(of, port)).filter(|a| a.share() > 0.0).collect();
            for amount in amounts {
                let is_open = |number: &u16| open.contains(&(port.namespace.clone(), port.workload.clone(), *number));
                let is_elsewhere = is_strict(port) && amount.common.iter().any(is_open);
                if port.verdict != Verdict::NotEncrypted && !is_elsewhere {
                    port.verdict = Verdict::NotEncrypted;
                    port.says = format!("plaintext was seen within {since}{}", amount.together());
                }
            }
        }
    }
}
