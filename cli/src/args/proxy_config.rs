//! `meshctl proxy-config`: what the user typed; istioctl's spellings.

use super::{DumpArgs, SourceArgs};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Args, Debug)]
pub struct ProxyConfigArgs {
    #[command(subcommand)]
    pub what: ProxyConfigCommand,
}

#[derive(Subcommand, Debug)]
pub enum ProxyConfigCommand {
    /// Everything, table by table; with `-o json` the dump as it is
    #[command(visible_alias = "a")]
    All(AllArgs),
    /// The bootstrap: versions, node, static resources; as JSON unless `-o table` asks for the versions
    #[command(visible_alias = "b")]
    Bootstrap(DumpArgs),
    /// Clusters: where traffic can go
    #[command(visible_aliases = ["clusters", "c"])]
    Cluster(ClusterArgs),
    /// Extension configurations (ECDS)
    #[command(visible_alias = "ec")]
    Ecds(DumpArgs),
    /// Endpoints as the control plane assigned them (from a dump with include_eds)
    Eds(EndpointArgs),
    /// Endpoints as Envoy uses them now (from /clusters?format=json)
    #[command(visible_aliases = ["endpoints", "ep"])]
    Endpoint(EndpointArgs),
    /// Listeners and their filter chains
    #[command(visible_aliases = ["listeners", "l"])]
    Listener(ListenerArgs),
    /// Log levels, as far as the source has them
    #[command(visible_alias = "o")]
    Log(LogArgs),
    /// Whether two proxies trust a common root
    #[command(visible_alias = "rc")]
    RootcaCompare(RootcaCompareArgs),
    /// Routes
    #[command(visible_aliases = ["routes", "r"])]
    Route(RouteArgs),
    /// Secrets: certificates and trust bundles
    #[command(visible_aliases = ["secrets", "s"])]
    Secret(DumpArgs),
}

#[derive(Args, Debug, Clone)]
pub struct LogArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Change the levels of a live Envoy: LEVEL, or LOGGER:LEVEL,…; needs --yes
    #[arg(long, value_name = "LEVEL", conflicts_with = "reset")]
    pub level: Option<String>,
    /// Back to Istio's level, warning; needs --yes
    #[arg(long)]
    pub reset: bool,
}

#[derive(Args, Debug)]
pub struct RootcaCompareArgs {
    /// A dump, or a pod of what --from names
    pub a: String,
    /// The other one
    pub b: String,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Args, Debug, Default)]
pub struct ClusterFilterArgs {
    /// Part of the host name
    #[arg(long, default_value = "", hide_default_value = true)]
    pub fqdn: String,
    /// inbound or outbound
    #[arg(long, default_value = "", hide_default_value = true)]
    pub direction: String,
    /// The subset, as a DestinationRule names it
    #[arg(long, default_value = "", hide_default_value = true)]
    pub subset: String,
}

#[derive(Args, Debug)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    #[command(flatten)]
    pub filter: ClusterFilterArgs,
    /// Those of a port
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    pub port: u32,
}

/// Whether every chain or route has its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Verbose {
    True,
    False,
}

#[derive(Args, Debug)]
pub struct ListenerArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Those of an address
    #[arg(long, default_value = "", hide_default_value = true)]
    pub address: String,
    /// Those of a port
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    pub port: u32,
    /// HTTP, TCP, HTTP+TCP or UNKNOWN
    #[arg(long = "type", default_value = "", hide_default_value = true, value_name = "TYPE")]
    pub kind: String,
    /// A line a filter chain (true) or a listener (false)
    #[arg(long, value_enum, default_value = "true", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub verbose: Verbose,
    #[arg(long, hide = true)]
    pub waypoint: bool,
}

#[derive(Args, Debug)]
pub struct RouteArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// One route configuration
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// A line a route (true) or a route configuration (false)
    #[arg(long, value_enum, default_value = "true", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub verbose: Verbose,
}

#[derive(Args, Debug)]
pub struct EndpointArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Those of an address
    #[arg(long, default_value = "", hide_default_value = true)]
    pub address: String,
    /// Those of a port
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    pub port: u32,
    /// A cluster's whole name
    #[arg(long, default_value = "", hide_default_value = true)]
    pub cluster: String,
    /// healthy, unhealthy, draining, …
    #[arg(long, default_value = "", hide_default_value = true)]
    pub status: String,
}

#[derive(Args, Debug)]
pub struct AllArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    #[command(flatten)]
    pub filter: ClusterFilterArgs,
    /// Those of an address
    #[arg(long, default_value = "", hide_default_value = true)]
    pub address: String,
    /// Those of a port
    #[arg(long, default_value_t = 0, value_name = "PORT", hide_default_value = true)]
    pub port: u32,
    /// HTTP, TCP, HTTP+TCP or UNKNOWN
    #[arg(long = "type", default_value = "", hide_default_value = true, value_name = "TYPE")]
    pub kind: String,
    /// One route configuration
    #[arg(long, default_value = "", hide_default_value = true)]
    pub name: String,
    /// A cluster's whole name
    #[arg(long, default_value = "", hide_default_value = true)]
    pub cluster: String,
    /// healthy, unhealthy, draining, …
    #[arg(long, default_value = "", hide_default_value = true)]
    pub status: String,
    /// A line a filter chain or route (true), or a listener or route configuration (false)
    #[arg(long, value_enum, default_value = "true", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub verbose: Verbose,
    /// A heading over each table
    #[arg(long)]
    pub with_headers: bool,
}
