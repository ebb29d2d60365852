//! `meshctl authz`.

use super::mesh::MeshArgs;
use super::{DumpArgs, ReachArgs};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub struct AuthzArgs {
    #[command(subcommand)]
    pub what: AuthzCommand,
}

#[derive(Subcommand, Debug)]
pub enum AuthzCommand {
    /// The AuthorizationPolicies that a proxy enforces
    Check(Box<DumpArgs>),
    /// Whether a request would be allowed, by which policy and rule, and why the others do not match
    #[command(after_help = CAN_EXAMPLES)]
    Can(Box<CanArgs>),
    /// The identities that may call a workload: always, under which conditions, never
    #[command(after_help = WHO_CAN_EXAMPLES)]
    WhoCan(Box<WhoCanArgs>),
    /// All workloads' ports by all identities
    Matrix(Box<MatrixArgs>),
}

pub const WHO_CAN_EXAMPLES: &str = "\
Examples:
  # any request, in the current cluster: what is not given is a condition
  meshctl authz who-can cart.shop
  meshctl authz who-can cart.shop:80 GET /api/items -f k8s/
  meshctl authz matrix -f k8s/ -o csv

Exit status: 0 answered · 75 something that decides was not judged · 64 usage";

#[derive(Args, Debug)]
pub struct WhoCanArgs {
    /// [KIND/]NAME[.NAMESPACE][:PORT] of a workload or Service; the port of either
    #[arg(value_name = "TO[:PORT]")]
    pub to: String,
    /// The request's method; without it any request is asked about
    #[arg(value_name = "METHOD", requires = "path")]
    pub method: Option<String>,
    /// The path that it asks for
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}

#[derive(Args, Debug)]
pub struct MatrixArgs {
    /// The request's method; without it any request is asked about
    #[arg(value_name = "METHOD", requires = "path")]
    pub method: Option<String>,
    /// The path that it asks for
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// text (callers by what they may), wide (a column for each caller), csv or html
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: MatrixFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MatrixFormat {
    Text,
    Wide,
    Csv,
    Html,
}

pub const CAN_EXAMPLES: &str = "\
Examples:
  meshctl authz can --from ratings.json GET /ratings/0 --principal cluster.local/ns/bookinfo/sa/bookinfo-reviews
  meshctl authz can --from ratings.json GET /ratings/0 --plaintext
  meshctl authz can --pod deployment/ratings.bookinfo GET /ratings/0 --plaintext
  meshctl authz can --to ratings.bookinfo --from k8s/ GET /ratings/0 --plaintext
  meshctl authz can --from db.json --port 3306 --principal cluster.local/ns/shop/sa/cart

Exit status: 0 allowed · 79 refused · 75 not known · 64 usage";

#[derive(Args, Debug)]
pub struct CanArgs {
    /// The method; without it a TCP connection is judged
    #[arg(value_name = "METHOD", requires = "path")]
    pub method: Option<String>,
    /// The path, with or without its query, or a whole URL
    #[arg(value_name = "PATH|URL")]
    pub path: Option<String>,
    /// The workload or Service that is called, [KIND/]NAME[.NAMESPACE], where --from is manifests
    #[arg(long, value_name = "TO", requires = "from", conflicts_with = "pod")]
    pub to: Option<String>,
    /// The dump of the proxy that is called, or with --to manifests: a file, a folder, or `-` for standard input
    #[arg(short = 'f', long = "from", visible_alias = "file", value_name = "SRC")]
    pub from: Option<String>,
    /// The pod of the current cluster whose proxy is called, instead of --from
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
    /// Namespace of the pod
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// The port of the workload; needed where it has several
    #[arg(long)]
    pub port: Option<u16>,
    /// Who calls, over mutual TLS: `cluster.local/ns/NAMESPACE/sa/ACCOUNT`, or NAMESPACE/ACCOUNT
    #[arg(long, value_name = "ID", conflicts_with = "plaintext")]
    pub principal: Option<String>,
    /// The call comes without TLS, so the caller has no principal
    #[arg(long)]
    pub plaintext: bool,
    /// The host that is asked for
    #[arg(long)]
    pub host: Option<String>,
    /// A header, `name: value`; headers that are not given are taken to be absent
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// The caller's address
    #[arg(long, value_name = "IP")]
    pub source_ip: Option<std::net::IpAddr>,
    /// The claims of the caller's token, as JSON; without it there is none
    #[arg(long, value_name = "JSON")]
    pub claims: Option<String>,
    /// text or json
    #[arg(short, long, default_value = "text")]
    pub output: CanFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CanFormat {
    Text,
    Json,
}
