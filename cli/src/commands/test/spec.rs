//! Files of tests: what they say. A test that can't be read costs that one test.

use super::edge::Call;
use super::expect::{self, Expectation};
use super::field::{Complaint, Read, address, flag, mapping, number, scalar, text, texts, time, wrong};
use crate::args::route::RequestArgs;
use crate::commands::route::request::Described;
use mesh_model::yaml::{Limits, documents, parse_document};
use mesh_model::{Node, Position, Source, Tree};
use std::path::Path;
use std::sync::Arc;

/// A file of tests.
#[derive(Debug, Default)]
pub struct Suite {
    pub file: String,
    /// Sources, as the file names them: relative to it.
    pub from: Vec<String>,
    pub mesh_config: Option<String>,
    pub metrics: Metrics,
    pub tests: Vec<Test>,
    /// What can't be read, beside tests.
    pub complaints: Vec<Complaint>,
}

/// Where a file's metrics come from.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Recordings, files of series, pages that are scraped: relative to the file.
    pub from: Vec<String>,
    pub prometheus: Option<String>,
    pub since: Option<String>,
}

/// A test: its name, and what it says or why it can't be read.
#[derive(Debug)]
pub struct Test {
    pub name: String,
    pub at: Position,
    pub case: Read<Case>,
}

/// What a test is about, and what must be so.
#[derive(Debug)]
pub enum Case {
    Sent(Box<Sent>),
    Server(Server),
    Call(Call),
}

/// Who calls what, and what must come of it.
#[derive(Debug)]
pub struct Sent {
    pub caller: Option<Caller>,
    /// The proxy that takes the request, where it is not the caller's own that is asked.
    pub at: Option<String>,
    pub method: String,
    pub url: String,
    /// How the request is sent.
    pub sent: RequestArgs,
    pub expect: Vec<Expectation>,
}

/// What the ports of a workload take, and what is sent to them.
#[derive(Debug)]
pub struct Server {
    /// A workload, by any of its names; `*` for all.
    pub name: String,
    /// That the workload listens on; every one without it.
    pub port: Option<u16>,
    pub expect: Vec<Expectation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Without a place in the mesh: plaintext, no identity.
    Outside,
    /// A workload, a pod, an identity.
    Named(String),
}

const SUITE: &[&str] = &["from", "meshConfig", "metrics", "prometheus", "since", "tests"];
const TEST: &[&str] =
    &["name", "caller", "at", "request", "headers", "token", "tls", "sni", "alpn", "http2", "sourceIp", "address", "limited", "unlucky", "expect"];
const SERVER: &[&str] = &["name", "server", "port", "expect"];

impl Suite {
    /// Reads a file. What is wrong with it stands in it.
    pub fn read(path: &Path) -> Result<Suite, std::io::Error> {
        let bytes = std::fs::read(path)?;
        Ok(Suite::parse(&Source::from_bytes(path.display().to_string(), bytes)))
    }

    pub fn parse(source: &Arc<Source>) -> Suite {
        let mut suite = Suite { file: source.name().to_owned(), ..Suite::default() };
        let mut trees: Vec<Tree> = Vec::new();
        for chunk in documents(source.text()) {
            let parsed = parse_document(source, chunk.span, Limits::default());
            if let Some(error) = parsed.error {
                suite.complaints.push(Complaint { at: source.position(error.span.start), message: error.message });
            }
            trees.extend(parsed.tree);
        }
        for tree in &trees {
            for (key, _) in tree.duplicate_keys() {
                suite.complaints.push(Complaint { at: key.position(), message: format!("`{}` stands twice here", key.text()) });
            }
            if let Err(complaint) = suite.document(tree.root()) {
                suite.complaints.push(complaint);
            }
        }
        if suite.tests.is_empty() && suite.complaints.is_empty() {
            suite.complaints.push(Complaint { at: source.position(0), message: "there are no `tests` in it".to_owned() });
        }
        suite
    }

    fn document(&mut self, root: Node<'_>) -> Read<()> {
        mapping(root, "a file of tests", SUITE)?;
        self.from.extend(texts(root, "from")?);
        self.mesh_config = text(root, "meshConfig")?.map(str::to_owned);
        self.metrics.from.extend(texts(root, "metrics")?);
        if let Some(url) = text(root, "prometheus")? {
            self.metrics.prometheus = Some(url.to_owned());
        }
        if let Some(since) = root.get("since") {
            let fits = time(since, "since")?.as_secs() >= 1;
            self.metrics.since = Some(if fits { since.text().to_owned() } else { return wrong(since, "`since` is a second at least") });
        }
        let Some(tests) = root.get("tests") else { return Ok(()) };
        if !tests.is_sequence() {
            return wrong(tests, "`tests` is a list");
        }
        self.tests.extend(tests.items().map(Test::read));
        Ok(())
    }
}

