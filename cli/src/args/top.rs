//! `meshctl top`.

use super::telemetry::TelemetryArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # workloads by what they receive
  meshctl top --prometheus http://localhost:9090
  # calls to and from one thing
  meshctl top cart --by edge --series mesh.json
  # services that fail most, for a script
  meshctl top --by service --sort errors --since 5m -o json";

#[derive(Args)]
pub struct TopArgs {
    /// A workload or service: NAME or NAMESPACE/NAME (default: all)
    pub name: Option<String>,
    /// workload, service or edge
    #[arg(long, value_name = "WHAT", default_value = "workload")]
    pub by: String,
    /// rate, errors, p95, bytes or name
    #[arg(long, value_name = "COLUMN", default_value = "rate")]
    pub sort: String,
    /// How many rows are shown; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub most: usize,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    #[command(flatten)]
    pub source: TelemetryArgs,
}
