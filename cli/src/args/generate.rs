//! `meshctl gen`.

use super::mesh::MeshArgs;
use super::telemetry::TelemetryArgs;
use clap::{Args, Subcommand, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  meshctl gen canary reviews.shop --to v2 --weight 10 -f k8s/ > canary.yaml
  meshctl gen timeout reviews.shop 2s --retries 2 -f kube
  meshctl gen access-log -n shop --errors -f k8s/

What is made is judged before it is printed, as `analyze` and `plan` judge it beside the objects of -f: what would be an error, or would \
take something from those who have it, is refused. An object of -f that has to change is printed whole. Nothing is applied.

Exit status: 0 printed · 79 refused · 75 printed, but some of the mesh was not seen · 65 unreadable input · 64 usage";

#[derive(Args)]
pub struct GenArgs {
    #[command(subcommand)]
    pub what: GenCommand,
}

#[derive(Subcommand)]
pub enum GenCommand {
    /// Send a share of a service's requests to another version
    #[command(after_help = CANARY)]
    Canary(Box<Canary>),
    /// Delay or abort a share of the requests to a service
    #[command(after_help = FAULT)]
    Fault(Box<Fault>),
    /// How long callers of a service wait, and how often they try again
    #[command(after_help = TIMEOUT)]
    Timeout(Box<Timeout>),
    /// Limits towards a service, and when an endpoint of it is left out
    #[command(after_help = BREAKER)]
    Breaker(Box<Breaker>),
    /// Access logs of the mesh, a namespace or a workload
    #[command(after_help = ACCESS_LOG)]
    AccessLog(Box<AccessLog>),
    /// Traces and metrics of the mesh, a namespace or a workload
    #[command(after_help = TELEMETRY)]
    Telemetry(Box<Telemetry>),
    /// From observed traffic: policies that let through who was seen to call, and nobody else
    #[command(after_help = AUTHZ)]
    Authz(Box<Authz>),
    /// From observed traffic: ServiceEntries for hosts outside of the mesh that nobody declares
    #[command(after_help = SERVICE_ENTRY)]
    ServiceEntry(Box<ServiceEntry>),
    /// From observed traffic: the hosts that a workload's proxy has to know
    #[command(after_help = SIDECAR)]
    Sidecar(Box<Sidecar>),
}

/// What every kind takes.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// yaml or json (a List)
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub output: GenFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GenFormat {
    Yaml,
    Json,
}

const CANARY: &str = "\
Examples:
  # the other version, where there are two
  meshctl gen canary reviews.shop --to v2 --weight 10 -f k8s/
  # without a mesh to look at
  meshctl gen canary reviews.shop --stable v1 --to v2
  meshctl gen canary reviews.shop --to blue --label colour --weight 50 -f kube

Each rule of a VirtualService that sends to the service, or to these versions of it, is changed, those of gateways too; what is \
matched on its way to another version stays as it is. `meshctl canary` judges what comes of it.";

#[derive(Args)]
pub struct Canary {
    /// NAME[.NAMESPACE] or a host
    pub service: String,
    /// The version that gets a share: a value of the label
    #[arg(long, value_name = "VERSION")]
    pub to: String,
    /// The version that keeps the rest (default: the only other one)
    #[arg(long, value_name = "VERSION")]
    pub stable: Option<String>,
    /// The share of --to, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub weight: u8,
    /// The label that tells versions apart
    #[arg(long, value_name = "KEY", default_value = "version")]
    pub label: String,
    #[command(flatten)]
    pub common: Common,
}

const FAULT: &str = "\
Examples:
  meshctl gen fault ratings.shop --delay 5s --percent 10 -f k8s/
  # of one user's requests
  meshctl gen fault ratings.shop --abort 503 --header 'end-user: jason' -f k8s/
  # of one caller's
  meshctl gen fault ratings.shop --abort 503 --source-label app=reviews -f k8s/";

#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["delay", "abort", "abort_grpc"]))]
pub struct Fault {
    /// NAME[.NAMESPACE] or a host
    pub service: String,
    /// Requests wait so long
    #[arg(long, value_name = "DURATION")]
    pub delay: Option<String>,
    /// Requests are answered with this HTTP status
    #[arg(long, value_name = "STATUS", conflicts_with = "abort_grpc", value_parser = clap::value_parser!(u16).range(200..=599))]
    pub abort: Option<u16>,
    /// Requests are answered with this gRPC status, such as UNAVAILABLE
    #[arg(long, value_name = "STATUS")]
    pub abort_grpc: Option<String>,
    /// Of so many of the requests, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 100.0)]
    pub percent: f64,
    /// Only of requests with this header, `NAME: VALUE`; repeatable
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// Only of requests from workloads with this label, `KEY=VALUE`; repeatable
    #[arg(long = "source-label", value_name = "LABEL")]
    pub source_labels: Vec<String>,
    #[command(flatten)]
    pub common: Common,
}

const TIMEOUT: &str = "\
Examples:
  meshctl gen timeout reviews.shop 2s -f k8s/
  meshctl gen timeout reviews.shop 3s --retries 2 --per-try 1s --retry-on 5xx,reset -f kube
  meshctl gen timeout api.example.com 10s -f k8s/  # a host of a ServiceEntry";

#[derive(Args)]
pub struct Timeout {
    /// NAME[.NAMESPACE] or a host
    pub service: String,
    /// The time of a request with all its tries
    pub timeout: String,
    /// How often a request is tried again; 0 never
    #[arg(long, value_name = "N")]
    pub retries: Option<u32>,
    /// The time of one try
    #[arg(long, value_name = "DURATION", requires = "retries")]
    pub per_try: Option<String>,
    /// What is tried again, as Envoy names it: 5xx,reset
    #[arg(long, value_name = "LIST", requires = "retries")]
    pub retry_on: Option<String>,
    #[command(flatten)]
    pub common: Common,
}

const BREAKER: &str = "\
Examples:
  meshctl gen breaker reviews.shop -f k8s/  # endpoints that fail are left out
  meshctl gen breaker reviews.shop --max-connections 100 --max-pending 50 -f k8s/
  meshctl gen breaker db.shop --max-connections 20 --errors 3 --eject 1m -f kube";

#[derive(Args)]
pub struct Breaker {
    /// NAME[.NAMESPACE] or a host
    pub service: String,
    /// Connections of one proxy to the service
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_pending: Option<u32>,
    /// Requests under way
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_requests: Option<u32>,
    /// Retries under way
    #[arg(long, value_name = "N")]
    pub max_retries: Option<u32>,
    /// An endpoint that answers so many requests in a row with 5xx, or not, is left out (default 5)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub errors: Option<u32>,
    /// How often endpoints are looked at (default 10s)
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// How long an endpoint is left out, each time longer (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub eject: Option<String>,
    /// So many of the endpoints may be left out, in percent (default 50)
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub max_ejected: Option<u8>,
    #[command(flatten)]
    pub common: Common,
}

/// Where telemetry is set.
#[derive(Args)]
pub struct Where {
    /// A workload or Service, NAME[.NAMESPACE]; without it the namespace of -n, without that the mesh
    pub target: Option<String>,
    /// Workloads with this label instead of a name, `KEY=VALUE`; repeatable
    #[arg(long, value_name = "LABEL", conflicts_with = "target", requires = "namespace")]
    pub selector: Vec<String>,
}

const ACCESS_LOG: &str = "\
Examples:
  # of the whole mesh
  meshctl gen access-log -f k8s/
  # of a namespace, what failed
  meshctl gen access-log -n shop --errors -f k8s/
  meshctl gen access-log cart.shop --filter 'response.duration > duration(\"1s\")' -f k8s/
  meshctl gen access-log -n noisy --off";

#[derive(Args)]
pub struct AccessLog {
    #[command(flatten)]
    pub place: Where,
    /// The provider of the mesh configuration that takes them
    #[arg(long, value_name = "NAME", default_value = "envoy")]
    pub provider: String,
    /// What is logged, as an expression (CEL)
    #[arg(long, value_name = "CEL", conflicts_with_all = ["errors", "off"])]
    pub filter: Option<String>,
    /// Log what failed alone
    #[arg(long, conflicts_with = "off")]
    pub errors: bool,
    /// Log nothing
    #[arg(long)]
    pub off: bool,
    #[command(flatten)]
    pub common: Common,
}

const TELEMETRY: &str = "\
Examples:
  # one trace in a hundred, of the mesh
  meshctl gen telemetry --sampling 1 --provider jaeger -f k8s/
  meshctl gen telemetry cart.shop --sampling 100 --tag team=literal:shop -f k8s/
  meshctl gen telemetry -n shop --drop-label REQUEST_COUNT:response_flags
  meshctl gen telemetry -n shop --add-label REQUEST_COUNT:method=request.method --off-metric TCP_SENT_BYTES";

#[derive(Args)]
#[command(group = clap::ArgGroup::new("set").required(true).multiple(true).args(["sampling", "provider", "tag", "add_label", "drop_label", "off_metric"]))]
pub struct Telemetry {
    #[command(flatten)]
    pub place: Where,
    /// Traces: of so many requests, in percent
    #[arg(long, value_name = "PERCENT")]
    pub sampling: Option<f64>,
    /// Traces: the provider of the mesh configuration that takes them
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Traces: a tag, `NAME=literal:VALUE`, `NAME=header:HEADER` or `NAME=environment:VARIABLE`; repeatable
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Metrics: a label more, `METRIC:LABEL=EXPRESSION`; ALL_METRICS stands for all; repeatable
    #[arg(long, value_name = "LABEL")]
    pub add_label: Vec<String>,
    /// Metrics: a label less, `METRIC:LABEL`; repeatable
    #[arg(long, value_name = "LABEL")]
    pub drop_label: Vec<String>,
    /// Metrics: one that is not counted; repeatable
    #[arg(long, value_name = "METRIC")]
    pub off_metric: Vec<String>,
    #[command(flatten)]
    pub common: Common,
}

const AUTHZ: &str = "\
Examples:
  # all workloads that were called
  meshctl gen authz -f k8s/ --prometheus http://localhost:9090 --since 24h
  # one, from a recording
  meshctl gen authz cart.shop -f mesh.rec
  meshctl gen authz -n shop --deny-unseen -f kube --prometheus http://localhost:9090
  # and methods and paths, from access logs
  meshctl gen authz cart.shop -f mesh.rec -f logs/

For each workload an ALLOW policy with the identities whose calls arrived, and the ports that they called. A caller that was refused \
each time (403, or gRPC's status 7) loses nothing and is not let in; bytes of TCP do not tell refusals. A workload that is called without mutual TLS gets no policy, which makes the answer one in \
part: no identity can be asked for. What was not seen in --since is not let through: take a time in which everything happens.

With access logs of Envoy among the sources (text or JSON; files, folders, a recording) a caller may do what it was seen to do: methods and \
paths, where what differs from request to request (numbers, UUIDs, tokens, one of more than ten) becomes a prefix such as /reviews/*. Who \
asked is told by %DOWNSTREAM_PEER_URI_SAN% alone; without it each caller may do what any did. --operations methods or ports says less.";

#[derive(Args)]
pub struct Authz {
    /// One workload or Service, NAME[.NAMESPACE]
    pub workload: Option<String>,
    /// A policy that lets nobody in for workloads of Services that nobody was seen to call
    #[arg(long)]
    pub deny_unseen: bool,
    /// How closely operations are told (default: paths with access logs, else ports)
    #[arg(long, value_name = "LEVEL")]
    pub operations: Option<Operations>,
    /// Callers without mutual TLS may lose access
    #[arg(long)]
    pub drop_plaintext: bool,
    #[command(flatten)]
    pub seen: Seen,
}

/// What a policy says of a request beside who makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operations {
    Ports,
    Methods,
    Paths,
}

const SERVICE_ENTRY: &str = "\
Examples:
  meshctl gen service-entry -f k8s/ --prometheus http://localhost:9090 --since 24h
  meshctl gen service-entry -n shop -f mesh.rec

Of plain HTTP the host is known from metrics; of TLS and bytes it is not, and that is said.";

#[derive(Args)]
pub struct ServiceEntry {
    #[command(flatten)]
    pub seen: Seen,
}

const SIDECAR: &str = "\
Examples:
  meshctl gen sidecar cart.shop -f k8s/ --prometheus http://localhost:9090 --since 24h
  meshctl gen sidecar -n shop -f mesh.rec  # each workload of a namespace

What was not seen in --since is not known to the proxy any more: take a time in which everything happens.";

#[derive(Args)]
pub struct Sidecar {
    /// One workload or Service, NAME[.NAMESPACE]
    pub workload: Option<String>,
    #[command(flatten)]
    pub seen: Seen,
}

/// What was seen, and the mesh that it was seen in.
#[derive(Args)]
pub struct Seen {
    /// yaml or json (a List)
    #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
    pub output: GenFormat,
    /// With -f manifests too; the input is everything: what is not in it does not exist
    #[arg(long)]
    pub complete: bool,
    #[command(flatten)]
    pub source: TelemetryArgs,
}

impl GenArgs {
    /// Whether it is made from metrics, which have times.
    pub fn observes(&self) -> bool {
        matches!(self.what, GenCommand::Authz(_) | GenCommand::ServiceEntry(_) | GenCommand::Sidecar(_))
    }
}
