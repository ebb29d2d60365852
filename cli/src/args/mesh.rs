//! What a question about the mesh is answered from: the same for every command that asks one.

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug, Clone, Default)]
pub struct MeshArgs {
    /// Manifests (files, folders, globs, `-`), config dumps of proxies, folders of both, `kube` or `kube:CONTEXT`; NAME=DIR for one cluster of several; repeatable
    #[arg(help_heading = "Input", short = 'f', long = "from", visible_alias = "filename", value_name = "SRC")]
    pub from: Vec<String>,
    /// The input is everything: what is not in it does not exist
    #[arg(help_heading = "Input", long)]
    pub complete: bool,
    /// Namespace of names that have none
    #[arg(help_heading = "Input", short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Mesh configuration (MeshConfig) to assume instead of the default
    #[arg(help_heading = "Input", long = "meshConfigFile", alias = "mesh-config-file", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
}

impl MeshArgs {
    /// The same, with the current cluster where no source is named.
    pub fn or_current(&self) -> MeshArgs {
        let from = if self.from.is_empty() { vec!["kube".to_owned()] } else { self.from.clone() };
        MeshArgs { from, ..self.clone() }
    }
}
