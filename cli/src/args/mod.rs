//! What the user typed, and nothing that runs. Help texts live here.

mod analyze;
pub mod authz;
pub mod canary;
pub mod certs;
pub mod changes;
pub mod check;
pub mod controlplane;
pub mod demo;
pub mod describe;
pub mod drift;
mod dump;
#[cfg(test)]
mod examples;
mod explain;
pub mod generate;
mod global;
pub mod graph;
mod help;
mod kube;
pub mod logs;
pub mod mesh;
pub mod mtls;
pub mod plan;
pub mod proxy_config;
pub mod proxy_status;
pub mod route;
pub mod snapshot;
pub mod telemetry;
pub mod test;
pub mod top;
pub mod traces;
pub mod tui;
pub mod version;
pub mod why;
pub mod ztunnel_config;

pub use analyze::{AnalyzeArgs, ColorWhen, Format, InputArgs};
pub use dump::{DumpArgs, ReachArgs, SourceArgs, Way, WhichArgs};
pub use explain::{ExplainArgs, ExplainFormat, FailOn, ListWhat};
pub use global::GlobalArgs;
pub use help::{ABOUT, VERSION, available};
pub use kube::{ConnectArgs, KubeArgs};

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(
    name = "meshctl",
    version = VERSION,
    about = ABOUT,
    override_help = help::top_level(),
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Find every mistake in a mesh's manifests, offline
    #[command(after_help = analyze::ANALYZE_EXAMPLES)]
    Analyze(Box<AnalyzeArgs>),
    /// Check manifests against the schema and field rules only: the schema part of `analyze`
    #[command(after_help = analyze::VALIDATE_EXAMPLES)]
    Validate(Box<AnalyzeArgs>),
    /// Assertions about requests, as unit tests for a mesh: from dumps or manifests
    #[command(after_help = test::EXAMPLES)]
    Test(test::TestArgs),
    /// What each proxy holds against what the manifests say that it should
    #[command(after_help = drift::EXAMPLES)]
    Drift(drift::DriftArgs),
    /// What a change changes before it is applied: routes, permissions, encryption, and for whom
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::PlanArgs),
    /// Make manifests, judged before they are printed: canaries, faults, time-outs, telemetry
    #[command(after_help = generate::EXAMPLES)]
    Gen(generate::GenArgs),
    /// Why a request fares as it does: its way through both proxies, step by step
    #[command(after_help = why::EXAMPLES)]
    Why(Box<why::WhyArgs>),
    /// Explain anything that a proxy or this tool prints: codes, flags, metrics, access logs
    #[command(after_help = explain::EXAMPLES)]
    Explain(ExplainArgs),
    /// What has changed in the current cluster lately, and who did it
    #[command(after_help = changes::EXAMPLES)]
    Changes(Box<changes::ChangesArgs>),
    /// Which configuration applies to a pod or a Service
    #[command(after_help = describe::EXAMPLES)]
    Describe(Box<describe::DescribeArgs>),
    /// What an app and its proxy say, merged by time
    #[command(after_help = logs::EXAMPLES)]
    Logs(Box<logs::LogsArgs>),
    /// The certificates of the fleet by expiry, and whether its proxies trust each other
    #[command(after_help = certs::EXAMPLES)]
    Certs(Box<certs::CertsArgs>),
    /// Whether the current cluster's mesh works, on one page
    #[command(after_help = check::EXAMPLES)]
    Check(Box<check::CheckArgs>),
    /// What one proxy holds, from its config dump
    #[command(alias = "pc")]
    ProxyConfig(proxy_config::ProxyConfigArgs),
    /// Whether the proxies have what istiod sent, and what differs
    #[command(alias = "ps", after_help = proxy_status::EXAMPLES)]
    ProxyStatus(proxy_status::ProxyStatusArgs),
    /// Recordings and bug reports: record, look into, compare
    #[command(after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::SnapshotArgs),
    /// What an ambient node proxy holds, from its config dump
    #[command(alias = "zc")]
    ZtunnelConfig(ztunnel_config::ZtunnelConfigArgs),
    /// Which ports are reached encrypted, what decides, and what each client would send
    #[command(after_help = mtls::EXAMPLES)]
    Mtls(mtls::MtlsArgs),
    /// The authorization policies that a proxy enforces
    Authz(authz::AuthzArgs),
    /// Who calls whom, how much and how well, from metrics
    #[command(after_help = graph::EXAMPLES)]
    Graph(Box<graph::GraphArgs>),
    /// Requests, errors, latency and bytes of workloads, services or calls
    #[command(after_help = top::EXAMPLES)]
    Top(Box<top::TopArgs>),
    /// Whether traffic splits as its rules want it, and whether the versions differ
    #[command(after_help = canary::EXAMPLES)]
    Canary(Box<canary::CanaryArgs>),
    /// Search traces, show one as a waterfall, and where the time of many went
    #[command(after_help = traces::EXAMPLES)]
    Traces(Box<traces::TracesArgs>),
    /// The mesh on the terminal: what is wrong, the graph, findings, proxies
    #[command(alias = "ui", after_help = tui::EXAMPLES)]
    Tui(Box<tui::TuiArgs>),
    /// Where a request goes, step by step, from what a proxy holds
    #[command(after_help = route::EXAMPLES)]
    Route(Box<route::RouteArgs>),
    /// Serve a mesh's configuration and certificates to proxies, from manifests or a cluster
    #[command(after_help = controlplane::EXAMPLES)]
    Controlplane(Box<controlplane::ControlplaneArgs>),
    /// A whole mesh on this machine, with traffic: to try everything without a cluster
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Print a completion script for a shell
    Completion {
        /// bash, zsh, fish, elvish or powershell
        #[arg(required_unless_present = "all")]
        shell: Option<clap_complete::Shell>,
        /// Write the scripts of all shells into a folder, under the names that each looks for
        #[arg(long, value_name = "DIR", conflicts_with = "shell")]
        all: Option<PathBuf>,
    },
    /// Print the manual page of meshctl or of one command
    Man {
        /// A command; without it the page of meshctl itself
        command: Option<String>,
        /// Write the pages of all commands into a folder
        #[arg(long, value_name = "DIR", conflicts_with = "command")]
        all: Option<PathBuf>,
    },
    /// Print the versions of meshctl, and of the current cluster's control plane and proxies
    Version(Box<version::VersionArgs>),
    /// Print help
    #[command(hide = true)]
    Help { command: Option<String> },
    /// Anything else: answered with the right command
    #[command(external_subcommand)]
    Other(Vec<String>),
}

impl Command {
    /// Whether the command's sources have times of their own, though none is a recording.
    pub fn has_times(&self) -> bool {
        matches!(self, Command::Gen(a) if a.observes())
            || matches!(self, Command::Canary(_) | Command::Graph(_) | Command::Top(_) | Command::Traces(_) | Command::Tui(_))
    }
}
