//! `demo` among the sources that were typed becomes what the running demo has: manifests, admin ports, Prometheus, Jaeger, logs. No
//! command has to know of it.

use super::{WORD, any, find, first};
use crate::args::authz::AuthzCommand;
use crate::args::snapshot::SnapshotCommand;
use crate::args::{Cli, Command};
use crate::status::Failure;
use mesh_demo::state::State;
use std::path::Path;

/// What a command makes of a demo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Takes {
    manifests: bool,
    /// It knows `--complete`: the manifests of a demo are all that there is.
    complete: bool,
    proxies: bool,
    control_plane: bool,
    prometheus: bool,
    jaeger: bool,
    /// The access logs of its proxies.
    logs: bool,
    /// It has a time that rates look back.
    since: bool,
    /// The proxies that `--pod` names, in place of that flag.
    pods: bool,
}

impl Takes {
    /// The same of a demo: a process may be gone, which its control plane does not say.
    fn of(self, command: &Command, state: &State) -> Takes {
        let asks_all = matches!(command, Command::ProxyStatus(_)) && state.said.is_some();
        Takes { proxies: self.proxies || asks_all, ..self }
    }
}

const MANIFESTS: Takes =
    Takes { manifests: true, complete: true, proxies: false, control_plane: false, prometheus: false, jaeger: false, logs: false, since: false, pods: false };
const NONE: Takes = Takes { manifests: false, complete: false, ..MANIFESTS };

/// What a command takes; why it takes nothing.
fn takes(command: &Command) -> Result<Takes, String> {
    Ok(match command {
        Command::Analyze(_) | Command::Validate(_) | Command::Plan(_) | Command::Mtls(_) | Command::Describe(_) => MANIFESTS,
        Command::Gen(a) if a.observes() => Takes { prometheus: true, since: true, ..MANIFESTS },
        Command::Gen(_) => MANIFESTS,
        Command::Test(_) => Takes { proxies: true, complete: false, ..MANIFESTS },
        Command::Drift(_) => Takes { proxies: true, ..MANIFESTS },
        Command::ProxyStatus(a) if a.drift => Takes { proxies: true, complete: false, ..MANIFESTS },
        Command::Why(a) if a.url.is_some() => Takes { proxies: true, ..MANIFESTS },
        Command::Why(a) if a.who.is_some() => Takes { proxies: true, prometheus: true, since: true, ..MANIFESTS },
        Command::Why(_) => Takes { proxies: true, prometheus: true, jaeger: true, since: true, ..MANIFESTS },
        Command::Authz(a) => match &a.what {
            AuthzCommand::Check(_) => Takes { proxies: true, ..NONE },
            AuthzCommand::Can(a) if a.to.is_some() => Takes { manifests: true, ..NONE },
            AuthzCommand::Can(_) => Takes { pods: true, ..NONE },
            AuthzCommand::WhoCan(_) | AuthzCommand::Matrix(_) => MANIFESTS,
        },
        Command::Canary(_) => Takes { manifests: true, prometheus: true, since: true, ..NONE },
        Command::Graph(_) | Command::Top(_) => Takes { prometheus: true, since: true, ..NONE },
        Command::Tui(_) => Takes { proxies: true, control_plane: true, prometheus: true, jaeger: true, logs: true, since: true, ..MANIFESTS },
        Command::Route(_) | Command::Explain(_) => Takes { pods: true, ..NONE },
        Command::ProxyConfig(_) | Command::Certs(_) => Takes { proxies: true, ..NONE },
        Command::ProxyStatus(a) => Takes { control_plane: a.what.len() < 2, proxies: !a.what.is_empty(), ..NONE },
        Command::Snapshot(a) => match a.what {
            SnapshotCommand::Diff(_) => Takes { proxies: true, ..NONE },
            _ => Takes { manifests: true, proxies: true, prometheus: true, jaeger: true, logs: true, ..NONE },
        },
        Command::Controlplane(_) => Takes { manifests: true, ..NONE },
        Command::Traces(_) => Takes { jaeger: true, ..NONE },
        Command::Logs(a) if a.live => Takes { proxies: true, ..NONE },
        Command::Logs(_) => Takes { logs: true, ..NONE },
        Command::ZtunnelConfig(_) => return Err("a demo has sidecars, and no ztunnel".to_owned()),
        _ => return Err("this command takes no source".to_owned()),
    })
}

/// Flags that name a source; `-f` means the same but for commands that have no sources.
const FLAGS: &[&str] = &["--from", "--filename", "--file", "-f"];

