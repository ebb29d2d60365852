//! `meshctl completion`, `man`, `version` and `help`.

use crate::args::{Cli, ColorWhen};
use crate::commands::other;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use clap::CommandFactory;

pub fn completion(shell: clap_complete::Shell) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "meshctl", &mut out);
    stdio::answer(&String::from_utf8_lossy(&out), None, ColorWhen::Always)?;
    Ok(Status::Fine)
}

pub fn man(command: Option<&str>) -> Outcome {
    let mut root = Cli::command();
    root.build();
    let page = match command {
        None => root,
        Some(name) => {
            let found = root.find_subcommand(name).filter(|c| !c.is_hide_set()).cloned();
            let found = found.ok_or_else(|| other::answer(&[name.to_owned()]))?;
            let full: &'static str = String::leak(format!("meshctl-{}", found.get_name()));
            found.name(full)
        }
    };
    let mut out = Vec::new();
    clap_mangen::Man::new(page).render(&mut out).map_err(|e| Failure::Other(e.to_string()))?;
    stdio::answer(&String::from_utf8_lossy(&out), None, ColorWhen::Always)?;
    Ok(Status::Fine)
}

pub fn version(output: &str) -> Outcome {
    let text = match output {
        "text" => format!("meshctl {}\n", crate::args::VERSION),
        "json" => crate::output::pretty(
            &serde_json::json!({"name": "meshctl", "version": env!("CARGO_PKG_VERSION"), "repository": env!("CARGO_PKG_REPOSITORY")}),
            b"  ",
        ),
        other => return Err(Failure::usage(format!("version prints text or json, not `{other}`"))),
    };
    stdio::answer(&text, None, ColorWhen::Never)?;
    Ok(Status::Fine)
}

pub fn help(command: Option<&str>, color: ColorWhen) -> Outcome {
    let mut root = Cli::command();
    root.build();
    let text = match command {
        None => root.render_help().ansi().to_string(),
        Some(name) => match root.find_subcommand_mut(name) {
            Some(found) => found.render_long_help().ansi().to_string(),
            None => return Err(other::answer(&[name.to_owned()])),
        },
    };
    stdio::answer(&text, None, color)?;
    Ok(Status::Fine)
}
