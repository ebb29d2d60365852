//! What the user typed.

pub mod authz;
pub mod proxy_config;
pub mod ztunnel_config;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "meshctl", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Analyze(AnalyzeArgs),
    Validate(AnalyzeArgs),
    #[command(alias = "pc")]
    ProxyConfig(proxy_config::ProxyConfigArgs),
    #[command(alias = "zc")]
    ZtunnelConfig(ztunnel_config::ZtunnelConfigArgs),
    Authz(authz::AuthzArgs),
}

#[derive(Args)]
pub struct AnalyzeArgs {
    pub paths: Vec<String>,
    #[arg(short = 'f', long = "filename")]
    pub files: Vec<String>,
    #[arg(long)]
    pub complete: bool,
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    #[arg(short, long, default_value = "text")]
    pub output: String,
    #[arg(long = "meshConfigFile")]
    pub mesh_config: Option<String>,
    #[arg(long = "meshNetworksFile")]
    pub mesh_networks: Option<String>,
}
