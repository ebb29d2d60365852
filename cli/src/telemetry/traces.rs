//! Traces of files, folders, recordings and servers, for the commands that show them.

use super::{duration, folder};
use crate::args::traces::TraceServerArgs;
use crate::commands::snapshot::failure;
use crate::context::Context;
use crate::dump::block_on;
use crate::status::Failure;
use crate::stdio::Progress;
use mesh_collectors::recording;
use mesh_collectors::telemetry::prometheus::{Client, Credentials, Options};
use mesh_collectors::traces::server::{Answer, Api, Search, Server};
use mesh_collectors::traces::{self, Found};
use mesh_model::traces::Span;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// The server that is named, if one is.
pub fn server(args: &TraceServerArgs) -> Result<Option<Server>, Failure> {
    let named: Vec<(Api, &String)> = [(Api::Jaeger, &args.jaeger), (Api::Zipkin, &args.zipkin), (Api::Tempo, &args.tempo)]
        .into_iter()
        .filter_map(|(api, url)| Some((api, url.as_ref()?)))
        .collect();
    match named.as_slice() {
        [] => Ok(None),
        [(api, url)] => Ok(Some(Server { client: client(url, args)?, api: *api })),
        _ => Err(Failure::usage("traces are read from one server: --jaeger, --zipkin and --tempo exclude each other")),
    }
}

/// What a server has of a search.
pub fn searched(server: &Server, search: &Search, context: &Context) -> Result<Answer, Failure> {
    let progress = Progress::start(context.notes);
    progress.phase(|| format!("asking {}", server.client.url()));
    let answer = block_on(server.search(search));
    drop(progress);
    answer?.map_err(|e| Failure::none(e.to_string()))
}

/// The spans of a file or recording that was named.
pub fn named(word: &str) -> Result<Found, Failure> {
    let path = Path::new(word);
    let Some(recorded) = recording::find(path) else {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{word}: {e}")))?;
        return traces::read(word, &text).map_err(Failure::input);
    };
    let mut all = Found::default();
    let pages = recorded.gathered("traces", BACK).map_err(failure)?;
    let mut known = BTreeSet::new();
    for page in &pages {
        let found = traces::read(&format!("{word}/{}", page.path), &page.text).map_err(Failure::input)?;
        // A trace that was found at several moments has grown, or has not.
        let is_new = |s: &Span| known.insert((s.trace.clone(), s.id.clone(), s.service.clone(), format!("{:?}", s.kind), s.start));
        all.spans.extend(found.spans.into_iter().filter(is_new));
        all.problems.extend(found.problems);
    }
    all.problems.dedup();
    if pages.is_empty() {
        all.problems.push(format!("{word}: it holds no traces"));
    }
    Ok(all)
}

/// How far a recording is looked back into for traces and logs, in milliseconds.
pub const BACK: i64 = 6 * 3600 * 1000;
/// How far files are looked into.
const LOOK: u64 = 4 * 1024;

/// The files of traces that a path is or holds, or the path itself where it is a recording with some.
pub fn find(path: &str) -> Vec<String> {
    let root = Path::new(path);
    if let Some(recorded) = recording::find(root) {
        let has_some = recorded.gathered("traces", BACK).is_ok_and(|pages| !pages.is_empty());
        return has_some.then(|| path.to_owned()).into_iter().collect();
    }
    folder::files(root, &["json", "jsonl"]).into_iter().filter(|f| begins_so(f)).map(|f| f.display().to_string()).collect()
}

fn begins_so(path: &Path) -> bool {
    folder::head(path, LOOK).is_some_and(|head| traces::begins_so(&String::from_utf8_lossy(&head)))
}

fn client(url: &str, args: &TraceServerArgs) -> Result<Client, Failure> {
    let header = |text: &String| {
        let pair = text.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        // The text is not repeated: a header may be a secret.
        pair.ok_or_else(|| Failure::usage("--trace-header takes `NAME: VALUE`, such as 'X-Scope-OrgID: team'"))
    };
    let authorities = match &args.trace_ca {
        None => Vec::new(),
        Some(path) => std::fs::read(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?,
    };
    let credentials = match (&args.trace_token_file, &args.trace_user, &args.trace_password_file) {
        (Some(path), _, _) => Credentials::TokenFile(path.clone()),
        (None, Some(user), Some(path)) => {
            let text = std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?;
            Credentials::Basic { user: user.clone(), password: text.trim_end_matches(['\r', '\n']).to_owned() }
        }
        _ => Credentials::None,
    };
    let options = Options {
        credentials,
        headers: args.trace_header.iter().map(header).collect::<Result<_, _>>()?,
        authorities,
        answer: Duration::from_millis(duration("--trace-timeout", &args.trace_timeout)?.unsigned_abs()),
        attempts: 2,
        ..Options::default()
    };
    Client::new(url, options).map_err(|e| Failure::usage(e.to_string()))
}
