//! Traces among the sources: a server, and files that begin as traces do.

use crate::args::traces::TraceServerArgs;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry::traces;
use mesh_collectors::traces::server::Search;
use mesh_model::traces::Criteria;
use mesh_tui::shell::quoted;
use mesh_tui::world::traces::Traces;
use mesh_tui::world::{Answer, Ask, Source};

/// How many of a server's are read at once.
const MOST: usize = 200;

/// A server's address without what may be secret in it, with its flag.
pub fn address(args: &TraceServerArgs) -> Option<(&'static str, String)> {
    let named = [("--jaeger", &args.jaeger), ("--zipkin", &args.zipkin), ("--tempo", &args.tempo)];
    let (flag, url) = named.into_iter().find_map(|(flag, url)| Some((flag, url.as_ref()?)))?;
    Some((flag, super::telemetry::without_secrets(url)))
}

/// Reads files and the server, and says in `sources` how that went.
pub fn read(files: &[String], args: &TraceServerArgs, ask: Ask, context: &Context, sources: &mut Vec<Source>) -> Result<Answer<Traces>, Failure> {
    let server = traces::server(args)?;
    if files.is_empty() && server.is_none() {
        return Ok(Answer::unavailable(
            "no source holds traces",
            "name a server (--jaeger URL, --zipkin URL, --tempo URL), a file of traces, or a recording that has some",
        ));
    }
    let mut say = |name: &str, state: Result<String, String>| sources.push(Source { name: name.to_owned(), state });
    let mut all = Vec::new();
    let mut arguments: Vec<String> = Vec::new();
    let mut spans = Vec::new();
    for file in files {
        arguments.push(format!("--from {}", quoted(file)));
        match traces::named(file) {
            Ok(found) => {
                say(file, Ok(format!("{} spans", found.spans.len())));
                found.problems.into_iter().for_each(|p| say(file, Err(p)));
                spans.extend(found.spans);
            }
            Err(failure) => say(file, Err(failure.to_string())),
        }
    }
    if !spans.is_empty() {
        all = mesh_model::traces::traces(spans);
    }
    if let (Some(server), Some((flag, url))) = (server, address(args)) {
        let to = context.now - ask.back;
        let search = Search { criteria: Criteria::default(), from: to - ask.window, to, limit: MOST };
        match traces::searched(&server, &search, context) {
            Ok(answer) => {
                say(&url, Ok(format!("{} traces", answer.traces.len())));
                answer.problems.into_iter().for_each(|p| say(&url, Err(p)));
                all.extend(answer.traces);
            }
            Err(failure) => say(&url, Err(failure.to_string())),
        }
        // Files and a server are not asked by one command.
        if files.is_empty() {
            arguments.push(format!("{flag} {} --since {}s", quoted(&url), ask.window));
        }
    }
    all.sort_by(|a, b| b.start().cmp(&a.start()).then_with(|| a.id.cmp(&b.id)));
    all.dedup_by(|a, b| a.id == b.id);
    Ok(Answer::Known(Traces::new(all, arguments.join(" "))))
}
