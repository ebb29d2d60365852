//! `meshctl graph`.

use super::telemetry::TelemetryArgs;
use clap::{Args, Subcommand};

pub const EXAMPLES: &str = "\
Examples:
  # who calls whom now, as text
  meshctl graph --prometheus http://localhost:9090
  # services of a namespace, from a recording
  meshctl graph --series mesh.json -n shop --type service
  # for a README; dot, json and kiali too
  meshctl graph --series mesh.json -o mermaid
  # two scrapes, as a page that pans and explains
  meshctl graph --from http://10.0.0.7:15020 -o html --out mesh.html
  # who is hurt if it fails; path A B and cycles too
  meshctl graph impact shop/cart --series mesh.json
  # what changed, and is it more than chance
  meshctl graph diff mesh.rec@2026-11-22T11:40:00Z mesh.rec@2026-11-22T11:50:00Z
  # from two saved pages of a proxy's metrics
  meshctl graph --before a1.txt --page a.txt --over 30s

Metrics: istio_requests_total, istio_tcp_*_bytes_total and their kin.";

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct GraphArgs {
    #[command(subcommand)]
    pub question: Option<Question>,
    /// app, service, versionedApp or workload
    #[arg(long = "type", value_name = "TYPE", default_value = "workload")]
    pub graph_type: String,
    /// Services between callers and workloads
    #[arg(long)]
    pub services: bool,
    /// Edges that carried nothing
    #[arg(long)]
    pub idle: bool,
    /// Show only what an expression names: `rt > 1000`, `! healthy`, `ns = shop and (app = web or app = api)`
    #[arg(long, value_name = "EXPR")]
    pub find: Option<String>,
    /// Leave out what an expression names; before --find
    #[arg(long, value_name = "EXPR")]
    pub hide: Option<String>,
    /// What leaves the mesh, by host, against the hosts that ServiceEntries declare; text or json
    #[arg(long, conflicts_with_all = ["find", "hide"])]
    pub egress: bool,
    /// The series that make the call from one thing to another, with their rates; text or json
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], conflicts_with_all = ["find", "hide", "egress"])]
    pub why_edge: Option<Vec<String>>,
    /// text, tree, matrix, json, dot, mermaid, svg, html or kiali
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    /// A request as Kiali's API takes it, answered in its shape
    #[arg(long, hide = true, value_name = "PATH?QUERY")]
    pub kiali_request: Option<String>,
    #[command(flatten)]
    pub source: TelemetryArgs,
}

/// What can be asked of a graph.
#[derive(Subcommand)]
pub enum Question {
    /// The ways by which calls get from one node to another, and what gets through
    Path(PathArgs),
    /// Who is hurt if something fails, by the share of its requests that need it
    Impact(ImpactArgs),
    /// What calls itself in the end
    Cycles(CyclesArgs),
    /// What changed between two times or two sources, and whether chance could have made it
    Diff(DiffArgs),
}

#[derive(Args)]
pub struct AskArgs {
    /// app, service, versionedApp or workload
    #[arg(long = "type", value_name = "TYPE", default_value = "workload")]
    pub graph_type: String,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    #[command(flatten)]
    pub source: TelemetryArgs,
}

#[derive(Args)]
pub struct PathArgs {
    /// A workload, app or service: NAME, NAMESPACE/NAME or CLUSTER:NAMESPACE/NAME
    #[arg(value_name = "FROM")]
    pub caller: String,
    /// The same, at the other end
    #[arg(value_name = "TO")]
    pub callee: String,
    /// How many calls longer than the shortest a way may be
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub extra: usize,
    /// How many ways are shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub most: usize,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct ImpactArgs {
    /// A workload, app or service: NAME, NAMESPACE/NAME or CLUSTER:NAMESPACE/NAME
    pub node: String,
    #[command(flatten)]
    pub ask: AskArgs,
}

#[derive(Args)]
pub struct DiffArgs {
    /// A recording (also FILE@TIME), a file of series, a page that is scraped; or a time of the source that flags name
    #[arg(value_name = "BEFORE")]
    pub older: String,
    /// The same, afterwards
    #[arg(value_name = "AFTER")]
    pub newer: String,
    /// app, service, versionedApp or workload
    #[arg(long = "type", value_name = "TYPE", default_value = "workload")]
    pub graph_type: String,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    #[command(flatten)]
    pub source: TelemetryArgs,
}

#[derive(Args)]
pub struct CyclesArgs {
    #[command(flatten)]
    pub ask: AskArgs,
}
