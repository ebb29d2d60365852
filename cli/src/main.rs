//! `meshctl`, the binary: arguments, sources, printing, exit status.

mod args;
mod baseline;
mod beside;
mod cluster;
mod commands;
mod config;
mod context;
mod demos;
mod dump;
mod entry;
mod explain;
mod fingerprint;
mod followers;
mod git;
mod glob;
mod load;
mod mesh_input;
mod moment;
mod near;
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
use clap::Parser;
use context::Context;
use status::{Outcome, Status};
use std::process::ExitCode;

fn main() -> ExitCode {
    let ended = match args::Cli::try_parse() {
        Ok(args) => placed(args).and_then(|(args, now)| match args {
            Ok(args) => run(args, now),
            Err(error) => Ok(of_clap(&error)),
        }),
        Err(error) => Ok(of_clap(&error)),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            if !matches!(failure, status::Failure::Closed) {
                stdio::notes(&format!("error: {failure}"));
                if let Some(word) = hint(&failure) {
                    stdio::notes(&format!("a demo runs: --from {word} asks it"));
                }
            }
            ExitCode::from(failure.code())
        }
    }
}

/// The demo that runs, for who named nothing to ask.
fn hint(failure: &status::Failure) -> Option<String> {
    let cli = args::Cli::try_parse().ok().filter(|_| matches!(failure, status::Failure::Usage(_)))?;
    demos::unasked(&std::env::args().collect::<Vec<_>>(), &cli)
}

/// Help and version that were asked for are an answer; anything else is wrong usage.
fn of_clap(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 64 } else { 0 })
}

/// The arguments with `--at` put to the recordings among them, and the time of these.
fn placed(args: args::Cli) -> Result<(Result<args::Cli, clap::Error>, Option<i64>), status::Failure> {
    let at = args.global.at.as_deref();
    // Words that are no text name no recording.
    let Ok(words) = std::env::args_os().map(std::ffi::OsString::into_string).collect::<Result<Vec<_>, _>>() else { return Ok((Ok(args), None)) };
    if let Some(words) = demos::place(&words, &args, print::time::clock())? {
        return Ok((args::Cli::try_parse_from(&words), None));
    }
    let placed = moment::place(&words, at)?;
    if at.is_some() && placed.recordings == 0 && !args.command.as_ref().is_some_and(Command::has_times) {
        return Err(status::Failure::usage("--at: none of the sources has times; recordings (`meshctl snapshot record`) and metrics have"));
    }
    let args = if placed.words == words { Ok(args) } else { args::Cli::try_parse_from(&placed.words) };
    Ok((args, placed.now))
}

fn run(args: args::Cli, recorded: Option<i64>) -> Result<ExitCode, status::Failure> {
    let context = Context::new(&args.global, recorded)?;
    let outcome: Outcome = match args.command {
        None => commands::shell::help(None, &context),
        Some(Command::Analyze(a)) => commands::analyze::run(&a, commands::analyze::Part::All, &context),
        Some(Command::Validate(a)) => commands::analyze::run(&a, commands::analyze::Part::Schema, &context),
        Some(Command::Test(a)) => commands::test::run(&a, &context),
        Some(Command::Drift(a)) => commands::drift::run(&a, &context),
        Some(Command::Gen(a)) => commands::generate::run(&a, &context),
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
        Some(Command::Snapshot(a)) => commands::snapshot::run(&a, &context),
        Some(Command::ZtunnelConfig(a)) => commands::ztunnel_config::run(&a, &context),
        Some(Command::Authz(a)) => commands::authz::run(&a, &context),
        Some(Command::Graph(a)) => commands::graph::run(&a, &context),
        Some(Command::Top(a)) => commands::top::run(&a, &context),
        Some(Command::Canary(a)) => commands::canary::run(&a, &context),
        Some(Command::Traces(a)) => commands::traces::run(&a, &context),
        Some(Command::Tui(a)) => commands::tui::run(&a, &context),
        Some(Command::Route(a)) => commands::route::run(&a, &context),
        Some(Command::Controlplane(a)) => commands::controlplane::run(&a, &context),
        Some(Command::Demo(a)) => commands::demo::run(&a, &context),
        Some(Command::Completion { shell, all }) => commands::shell::completion(shell, all.as_deref(), &context),
        Some(Command::Man { command, all }) => commands::shell::man(command.as_deref(), all.as_deref(), &context),
        Some(Command::Version(a)) => commands::version::run(&a, &context),
        Some(Command::Help { command }) => commands::shell::help(command.as_deref(), &context),
        Some(Command::Other(words)) if commands::other::is_experimental(&words) => {
            // The words of the command are the last ones: `x` goes, what stands before it stays.
            let mut all: Vec<_> = std::env::args_os().collect();
            all.remove(all.len() - words.len());
            return args::Cli::try_parse_from(all).map_or_else(|error| Ok(of_clap(&error)), |args| run(args, recorded));
        }
        Some(Command::Other(words)) => Err(commands::other::answer(&words)),
    };
    outcome.map(Status::exit)
}
