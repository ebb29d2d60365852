//! The command line: Envoy's flags, as pilot-agent passes them.

use clap::{Args, Parser, ValueEnum};
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
    #[command(flatten)]
    pub taken: Taken,
}

/// Flags that change nothing here. They are taken, as a proxy that stops at one of the agent's does not start at all.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Taken for Envoy's sake, and without effect")]
pub struct Taken {
    /// There is no hot restart
    #[arg(long)]
    pub disable_hot_restart: bool,
    /// Unknown fields are always refused, unless they are harmless
    #[arg(long, alias = "allow-unknown-fields")]
    pub allow_unknown_static_fields: bool,
    /// They are refused
    #[arg(long)]
    pub reject_unknown_dynamic_fields: bool,
    /// They are refused, unless they are harmless
    #[arg(long)]
    pub ignore_unknown_dynamic_fields: bool,
    /// Fields that are deprecated are not warned of
    #[arg(long)]
    pub skip_deprecated_logs: bool,
    /// There is no hot restart
    #[arg(long, value_name = "ID")]
    pub base_id: Option<String>,
    /// There is no hot restart
    #[arg(long)]
    pub use_dynamic_base_id: bool,
    /// There is no hot restart
    #[arg(long, value_name = "FILE")]
    pub base_id_path: Option<PathBuf>,
    /// There is no hot restart
    #[arg(long, value_name = "EPOCH")]
    pub restart_epoch: Option<u64>,
    /// There is no hot restart
    #[arg(long)]
    pub skip_hot_restart_on_no_parent: bool,
    /// There is no hot restart
    #[arg(long)]
    pub skip_hot_restart_parent_stats: bool,
    /// There is no hot restart
    #[arg(long, value_name = "PATH")]
    pub socket_path: Option<String>,
    /// There is no hot restart
    #[arg(long, value_name = "MODE")]
    pub socket_mode: Option<String>,
    /// Lines of access logs are written by time
    #[arg(long, value_name = "KB")]
    pub file_flush_min_size_kb: Option<u64>,
    /// Threads are as many as `--concurrency` says, or as there are cores for the process
    #[arg(long)]
    pub cpuset_threads: bool,
    /// Whether there are core dumps is the system's to say
    #[arg(long)]
    pub enable_core_dump: bool,
    /// There are no such locks
    #[arg(long)]
    pub enable_mutex_tracing: bool,
    /// `--component-log-level` says levels of single loggers
    #[arg(long)]
    pub enable_fine_grain_logging: bool,
    /// A stack is one line
    #[arg(long)]
    pub log_stacktrace_single_entry: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_of_istio_1_31_passes_is_taken() {
        let line = "mesh-proxy -c etc/istio/proxy/envoy-rev.json --drain-time-s 45 --drain-strategy immediate --local-address-ip-version v4 \
            --file-flush-interval-msec 1000 --file-flush-min-size-kb 64 --disable-hot-restart --allow-unknown-static-fields -l warning \
            --component-log-level misc:error --skip-deprecated-logs --enable-core-dump --config-yaml {} --concurrency 2";
        let options = Options::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{e}"));
        assert!(options.taken.skip_deprecated_logs && options.concurrency == Some(2));
    }

    /// Those of `envoy --help`, version 1.40, but those that ask for something that is not done: `--stats-tag`,
    /// `--disable-extensions`, `--hot-restart-version`.
    #[test]
    fn flags_of_envoy_are_taken() {
        for flag in "allow-unknown-fields allow-unknown-static-fields base-id-path=f base-id=1 component-log-level=http:debug concurrency=1 \
            config-path=f config-yaml={} cpuset-threads disable-hot-restart drain-strategy=gradual drain-time-s=1 enable-core-dump \
            enable-fine-grain-logging enable-mutex-tracing file-flush-interval-msec=1 file-flush-min-size-kb=1 ignore-unknown-dynamic-fields \
            local-address-ip-version=v4 log-format-escaped log-format=x log-level=info log-path=f log-stacktrace-single-entry mode=validate \
            parent-shutdown-time-s=1 reject-unknown-dynamic-fields restart-epoch=0 service-cluster=c service-node=n service-zone=z \
            skip-deprecated-logs skip-hot-restart-on-no-parent skip-hot-restart-parent-stats socket-mode=600 socket-path=@x use-dynamic-base-id"
            .split_whitespace()
        {
            assert!(Options::try_parse_from(["mesh-proxy", &format!("--{flag}")]).is_ok(), "{flag}");
        }
    }
}
