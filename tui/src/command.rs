//! What can be typed behind `:`, and its completion.

use crate::action::Tab;
use crate::theme::Palette;
use crate::world::held::Form;
use crate::world::{TYPES, World};
use mesh_model::graph::GraphType;

/// A typed command, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Show(Tab, Option<String>),
    /// The list of services, workloads and gateways, filtered by words.
    List(String),
    Filter(String),
    /// Marks what an expression finds in the graph, or leaves it out; "" ends that.
    Find(String),
    Hide(String),
    /// What the graph's nodes are.
    Type(GraphType),
    Theme(Palette),
    /// Writes the whole graph, or on other screens what is seen, to a file.
    Write(String),
    /// Writes what is seen to a file.
    Screen(String),
    /// What a request would do: the words behind `meshctl route`, or `meshctl why`.
    Request(Vec<String>),
    /// A moment of a recording.
    At(String),
    Help,
    /// Read the sources now, or every so many seconds from now on; `Some(None)` is not by themselves.
    Refresh(Option<Option<u64>>),
    /// The object in focus, or the resource of a proxy.
    Document(Form),
    Quit,
}

/// What a command's argument is, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    None,
    Namespace,
    Node,
    Proxy,
    Palette,
    Type,
    File,
    Words,
    Expression,
    Moment,
    Request,
    Interval,
}

struct Spec {
    /// The first is shown; the others are understood.
    names: &'static [&'static str],
    argument: Argument,
    what: &'static str,
}

const COMMANDS: &[Spec] = &[
    Spec { names: &["overview", "ov"], argument: Argument::None, what: "namespaces and what is wrong now" },
    Spec { names: &["graph", "g"], argument: Argument::Node, what: "the graph, at a node if one is named" },
    Spec { names: &["detail"], argument: Argument::Node, what: "one service or workload" },
    Spec { names: &["all", "ls"], argument: Argument::Words, what: "services, workloads and gateways as a list" },
    Spec { names: &["svc", "service", "services"], argument: Argument::Node, what: "one service, or a list of all" },
    Spec { names: &["wl", "workload", "workloads"], argument: Argument::Node, what: "one workload, or a list of all" },
    Spec { names: &["findings", "f"], argument: Argument::Words, what: "the findings, filtered by words" },
    Spec { names: &["traces"], argument: Argument::Words, what: "traces, filtered by words" },
    Spec { names: &["proxies", "pc"], argument: Argument::Proxy, what: "what proxies hold" },
    Spec { names: &["mesh", "certs"], argument: Argument::None, what: "clusters, versions, certificates" },
    Spec { names: &["logs"], argument: Argument::None, what: "access logs" },
    Spec { names: &["ns", "namespace"], argument: Argument::Namespace, what: "filter by a namespace" },
    Spec { names: &["find"], argument: Argument::Expression, what: "mark what an expression finds in the graph" },
    Spec { names: &["hide"], argument: Argument::Expression, what: "leave out of the graph what an expression finds" },
    Spec { names: &["type"], argument: Argument::Type, what: "what the graph's nodes are: workloads, apps, versioned-apps, services" },
    Spec { names: &["theme"], argument: Argument::Palette, what: "other colours" },
    Spec { names: &["w", "write"], argument: Argument::File, what: "write the whole graph, or else the screen, to a file: .svg or .txt" },
    Spec { names: &["screen"], argument: Argument::File, what: "write what is on the screen to a file: .svg or .txt" },
    Spec {
        names: &["request"],
        argument: Argument::Request,
        what: "what a request would do at the selected proxy, or by the manifests if its sender stands first",
    },
    Spec { names: &["at"], argument: Argument::Moment, what: "go to a moment of a recording" },
    Spec { names: &["refresh"], argument: Argument::Interval, what: "read the sources again; with a time, every so often from now on; off" },
    Spec { names: &["yaml", "y"], argument: Argument::None, what: "the object or the proxy's resource in focus as YAML" },
    Spec { names: &["json"], argument: Argument::None, what: "the proxy's resource in focus as JSON" },
    Spec { names: &["help"], argument: Argument::None, what: "the keys of this screen" },
    Spec { names: &["q", "quit"], argument: Argument::None, what: "quit" },
];

