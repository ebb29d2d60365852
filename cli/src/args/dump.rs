//! Where the state of a proxy is read from: the same for every command that shows one.

use clap::Args;

#[derive(Args, Debug, Clone, Default)]
pub struct DumpArgs {
    /// The pod, `NAME` or `NAME.NAMESPACE`: which proxy of a source that holds several
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    #[command(flatten)]
    pub source: SourceArgs,
    /// table, wide, csv, json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// Ask a live source again every few seconds (2), and show what has changed
    #[arg(short = 'w', long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2")]
    pub watch: Option<f64>,
}

#[derive(Args, Debug, Clone, Default)]
pub struct SourceArgs {
    /// A dump, a folder of dumps, a bug report of istioctl's, `-`, http://host:15000 or unix:PATH; repeatable
    #[arg(short = 'f', long = "from", visible_alias = "file", value_name = "SRC")]
    pub from: Vec<String>,
    /// Namespace of the pod
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// istioctl's; answered with what to type instead
    #[arg(long, value_name = "NAME", hide = true)]
    pub context: Option<String>,
    /// istioctl's; answered with what to type instead
    #[arg(short = 'c', long, value_name = "FILE", hide = true)]
    pub kubeconfig: Option<String>,
}
