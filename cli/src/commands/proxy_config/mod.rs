//! `meshctl proxy-config`: what one proxy holds.

pub mod filter;
pub mod istioctl;
mod json;
pub mod log;
mod query;
mod rootca;
mod sections;
mod set_levels;
pub mod tables;

use crate::args::proxy_config::{ProxyConfigArgs, ProxyConfigCommand};
use crate::context::{Compat, Context};
use crate::dump::{self, Need};
use crate::print::document::Document;
use crate::print::dump::document;
use crate::status::{Failure, Outcome, Status};
use crate::{stdio, watch};
use filter::{ClusterFilter, EndpointFilter, ListenerFilter};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::{Content, identify};
pub use query::format;
use sections::{Wanted, kinds};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    All,
    Bootstrap,
    Cluster,
    Ecds,
    Eds,
    Endpoint,
    Listener,
    Route,
    Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Table,
    Wide,
    Csv,
    Document(Document),
}

/// Everything the command line says, `All` included.
#[derive(Clone, Debug)]
pub struct Query {
    pub what: What,
    pub format: Format,
    pub compat: Compat,
    pub clusters: ClusterFilter,
    pub listeners: ListenerFilter,
    pub listener_detail: istioctl::listener::Detail,
    pub route_name: String,
    pub route_detail: istioctl::route::Detail,
    pub endpoints: EndpointFilter,
    pub headers: Headers,
    pub waypoint: Waypoint,
    /// Seconds since the epoch.
    pub now: i64,
}

/// Whether `all` prints a heading over each table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    Plain,
    Named,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waypoint {
    No,
    Yes,
}

/// What is printed, and what could not be seen of it.
pub struct Answer {
    pub text: String,
    pub problems: Vec<String>,
}

impl Answer {
    pub fn whole(text: String) -> Answer {
        Answer { text, problems: Vec::new() }
    }
    /// The answer from input of which more could not be read.
    pub fn with(mut self, problems: Vec<String>) -> Answer {
        self.problems.extend(problems);
        self
    }
    /// Prints it, then what is missing.
    pub fn give(self, context: &Context) -> Outcome {
        context.answer(&self.text)?;
        for problem in &self.problems {
            stdio::note(&format!("error: not seen: {problem}"));
        }
        Ok(if self.problems.is_empty() { Status::Fine } else { context.partial })
    }
}

/// Answers a query from the text of a dump: the whole output, or why there is none.
pub fn answer(text: &str, query: &Query) -> Result<Answer, Failure> {
    if query.what == What::Endpoint {
        return endpoint(text, query);
    }
    if let (What::All, Format::Document(as_)) = (query.what, query.format) {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| not_a_dump(text, &e.to_string()))?;
        return Ok(Answer::whole(document(value, as_, query.compat)));
    }
    let mut wanted = Wanted::new(query);
    let found = mesh_envoy::dump::read(text, &mut wanted).map_err(|e| not_a_dump(text, &e.to_string()))?;
    let mut unread = unread(&found);
    if query.compat == Compat::Meshctl {
        unread.extend(twice(&found, kinds(query)));
    }
    match wanted.answer(query, &found.types) {
        Ok(mut answer) => {
            answer.problems.splice(0..0, unread);
            Ok(answer)
        }
        // Without what can't be read there may be nothing left to print.
        Err(failure) if unread.is_empty() => Err(failure),
        Err(failure) => Err(Failure::input(format!("{failure}\n  {}", unread.join("\n  ")))),
    }
}

/// Sections that are shown and stand in a dump more than once: the last one counts, as with istioctl.
fn twice(found: &mesh_envoy::dump::Found, shown: &[SectionKind]) -> Vec<String> {
    let places = |kind: &SectionKind| -> Vec<usize> {
        let is_it = |name: &&String| name.rsplit('.').next() == Some(kind.message());
        found.types.iter().enumerate().filter(|(_, name)| is_it(name)).map(|(i, _)| i).collect()
    };
    let told = |kind: &SectionKind| match places(kind).as_slice() {
        [earlier @ .., last] if !earlier.is_empty() => {
            let earlier: Vec<String> = earlier.iter().map(|i| format!("configs[{i}]")).collect();
            Some(format!("{} stands twice in the dump: configs[{last}] is shown, {} is not", kind.message(), earlier.join(" and ")))
        }
        _ => None,
    };
    shown.iter().filter_map(told).collect()
}