/// Reads a command, or says what is wrong with it.
pub fn parse(text: &str) -> Result<Command, String> {
    let (word, argument) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    let argument = argument.trim();
    let Some(spec) = COMMANDS.iter().find(|c| c.names.contains(&word)) else {
        let near = COMMANDS
            .iter()
            .flat_map(|c| c.names)
            .min_by_key(|n| crate::keys::distance(word, n))
            .filter(|n| crate::keys::distance(word, n) <= 2 && word.len() > 2);
        return Err(match near {
            Some(near) => format!("there is no command `{word}`; is `{near}` meant?"),
            None => format!("there is no command `{word}`; tab lists them"),
        });
    };
    let given = (!argument.is_empty()).then(|| argument.to_owned());
    match (spec.names[0], given) {
        ("ns", None) => Ok(Command::Filter(String::new())),
        ("ns", Some(ns)) => Ok(Command::Filter(format!("ns:{ns}"))),
        ("all", given) => Ok(Command::List(given.unwrap_or_default())),
        ("svc", None) => Ok(Command::List("kind:service".to_owned())),
        ("wl", None) => Ok(Command::List("kind:workload".to_owned())),
        ("svc" | "wl", given) => Ok(Command::Show(Tab::Detail, given)),
        ("find", given) => Ok(Command::Find(given.unwrap_or_default())),
        ("hide", given) => Ok(Command::Hide(given.unwrap_or_default())),
        ("type", given) => {
            let name = given.unwrap_or_default();
            graph_type(&name).map(Command::Type).ok_or_else(|| format!("there is no graph of the type `{name}`; there are {}", types().join(", ")))
        }
        ("theme", given) => {
            let name = given.unwrap_or_default();
            let names = Palette::ALL.map(Palette::name).join(", ");
            Palette::parse(&name).map(Command::Theme).ok_or_else(|| format!("there is no theme `{name}`; there are {names}"))
        }
        ("w", Some(path)) if path.ends_with(".svg") || path.ends_with(".txt") => Ok(Command::Write(path)),
        ("screen", Some(path)) if path.ends_with(".svg") || path.ends_with(".txt") => Ok(Command::Screen(path)),
        (name @ ("w" | "screen"), _) => Err(format!("`{name}` takes a file that ends in .svg or .txt")),
        ("request", Some(line)) => crate::shell::words(&line).map(Command::Request),
        ("request", None) => Err("`request` takes what to send, such as GET http://reviews:9080/reviews/0 -H 'end-user: jason'".to_owned()),
        ("at", Some(time)) => Ok(Command::At(time)),
        ("at", None) => Err("`at` takes a time such as 11:40:00, first, last or error".to_owned()),
        ("refresh", given) => given.map(|text| interval(&text)).transpose().map(Command::Refresh),
        ("yaml", _) => Ok(Command::Document(Form::Yaml)),
        ("json", _) => Ok(Command::Document(Form::Json)),
        ("help", _) => Ok(Command::Help),
        ("q", _) => Ok(Command::Quit),
        (name, given) => Tab::ALL.into_iter().find(|t| t.name() == name).map(|t| Command::Show(t, given)).ok_or_else(|| format!("`{name}` does nothing yet")),
    }
}

/// The types of graphs as they are typed.
fn types() -> [String; TYPES.len()] {
    TYPES.map(|(_, nodes)| nodes.replace(' ', "-"))
}

/// `apps`, `app`, `versioned-app`, and `versionedApp` as `meshctl graph --type` has it.
fn graph_type(name: &str) -> Option<GraphType> {
    let plain = |text: &str| text.replace('-', "").to_lowercase().trim_end_matches('s').to_owned();
    TYPES.iter().zip(types()).find(|(_, typed)| plain(typed) == plain(name)).map(|((graph, _), _)| *graph)
}

