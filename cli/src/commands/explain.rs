//! `meshctl explain`: what a code means.

use crate::args::{ExplainArgs, ExplainFormat};
use crate::context::Context;
use crate::explain::page;
use crate::output::{documentation, pretty};
use crate::select;
use crate::status::{Failure, Outcome, Status};
use anstyle::{AnsiColor, Style};
use mesh_analyzers::{Code, Level, codes};
use serde_json::json;

const BOLD: Style = Style::new().bold();
const CODE: Style = AnsiColor::Cyan.on_default();

pub fn run(args: &ExplainArgs, context: &Context) -> Outcome {
    let found: Vec<&'static Code> = match (&args.word, args.list) {
        (None, None) => {
            return Err(Failure::usage("what is to be explained? A code, such as `meshctl explain IST0101`; `meshctl explain --list rules` shows them all"));
        }
        (None, Some(_)) => codes::ALL.to_vec(),
        (Some(word), _) => {
            let ids = select::codes_of(word).map_err(Failure::Usage)?;
            codes::ALL.iter().copied().filter(|c| ids.contains(c.id)).collect()
        }
    };
    let whole = args.list.is_none() && found.len() == 1;
    let text = match args.output {
        ExplainFormat::Json => {
            let object = |c: &&Code| {
                let mut value = json!({"code": c.id, "name": c.name, "level": c.level.name(), "summary": c.summary, "documentationUrl": documentation(c)});
                if let (true, Some(text), Some(object)) = (whole, page(c.id), value.as_object_mut()) {
                    object.insert("text".to_owned(), text.into());
                }
                value
            };
            pretty(&found.iter().map(object).collect(), b"  ")
        }
        ExplainFormat::Markdown if whole => found.iter().map(|c| markdown(c)).collect(),
        ExplainFormat::Text if whole => found.iter().map(|c| plain(&markdown(c))).collect(),
        ExplainFormat::Markdown => found.iter().map(|c| format!("- `{}` {} ({}): {}\n", c.id, c.name, c.level.name(), c.summary)).collect(),
        ExplainFormat::Text => list(&found),
    };
    context.answer(&text)?;
    Ok(Status::Fine)
}

fn markdown(code: &Code) -> String {
    let text = page(code.id).map_or_else(|| format!("## {} {} ({})\n\n{}.\n", code.id, code.name, code.level.name(), code.summary), str::to_owned);
    format!("{text}\n{}\n", documentation(code))
}

fn list(found: &[&Code]) -> String {
    let mut out = String::new();
    for code in found {
        let style = match code.level {
            Level::Error => AnsiColor::Red.on_default(),
            Level::Warning => AnsiColor::Yellow.on_default(),
            Level::Info => AnsiColor::Cyan.on_default(),
        };
        out.push_str(&format!("{BOLD}{}{BOLD:#}  {style}{:7}{style:#}  {}: {}\n", code.id, code.level.name(), code.name, code.summary));
    }
    out
}

/// Markdown as a terminal shows it: bold words bold, examples indented, no marks.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            out.push_str(&format!("    {CODE}{line}{CODE:#}\n"));
        } else if let Some(heading) = line.strip_prefix("## ") {
            out.push_str(&format!("{BOLD}{heading}{BOLD:#}\n"));
        } else {
            // `**` opens and closes in turn.
            for (i, part) in line.split("**").enumerate() {
                if i % 2 == 1 { out.push_str(&format!("{BOLD}{part}{BOLD:#}")) } else { out.push_str(part) }
            }
            out.push('\n');
        }
    }
    // The fences leave blank lines in pairs.
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out
}