/// A flag with a demo as its value: how many words it is, the flag, and the demo's name.
fn found(words: &[String], at: usize) -> Option<(usize, Option<&str>)> {
    let word = words.get(at)?;
    let (count, value) = match word.split_once('=') {
        Some((flag, value)) if FLAGS.contains(&flag) => (1, value),
        _ if FLAGS.contains(&word.as_str()) => (2, words.get(at + 1)?.as_str()),
        _ => return None,
    };
    match value.split_once(':') {
        None if value == WORD => Some((count, None)),
        Some((WORD, name)) => Some((count, Some(name))),
        _ => None,
    }
}

/// Puts what a running demo has in place of its name. `None` where no demo is named. A file of the name is never meant: who has
/// just ended a demo would get an answer of something else.
pub fn place(words: &[String], cli: &Cli, now: i64) -> Result<Option<Vec<String>>, Failure> {
    let Some(command) = cli.command.as_ref().filter(|c| !matches!(c, Command::Other(_) | Command::Demo(_))) else { return Ok(None) };
    let mut out = Vec::new();
    let mut at = 0;
    let mut is_found = false;
    while at < words.len() {
        if words[at] == "--" {
            out.extend_from_slice(&words[at..]);
            break;
        }
        // `logs -f` follows.
        let follows = matches!(command, Command::Logs(_)) && words[at] == "-f";
        let Some((count, name)) = found(words, at).filter(|_| !follows) else {
            out.push(words[at].clone());
            at += 1;
            continue;
        };
        if name.is_none() && Path::new(WORD).exists() && !any() {
            let why = format!("no demo runs: start one with `meshctl demo` in another terminal; what is called {WORD} here is named with ./{WORD}");
            return Err(Failure::none(why));
        }
        let state = find(name)?;
        let takes = takes(command).map(|t| t.of(command, &state)).map_err(|why| Failure::usage(format!("--from {WORD}: {why}")))?;
        out.extend(sources(&state, takes, words, now)?);
        is_found = true;
        at += count;
    }
    if is_found && takes(command).is_ok_and(|t| t.pods) {
        out = without_pods(&out);
    }
    Ok(is_found.then_some(out))
}

/// The running demo that a command could have asked, where its words name no source.
pub fn unasked(words: &[String], cli: &Cli) -> Option<String> {
    const SOURCES: &[&str] = &["--from", "--filename", "--file", "-f", "--prometheus", "--jaeger", "--zipkin", "--tempo", "--series", "--page", "--context"];
    let is_source = |w: &String| SOURCES.iter().any(|f| w == f || w.strip_prefix(f).is_some_and(|rest| rest.starts_with('=')));
    let takes = takes(cli.command.as_ref()?).is_ok();
    if takes && !words.iter().any(is_source) { first() } else { None }
}

