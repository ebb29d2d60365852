//! What differs: between two dumps, or between istiod's view and the proxy's own.

use super::{Whole, cluster, compare_all, end, named, read};
use crate::args::SourceArgs;
use crate::commands::proxy_config::{Format, not_a_dump};
use crate::context::{Compat, Context};
use crate::dump::sources;
use crate::print::dump::document;
use crate::print::table::Table;
use crate::print::time::{parse_rfc3339, rfc1123};
use crate::status::{Failure, Outcome};
use crate::term::safe;
use mesh_collectors::dumps::{Choice, Dumps, Page, PodName, Proxy, Source};
use mesh_collectors::recording;
use mesh_envoy::diff::{Change, Difference, Field, Report, Side, diff};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::dump::status::status;
use mesh_envoy::identify::Content;
use serde_json::{Value, json};

const DUMP: &[Content] = &[Content::ConfigDump];

/// `ps POD`: what istiod would send to it against what it holds.
pub fn with_control_plane(text: &str, args: &SourceArgs, format: Format, context: &Context) -> Outcome {
    let sources = sources(args)?;
    let pod = match sources.as_slice() {
        [Source::Cluster(name)] => cluster::name(text, args, name.as_deref())?,
        _ => named(text, args)?,
    };
    let dumps = read(&sources, Some(&pod), DUMP, Whole::Yes, args)?;
    let view = page(&dumps.views, &pod).map_err(|e| no_side(e, "istiod's view (`/debug/config_dump?proxyID=`)", &pod, &dumps))?;
    let own = page(&dumps.proxies, &pod).map_err(|e| no_side(e, "the proxy's own config dump", &pod, &dumps))?;
    let problems = dumps.problems.iter().map(|(s, m)| format!("{s}: {m}")).collect();
    show(("istiod", view), (&pod.to_string(), own), problems, format, context)
}

fn page<'d>(list: &'d [Proxy], pod: &PodName) -> Result<&'d Page, Choice> {
    Dumps::choose(list, Some(pod))?.page(DUMP).ok_or(Choice::Empty)
}

fn no_side(choice: Choice, what: &str, pod: &PodName, dumps: &Dumps) -> Failure {
    let problems: Vec<String> = dumps.problems.iter().map(|(s, m)| format!("\n{s}: {m}")).collect();
    match choice {
        Choice::Several(names) => Failure::usage(format!("several proxies are called {pod}: {}; add the namespace", names.join(", "))),
        Choice::Empty => Failure::none(format!("{what} is not in the sources{}", problems.concat())),
        Choice::Other(names) => Failure::none(format!("{what} is there for {}, and not for {pod}{}", names.join(", "), problems.concat())),
    }
}

/// What is compared, as it was typed.
#[derive(Clone, Copy)]
pub struct Compared<'w> {
    pub a: &'w str,
    pub b: &'w str,
}

/// `ps A B`, `snapshot diff A B`: two sources, or two pods of what `--from` names.
pub fn two(a: &str, b: &str, args: &SourceArgs, format: Format, context: &Context) -> Outcome {
    let from = sources(args)?;
    let are_sources = matches!(from.as_slice(), [Source::Cluster(_)]) && args.from.is_empty() && !is_pod(a) && !is_pod(b);
    if are_sources
        && context.compat == Compat::Meshctl
        && let Some(outcome) = compare_all::sources(Compared { a, b }, args, format, context)
    {
        return outcome;
    }
    let (left, right, problems) = pair(a, b, args)?;
    show((a, &left), (b, &right), problems, format, context)
}

/// The dumps of both, and what could not be read beside them.
pub fn pair(a: &str, b: &str, args: &SourceArgs) -> Result<(Page, Page, Vec<String>), Failure> {
    let from = sources(args)?;
    if let [Source::Cluster(name)] = from.as_slice() {
        // Two sources, or two pods of the cluster; never one of each, so that a mistyped file asks no cluster.
        let names_cluster = !args.from.is_empty() || args.reach.context.is_some();
        if names_cluster || (is_pod(a) && is_pod(b)) {
            return cluster::two(a, b, args, name.as_deref());
        }
        return Ok((only(a, args)?, only(b, args)?, Vec::new()));
    }
    let (left, right) = (named(a, args)?, named(b, args)?);
    // Both are needed, so that none is left out while reading.
    let dumps = read(&from, None, DUMP, Whole::Yes, args)?;
    let problems = dumps.problems.iter().map(|(s, m)| format!("{s}: {m}")).collect();
    let of = |pod: &PodName| page(&dumps.proxies, pod).cloned().map_err(|e| no_side(e, "a config dump", pod, &dumps));
    Ok((of(&left)?, of(&right)?, problems))
}

