//! `meshctl`, the binary: arguments, sources, printing, exit status.

mod args;
mod baseline;
mod commands;
mod config;
mod entry;
mod explain;
mod fingerprint;
mod git;
mod glob;
mod load;
mod output;
mod print;
mod select;
mod settings;
mod status;
mod stdio;
mod suppress;
mod term;
mod worlds;

use args::Command;
use clap::Parser;
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
    let exit = |outcome: Outcome| outcome.map(Status::exit);
    let color = args.color;
    match args.command {
        None => exit(commands::shell::help(None, color)),
        Some(Command::Analyze(a)) => exit(commands::analyze::run(&a, commands::analyze::Part::All, color, args.quiet)),
        Some(Command::Validate(a)) => exit(commands::analyze::run(&a, commands::analyze::Part::Schema, color, args.quiet)),
        Some(Command::Explain(a)) => exit(commands::explain::run(&a, color)),
        Some(Command::ProxyConfig(a)) => Ok(commands::proxy_config::run(&a)),
        Some(Command::ZtunnelConfig(a)) => Ok(commands::ztunnel_config::run(&a)),
        Some(Command::Authz(a)) => Ok(commands::authz::run(&a)),
        Some(Command::Completion { shell }) => exit(commands::shell::completion(shell)),
        Some(Command::Man { command }) => exit(commands::shell::man(command.as_deref())),
        Some(Command::Version { output }) => exit(commands::shell::version(&output)),
        Some(Command::Help { command }) => exit(commands::shell::help(command.as_deref(), color)),
        Some(Command::Other(words)) => Err(commands::other::answer(&words)),
    }
}
