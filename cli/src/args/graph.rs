//! `meshctl graph`.

use super::telemetry::TelemetryArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl graph --prometheus http://localhost:9090         who calls whom now, as text
  meshctl graph --series mesh.json -n shop --type service  services of a namespace, from a recording
  meshctl graph --series mesh.json -o mermaid              for a README; dot, json and kiali too
  meshctl graph --before a1.txt --page a.txt --over 30s    from two saved pages of a proxy's metrics

Metrics: istio_requests_total, istio_tcp_*_bytes_total and their kin.";

#[derive(Args)]
pub struct GraphArgs {
    #[command(flatten)]
    pub source: TelemetryArgs,
    /// app, service, versionedApp or workload
    #[arg(long = "type", value_name = "TYPE", default_value = "workload")]
    pub graph_type: String,
    /// Services between callers and workloads
    #[arg(long)]
    pub services: bool,
    /// Edges that carried nothing
    #[arg(long)]
    pub idle: bool,
    /// text, json, dot, mermaid or kiali
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    /// A request as Kiali's API takes it, answered in its shape
    #[arg(long, hide = true, value_name = "PATH?QUERY")]
    pub kiali_request: Option<String>,
}