impl Test {
    fn read(node: Node<'_>) -> Test {
        let case = Case::read(node);
        let name = match (node.text_of("name"), &case) {
            ("", Ok(case)) => case.describe(),
            ("", Err(_)) => "(a test without a name)".to_owned(),
            (name, _) => name.to_owned(),
        };
        Test { name, at: node.position(), case }
    }
}

impl Case {
    fn read(node: Node<'_>) -> Read<Case> {
        if node.get("edge").is_some() {
            return Call::read(node).map(Case::Call);
        }
        if node.get("server").is_some() { Server::read(node).map(Case::Server) } else { Sent::read(node).map(|s| Case::Sent(Box::new(s))) }
    }

    /// The test in a line, for those without a name.
    pub fn describe(&self) -> String {
        match self {
            Case::Sent(sent) => sent.describe(),
            Case::Call(call) => call.describe(),
            Case::Server(Server { name, port: Some(port), .. }) => format!("{name}:{port}"),
            Case::Server(Server { name, port: None, .. }) => name.clone(),
        }
    }
}

impl Server {
    fn read(node: Node<'_>) -> Read<Server> {
        mapping(node, "a test of a server", SERVER)?;
        text(node, "name")?;
        let Some(name) = text(node, "server")? else { return wrong(node, "`server` is a workload, or `*`") };
        let port = node.get("port").map(|p| number(p, "port", "a port")).transpose()?;
        let Some(expect) = node.get("expect") else { return wrong(node, "a test says what it expects: `expect: {encryption: strict}`") };
        Ok(Server { name: name.to_owned(), port, expect: expect::of_server(expect)? })
    }
}

impl Sent {
    fn read(node: Node<'_>) -> Read<Sent> {
        mapping(node, "a test", TEST)?;
        text(node, "name")?;
        let Some(request) = node.get("request") else { return wrong(node, "a test has a `request`, such as GET http://reviews:9080/reviews/0") };
        let (method, url) = request_line(scalar(request, "request")?);
        let sent = RequestArgs {
            headers: headers(node)?,
            source_ip: address(node, "sourceIp")?,
            address: address(node, "address")?,
            tls: flag(node, "tls")?,
            sni: text(node, "sni")?.map(str::to_owned),
            alpn: texts(node, "alpn")?,
            http2: flag(node, "http2")?,
            token: token(node)?,
            limited: flag(node, "limited")?,
            unlucky: flag(node, "unlucky")?,
            ..RequestArgs::default()
        };
        // What the request line says is checked here, where its place is known.
        if let Err(failure) = Described::new(&sent, &method, &url) {
            return wrong(request, failure.to_string());
        }
        let caller = match text(node, "caller")? {
            None => None,
            Some("outside") => Some(Caller::Outside),
            Some(name) => Some(Caller::Named(name.to_owned())),
        };
        let at = text(node, "at")?.map(str::to_owned);
        if at.is_none() && !matches!(caller, Some(Caller::Named(_))) {
            return wrong(node, "a test names the `caller`, a workload of the mesh, or the proxy that takes the request: `at`");
        }
        let Some(expect) = node.get("expect") else { return wrong(node, "a test says what it expects: `expect: allowed`, or a mapping") };
        Ok(Sent { caller, at, method, url, sent, expect: expect::read(expect)? })
    }

    fn describe(&self) -> String {
        let from = match &self.caller {
            Some(Caller::Named(name)) => format!(" from {name}"),
            Some(Caller::Outside) => " from outside".to_owned(),
            None => String::new(),
        };
        let at = self.at.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        format!("{} {}{from}{at}", self.method, self.url)
    }
}

/// `GET http://reviews:9080/`, `GET reviews:9080/`, `tcp://db:3306`.
fn request_line(text: &str) -> (String, String) {
    let (method, url) = match text.trim().split_once(char::is_whitespace) {
        Some((method, url)) => (method, url.trim()),
        None => ("GET", text.trim()),
    };
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    (method.to_owned(), url)
}

fn headers(node: Node<'_>) -> Read<Vec<String>> {
    let Some(map) = node.get("headers") else { return Ok(Vec::new()) };
    if !map.is_mapping() {
        return wrong(map, "`headers` is a mapping of names to values");
    }
    let mut out = Vec::new();
    for (name, value) in map.entries() {
        let values: Vec<Node<'_>> = if value.is_sequence() { value.items().collect() } else { vec![value] };
        for value in values {
            if !value.is_scalar() {
                return wrong(value, format!("the value of the header {} is a text, or a list of texts", name.text()));
            }
            out.push(format!("{}: {}", name.text(), value.text()));
        }
    }
    Ok(out)
}