/// Whether a flag stands among the words, with its value in the same word or the next.
fn has(words: &[String], flag: &str) -> bool {
    words.iter().any(|w| w.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// How far rates look back in a demo, in seconds: its metrics begin with it.
const SINCE: i64 = 30;
const LEAST: i64 = 5;

fn sources(state: &State, takes: Takes, words: &[String], now: i64) -> Result<Vec<String>, Failure> {
    let mut out = Vec::new();
    let mut add = |flag: &str, value: String| out.extend([flag.to_owned(), value]);
    if takes.manifests {
        match state.clusters.as_slice() {
            [] => std::iter::once(&state.manifests).chain(&state.also).for_each(|folder| add("--from", folder.display().to_string())),
            several => several.iter().for_each(|c| add("--from", c.source())),
        }
    }
    if takes.control_plane {
        add("--from", format!("http://{}", state.control_plane));
        state.clusters.iter().skip(1).for_each(|c| add("--from", format!("http://{}", c.control_plane)));
    }
    if takes.proxies {
        state.admins.iter().for_each(|(name, admin)| add("--from", format!("{name}=http://{admin}")));
    }
    if takes.pods {
        for pod in pods(words) {
            let fits = |name: &str| name == pod || name.split_once('.').is_some_and(|(n, _)| n == pod);
            let (name, admin) = state.admins.iter().find(|(name, _)| fits(name)).ok_or_else(|| {
                let all: Vec<&str> = state.admins.keys().map(String::as_str).collect();
                Failure::none(format!("the demo has no {pod}; it has {}", all.join(", ")))
            })?;
            add("--from", format!("{name}=http://{admin}"));
        }
        if pods(words).is_empty() {
            return Err(Failure::usage(format!("which proxy of the demo? Name it with --pod, such as --pod {}", state.admins.keys().next().map_or("", |n| n))));
        }
    }
    if takes.prometheus && !has(words, "--prometheus") {
        add("--prometheus", format!("http://{}", state.prometheus));
    }
    if takes.jaeger && !["--jaeger", "--zipkin", "--tempo"].iter().any(|f| has(words, f)) {
        add("--jaeger", format!("http://{}", state.jaeger));
    }
    if takes.logs {
        add("--from", state.logs.display().to_string());
    }
    if takes.since && !has(words, "--since") {
        add("--since", format!("{}s", (now - state.started).clamp(LEAST, SINCE)));
    }
    if takes.complete && !has(words, "--complete") {
        out.push("--complete".to_owned());
    }
    Ok(out)
}

/// The values of `--pod`, without a kind before them.
fn pods(words: &[String]) -> Vec<&str> {
    let value = |(i, w): (usize, &'_ String)| match w.strip_prefix("--pod") {
        Some("") => Some(i + 1),
        _ => None,
    };
    let mut out: Vec<&str> = words.iter().filter_map(|w| w.strip_prefix("--pod=")).collect();
    out.extend(words.iter().enumerate().filter_map(value).filter_map(|i| words.get(i)).map(String::as_str));
    out.into_iter().map(|p| p.rsplit_once('/').map_or(p, |(_, name)| name)).collect()
}

fn without_pods(words: &[String]) -> Vec<String> {
    let is_flag = |i: usize| words.get(i).is_some_and(|w| w == "--pod");
    let is_of_pod = |i: usize| is_flag(i) || words[i].starts_with("--pod=") || (i > 0 && is_flag(i - 1));
    (0..words.len()).filter(|i| !is_of_pod(*i)).map(|i| words[i].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_demo::state::Cluster;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_demo_is_found_among_the_words_of_any_spelling() {
        let of = |text: &str, at| found(&words(text), at).map(|(n, name)| (n, name.map(str::to_owned)));
        assert_eq!(of("ps --from demo", 1), Some((2, None)));
        assert_eq!(of("ps --from=demo:x-2", 1), Some((1, Some("x-2".to_owned()))));
        assert_eq!(of("ps -f demo", 1), Some((2, None)));
        assert_eq!((of("ps --from demo/", 1), of("ps --from demos", 1), of("ps --out demo", 1), of("ps --from", 1)), (None, None, None, None));
    }

    #[test]
    fn pods_are_taken_out() {
        let all = words("route --pod a --pod=deployment/b.ns GET http://c/");
        assert_eq!(pods(&all), ["b.ns", "a"]);
        assert_eq!(without_pods(&all), words("route GET http://c/"));
    }

    #[test]
    fn what_was_typed_counts_before_what_the_demo_says() {
        let at = "127.0.0.1:1".parse().expect("an address");
        let state = State {
            name: "bookinfo".into(),
            pid: 1,
            started: 100,
            manifests: "/m".into(),
            also: Vec::new(),
            gateway: Some(at),
            host: String::new(),
            prometheus: at,
            jaeger: at,
            logs: "/l".into(),
            control_plane: at,
            clusters: Vec::new(),
            said: None,
            admins: [("a.ns".to_owned(), at)].into(),
            control: at,
            token: String::new(),
        };
        let takes = Takes { proxies: true, prometheus: true, since: true, ..MANIFESTS };
        let of = |text: &str, now| sources(&state, takes, &words(text), now).ok().map(|w| w.join(" "));
        assert_eq!(of("why", 110).as_deref(), Some("--from /m --from a.ns=http://127.0.0.1:1 --prometheus http://127.0.0.1:1 --since 10s --complete"));
        assert_eq!(of("why --since=1m --prometheus x --complete", 500).as_deref(), Some("--from /m --from a.ns=http://127.0.0.1:1"));
        let cluster = |name: &str| Cluster { name: name.to_owned(), manifests: format!("/{name}").into(), control_plane: at };
        let two = State { clusters: vec![cluster("east"), cluster("west")], ..state.clone() };
        let of_two = sources(&two, Takes { control_plane: true, complete: false, ..MANIFESTS }, &[], 0).map(|w| w.join(" "));
        assert_eq!(of_two.ok().as_deref(), Some("--from east=/east --from west=/west --from http://127.0.0.1:1 --from http://127.0.0.1:1"));
        let none = Takes { pods: true, ..NONE };
        assert!(sources(&state, none, &words("route --pod b"), 0).is_err() && sources(&state, none, &words("route"), 0).is_err());
    }
}
