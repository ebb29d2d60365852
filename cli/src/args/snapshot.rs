//! `meshctl snapshot`: what the user typed.

use super::SourceArgs;
use super::dump::ReachArgs;
use super::telemetry::PrometheusArgs;
use super::traces::TraceServerArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  # manifests and a proxy, every 15 s
  meshctl snapshot record mesh.rec --from k8s/ --from http://localhost:15000
  meshctl snapshot record mesh.rec --from kube --prometheus http://localhost:9090 --interval 1m --for 2h
  # new lines and traces of each moment
  meshctl snapshot record mesh.rec --from /var/log/proxy/access.log --jaeger http://localhost:16686
  # what it holds, from when, what is missing
  meshctl snapshot info mesh.rec
  # any command at any of its times
  meshctl graph --from mesh.rec --at 2026-11-22T11:40:00Z
  # the same, for one of several sources
  meshctl pc cluster --from mesh.rec@2026-11-22T11:40:00Z
  # everything once, without secrets
  meshctl snapshot bug-report --from kube --out report.tar.gz
  # what differs between two dumps
  meshctl snapshot diff before.json after.json";

#[derive(Args)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    pub what: SnapshotCommand,
}

#[derive(Subcommand)]
pub enum SnapshotCommand {
    /// Record what sources give, at an interval, into a file that every command reads with --from
    Record(Box<RecordArgs>),
    /// What differs between two config dumps, by resource and field
    Diff(Box<DiffArgs>),
    /// What a recording or a bug report holds, from when, and what is missing
    Info(InfoArgs),
    /// One archive of everything that the sources give, without secrets: for a bug report, and for --from
    BugReport(Box<BugReportArgs>),
}

/// What is captured.
#[derive(Args, Clone)]
pub struct CaptureArgs {
    /// Manifests, dumps, folders of both, http://host:15000 (15014, 15020), unix:PATH, `kube` or `kube:CONTEXT`, files of series, traces and access logs; repeatable
    #[arg(short = 'f', long = "from", value_name = "SRC")]
    pub from: Vec<String>,
    /// A Prometheus or what answers like one: its rates for the traffic graph
    #[arg(long, value_name = "URL", env = "MESHCTL_PROMETHEUS", hide_env_values = true)]
    pub prometheus: Option<String>,
    /// How far the rates of --prometheus, and what is asked of a server of traces, look back
    #[arg(long, value_name = "DURATION", default_value = "1m")]
    pub since: String,
    /// Namespaces of a cluster's proxies and of Prometheus' series (default: all)
    #[arg(short, long, value_delimiter = ',', value_name = "NS")]
    pub namespace: Vec<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub traces: TraceServerArgs,
    #[command(flatten)]
    pub access: PrometheusArgs,
}

#[derive(Args)]
pub struct RecordArgs {
    /// The recording: created, or gone on with
    pub file: PathBuf,
    /// How long lies between two snapshots
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub interval: String,
    /// End after this time (default: when it is ended)
    #[arg(long = "for", value_name = "DURATION")]
    pub duration: Option<String>,
    /// End after so many snapshots
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// What the file may have; the oldest snapshots go when it is full
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub max_size: String,
    #[command(flatten)]
    pub capture: CaptureArgs,
}

#[derive(Args)]
pub struct InfoArgs {
    /// A recording, or an archive of `snapshot bug-report`; with @TIME the snapshot of that time
    pub file: String,
    /// text or json
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: String,
}

#[derive(Args)]
pub struct BugReportArgs {
    #[command(flatten)]
    pub capture: CaptureArgs,
    /// All of it ends within this time; what is not there by then is named
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub timeout: String,
    /// What the pages may have together, unpacked; what is beyond is named
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub max_size: String,
}

#[derive(Args)]
pub struct DiffArgs {
    /// A source, or a pod of what --from names
    pub a: String,
    /// The other one
    pub b: String,
    #[command(flatten)]
    pub source: SourceArgs,
    /// table, json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
}
