//! Traces among the sources: a server, and files that begin as traces do.

use super::dumps::Said;
use crate::args::traces::TraceServerArgs;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry::traces;
use mesh_collectors::traces::server::Search;
use mesh_model::traces::Criteria;
use mesh_tui::shell::quoted;
use mesh_tui::world::traces::Traces;
use mesh_tui::world::{Answer, Ask};

/// How many of a server's are read at once.
const MOST: usize = 200;

/// A server's address without what may be secret in it, with its flag.
pub fn address(args: &TraceServerArgs) -> Option<(&'static str, String)> {
    let named = [("--jaeger", &args.jaeger), ("--zipkin", &args.zipkin), ("--tempo", &args.tempo)];
    let (flag, url) = named.into_iter().find_map(|(flag, url)| Some((flag, url.as_ref()?)))?;
    Some((flag, super::telemetry::without_secrets(url)))
}

/// What was read.
pub struct Read {
    pub traces: Answer<Traces>,
    /// How that went, by source.
    pub said: Said,
    /// Whether the server, or a file, gave nothing.
    pub has_failed: bool,
}

/// Reads files and the server.
pub fn read(files: &[String], args: &TraceServerArgs, ask: Ask, context: &Context) -> Result<Read, Failure> {
    let server = traces::server(args)?;
    if files.is_empty() && server.is_none() {
        let none = Answer::unavailable(
            "no source holds traces",
            "name a server (--jaeger URL, --zipkin URL, --tempo URL), a file of traces, or a recording that has some",
        );
        return Ok(Read { traces: none, said: Vec::new(), has_failed: false });
    }
    let (mut said, mut failures) = (Vec::new(), Vec::new());
    let mut say = |name: &str, state: Result<String, String>| said.push((name.to_owned(), state));
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
            Err(failure) => {
                failures.push(failure.to_string());
                say(file, Err(failure.to_string()));
            }
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
            Err(failure) => {
                failures.push(failure.to_string());
                say(&url, Err(failure.to_string()));
            }
        }
        // Files and a server are not asked by one command.
        if files.is_empty() {
            arguments.push(format!("{flag} {} --since {}s", quoted(&url), ask.window));
        }
    }
    all.sort_by(|a, b| b.start().cmp(&a.start()).then_with(|| a.id.cmp(&b.id)));
    all.dedup_by(|a, b| a.id == b.id);
    let has_failed = !failures.is_empty();
    let traces = match failures.into_iter().next().filter(|_| all.is_empty()) {
        Some(why) => Answer::unavailable(why, "r asks again"),
        None => Answer::Known(Traces::new(all, arguments.join(" "))),
    };
    Ok(Read { traces, said, has_failed })
}
