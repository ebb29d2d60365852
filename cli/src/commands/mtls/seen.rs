//! What was seen to come in plaintext, as the servers' own proxies counted it.

use crate::args::mtls::MtlsArgs;
use crate::args::telemetry::TelemetryArgs;
use crate::commands::generate::observed_services;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry;
use crate::telemetry::observed::{self, Call, Reporter};
use mesh_model::graph::Appender;
use mesh_resolver::Mesh;
use mesh_resolver::mtls::{Port, Report, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Requests (or bytes) a second: all whose security the server knows, and those in plaintext.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Amount {
    all: f64,
    plaintext: f64,
}

impl Amount {
    fn add(&mut self, call: &Call) {
        self.all += call.rate;
        if call.security == "none" {
            self.plaintext += call.rate;
        }
    }
    /// From 0 to 1.
    fn share(self) -> f64 {
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

/// Reads it, where a source of metrics is named.
pub fn of(args: &MtlsArgs, metrics: &[String], mesh: &Mesh<'_>, context: &Context, problems: &mut Vec<String>) -> Result<Seen, Failure> {
    if metrics.is_empty() && args.prometheus.is_none() {
        return Ok(Seen::default());
    }
    let source =
        TelemetryArgs { at: context.at.clone(), ..TelemetryArgs::of(args.prometheus.clone(), metrics.to_vec(), args.since.clone(), args.access.clone()) };
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    // A file that is named must be there; a Prometheus that does not answer takes nothing from what the objects say.
    let read = match telemetry::read(&source, &options, context) {
        // A source without traffic has its objects all the same.
        Ok(recording) => observed::read(&recording, &source, context).map_err(|failure| match failure {
            Failure::Input(why) => Failure::Other(why),
            other => other,
        }),
        Err(failure) => Err(failure),
    };
    let observed = match read {
        Ok(observed) => observed,
        Err(Failure::Other(why)) => {
            problems.push(format!("what came in plaintext was not seen: {why}"));
            return Ok(Seen::default());
        }
        Err(failure) => return Err(failure),
    };
    problems.extend(observed.problems);
    let mut seen = Seen { since: Some(args.since.clone()), ..Seen::default() };
    for call in observed.calls.iter().filter(|c| c.reporter == Reporter::Server && matches!(c.security.as_str(), "none" | "mutual_tls")) {
        let (namespace, workload) = &call.destination;
        for port in ports(mesh, call) {
            let of = if call.protocol == "tcp" { &mut seen.bytes } else { &mut seen.requests };
            of.entry((namespace.clone(), workload.clone(), port)).or_default().add(call);
        }
    }
    Ok(seen)
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
        let exact = of.get(&(p.namespace.clone(), p.workload.clone(), p.port)).copied();
        exact.or_else(|| {
            let maker = p.workload.rsplitn(3, '-').nth(2)?;
            of.get(&(p.namespace.clone(), maker.to_owned(), p.port)).copied()
        })
    }

    pub fn text(&self, p: &Port) -> String {
        let one = |of, unit: &str| self.find(of, p).map(|a| format!("{:.1}% of {:.2} {unit}", a.share() * 100.0, a.all));
        let all: Vec<String> = [one(&self.requests, "req/s"), one(&self.bytes, "B/s")].into_iter().flatten().collect();
        if all.is_empty() { "nothing seen".to_owned() } else { all.join(", ") }
    }

    pub fn value(&self, p: &Port) -> Value {
        let one = |of| self.find(of, p).map(|a: Amount| json!({"plaintextShare": a.share(), "perSecond": a.all}));
        if self.is_there() { json!({"requests": one(&self.requests), "bytes": one(&self.bytes)}) } else { Value::Null }
    }

    /// What was seen in plaintext is not encrypted, whatever the objects say now.
    pub fn judge(&self, report: &mut Report) {
        let Some(since) = &self.since else { return };
        for port in &mut report.ports {
            let shares = [&self.requests, &self.bytes].map(|of| self.find(of, port).unwrap_or_default().share());
            let share = shares[0].max(shares[1]);
            if share > 0.0 && port.verdict != Verdict::NotEncrypted {
                port.verdict = Verdict::NotEncrypted;
                port.says = format!("plaintext was seen within {since}");
            }
        }
    }
}
