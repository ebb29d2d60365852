//! `meshctl mtls`.

use super::mesh::MeshArgs;
use super::telemetry::PrometheusArgs;
use clap::{Args, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  # every port: what it takes, by which object, and what its clients send
  meshctl mtls -f k8s/ --complete
  # one namespace of the current cluster
  meshctl mtls -n shop
  # and what share was seen to come in plaintext
  meshctl mtls -f k8s/ --prometheus http://localhost:9090 --since 24h
  meshctl mtls -f k8s/ -o json | jq '.ports[] | select(.verdict == \"not encrypted\")'

Exit status: 0 all ports encrypted · 79 some are not · 75 some not judged · 65 unreadable input · 64 usage";

#[derive(Args)]
pub struct MtlsArgs {
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// A Prometheus, or what answers like one: how much was seen to come in plaintext (recordings and files of series in -f tell it too)
    #[arg(long, value_name = "URL", env = "MESHCTL_PROMETHEUS", hide_env_values = true)]
    pub prometheus: Option<String>,
    /// How far rates look back
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub since: String,
    /// How long the Prometheus has to answer; the rest is answered without it then
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub within: String,
    #[command(flatten)]
    pub access: PrometheusArgs,
    /// text, json or csv
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: MtlsFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MtlsFormat {
    Text,
    Json,
    Csv,
}