/// Whether a word can only be a pod's name: no file, and nothing that is written as one.
fn is_pod(text: &str) -> bool {
    let is_file = recording::is_there(std::path::Path::new(text)) || [".json", ".gz", ".tgz", ".tar", ".txt"].iter().any(|end| text.ends_with(end));
    let is_source = text == "-" || text.contains("://") || text.starts_with("unix:") || text.starts_with(['.', '/']);
    !is_file && !is_source
}

/// The one config dump of a source.
fn only(text: &str, args: &SourceArgs) -> Result<Page, Failure> {
    let source = Source::parse(text).map_err(|e| Failure::usage(format!("{text}: {e}")))?;
    let dumps = read(&[source], None, DUMP, Whole::Yes, args)?;
    let all: Vec<&Proxy> = dumps.proxies.iter().chain(&dumps.views).collect();
    let having: Vec<&Page> = all.iter().filter_map(|p| p.page(DUMP)).collect();
    match (having.as_slice(), all.as_slice(), dumps.problems.as_slice()) {
        ([one], _, _) => Ok((*one).clone()),
        ([], _, [(_, problem), ..]) => Err(Failure::input(format!("{text}: {problem}"))),
        ([], [other, ..], _) => {
            Err(Failure::input(format!("{text}: this is {}, not an Envoy config dump", other.pages.first().map_or("nothing known", |p| p.content.describe()))))
        }
        ([], [], _) => Err(Failure::input(format!("{text}: no config dump is in it"))),
        (several, _, _) => {
            let names: Vec<String> = all.iter().map(|p| p.name.clone()).collect();
            Err(Failure::usage(format!("{text} holds {} config dumps; name two pods and --from {text}: {}", several.len(), names.join(", "))))
        }
    }
}

fn show(left: (&str, &Page), right: (&str, &Page), mut problems: Vec<String>, format: Format, context: &Context) -> Outcome {
    let report = diff(&left.1.text, &right.1.text).map_err(|(side, e)| {
        let (name, page) = if side == Side::Left { left } else { right };
        match not_a_dump(&page.text, &e.to_string()) {
            Failure::Input(message) => Failure::Input(format!("{name}: {message}")),
            other => other,
        }
    })?;
    if context.compat == Compat::Istioctl {
        context.answer(&istioctl(&report, &right.1.text))?;
        return Ok(end(&problems, true, context));
    }
    let name_of = |side: Side| if side == Side::Left { left.0 } else { right.0 };
    for (kind, side) in &report.missing {
        problems.push(format!("{} has no {}, so that it was not compared", name_of(*side), kind.message()));
    }
    problems.extend(report.unread.iter().map(|(side, u)| format!("{}: {u}", name_of(*side))));
    if report.same.is_empty() {
        return Err(Failure::none(format!("nothing can be compared: {}", problems.join("; "))));
    }
    let text = match format {
        Format::Document(as_) => document(value(&report, left.0, right.0, &problems), as_, context.compat),
        Format::Csv => rows(&report).csv(),
        Format::Table | Format::Wide => text(&report, left.0, right.0),
    };
    context.answer(&text)?;
    Ok(end(&problems, report.differences.is_empty(), context))
}

/// Characters of a value that are shown in text.
const SHOWN: usize = 100;

fn brief(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    let text = safe(&text);
    match text.char_indices().nth(SHOWN) {
        Some((i, _)) => format!("{}…", &text[..i]),
        None => text.into_owned(),
    }
}