/// Seconds of `off`, `30s`, `5m`, `1h`.
fn interval(text: &str) -> Result<Option<u64>, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = text[..text.len() - unit.len()].parse::<u64>().ok().filter(|n| (1..=86_400).contains(n));
    match (text, number, unit) {
        ("off", ..) => Ok(None),
        (_, Some(n), "" | "s") => Ok(Some(n)),
        (_, Some(n), "m") => Ok(Some(n * 60)),
        (_, Some(n), "h") => Ok(Some(n * 3600)),
        _ => Err(format!("`refresh` takes a time of a second at least, such as 30s or 5m, or off, not `{text}`")),
    }
}

/// What may stand for the text: whole lines, and what each does.
pub fn completions(text: &str, world: Option<&World>) -> Vec<(String, String)> {
    let Some((word, start)) = text.split_once(' ') else {
        let fits = |c: &&Spec| c.names.iter().any(|n| n.starts_with(text));
        return COMMANDS.iter().filter(fits).map(|c| (c.names[0].to_owned(), c.what.to_owned())).collect();
    };
    let Some(spec) = COMMANDS.iter().find(|c| c.names.contains(&word)) else { return Vec::new() };
    let start = start.trim_start();
    arguments(spec.argument, world).into_iter().filter(|(a, _)| a.contains(start)).take(50).map(|(a, what)| (format!("{word} {a}"), what)).collect()
}

fn arguments(argument: Argument, world: Option<&World>) -> Vec<(String, String)> {
    let Some(world) = world else { return Vec::new() };
    match argument {
        Argument::None | Argument::File => Vec::new(),
        Argument::Words => ["level:error", "level:warning", "ns:", "code:", "object:"].map(|w| (w.to_owned(), "filter".to_owned())).to_vec(),
        Argument::Expression => EXPRESSIONS.map(|(e, what)| (e.to_owned(), what.to_owned())).to_vec(),
        Argument::Moment => {
            let marks = world.timeline.iter().flat_map(|t| t.marks());
            let said = |m: &crate::world::timeline::Mark| {
                let failing = m.failing.map_or(String::new(), |f| format!("{f:.1}% fail "));
                let changes = if m.changes > 0 { format!("{} changes", m.changes) } else { String::new() };
                (crate::text::moment(m.at, m.at), format!("{failing}{changes}"))
            };
            ["first", "last", "error"].map(|w| (w.to_owned(), "moment".to_owned())).into_iter().chain(marks.map(said)).collect()
        }
        Argument::Request => requests(world),
        Argument::Interval => ["5s", "15s", "1m", "5m", "off"].map(|w| (w.to_owned(), "how often".to_owned())).to_vec(),
        Argument::Namespace => world.namespaces.iter().map(|n| (n.name.clone(), format!("{} errors", n.errors))).collect(),
        Argument::Node => nodes(world),
        Argument::Proxy => world.proxies.shared().into_iter().flatten().map(|p| (p.full_name(), p.version.clone())).collect(),
        Argument::Type => types().map(|t| (t, "nodes of the graph".to_owned())).to_vec(),
        Argument::Palette => Palette::ALL.map(|p| (p.name().to_owned(), "colours".to_owned())).to_vec(),
    }
}

/// Requests to the hosts that proxies have routes of, by their shortest names; of manifests alone, who may send one.
fn requests(world: &World) -> Vec<(String, String)> {
    if world.proxies.known().is_none() {
        let nodes = world.configuration.known().into_iter().flat_map(|c| c.view.nodes());
        let senders = nodes.filter(|n| n.figures.starts_with("workload") || n.figures.starts_with("gateway"));
        return senders.map(|n| (format!("{}.{} http://", n.name, n.namespace), format!("sent by a {}", n.figures))).collect();
    }
    let routes = world.proxies.shared().into_iter().flatten().flat_map(|p| p.routes.values().flatten());
    let is_host = |d: &&String| d.split_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) && !d.starts_with(|c: char| c.is_ascii_digit());
    let hosts = routes.filter_map(|r| Some((r.domains.iter().filter(is_host).min_by_key(|d| (d.len(), d.as_str()))?, &r.action)));
    let mut out: Vec<(String, String)> = hosts.map(|(host, action)| (format!("GET http://{host}/"), action.clone())).collect();
    out.sort();
    out.dedup_by(|b, a| a.0 == b.0);
    out
}

