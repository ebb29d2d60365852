//! `meshctl logs`.

use super::ReachArgs;
use super::dump::WhichArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl logs deployment/reviews-v1 --since 10m      the app and its proxy, merged by time
  meshctl logs deployment/reviews-v1 --failed -f      requests that failed, as they come
  meshctl logs -l app=reviews --all-pods --flag UF,UH
  meshctl logs deployment/reviews-v1 --explain        failures by cause, as `meshctl explain` tells them";

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
    /// Only requests with one of these response flags, such as UF,UH
    #[arg(long, value_name = "FLAG", value_delimiter = ',')]
    pub flag: Vec<String>,
    /// Only requests that failed: with a flag, or a status of 500 or more
    #[arg(long)]
    pub failed: bool,
    /// Failures by cause instead of lines
    #[arg(long, conflicts_with_all = ["follow", "flag", "failed"])]
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
