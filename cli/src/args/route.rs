//! `meshctl route`.

use super::ReachArgs;
use clap::Args;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  meshctl route --from productpage.json GET http://reviews:9080/reviews/0 -H 'end-user: jason'
  meshctl route --from productpage.json --from reviews.json GET http://reviews:9080/reviews/0
  meshctl route --pod deployment/productpage-v1.bookinfo GET http://reviews:9080/reviews/0
  meshctl route --from ratings.json --caller bookinfo/reviews POST http://ratings:9080/ratings/0";

#[derive(Args, Debug)]
pub struct RouteArgs {
    /// The proxy's config dump, or what holds it: a folder, a bug report, http://host:15000; a second one is that of the server
    #[arg(short = 'f', long, value_name = "SRC")]
    pub from: Vec<String>,
    /// The pod that sends it, of the one source that --from names or of the current cluster; a second one is the server
    #[arg(long, value_name = "POD")]
    pub pod: Vec<String>,
    /// Namespace of the pods
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// The request's method
    #[arg(value_name = "METHOD", requires = "url")]
    pub method: Option<String>,
    /// Its URL: http://reviews:9080/reviews/0, or tcp://10.0.0.1:3306 for bytes
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    #[command(flatten)]
    pub request: RequestArgs,
    /// Who sends it, where the dump is the server's: NAMESPACE/SERVICE-ACCOUNT or a SPIFFE id. It comes over mutual TLS
    #[arg(long, visible_alias = "principal", value_name = "WHO")]
    pub caller: Option<String>,
    /// The request comes into the workload in plaintext
    #[arg(long, conflicts_with = "caller")]
    pub inbound: bool,
    /// A proxy's configuration as lists of xDS resources, in JSON
    #[arg(long, value_name = "FILE", hide = true)]
    pub xds: Option<PathBuf>,
    /// Istio and Kubernetes YAML, the whole mesh; with --proxy its translation for that proxy is what answers the calls
    #[arg(long, value_name = "FILE", hide = true, num_args = 1.., requires = "proxy")]
    pub manifests: Vec<PathBuf>,
    /// The proxy as JSON: its type, id, addresses, labels and metadata
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["xds", "from"])]
    pub proxy: Option<PathBuf>,
    /// The mesh's settings
    #[arg(long = "meshConfigFile", value_name = "FILE", hide = true, requires = "proxy")]
    pub mesh_config_file: Option<PathBuf>,
    /// Many calls, a JSON array; answered by an array in the same order
    #[arg(long, value_name = "FILE", hide = true)]
    pub calls: Option<PathBuf>,
    /// text, json or yaml
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}

/// A request beside its method and URL, and the world that it is sent in.
#[derive(Args, Clone, Debug, Default)]
pub struct RequestArgs {
    /// A header, `NAME: VALUE`
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    pub headers: Vec<String>,
    /// The client's address
    #[arg(long, value_name = "IP")]
    pub source_ip: Option<std::net::IpAddr>,
    /// Where the connection goes, if the URL's host is no address
    #[arg(long, value_name = "IP")]
    pub address: Option<std::net::IpAddr>,
    /// The client speaks TLS to the proxy
    #[arg(long)]
    pub tls: bool,
    /// The server name of its TLS hello
    #[arg(long, value_name = "NAME")]
    pub sni: Option<String>,
    /// The protocols of its TLS hello
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    pub alpn: Vec<String>,
    /// The request speaks HTTP/2
    #[arg(long)]
    pub http2: bool,
    /// The claims of a valid token, as JSON; `invalid` for a token that is not
    #[arg(long, value_name = "CLAIMS")]
    pub token: Option<String>,
    /// Rate limits are used up
    #[arg(long)]
    pub limited: bool,
    /// What happens to a share of requests (faults, limits) happens to this one
    #[arg(long)]
    pub unlucky: bool,
    /// The request's random number: of clusters with weights it chooses one
    #[arg(long, value_name = "NUMBER")]
    pub random: Option<u64>,
}
