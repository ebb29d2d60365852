//! Where traces come from.

use super::super::snapshot::failure;
use crate::args::traces::TracesArgs;
use crate::context::Context;
use crate::dump::block_on;
use crate::print::time::parse_rfc3339;
use crate::status::Failure;
use crate::stdio::Progress;
use crate::telemetry::duration;
use mesh_collectors::recording;
use mesh_collectors::telemetry::prometheus::{Client, Credentials, Options};
use mesh_collectors::traces::server::{Api, Search, Server};
use mesh_collectors::traces::{self};
use mesh_model::traces::{Criteria, Trace};
use std::path::Path;
use std::time::Duration;

/// The traces that fit, or those that are named; and what could not be read.
pub type Read = (Vec<Trace>, Vec<String>);

pub fn read(args: &TracesArgs, criteria: &Criteria, context: &Context) -> Result<Read, Failure> {
    let servers: Vec<(Api, &String)> = [(Api::Jaeger, &args.jaeger), (Api::Zipkin, &args.zipkin), (Api::Tempo, &args.tempo)]
        .into_iter()
        .filter_map(|(api, url)| Some((api, url.as_ref()?)))
        .collect();
    if !args.from.is_empty() {
        return files(args, criteria);
    }
    match servers.as_slice() {
        [] => Err(Failure::usage("no traces to look at: name a server with --jaeger, --zipkin or --tempo, or files with --from")),
        [(api, url)] => server(*api, url, args, criteria, context),
        _ => Err(Failure::usage("traces are read from one server: --jaeger, --zipkin and --tempo exclude each other")),
    }
}

fn files(args: &TracesArgs, criteria: &Criteria) -> Result<Read, Failure> {
    let (mut spans, mut problems) = (Vec::new(), Vec::new());
    for word in &args.from {
        let path = Path::new(word);
        let texts: Vec<(String, String)> = match recording::find(path) {
            Some(found) => {
                let capture = found.capture().map_err(failure)?;
                capture.below("traces").map(|p| (format!("{word}/{}", p.path), p.text.clone())).collect()
            }
            None => vec![(word.clone(), std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{word}: {e}")))?)],
        };
        if texts.is_empty() {
            problems.push(format!("{word}: it holds no traces"));
        }
        for (name, text) in texts {
            let found = traces::read(&name, &text).map_err(Failure::input)?;
            spans.extend(found.spans);
            problems.extend(found.problems);
        }
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

fn server(api: Api, url: &str, args: &TracesArgs, criteria: &Criteria, context: &Context) -> Result<Read, Failure> {
    let server = Server { client: client(url, args)?, api };
    let since = duration("--since", &args.since)? / 1000;
    let at = args_at(context)?;
    let search = Search { criteria: criteria.clone(), from: at - since, to: at, limit: args.limit };
    let progress = Progress::start(context.notes);
    progress.phase(|| format!("asking {}", server.client.url()));
    let answer = block_on(async {
        match &args.id {
            Some(id) => server.trace(id).await.map(Option::unwrap_or_default),
            None => server.search(&search).await,
        }
    });
    drop(progress);
    let answer = answer?.map_err(|e| Failure::none(e.to_string()))?;
    Ok((answer.traces, answer.problems))
}

/// The end of what is searched: `--at`, else now.
fn args_at(context: &Context) -> Result<i64, Failure> {
    match &context.at {
        None => Ok(context.now),
        Some(text) => parse_rfc3339(text).ok_or_else(|| Failure::usage(format!("--at takes a time such as 2026-11-22T11:40:00Z, not `{text}`"))),
    }
}

fn client(url: &str, args: &TracesArgs) -> Result<Client, Failure> {
    let header = |text: &String| {
        let pair = text.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        // The text is not repeated: a header may be a secret.
        pair.ok_or_else(|| Failure::usage("--trace-header takes `NAME: VALUE`, such as 'X-Scope-OrgID: team'"))
    };
    let authorities = match &args.trace_ca {
        None => Vec::new(),
        Some(path) => std::fs::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?,
    };
    let options = Options {
        credentials: args.trace_token_file.clone().map_or(Credentials::None, Credentials::TokenFile),
        headers: args.trace_header.iter().map(header).collect::<Result<_, _>>()?,
        authorities,
        answer: Duration::from_millis(duration("--trace-timeout", &args.trace_timeout)?.unsigned_abs()),
        attempts: 2,
        ..Options::default()
    };
    Client::new(url, options).map_err(|e| Failure::usage(e.to_string()))
}
