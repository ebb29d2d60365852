//! `meshctl canary`.

use super::telemetry::TelemetryArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # every rule that splits traffic, from manifests and metrics
  meshctl canary --from k8s/ --prometheus http://localhost:9090
  # one service, from a recording
  meshctl canary reviews --from mesh.rec
  meshctl canary reviews.shop --from kube --prometheus http://localhost:9090 --since 30m

A share is as wanted when the wanted weight lies in its 95 % interval (Wilson's), and the interval is no wider than 20 points.

Exit status: 0 as wanted · 79 a share or the success of a version differs · 75 too few requests to tell, or a part was not seen";

#[derive(Args)]
pub struct CanaryArgs {
    /// A service: NAME, NAME.NAMESPACE or its full host name (default: all whose traffic is split)
    pub service: Option<String>,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    // Its --from takes manifests and clusters as well.
    #[command(flatten)]
    pub source: TelemetryArgs,
}
