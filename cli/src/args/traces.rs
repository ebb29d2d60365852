//! `meshctl traces`.

use clap::Args;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  # the slow ones, and where their time went
  meshctl traces --jaeger http://localhost:16686 --service reviews --min-duration 500ms
  # those that failed
  meshctl traces --zipkin http://localhost:9411 --errors --since 10m
  # one, as a waterfall
  meshctl traces 4fd0b61f8a7c3e21 --jaeger http://localhost:16686
  # files of Jaeger, Zipkin or OpenTelemetry
  meshctl traces --from traces.json --tag response_flags=UH

In a waterfall `#` is what the end waited for (the critical path), `-` what went on beside it; `!` marks what failed.";

#[derive(Args)]
pub struct TracesArgs {
    /// A trace, or the beginning of its id: shown as a waterfall
    pub id: Option<String>,
    /// A file of traces as Jaeger, Zipkin, Tempo or OpenTelemetry write them, or a recording; repeatable
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = ["jaeger", "zipkin", "tempo"])]
    pub from: Vec<String>,
    /// Those that this service took part in: reviews, or reviews.bookinfo
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The name of an operation of it
    #[arg(long, value_name = "NAME")]
    pub operation: Option<String>,
    /// A tag of it, such as http.status_code=503; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub tag: Vec<String>,
    /// Those that took as long at least
    #[arg(long, value_name = "DURATION")]
    pub min_duration: Option<String>,
    /// Those that took as long at most
    #[arg(long, value_name = "DURATION")]
    pub max_duration: Option<String>,
    /// Those in which something failed
    #[arg(long)]
    pub errors: bool,
    /// How many are taken, the newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// How far back a server is searched, from --at or now
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub since: String,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
    #[command(flatten)]
    pub server: TraceServerArgs,
}

/// A server of traces, and access to it.
#[derive(Args, Clone, Default)]
pub struct TraceServerArgs {
    /// A Jaeger, by the address of its web page
    #[arg(help_heading = "Source of traces", long, value_name = "URL", env = "MESHCTL_JAEGER", hide_env_values = true)]
    pub jaeger: Option<String>,
    /// A Zipkin
    #[arg(help_heading = "Source of traces", long, value_name = "URL", env = "MESHCTL_ZIPKIN", hide_env_values = true)]
    pub zipkin: Option<String>,
    /// A Tempo
    #[arg(help_heading = "Source of traces", long, value_name = "URL", env = "MESHCTL_TEMPO", hide_env_values = true)]
    pub tempo: Option<String>,
    /// A file with a bearer token; it is read anew for each request
    #[arg(help_heading = "Source of traces", long, value_name = "FILE", conflicts_with = "trace_user")]
    pub trace_token_file: Option<PathBuf>,
    /// User of basic authentication
    #[arg(help_heading = "Source of traces", long, value_name = "NAME", requires = "trace_password_file")]
    pub trace_user: Option<String>,
    /// A file with that user's password
    #[arg(help_heading = "Source of traces", long, value_name = "FILE", requires = "trace_user")]
    pub trace_password_file: Option<PathBuf>,
    /// A header, such as 'X-Scope-OrgID: team'; repeatable
    #[arg(help_heading = "Source of traces", long, value_name = "NAME: VALUE")]
    pub trace_header: Vec<String>,
    /// Authorities in PEM that are trusted beside the system's
    #[arg(help_heading = "Source of traces", long, value_name = "FILE")]
    pub trace_ca: Option<PathBuf>,
    /// How long one answer may take
    #[arg(help_heading = "Source of traces", long, value_name = "DURATION", default_value = "30s")]
    pub trace_timeout: String,
}
