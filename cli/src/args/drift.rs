//! `meshctl drift`.

use super::ReachArgs;
use super::mesh::MeshArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # what each proxy holds, against what the manifests say
  meshctl drift -f k8s/ -f dumps/
  meshctl drift -f cluster-objects/ -f bug-report.tar.gz -o json
  # the current cluster: its objects, and a proxy of each workload
  meshctl drift
  # the demo that runs
  meshctl drift --from demo

Exit status: 0 in step · 79 some proxy holds something else · 75 something could not be compared · 64 usage";

#[derive(Args, Debug)]
pub struct DriftArgs {
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// Of a cluster the proxies of all pods, not one of each workload
    #[arg(long)]
    pub all_pods: bool,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    // What follows a flattened part stands under its heading.
    #[command(flatten)]
    pub reach: ReachArgs,
}
