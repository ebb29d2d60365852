//! `meshctl proxy-config`: what one proxy holds.

pub mod filter;
pub mod istioctl;
mod json;
mod query;
mod sections;
mod tables;

use crate::print::document::{Document, render};
use filter::{ClusterFilter, EndpointFilter, ListenerFilter};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::{Content, identify};
pub use query::format;
use sections::Wanted;

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

/// Whose tables are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// istioctl's, to the letter.
    Istioctl,
    Meshctl,
}

/// The style that `--compat istioctl` or MESHCTL_COMPAT asks for.
pub fn style() -> Style {
    if std::env::var("MESHCTL_COMPAT").is_ok_and(|v| v == "istioctl") { Style::Istioctl } else { Style::Meshctl }
}

/// Everything the command line says, `All` included.
#[derive(Clone, Debug)]
pub struct Query {
    pub what: What,
    pub format: Format,
    pub style: Style,
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

/// Answers a query from the text of a dump: the whole output, or why there is none.
pub fn answer(text: &str, query: &Query) -> Result<String, String> {
    if query.what == What::Endpoint {
        return endpoint(text, query);
    }
    if let (What::All, Format::Document(document)) = (query.what, query.format) {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| not_a_dump(text, &e.to_string()))?;
        return Ok(render(&json::redacted(value), document));
    }
    let mut wanted = Wanted::new(query);
    let found = mesh_envoy::dump::read(text, &mut wanted).map_err(|e| not_a_dump(text, &e.to_string()))?;
    wanted.answer(query, &found)
}

/// A table of ours in the format asked for.
fn show(table: &crate::print::table::Table, format: Format) -> String {
    if format == Format::Csv { table.csv() } else { table.render(tables::PADDING) }
}

fn width(format: Format) -> tables::Width {
    if format == Format::Table { tables::Width::Table } else { tables::Width::Wide }
}

fn endpoint(text: &str, query: &Query) -> Result<String, String> {
    let error = |e: mesh_envoy::dump::DumpError| not_clusters(text, &e.to_string());
    match query.format {
        Format::Table | Format::Wide | Format::Csv => match (query.style, identify(text)) {
            // Endpoints are endpoints, whichever page they come from.
            (Style::Meshctl, Content::ConfigDump) => answer(text, &Query { what: What::Eds, ..query.clone() }),
            (Style::Meshctl, _) => {
                let clusters = mesh_envoy::admin::clusters::read(text).map_err(error)?;
                Ok(show(&tables::endpoint::live(&clusters, &query.endpoints, width(query.format)), query.format))
            }
            (Style::Istioctl, _) => Ok(istioctl::endpoint::table(&mesh_envoy::admin::clusters::read(text).map_err(error)?, &query.endpoints)),
        },
        Format::Document(d) => Ok(render(&json::endpoints(text, &query.endpoints).map_err(error)?, d)),
    }
}

pub fn not_a_dump(text: &str, error: &str) -> String {
    match identify(text) {
        Content::ConfigDump => format!("the config dump can't be read: {error}"),
        other => format!("this is {}, not an Envoy config dump ({error}); take one with `curl localhost:15000/config_dump?include_eds`", other.describe()),
    }
}

fn not_clusters(text: &str, error: &str) -> String {
    match identify(text) {
        Content::Clusters => format!("the endpoints can't be read: {error}"),
        other => format!("this is {}, not Envoy's endpoints ({error}); take them with `curl localhost:15000/clusters?format=json`", other.describe()),
    }
}

/// A dump without a section: which one, and which there are.
pub fn missing(kind: SectionKind, found: &[String]) -> String {
    let names: Vec<&str> = found.iter().map(|f| f.rsplit('.').next().unwrap_or(f)).collect();
    let held = if names.is_empty() { "no section at all".to_owned() } else { names.join(", ") };
    format!("the config dump has no type.googleapis.com/envoy.admin.v3.{}; it holds {held}", kind.message())
}

/// Runs the command on a file or standard input.
pub fn run(args: &crate::args::proxy_config::ProxyConfigArgs) -> std::process::ExitCode {
    let outcome = query::query(&args.what, now()).and_then(|(query, place)| answer(&read_file(place.pod.as_deref(), place.file.as_deref())?, &query));
    print(outcome)
}

/// Prints an answer whole, or says why there is none.
pub fn print(outcome: Result<String, String>) -> std::process::ExitCode {
    use std::io::Write;
    match outcome {
        Ok(text) => {
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            std::process::ExitCode::SUCCESS
        }
        Err(message) => {
            let _ = writeln!(std::io::stderr(), "error: {message}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// The instant that the answer is given for.
pub fn now() -> i64 {
    std::env::var("MESHCTL_NOW").ok().and_then(|t| crate::print::time::parse_rfc3339(&t)).unwrap_or_else(crate::print::time::clock)
}

/// The text of a file or of standard input.
pub fn read_file(pod: Option<&str>, file: Option<&str>) -> Result<String, String> {
    match (pod, file) {
        (None, Some("-")) => std::io::read_to_string(std::io::stdin()).map_err(|e| format!("standard input can't be read: {e}")),
        (None, Some(path)) => std::fs::read_to_string(path).map_err(|e| format!("{path} can't be read: {e}")),
        _ => Err("give a dump with --file (or `-` for standard input)".to_owned()),
    }
}
