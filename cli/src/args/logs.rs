//! `meshctl logs`.

use super::ReachArgs;
use super::dump::WhichArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # the app and its proxy, merged by time
  meshctl logs deployment/reviews-v1 --since 10m
  # requests that failed, as they come
  meshctl logs deployment/reviews-v1 --failed -f
  meshctl logs -l app=reviews --all-pods --flag UF,UH
  # failures by cause, as `meshctl explain` tells them
  meshctl logs deployment/reviews-v1 --explain
  # of a demo that runs; of files, folders and recordings too
  meshctl logs reviews-v1 --from demo --failed
  # what a mesh-proxy decides, as it does so, and why requests fail
  meshctl logs --live --from http://127.0.0.1:15000 --failed --explain";

#[derive(Args)]
pub struct LogsArgs {
    /// The pod: `NAME`, `NAME.NAMESPACE` or `deployment/NAME`
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    /// Namespace of the pod
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    /// Lines of so long ago at most, such as 10m
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// The last lines of each container (200, or all with --since)
    #[arg(long, value_name = "NUMBER")]
    pub tail: Option<u64>,
    /// Go on as lines come
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// Only one container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// What a mesh-proxy decides, as it does so: route, cluster, host, tries, flags; no log is needed for it
    #[arg(long, conflicts_with_all = ["follow", "since", "tail", "container", "format"])]
    pub live: bool,
    /// In place of a cluster: access logs by their files (NAME.NAMESPACE.log), a folder of some, a recording, or `demo`; with --live the admin port of a mesh-proxy, such as http://127.0.0.1:15000 or unix:PATH
    #[arg(long, value_name = "SRC")]
    pub from: Vec<String>,
    /// Only requests with one of these response flags, such as UF,UH
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    pub flag: Vec<String>,
    /// Only requests that failed: with a flag, or a status of 500 or more
    #[arg(long)]
    pub failed: bool,
    /// Only requests with one of these statuses, such as 503 or 5xx
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<String>,
    /// Only requests whose path begins so
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
    /// Only requests for this host, with or without its port
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Failures by cause instead of lines; with --live the cause below each line
    #[arg(long, conflicts_with = "follow")]
    pub explain: bool,
    /// The format of the access log's lines, as meshConfig has it
    #[arg(long, value_name = "STRING")]
    pub format: Option<String>,
    #[command(flatten)]
    pub which: WhichArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