/// What could not be read of a dump: the first entries, and how many more.
pub fn unread(found: &mesh_envoy::dump::Found) -> Vec<String> {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = found.unread.iter().take(SHOWN).map(ToString::to_string).collect();
    if found.unread.len() > SHOWN {
        lines.push(format!("{} more entries like these can't be read", found.unread.len() - SHOWN));
    }
    lines
}

/// What of a proxy is asked for.
fn need(query: &Query) -> Need {
    match (query.what, query.format) {
        (What::Endpoint, _) => Need::Endpoints,
        (What::All, Format::Document(_)) => Need::Whole,
        _ => Need::Sections(kinds(query)),
    }
}

/// A table of ours in the format asked for.
pub fn show(table: &crate::print::table::Table, format: Format) -> String {
    if format == Format::Csv { table.csv() } else { table.render(tables::PADDING) }
}

pub fn width(format: Format) -> tables::Width {
    if format == Format::Table { tables::Width::Table } else { tables::Width::Wide }
}

fn endpoint(text: &str, query: &Query) -> Result<Answer, Failure> {
    let error = |e: mesh_envoy::dump::DumpError| cannot_be_read(text, &e.to_string(), Content::Clusters, Need::Endpoints);
    let table = match (query.format, query.compat) {
        // Endpoints are endpoints, whichever page they come from.
        (_, Compat::Meshctl) if identify(text) == Content::ConfigDump => return answer(text, &Query { what: What::Eds, ..query.clone() }),
        (Format::Document(as_), _) => document(json::endpoints(text, &query.endpoints).map_err(error)?, as_, query.compat),
        (_, Compat::Istioctl) => istioctl::endpoint::table(&mesh_envoy::admin::clusters::read(text).map_err(error)?, &query.endpoints),
        _ => {
            let clusters = mesh_envoy::admin::clusters::read(text).map_err(error)?;
            show(&tables::endpoint::live(&clusters, &query.endpoints, width(query.format)), query.format)
        }
    };
    Ok(Answer::whole(table))
}

pub fn not_a_dump(text: &str, error: &str) -> Failure {
    cannot_be_read(text, error, Content::ConfigDump, Need::Whole)
}

/// Why a page can't be read: it is broken, or it is another one.
pub fn cannot_be_read(text: &str, error: &str, expected: Content, need: Need) -> Failure {
    match identify(text) {
        what if what == expected => Failure::input(format!("{} can't be read: {error}", what.describe())),
        other => Failure::input(format!("this is {}, not {} ({error})", other.describe(), need.instead_of(other))),
    }
}

/// A dump without a section: which one, and which there are.
pub fn missing(kind: SectionKind, found: &[String]) -> Failure {
    let names: Vec<&str> = found.iter().map(|f| f.rsplit('.').next().unwrap_or(f)).collect();
    let held = if names.is_empty() { "no section at all".to_owned() } else { names.join(", ") };
    Failure::none(format!("the config dump has no type.googleapis.com/envoy.admin.v3.{}; it holds {held}", kind.message()))
}

pub fn run(args: &ProxyConfigArgs, context: &Context) -> Outcome {
    match &args.what {
        ProxyConfigCommand::Log(a) => return log::run(a, context),
        ProxyConfigCommand::RootcaCompare(a) => return rootca::run(a, context),
        _ => {}
    }
    let (query, place) = query::query(&args.what, context)?;
    watch::run(place, context, || {
        dump::answers(place, need(&query), context, &|found| {
            let answer = answer(&found.page.text, &query).map_err(|f| f.of(&found.page.origin))?;
            Ok(answer.with(found.problems))
        })
    })
}
