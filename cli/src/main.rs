//! `meshctl`, the binary: arguments, sources, printing, exit status.

mod args;
mod baseline;
mod cluster;
mod commands;
mod config;
mod context;
mod dump;
mod entry;
mod explain;
mod fingerprint;
mod git;
mod glob;
mod load;
mod mesh_input;
mod output;
mod print;
mod reach;
mod select;
mod settings;
mod status;
mod stdio;
mod suppress;
mod telemetry;
mod term;
mod watch;
mod worlds;

use args::Command;
use args::proxy_status::SnapshotCommand;
use clap::Parser;
use context::Context;
use status::{Outcome, Status};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = match args::Cli::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version that were asked for are an answer; anything else is wrong usage.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    match run(args) {
        Ok(code) => code,
        Err(failure) => {
            if !matches!(failure, status::Failure::Closed) {
                stdio::notes(&format!("error: {failure}"));
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(args: args::Cli) -> Result<ExitCode, status::Failure> {
    let context = Context::new(&args.global)?;
    let outcome: Outcome = match args.command {
        None => commands::shell::help(None, &context),
        Some(Command::Analyze(a)) => commands::analyze::run(&a, commands::analyze::Part::All, &context),
        Some(Command::Validate(a)) => commands::analyze::run(&a, commands::analyze::Part::Schema, &context),
        Some(Command::Test(a)) => commands::test::run(&a, &context),
        Some(Command::Drift(a)) => commands::drift::run(&a, &context),
        Some(Command::Plan(a)) => commands::plan::run(&a, &context),
        Some(Command::Why(a)) => commands::why::run(&a, &context),
        Some(Command::Mtls(a)) => commands::mtls::run(&a, &context),
        Some(Command::Explain(a)) => commands::explain::run(&a, &context),
        Some(Command::Changes(a)) => commands::changes::run(&a, &context),
        Some(Command::Describe(a)) => commands::describe::run(&a, &context),
        Some(Command::Logs(a)) => commands::logs::run(&a, &context),
        Some(Command::Certs(a)) => commands::certs::run(&a.proxies, &context),
        Some(Command::Check(a)) => commands::check::run(&a, &context),
        Some(Command::ProxyConfig(a)) => commands::proxy_config::run(&a, &context),
        Some(Command::ProxyStatus(a)) => commands::proxy_status::run(&a, &context),
        Some(Command::Snapshot(a)) => match a.what {
            SnapshotCommand::Diff(a) => commands::proxy_status::diff(&a, &context),
        },
        Some(Command::ZtunnelConfig(a)) => commands::ztunnel_config::run(&a, &context),
        Some(Command::Authz(a)) => commands::authz::run(&a, &context),
        Some(Command::Graph(a)) => commands::graph::run(&a, &context),
        Some(Command::Top(a)) => commands::top::run(&a, &context),
        Some(Command::Tui(a)) => commands::tui::run(&a, &context),
        Some(Command::Route(a)) => commands::route::run(&a, &context),
        Some(Command::Controlplane(a)) => commands::controlplane::run(&a, &context),
        Some(Command::Completion { shell, all }) => commands::shell::completion(shell, all.as_deref(), &context),
        Some(Command::Man { command, all }) => commands::shell::man(command.as_deref(), all.as_deref(), &context),
        Some(Command::Version(a)) => commands::version::run(&a, &context),
        Some(Command::Help { command }) => commands::shell::help(command.as_deref(), &context),
        Some(Command::Other(words)) => Err(commands::other::answer(&words)),
    };
    outcome.map(Status::exit)
}
