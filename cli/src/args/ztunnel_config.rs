//! `meshctl ztunnel-config`: what the user typed; istioctl's spellings.

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct ZtunnelConfigArgs {
    #[command(subcommand)]
    pub what: ZtunnelConfigCommand,
}

#[derive(Subcommand, Debug)]
pub enum ZtunnelConfigCommand {
    /// Everything, table by table
    All(ZtunnelAllArgs),
    /// Certificates of the identities that it holds
    #[command(visible_aliases = ["certificates", "certs", "cert"])]
    Certificate(ZtunnelPlainArgs),
    /// Open connections
    Connections(ConnectionsArgs),
    /// Authorization policies
    #[command(visible_aliases = ["policies", "p", "pol"])]
    Policy(PolicyArgs),
    /// Services
    #[command(visible_aliases = ["services", "s", "svc"])]
    Service(ServiceArgs),
    /// Workloads
    #[command(visible_aliases = ["workloads", "w"])]
    Workload(WorkloadArgs),
}

#[derive(Args, Debug, Clone)]
pub struct ZtunnelSource {
    /// The pod; needs a cluster
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    /// A dump of ztunnel's /config_dump: a file or `-` for standard input
    #[arg(short = 'f', long = "file", visible_alias = "from", value_name = "SRC")]
    pub file: Option<String>,
    #[arg(short, long, value_name = "FORMAT", default_value = "table", help = "table, json or yaml")]
    pub output: String,
}

#[derive(Args, Debug)]
pub struct ZtunnelPlainArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
}

#[derive(Args, Debug)]
pub struct ZtunnelAllArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
    /// A heading over each table
    #[arg(long)]
    pub with_headers: bool,
}

#[derive(Args, Debug)]
pub struct ConnectionsArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
    /// inbound or outbound
    #[arg(long, default_value = "")]
    pub direction: String,
    /// Addresses as they are, not resolved to names
    #[arg(long)]
    pub raw: bool,
    #[arg(long, default_value = "", value_name = "NAMESPACE")]
    pub workload_namespace: String,
}

#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
    #[arg(long, default_value = "", value_name = "NAMESPACE")]
    pub policy_namespace: String,
}

#[derive(Args, Debug)]
pub struct ServiceArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
    #[arg(long, default_value = "", value_name = "NAMESPACE")]
    pub service_namespace: String,
}

#[derive(Args, Debug)]
pub struct WorkloadArgs {
    #[command(flatten)]
    pub source: ZtunnelSource,
    #[arg(long, default_value = "", value_name = "NAMESPACE")]
    pub workload_namespace: String,
    #[arg(long, default_value = "", value_name = "NODE")]
    pub workload_node: String,
    #[arg(long, default_value = "")]
    pub address: String,
}
