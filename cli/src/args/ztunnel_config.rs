//! `meshctl ztunnel-config`: what the user typed; istioctl's spellings.

use super::DumpArgs;
use super::proxy_config::LogArgs;
use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct ZtunnelConfigArgs {
    /// The ztunnel of this node of the cluster, in place of a pod's name
    #[arg(long, global = true, value_name = "NODE")]
    pub node: Option<String>,
    #[command(subcommand)]
    pub what: ZtunnelConfigCommand,
}

#[derive(Subcommand, Debug)]
pub enum ZtunnelConfigCommand {
    /// Everything, table by table
    All(ZtunnelAllArgs),
    /// Certificates of the identities that it holds
    #[command(visible_aliases = ["certificates", "certs", "cert"])]
    Certificate(DumpArgs),
    /// Open connections
    Connections(ConnectionsArgs),
    /// Log levels, as far as the source has them
    Log(LogArgs),
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

#[derive(Args, Debug)]
pub struct ZtunnelAllArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// A heading over each table
    #[arg(long)]
    pub with_headers: bool,
}

#[derive(Args, Debug)]
pub struct ConnectionsArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// inbound or outbound
    #[arg(long, default_value = "", hide_default_value = true)]
    pub direction: String,
    /// Addresses as they are, not resolved to names
    #[arg(long)]
    pub raw: bool,
    /// Those of workloads of a namespace
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub workload_namespace: String,
}

#[derive(Args, Debug)]
pub struct PolicyArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Those of a namespace
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub policy_namespace: String,
}

#[derive(Args, Debug)]
pub struct ServiceArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Those of a namespace
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub service_namespace: String,
}

#[derive(Args, Debug)]
pub struct WorkloadArgs {
    #[command(flatten)]
    pub source: DumpArgs,
    /// Those of workloads of a namespace
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAMESPACE")]
    pub workload_namespace: String,
    /// Those of a node
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NODE")]
    pub workload_node: String,
    /// Those of an address
    #[arg(long, default_value = "", hide_default_value = true)]
    pub address: String,
}