/// Claims as a mapping, or the word `invalid`.
fn token(node: Node<'_>) -> Read<Option<String>> {
    match node.get("token") {
        None => Ok(None),
        Some(claims) if claims.is_mapping() => Ok(Some(mesh_analyzers::schema::json::value(claims).to_string())),
        Some(word) if word.text() == "invalid" => Ok(Some("invalid".to_owned())),
        Some(other) => wrong(other, "`token` is a mapping of claims, or `invalid`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        let suite = Suite::parse(&Source::new("t.yaml", text));
        let of_tests = suite.tests.iter().filter_map(|t| t.case.as_ref().err());
        suite.complaints.iter().chain(of_tests).map(|c| format!("{}:{}: {}", c.at.line, c.at.column, c.message)).collect()
    }

    #[test]
    fn mistakes_are_named_at_their_place_and_cost_only_their_test() {
        let text = "\
tests:
- {caller: a, request: GET http://b/, expect: allowed}
- {caler: a, request: GET http://b/, expect: allowed}
- {caller: a, request: GET ftp://b/, expect: allowed}
- {caller: a, request: GET http://b/, expect: {subst: v1}}
- {caller: a, request: GET http://b/, expect: maybe}
- {request: GET http://b/, expect: allowed}
- {caller: a, request: GET http://b/, expect: {status: high}}
- {caller: a, request: GET http://b/, expect: {encryption: some}}
- {server: a, request: GET http://b/, expect: {encryption: strict}}
- {server: a, expect: {encryption: mtls, port: 80}}
- {caller: a, request: GET http://b/, expect: {weights: {v1: 80, v2: many}}}
- {caller: a, request: GET http://b/}
- {edge: {from: a}, expect: present}
- {edge: {from: a, to: b}, expect: {maxErorPercent: 1}}
- {edge: {from: a, to: b}, expect: {maxErrorPercent: 101%}}
- {edge: {from: a, to: b}, expect: {exists: false, minRate: 1}}
- {edge: {from: a, to: b}, caller: c, expect: absent}
- {edge: {from: a, to: b}, expect: {minRate: -1}}
";
        let want = [
            "3:4: a test has no `caler`; did you mean `caller`?",
            "4:24: `ftp://b/` has a scheme that is none of http, https, tcp",
            "5:48: `expect` has no `subst`; did you mean `subset`?",
            "6:47: `expect` is `allowed`, `denied` or a mapping",
            "7:3: a test names the `caller`",
            "8:56: `status` is a status of HTTP",
            "9:60: `encryption` is mtls, tls or plaintext",
            "10:15: a test of a server has no `request`",
            "11:42: what is expected of a server has no `port`",
            "12:70: `v2` is a share in percent",
            "13:3: a test says what it expects",
            "14:10: an edge has two ends",
            "15:37: what is expected of an edge has no `maxErorPercent`; did you mean `maxErrorPercent`?",
            "16:54: `maxErrorPercent` is a share in percent",
            "17:36: of an edge that does not exist nothing else can be expected",
            "18:28: a test of an edge has no `caller`",
            "19:46: `minRate` is a number of requests",
        ];
        let found = complaints(text);
        assert_eq!(found.len(), want.len(), "{found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.starts_with(want), "{found}\n{want}");
        }
    }

    #[test]
    fn files_that_hold_no_tests_are_refused() {
        for (text, says) in [
            ("", "1:1: there are no `tests`"),
            ("test: []", "1:1: a file of tests has no `test`; did you mean `tests`?"),
            ("tests: {}", "1:8: `tests` is a list"),
            ("since: 1ms", "1:8: `since` is a second at least"),
            ("tests: [", "1:"),
            ("tests: []\ntests: []", "2:1: `tests` stands twice"),
        ] {
            let found = complaints(text);
            assert!(found.first().is_some_and(|f| f.starts_with(says)), "{text}: {found:?}");
        }
    }

    #[test]
    fn requests_are_read_with_and_without_their_scheme() {
        assert_eq!(request_line("POST reviews:9080/a"), ("POST".to_owned(), "http://reviews:9080/a".to_owned()));
        assert_eq!(request_line("tcp://db:3306"), ("GET".to_owned(), "tcp://db:3306".to_owned()));
    }
}
