//! `meshctl completion`, `man` and `help`.

use crate::args::Cli;
use crate::commands::other;
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use clap::{CommandFactory, ValueEnum};
use clap_complete::{Generator, Shell};
use std::path::Path;

/// The script of one shell, or those of all into a folder.
pub fn completion(shell: Option<Shell>, all: Option<&Path>, context: &Context) -> Outcome {
    let script = |shell: Shell| {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "meshctl", &mut out);
        out
    };
    if let Some(dir) = all {
        for shell in Shell::value_variants() {
            stdio::public_file(&dir.join(shell.file_name("meshctl")), &script(*shell))?;
        }
    }
    if let Some(shell) = shell {
        context.answer(&String::from_utf8_lossy(&script(shell)))?;
    }
    Ok(Status::Fine)
}

/// The page of meshctl or of one command, or all pages into a folder.
pub fn man(command: Option<&str>, all: Option<&Path>, context: &Context) -> Outcome {
    let mut root = Cli::command();
    root.build();
    let shown: Vec<clap::Command> = root.get_subcommands().filter(|c| !c.is_hide_set()).cloned().collect();
    if let Some(dir) = all {
        stdio::public_file(&dir.join("meshctl.1"), &page(root)?)?;
        for command in shown {
            stdio::public_file(&dir.join(format!("meshctl-{}.1", command.get_name())), &page_of(command)?)?;
        }
        return Ok(Status::Fine);
    }
    let out = match command {
        None => page(root)?,
        Some(name) => {
            let found = root.find_subcommand(name).filter(|c| !c.is_hide_set()).cloned();
            page_of(found.ok_or_else(|| other::answer(&[name.to_owned()]))?)?
        }
    };
    context.answer(&String::from_utf8_lossy(&out))?;
    Ok(Status::Fine)
}

fn page_of(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let full: &'static str = String::leak(format!("meshctl-{}", command.get_name()));
    page(command.name(full))
}

fn page(command: clap::Command) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    clap_mangen::Man::new(command).render(&mut out).map_err(|e| Failure::Other(e.to_string()))?;
    Ok(out)
}

pub fn help(command: Option<&str>, context: &Context) -> Outcome {
    let mut root = Cli::command();
    root.build();
    let text = match command {
        None => root.render_help().ansi().to_string(),
        Some(name) => match root.find_subcommand_mut(name) {
            Some(found) => found.render_long_help().ansi().to_string(),
            None => return Err(other::answer(&[name.to_owned()])),
        },
    };
    context.answer(&text)?;
    Ok(Status::Fine)
}