pub fn text(report: &Report, left: &str, right: &str) -> String {
    let mut out = String::new();
    let name_of = |side: Side| safe(if side == Side::Left { left } else { right }).into_owned();
    for Difference { kind, name, change } in &report.differences {
        let what = format!("{} {}", kind.word(), safe(name));
        let what = what.trim_end();
        match change {
            Change::OnlyIn(side) => out.push_str(&format!("{what}: only in {}\n", name_of(*side))),
            Change::Fields(fields) => {
                out.push_str(&format!("{what}:\n"));
                for Field { path, left, right } in fields {
                    out.push_str(&format!("  {}: {} -> {}\n", safe(path), brief(left.as_ref()), brief(right.as_ref())));
                }
            }
        }
    }
    let same: usize = report.same.iter().map(|(_, n)| n).sum();
    let n = report.differences.len();
    let verb = if n == 1 { "differs" } else { "differ" };
    out.push_str(&format!("{n} {verb}, {same} the same, from {} to {}\n", name_of(Side::Left), name_of(Side::Right)));
    out
}

fn rows(report: &Report) -> Table {
    let mut table = Table::new(["SECTION", "NAME", "FIELD", "LEFT", "RIGHT"]);
    let value = |v: Option<&Value>| v.map_or(String::new(), Value::to_string);
    for Difference { kind, name, change } in &report.differences {
        let start = || vec![kind.message().to_owned(), name.clone()];
        match change {
            Change::OnlyIn(Side::Left) => table.row([start(), vec![String::new(), "present".to_owned(), String::new()]].concat()),
            Change::OnlyIn(Side::Right) => table.row([start(), vec![String::new(), String::new(), "present".to_owned()]].concat()),
            Change::Fields(fields) => {
                for f in fields {
                    table.row([start(), vec![f.path.clone(), value(f.left.as_ref()), value(f.right.as_ref())]].concat());
                }
            }
        }
    }
    table
}

pub fn value(report: &Report, left: &str, right: &str, problems: &[String]) -> Value {
    let difference = |d: &Difference| {
        let mut out = json!({"section": d.kind.message(), "name": d.name});
        let entry = match &d.change {
            Change::OnlyIn(Side::Left) => ("onlyIn", json!("left")),
            Change::OnlyIn(Side::Right) => ("onlyIn", json!("right")),
            Change::Fields(fields) => ("fields", fields.iter().map(|f| json!({"path": f.path, "left": f.left, "right": f.right})).collect()),
        };
        if let Some(map) = out.as_object_mut() {
            map.insert(entry.0.to_owned(), entry.1);
        }
        out
    };
    let differences: Vec<Value> = report.differences.iter().map(difference).collect();
    let same: Vec<Value> = report.same.iter().map(|(kind, n)| json!({"section": kind.message(), "same": n})).collect();
    json!({"complete": problems.is_empty(), "problems": problems, "left": left, "right": right, "differences": differences, "compared": same})
}

/// istioctl's verdicts, a line a section. Its textual difference depends on the order of protobuf's fields, which a dump does
/// not tell; the fields that differ stand in its place.
fn istioctl(report: &Report, own: &str) -> String {
    let mut out = String::new();
    let (sections, _) = status(own).unwrap_or_default();
    let updated = sections.iter().find(|s| s.kind == SectionKind::Routes).and_then(|s| parse_rfc3339(&s.updated));
    let loaded = updated.map_or(String::new(), |t| format!(" (RDS last loaded at {})", rfc1123(t)));
    for (kind, name) in [(SectionKind::Clusters, "Clusters"), (SectionKind::Listeners, "Listeners"), (SectionKind::Routes, "Routes")] {
        let differs: Vec<Difference> = report.differences.iter().filter(|d| d.kind == kind).cloned().collect();
        let loaded = if kind == SectionKind::Routes { loaded.as_str() } else { "" };
        if differs.is_empty() {
            out.push_str(&format!("{name} Match{loaded}\n"));
        } else {
            out.push_str(&format!("{name} Don't Match{loaded}\n"));
            let part = Report { differences: differs, ..Report::default() };
            let lines = text(&part, "istiod", "proxy");
            out.extend(lines.lines().take(lines.lines().count() - 1).flat_map(|l| [l, "\n"]));
        }
    }
    out
}
