//! Calls as metrics tell them: who, whom, by which identity, encrypted or not.

use super::Answer;
use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::status::Failure;
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::series::Recording;
use mesh_metrics::promql::Sample;

/// A workload, by namespace and name; "unknown" is what metrics say of what they don't know.
pub type Name = (String, String);

/// Whose proxy counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reporter {
    Client,
    Server,
}

/// One kind of call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub reporter: Reporter,
    pub source: Name,
    /// SPIFFE id without its scheme; "" where it is not known.
    pub principal: String,
    pub destination: Name,
    /// The host that was asked for, and the name of the service.
    pub host: String,
    pub service: String,
    /// `http`, `grpc`, `tcp`
    pub protocol: String,
    /// `mutual_tls`, `none` or `unknown`: only servers know.
    pub security: String,
    /// HTTP status; 0 of bytes, and where no answer came.
    pub code: u16,
    /// gRPC's status; none of what is not gRPC, and where no answer came.
    pub grpc_status: Option<u16>,
    /// Requests a second, or bytes.
    pub rate: f64,
}

/// HTTP's "forbidden", and gRPC's `PERMISSION_DENIED`, which comes with an HTTP status of 200.
const FORBIDDEN: u16 = 403;
const PERMISSION_DENIED: u16 = 7;

impl Call {
    /// Whether the answer was that the caller may not: nothing is lost to those who know no other one.
    pub fn is_refused(&self) -> bool {
        self.code == FORBIDDEN || (self.protocol == "grpc" && self.grpc_status == Some(PERMISSION_DENIED))
    }
}

#[derive(Debug, Default)]
pub struct Observed {
    pub calls: Vec<Call>,
    pub problems: Vec<String>,
}

const BY: &str = "source_workload_namespace,source_workload,source_principal,destination_workload_namespace,destination_workload,\
    destination_service,destination_service_name,connection_security_policy";

/// All calls of a source of metrics.
pub fn read(recording: &Recording, args: &TelemetryArgs, context: &Context) -> Result<Observed, Failure> {
    let Answer { options, problems, .. } =
        super::asked(recording, &TelemetryArgs { namespace: Vec::new(), ..args.clone() }, &super::options("workload")?, context)?;
    let mut out = Observed { calls: Vec::new(), problems };
    let at = options.query_time * 1000;
    for (label, reporter) in [("source", Reporter::Client), ("destination", Reporter::Server)] {
        for (metric, by) in [
            ("istio_requests_total", ",request_protocol,response_code,grpc_response_status"),
            ("istio_tcp_sent_bytes_total", ""),
            ("istio_tcp_received_bytes_total", ""),
        ] {
            let query = format!("sum(rate({metric}{{reporter=\"{label}\"}}[{}s])) by ({BY}{by})", options.duration);
            for sample in ask(&recording.store, &query, at).map_err(Failure::none)?.0.iter().filter(|s| s.value > 0.0 && s.value.is_finite()) {
                out.add(call(sample, reporter));
            }
        }
    }
    Ok(out)
}

impl Observed {
    /// Bytes of both directions are one call.
    fn add(&mut self, call: Call) {
        let is_same = |c: &&mut Call| Call { rate: 0.0, ..(**c).clone() } == Call { rate: 0.0, ..call.clone() };
        match self.calls.iter_mut().filter(|c| c.protocol == "tcp" && call.protocol == "tcp").find(is_same) {
            Some(known) => known.rate += call.rate,
            None => self.calls.push(call),
        }
    }
}

fn call(sample: &Sample, reporter: Reporter) -> Call {
    let text = |name: &str| sample.labels.iter().find(|(n, _)| n.as_ref() == name).map_or(String::new(), |(_, v)| v.to_string());
    let known = |name: &str| Some(text(name)).filter(|v| v != "unknown").unwrap_or_default();
    let protocol = text("request_protocol");
    Call {
        reporter,
        source: (text("source_workload_namespace"), text("source_workload")),
        principal: known("source_principal").trim_start_matches("spiffe://").to_owned(),
        destination: (text("destination_workload_namespace"), text("destination_workload")),
        host: text("destination_service"),
        service: text("destination_service_name"),
        protocol: if protocol.is_empty() { "tcp".to_owned() } else { protocol },
        security: text("connection_security_policy"),
        code: text("response_code").parse().unwrap_or(0),
        grpc_status: text("grpc_response_status").parse().ok(),
        rate: sample.value,
    }
}
