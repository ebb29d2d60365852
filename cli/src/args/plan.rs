//! `meshctl plan`.

use super::mesh::MeshArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # what it changes for whom, before it is applied
  meshctl plan change.yaml -f k8s/
  # what its removal changes
  meshctl plan --delete 'DestinationRule shop/cart' -f k8s/
  # against what the current cluster holds
  meshctl plan overlay/ -f kube -o json

Exit status: 0 nothing gets worse · 79 something fails that did not, or is encrypted no more · 75 some not judged · 64 usage";

#[derive(Args, Debug)]
pub struct PlanArgs {
    /// Manifests that are to be applied: objects of -f with the same name are replaced
    #[arg(value_name = "CHANGE", required_unless_present = "delete")]
    pub change: Vec<String>,
    /// An object that is to be deleted, `KIND [NAMESPACE/]NAME`; repeatable
    #[arg(long, value_name = "OBJECT")]
    pub delete: Vec<String>,
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// text, json or yaml
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
