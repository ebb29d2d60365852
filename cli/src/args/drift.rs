//! `meshctl drift`.

use super::mesh::MeshArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl drift -f k8s/ -f dumps/                 what each proxy holds, against what the manifests say
  meshctl drift -f cluster-objects/ -f bug-report.tar.gz -o json

Exit status: 0 in step · 79 some proxy holds something else · 75 something could not be compared · 64 usage";

#[derive(Args, Debug)]
pub struct DriftArgs {
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