/// Expressions to start from.
const EXPRESSIONS: [(&str, &str); 8] = [
    ("!healthy", "nodes in trouble"),
    ("err > 1", "edges of which more than 1 % fail"),
    ("rt > 1000", "edges with a 95th percentile above a second"),
    ("plain", "edges that are not all mutual TLS"),
    ("idle", "nodes without traffic"),
    ("healthy", "nodes without trouble"),
    ("trafficsource", "nodes that nobody calls"),
    ("flags *= UO", "edges with an open circuit breaker"),
];

/// The node that is meant by `namespace/name`, by its name alone or by a part of it.
pub fn find(world: &World, name: &str) -> Option<(String, String)> {
    let nodes = nodes(world);
    let bare = |n: &str| n.split_once('/').is_some_and(|(_, bare)| bare == name);
    let found = nodes.iter().find(|(n, _)| n == name || n.strip_prefix('/') == Some(name)).or_else(|| nodes.iter().find(|(n, _)| bare(n)));
    let (found, _) = found.or_else(|| nodes.iter().find(|(n, _)| n.contains(name)))?;
    found.split_once('/').map(|(ns, name)| (ns.to_owned(), name.to_owned()))
}

/// Services, workloads and gateways as `namespace/name`.
pub fn nodes(world: &World) -> Vec<(String, String)> {
    let views = [world.traffic.known().map(|t| &t.view), world.configuration.known().map(|c| &c.view)];
    let mut out: Vec<(String, String)> =
        views.into_iter().flatten().flat_map(|v| v.nodes()).map(|n| (format!("{}/{}", n.namespace, n.name), n.figures.clone())).collect();
    // Of what is in both, traffic has more to say.
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out.dedup_by(|b, a| a.0 == b.0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_aliases_and_mistakes_get_the_right_one() {
        assert_eq!(parse("f level:error"), Ok(Command::Show(Tab::Findings, Some("level:error".into()))));
        assert_eq!(parse(" ns bookinfo "), Ok(Command::Filter("ns:bookinfo".into())));
        assert_eq!(parse("grpah"), Err("there is no command `grpah`; is `graph` meant?".into()));
        assert_eq!(parse("theme pink").map_err(|e| e.contains("deuteranopia")), Err(true));
        for (text, graph) in
            [("apps", GraphType::App), ("versionedApp", GraphType::VersionedApp), ("versioned-apps", GraphType::VersionedApp), ("service", GraphType::Service)]
        {
            assert_eq!(parse(&format!("type {text}")), Ok(Command::Type(graph)));
        }
        assert!(parse("type pods").is_err_and(|e| e.contains("versioned-apps, services")) && parse("type").is_err());
        let every = |text: &str| parse(&format!("refresh {text}"));
        assert_eq!(
            [every("30s"), every("5m"), every("off"), every("")].map(|c| c.expect("a command")),
            [Some(Some(30)), Some(Some(300)), Some(None), None].map(Command::Refresh)
        );
        assert!(["0s", "5 days", "-1", "99999999999999999999"].iter().all(|t| every(t).is_err_and(|e| e.contains("such as 30s"))));
        assert_eq!(parse("w /etc/passwd"), Err("`w` takes a file that ends in .svg or .txt".into()));
        for c in COMMANDS.iter().filter(|c| !["theme", "type", "w", "screen", "request", "at"].contains(&c.names[0])) {
            assert!(c.names.iter().all(|n| parse(n).is_ok()), "{:?}", c.names);
        }
        assert_eq!(completions("gr", None), [("graph".to_owned(), "the graph, at a node if one is named".to_owned())]);
    }
}
