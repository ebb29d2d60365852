//! `meshctl explain`.

use super::ReachArgs;
use clap::{Args, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  # what a finding means, a bad and a good manifest
  meshctl explain IST0101
  # a response flag; also URX,UF · via_upstream · 503 · 15006
  meshctl explain UF
  meshctl explain istio_requests_total
  meshctl explain 'outbound|9080|v2|reviews.default.svc.cluster.local'
  meshctl explain TLS error: Secret is not supplied by SDS
  # what there is: flags, details, metrics, ports, terms, causes, rules
  meshctl explain --list flags
  # access logs: failures by cause, with the object responsible
  kubectl logs POD -c istio-proxy | meshctl explain - --from DUMP

Exit status of logs: 0 nothing at --fail-on or above · 79 failures · 65 a line or file that can't be read · 64 usage";

#[derive(Args)]
pub struct ExplainArgs {
    /// A word (a code, flag, metric, port, cluster, term, message), or files of access logs; `-` for standard input
    #[arg(value_name = "WORD|FILE")]
    pub words: Vec<String>,
    /// List what can be explained
    #[arg(long, value_name = "WHAT", conflicts_with = "words")]
    pub list: Option<ListWhat>,
    /// The format of the log's lines, as meshConfig has it: text, or JSON of formats
    #[arg(long, value_name = "STRING")]
    pub format: Option<String>,
    /// The config dump of the proxy that wrote the log: the objects responsible are named
    #[arg(short = 'f', long = "from", value_name = "SRC")]
    pub from: Option<String>,
    /// The pod of the current cluster whose proxy wrote the log, instead of --from
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
    /// Namespace of the pod
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// The level of failures that makes the exit status 79: error, warning, info or never
    #[arg(long, visible_alias = "failure-threshold", value_name = "LEVEL", default_value = "error", ignore_case = true)]
    pub fail_on: FailOn,
    /// text, json or markdown
    #[arg(short, long, default_value = "text")]
    pub output: ExplainFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    Flags,
    Details,
    Metrics,
    Ports,
    Terms,
    Causes,
    Rules,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Info,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    Text,
    Json,
    Markdown,
}
