//! Where the state of a proxy is read from: the same for every command that shows one.

use super::kube::ConnectArgs;
use clap::{Args, ValueEnum};

#[derive(Args, Debug, Clone)]
pub struct DumpArgs {
    /// The pod, `NAME`, `NAME.NAMESPACE` or `deployment/NAME`: of the current cluster, or of a source that holds several
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub which: WhichArgs,
    /// table, wide, csv, json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Ask a live source again every few seconds (2), and show what has changed
    #[arg(short = 'w', long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    pub watch: Option<f64>,
}

#[derive(Args, Debug, Clone)]
pub struct SourceArgs {
    /// Instead of the current cluster: a dump, a folder of dumps, a bug report of istioctl's, `-`, http://host:15000, unix:PATH or kube:CONTEXT; repeatable
    #[arg(short = 'f', long = "from", visible_alias = "file", value_name = "SRC")]
    pub from: Vec<String>,
    /// Namespace of the pod
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// Which pods of several.
#[derive(Args, Debug, Clone)]
pub struct WhichArgs {
    /// The pods that labels select, such as app=reviews: one of each workload
    #[arg(help_heading = "Cluster", short = 'l', long, value_name = "LABELS", conflicts_with = "pod")]
    pub selector: Option<String>,
    /// Every pod of a workload, and not one
    #[arg(help_heading = "Cluster", long)]
    pub all_pods: bool,
    /// The node of the pod, where a command takes one.
    #[arg(skip)]
    pub node: Option<String>,
    /// Do not ask before several proxies are read
    #[arg(help_heading = "Cluster", short = 'y', long)]
    pub yes: bool,
}

/// How a proxy in a cluster is reached.
#[derive(Args, Debug, Clone)]
pub struct ReachArgs {
    /// Context of the kubeconfig
    #[arg(help_heading = "Cluster", long, value_name = "NAME")]
    pub context: Option<String>,
    #[command(flatten)]
    pub connect: ConnectArgs,
    /// Namespace of the control plane
    #[arg(short = 'i', long = "istioNamespace", alias = "istio-namespace", hide = true, value_name = "NS", default_value = "istio-system")]
    pub istio_namespace: String,
    /// Revision of the control plane that is asked
    #[arg(help_heading = "Cluster", short = 'r', long, value_name = "REVISION")]
    pub revision: Option<String>,
    /// The only way to take: port-forward, exec, or istiod (what it would send). Without it the first that works, in this order
    #[arg(help_heading = "Cluster", long, value_name = "WAY", hide_possible_values = true)]
    pub via: Option<Way>,
    /// The admin port of the proxies
    #[arg(long, hide = true, value_name = "PORT", default_value_t = 15000)]
    pub proxy_admin_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    PortForward,
    Exec,
    Istiod,
}
