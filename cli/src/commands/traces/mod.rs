//! `meshctl traces`: search, one trace as a waterfall, and where the time of many went.

mod list;
mod source;
mod value;
mod waterfall;

use crate::args::traces::TracesArgs;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document;
use crate::status::{Failure, Outcome, Status};
use mesh_metrics::promql::parse_duration;
use mesh_model::traces::{Criteria, Trace, Wanted};

pub fn run(args: &TracesArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o {}: the formats are text and json", args.output)));
    }
    let (traces, problems) = source::read(args, &criteria(args)?, context)?;
    let text = match (args.output.as_str(), &args.id) {
        ("json", _) => document(value::value(&traces, &problems), Document::Json, context.compat),
        (_, Some(id)) => one(&traces, id)?,
        (_, None) => list::render(&traces),
    };
    context.answer(&text)?;
    problems.iter().for_each(|p| context.note(p));
    Ok(if problems.is_empty() { Status::Fine } else { context.partial })
}

fn one(traces: &[Trace], id: &str) -> Result<String, Failure> {
    match traces {
        [one] => Ok(waterfall::render(one)),
        [] => Err(Failure::none(format!("there is no trace {id}"))),
        several => {
            let names: Vec<&str> = several.iter().map(|t| t.id.as_str()).take(10).collect();
            Err(Failure::usage(format!("{} traces begin with {id}: {}", several.len(), names.join(", "))))
        }
    }
}

fn criteria(args: &TracesArgs) -> Result<Criteria, Failure> {
    let tag = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("--tag {text}: a name and a value, such as http.status_code=503, must stand here"))),
    };
    Ok(Criteria {
        service: args.service.clone(),
        operation: args.operation.clone(),
        tags: args.tag.iter().map(tag).collect::<Result<_, _>>()?,
        least: args.min_duration.as_deref().map(|t| micros("--min-duration", t)).transpose()?,
        most: args.max_duration.as_deref().map(|t| micros("--max-duration", t)).transpose()?,
        wanted: if args.errors { Wanted::Errors } else { Wanted::All },
    })
}

fn micros(flag: &str, text: &str) -> Result<i64, Failure> {
    let found = parse_duration(text).and_then(|ms| ms.checked_mul(1000));
    found.ok_or_else(|| Failure::usage(format!("{flag} {text}: a duration such as 500ms or 2s must stand here")))
}

/// `22.2 ms`, `1.65 s`.
fn time(micros: i64) -> String {
    match micros {
        us if us >= 1_000_000 => format!("{:.2} s", us as f64 / 1e6),
        us if us >= 1_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{us} us"),
    }
}
