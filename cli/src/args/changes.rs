//! `meshctl changes`.

use super::DumpArgs;
use super::telemetry::PrometheusArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # what changed in the last 15 minutes, and who did it
  meshctl changes
  meshctl changes --since 2h -n shop
  # and when its proxy took each resource over
  meshctl changes deployment/reviews-v1
  # and when istiod pushed, and proxies refused, over time
  meshctl changes --since 6h --prometheus http://localhost:9090";

#[derive(Args)]
pub struct ChangesArgs {
    /// How long ago it may have been, such as 2h
    #[arg(long, value_name = "TIME", default_value = "15m")]
    pub since: String,
    /// A Prometheus that scrapes istiod: what was pushed and refused over time, not only istiod's last word
    #[arg(long, value_name = "URL", env = "MESHCTL_PROMETHEUS", hide_env_values = true)]
    pub prometheus: Option<String>,
    #[command(flatten)]
    pub proxies: DumpArgs,
    // What follows a flattened part stands under its heading.
    #[command(flatten)]
    pub access: PrometheusArgs,
}
