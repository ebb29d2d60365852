//! Which cluster, as whom.

use clap::Args;
use std::path::PathBuf;

/// How a cluster's API is asked.
#[derive(Args, Debug, Clone)]
pub struct ConnectArgs {
    /// A kubeconfig instead of KUBECONFIG or ~/.kube/config
    #[arg(help_heading = "Cluster", short = 'c', long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// A user to act as
    #[arg(help_heading = "Cluster", long = "as", value_name = "USER")]
    pub impersonate: Option<String>,
    /// A group to act as; repeatable
    #[arg(help_heading = "Cluster", long = "as-group", value_name = "GROUP")]
    pub impersonate_group: Vec<String>,
    /// How long one request may take, such as 30s
    #[arg(help_heading = "Cluster", long, value_name = "TIME", default_value = "15s")]
    pub kubeclient_timeout: String,
}

#[derive(Args)]
pub struct KubeArgs {
    /// Context of the kubeconfig; several, or repeated, are several clusters of one mesh
    #[arg(help_heading = "Cluster", long, value_name = "NAME", value_delimiter = ',')]
    pub context: Vec<String>,
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Read Secrets too, for checks of certificates; their keys are never kept
    #[arg(help_heading = "Cluster", long)]
    pub with_secrets: bool,
    /// Revision of the control plane whose settings count
    #[arg(help_heading = "Cluster", short = 'r', long, value_name = "REVISION")]
    pub revision: Option<String>,
    #[arg(long, hide = true, value_delimiter = ',')]
    pub remote_contexts: Vec<String>,
}

impl KubeArgs {
    /// Whether a cluster is named, and not only how to reach one.
    pub fn names_cluster(&self) -> bool {
        !self.context.is_empty() || !self.remote_contexts.is_empty()
    }
}
