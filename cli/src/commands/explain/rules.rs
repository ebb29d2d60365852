//! `meshctl explain CODE`: what a finding means.

use super::render::{BOLD, plain};
use crate::args::ExplainFormat;
use crate::context::Context;
use crate::explain::page;
use crate::output::{documentation, pretty};
use crate::status::{Outcome, Status};
use anstyle::AnsiColor;
use mesh_analyzers::{Code, Level, codes};
use serde_json::json;

/// All codes, a line each.
pub fn list(format: ExplainFormat, context: &Context) -> Outcome {
    answer(codes::ALL, Form::Lines, format, context)
}

/// The codes of a set: one whole, several a line each.
pub fn show(ids: &crate::select::Codes, format: ExplainFormat, context: &Context) -> Outcome {
    let found: Vec<&'static Code> = codes::ALL.iter().copied().filter(|c| ids.contains(c.id)).collect();
    let form = if found.len() == 1 { Form::Whole } else { Form::Lines };
    answer(&found, form, format, context)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Lines,
}

fn answer(found: &[&'static Code], form: Form, format: ExplainFormat, context: &Context) -> Outcome {
    let text = match (format, form) {
        (ExplainFormat::Json, _) => {
            let object = |c: &&Code| {
                let mut value = json!({"code": c.id, "name": c.name, "level": c.level.name(), "summary": c.summary, "documentationUrl": documentation(c)});
                if let (Form::Whole, Some(text), Some(object)) = (form, page(c.id), value.as_object_mut()) {
                    object.insert("text".to_owned(), text.into());
                }
                value
            };
            pretty(&found.iter().map(object).collect::<serde_json::Value>(), b"  ")
        }
        (ExplainFormat::Markdown, Form::Whole) => found.iter().map(|c| markdown(c)).collect(),
        (ExplainFormat::Text, Form::Whole) => found.iter().map(|c| plain(&markdown(c))).collect(),
        (ExplainFormat::Markdown, Form::Lines) => found.iter().map(|c| format!("- `{}` {} ({}): {}\n", c.id, c.name, c.level.name(), c.summary)).collect(),
        (ExplainFormat::Text, Form::Lines) => lines(found),
    };
    context.answer(&text)?;
    Ok(Status::Fine)
}

fn markdown(code: &Code) -> String {
    let text =
        page(code.id).map_or_else(|| format!("## {} {} ({})\n\n{}.\n", code.id, code.name, code.level.name(), code.summary), |page| code.introduced(page));
    format!("{text}\n{}\n", documentation(code))
}

fn lines(found: &[&Code]) -> String {
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
