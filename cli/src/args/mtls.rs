//! `meshctl mtls`.

use super::mesh::MeshArgs;
use clap::{Args, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  meshctl mtls -f k8s/ --complete            every port: what it takes, by which object, and what its clients send
  meshctl mtls -f kube -n shop               one namespace of the current cluster
  meshctl mtls -f k8s/ -o json | jq '.ports[] | select(.verdict == \"not encrypted\")'

Exit status: 0 all ports encrypted · 79 some are not · 75 some not judged · 65 unreadable input · 64 usage";

#[derive(Args, Debug)]
pub struct MtlsArgs {
    #[command(flatten)]
    pub mesh: MeshArgs,
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
