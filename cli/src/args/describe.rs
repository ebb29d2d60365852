//! `meshctl describe`.

use super::mesh::MeshArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # a pod of the current cluster
  meshctl describe reviews-v1-54465994f9-7hz2x.bookinfo
  meshctl describe deployment/reviews-v1 -n bookinfo
  meshctl describe svc/reviews.bookinfo -o json
  # Istio's or the Gateway API's, a waypoint too
  meshctl describe gateway/bookinfo-gateway.bookinfo
  # the same from files
  meshctl describe svc/reviews.bookinfo -f k8s/";

#[derive(Args)]
pub struct DescribeArgs {
    /// A pod (`NAME`, `NAME.NAMESPACE`), `deployment/NAME`, `svc/NAME`, `gateway/NAME`; as two words too (`service NAME`)
    #[arg(value_name = "[KIND] NAME", num_args = 1..=2, required = true)]
    pub what: Vec<String>,
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
