//! `meshctl graph`.

use clap::Args;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  meshctl graph --series mesh.json                         who calls whom, as text
  meshctl graph --series mesh.json -n shop --type service  services of a namespace
  meshctl graph --series mesh.json -o mermaid              for a README; dot, json and kiali too
  meshctl graph --before a1.txt --page a.txt --over 30s    from two saved pages of a proxy's metrics

Metrics: istio_requests_total, istio_tcp_*_bytes_total and their kin.";

#[derive(Args)]
pub struct GraphArgs {
    /// A file of series: rates or samples, with the objects of the moment
    #[arg(long, value_name = "FILE")]
    pub series: Option<PathBuf>,
    /// A saved page of metrics (`/stats/prometheus`); repeatable
    #[arg(long, value_name = "FILE", requires = "before", conflicts_with = "series")]
    pub page: Vec<PathBuf>,
    /// The same target's page from before; as many as --page, in the same order
    #[arg(long, value_name = "FILE", requires = "page")]
    pub before: Vec<PathBuf>,
    /// How long lies between --before and --page
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub over: String,
    /// Namespaces that the graph is about (default: all that the metrics name)
    #[arg(short, long, value_delimiter = ',', value_name = "NS")]
    pub namespace: Vec<String>,
    /// app, service, versionedApp or workload
    #[arg(long = "type", value_name = "TYPE", default_value = "workload")]
    pub graph_type: String,
    /// Services between callers and workloads
    #[arg(long)]
    pub services: bool,
    /// Edges that carried nothing
    #[arg(long)]
    pub idle: bool,
    /// How far rates look back, in a file of samples
    #[arg(long, value_name = "DURATION", default_value = "10m", conflicts_with = "page")]
    pub since: String,
    /// text, json, dot, mermaid or kiali
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    /// A request as Kiali's API takes it, answered in its shape
    #[arg(long, hide = true, value_name = "PATH?QUERY")]
    pub kiali_request: Option<String>,
}
