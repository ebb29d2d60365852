//! `meshctl`, the binary: arguments, sources, printing, exit status.

mod args;
mod commands;
mod print;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Cli::parse();
    match args.command {
        args::Command::Analyze(a) => commands::analyze::run(&a),
        args::Command::Validate(a) => commands::analyze::validate(&a),
        args::Command::ZtunnelConfig(a) => commands::ztunnel_config::run(&a),
        args::Command::Authz(a) => commands::authz::run(&a),
        args::Command::ProxyConfig(a) => commands::proxy_config::run(&a),
    }
}
