//! `meshctl explain`: anything that a proxy or this tool prints.

pub mod logs;
mod render;
mod rules;
mod words;

use crate::args::{ExplainArgs, ListWhat};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use std::path::Path;

pub fn run(args: &ExplainArgs, context: &Context) -> Outcome {
    match args.list {
        Some(ListWhat::Rules) => return rules::list(args.output, context),
        Some(what) => return words::list(what, args.output, context),
        None => {}
    }
    if args.words.is_empty() {
        return Err(Failure::usage(
            "what is to be explained? A word, such as `meshctl explain UF` or `meshctl explain IST0101`; a log, such as `meshctl explain access.log`; \
             `meshctl explain --list flags` shows what there is",
        ));
    }
    if args.words.iter().all(|w| is_log(w)) {
        return logs::run(args, context);
    }
    if let Some(file) = args.words.iter().find(|w| is_log(w)) {
        return Err(Failure::usage(format!(
            "`{file}` is a file and `{}` is none: give words or files",
            args.words.iter().find(|w| !is_log(w)).map_or("", String::as_str)
        )));
    }
    if args.from.is_some() || args.format.is_some() {
        return Err(Failure::usage(format!("--from and --format are for logs, and there is no file `{}`", args.words.join(" "))));
    }
    words::run(&args.words, args.output, context)
}

/// Whether a word stands for a log. A word that means something is no file, unless it is written as a path.
fn is_log(word: &str) -> bool {
    let is_there = Path::new(word).exists() || mesh_collectors::recording::is_there(Path::new(word));
    word == "-" || (is_there && (word.contains(['/', '.']) || mesh_analyzers::explain::find(word).is_err()))
}
