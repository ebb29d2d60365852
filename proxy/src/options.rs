//! The command line: Envoy's flags, as pilot-agent passes them.

use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A sidecar proxy that takes Envoy's configuration.
#[derive(Clone, Debug, Parser)]
#[command(name = "mesh-proxy", version, disable_version_flag = false)]
pub struct Options {
    /// The bootstrap, JSON or YAML
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config_path: Option<PathBuf>,
    /// A bootstrap in place, JSON or YAML; merged over that of --config-path
    #[arg(long, value_name = "TEXT")]
    pub config_yaml: Option<String>,
    /// Threads that serve; as many as there are cores without it
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// What the proxy's own log tells
    #[arg(short = 'l', long, value_name = "LEVEL", default_value = "info")]
    pub log_level: Level,
    /// Levels of single loggers, such as http:debug,jwt:off; those that mesh-proxy has not are left alone
    #[arg(long, value_name = "LEVELS")]
    pub component_log_level: Option<String>,
    /// A file for the proxy's own log; standard error without it
    #[arg(long, value_name = "FILE")]
    pub log_path: Option<PathBuf>,
    /// The form of its log's lines (taken, and not followed)
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Taken for Envoy's sake: lines are always escaped
    #[arg(long)]
    pub log_format_escaped: bool,
    /// Seconds that connections have to come to their end
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub drain_time_s: u64,
    /// How draining goes on (taken: connections are asked to end at once)
    #[arg(long, value_name = "STRATEGY")]
    pub drain_strategy: Option<String>,
    /// Seconds until a parent process ends (taken: there is no hot restart)
    #[arg(long, value_name = "SECONDS")]
    pub parent_shutdown_time_s: Option<u64>,
    /// The node's cluster, over that of the bootstrap
    #[arg(long, value_name = "NAME")]
    pub service_cluster: Option<String>,
    /// The node's id, over that of the bootstrap
    #[arg(long, value_name = "ID")]
    pub service_node: Option<String>,
    /// The node's zone, over that of the bootstrap
    #[arg(long, value_name = "ZONE")]
    pub service_zone: Option<String>,
    /// Serve, or only look whether the configuration is one that can be served
    #[arg(long, value_name = "MODE", default_value = "serve")]
    pub mode: Mode,
    /// A file that the admin port's address is written to
    #[arg(long, value_name = "FILE")]
    pub admin_address_path: Option<PathBuf>,
    /// A file that the last good configuration of the control plane is kept in, without secrets; served until the control plane
    /// answers. Nothing is kept without it
    #[arg(long, value_name = "FILE")]
    pub last_good_path: Option<PathBuf>,
    /// The most pipes of each thread, through which the kernel moves bytes that nobody looks at (Linux); 0 copies them all
    #[arg(long, value_name = "N", default_value_t = crate::splice::PIPES)]
    pub splice_pipes: usize,
    /// A Jaeger agent's address and port (thrift over UDP) for spans of managers whose `tracing` names no provider, in place of
    /// `tracing.http` of the bootstrap. Only where mesh-proxy was built with the feature `jaeger`
    #[arg(long, value_name = "ADDRESS:PORT", env = "MESH_PROXY_JAEGER_AGENT", hide = cfg!(not(feature = "jaeger")))]
    pub jaeger_agent: Option<SocketAddr>,
    /// Milliseconds after which lines of access logs are written at the latest
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub file_flush_interval_msec: u64,
    /// Local address that is IPv4 (taken, and not needed)
    #[arg(long, value_name = "VERSION")]
    pub local_address_ip_version: Option<String>,
    /// Taken for Envoy's sake: there is no hot restart
    #[arg(long)]
    pub disable_hot_restart: bool,
    /// Taken for Envoy's sake: unknown fields are always refused, unless they are harmless
    #[arg(long)]
    pub allow_unknown_static_fields: bool,
    /// Taken for Envoy's sake
    #[arg(long)]
    pub reject_unknown_dynamic_fields: bool,
    /// Taken for Envoy's sake
    #[arg(long)]
    pub ignore_unknown_dynamic_fields: bool,
    /// Taken for Envoy's sake: there is no hot restart
    #[arg(long, value_name = "ID")]
    pub base_id: Option<String>,
    /// Taken for Envoy's sake: there is no hot restart
    #[arg(long, value_name = "EPOCH")]
    pub restart_epoch: Option<u64>,
    /// Taken for Envoy's sake
    #[arg(long)]
    pub cpuset_threads: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Serve,
    Validate,
    #[value(name = "init_only")]
    InitOnly,
}

/// Envoy's levels of its own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Level {
    Trace,
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    Critical,
    Off,
}
