//! Where traces come from.

use crate::args::traces::TracesArgs;
use crate::context::Context;
use crate::dump::block_on;
use crate::print::time::parse_rfc3339;
use crate::status::Failure;
use crate::stdio::Progress;
use crate::telemetry::{duration, traces};
use mesh_collectors::traces::server::{Search, Server};
use mesh_model::traces::{Criteria, Trace};

/// The traces that fit, or those that are named; and what could not be read.
pub type Read = (Vec<Trace>, Vec<String>);

pub fn read(args: &TracesArgs, criteria: &Criteria, context: &Context) -> Result<Read, Failure> {
    if !args.from.is_empty() {
        return files(args, criteria);
    }
    match traces::server(&args.server)? {
        None => Err(Failure::usage("no traces to look at: name a server with --jaeger, --zipkin or --tempo, or files with --from")),
        Some(found) => server(&found, args, criteria, context),
    }
}

fn files(args: &TracesArgs, criteria: &Criteria) -> Result<Read, Failure> {
    let (mut spans, mut problems) = (Vec::new(), Vec::new());
    for word in &args.from {
        let found = traces::named(word)?;
        spans.extend(found.spans);
        problems.extend(found.problems);
    }
    let mut all = mesh_model::traces::traces(spans);
    match &args.id {
        Some(id) => {
            let id = id.trim_start_matches('0').to_ascii_lowercase();
            all.retain(|t| t.id.starts_with(&id));
        }
        None => {
            all.retain(|t| criteria.fits(t));
            all.truncate(args.limit);
        }
    }
    Ok((all, problems))
}

fn server(server: &Server, args: &TracesArgs, criteria: &Criteria, context: &Context) -> Result<Read, Failure> {
    let since = duration("--since", &args.since)? / 1000;
    let at = args_at(context)?;
    let Some(id) = &args.id else {
        let search = Search { criteria: criteria.clone(), from: at - since, to: at, limit: args.limit };
        let answer = traces::searched(server, &search, context)?;
        return Ok((answer.traces, answer.problems));
    };
    let progress = Progress::start(context.notes);
    progress.phase(|| format!("asking {}", server.client.url()));
    let answer = block_on(server.trace(id));
    drop(progress);
    let answer = answer?.map_err(|e| Failure::none(e.to_string()))?.unwrap_or_default();
    Ok((answer.traces, answer.problems))
}

/// The end of what is searched: `--at`, else now.
fn args_at(context: &Context) -> Result<i64, Failure> {
    match &context.at {
        None => Ok(context.now),
        Some(text) => parse_rfc3339(text).ok_or_else(|| Failure::usage(format!("--at takes a time such as 2026-11-22T11:40:00Z, not `{text}`"))),
    }
}
