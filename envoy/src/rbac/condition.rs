//! `Permission` and `Principal` of `envoy.config.rbac.v3`, as one tree of conditions.

use super::recorder::{Node, Recorder};
use super::subject::{Fact, Source, Subject};
use crate::matcher::{Cidr, HeaderMatcher, MetadataMatcher, StringMatcher, StringTest, Truth, UriTemplate, path_only};
use crate::proto_json::{field, items, text};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

#[derive(Clone, Debug)]
pub enum Condition {
    Always,
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Test),
}

/// One question about a subject.
#[derive(Clone, Debug)]
pub enum Test {
    Header(HeaderMatcher),
    /// The path without its query.
    UrlPath(StringMatcher),
    UriTemplate(UriTemplate),
    DestinationIp(Cidr),
    DestinationPort(u16),
    /// From and below.
    DestinationPorts(u32, u32),
    ServerName(StringMatcher),
    Metadata(MetadataMatcher),
    FilterState(String, StringMatcher),
    SourceIp(Source, Cidr),
    /// Any client with TLS, or one whose certificate has such a name.
    Authenticated(Option<StringMatcher>),
    /// What meshctl does not know.
    Unknown(String),
}

/// `permissions` of a policy: one of them must hold.
pub(super) fn permissions(policy: &Value) -> Condition {
    Condition::Any(items(policy, "permissions").map(permission).collect())
}

/// `principals` of a policy: one of them must hold.
pub(super) fn principals(policy: &Value) -> Condition {
    Condition::Any(items(policy, "principals").map(principal).collect())
}

fn permission(json: &Value) -> Condition {
    if let Some(set) = field(json, "and_rules") {
        Condition::All(items(set, "rules").map(permission).collect())
    } else if let Some(set) = field(json, "or_rules") {
        Condition::Any(items(set, "rules").map(permission).collect())
    } else if let Some(rule) = field(json, "not_rule") {
        Condition::Not(Box::new(permission(rule)))
    } else if field(json, "any").is_some() {
        Condition::Always
    } else if let Some(range) = field(json, "destination_ip") {
        Condition::Test(cidr(range, Test::DestinationIp))
    } else if let Some(port) = field(json, "destination_port") {
        Condition::Test(port.as_u64().and_then(|p| u16::try_from(p).ok()).map_or_else(|| unknown(json), Test::DestinationPort))
    } else if let Some(range) = field(json, "destination_port_range") {
        let bound = |key: &str| field(range, key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        Condition::Test(Test::DestinationPorts(bound("start"), bound("end")))
    } else if let Some(m) = field(json, "requested_server_name") {
        Condition::Test(Test::ServerName(StringMatcher::compile(m)))
    } else if let Some(m) = field(json, "uri_template") {
        let template = field(m, "typed_config").map_or("", |c| text(c, "path_template"));
        Condition::Test(Test::UriTemplate(UriTemplate::compile(template)))
    } else {
        Condition::Test(shared(json))
    }
}

fn principal(json: &Value) -> Condition {
    if let Some(set) = field(json, "and_ids") {
        Condition::All(items(set, "ids").map(principal).collect())
    } else if let Some(set) = field(json, "or_ids") {
        Condition::Any(items(set, "ids").map(principal).collect())
    } else if let Some(id) = field(json, "not_id") {
        Condition::Not(Box::new(principal(id)))
    } else if field(json, "any").is_some() {
        Condition::Always
    } else if let Some(a) = field(json, "authenticated") {
        Condition::Test(Test::Authenticated(field(a, "principal_name").map(StringMatcher::compile)))
    } else if let Some(m) = field(json, "filter_state") {
        Condition::Test(match field(m, "string_match") {
            Some(s) => Test::FilterState(text(m, "key").to_owned(), StringMatcher::compile(s)),
            None => unknown(json),
        })
    } else {
        let sources = [("direct_remote_ip", Source::Direct), ("remote_ip", Source::Remote), ("source_ip", Source::Connection)];
        let source = sources.into_iter().find_map(|(key, which)| field(json, key).map(|range| (range, which)));
        Condition::Test(source.map_or_else(|| shared(json), |(range, which)| cidr(range, |c| Test::SourceIp(which, c))))
    }
}

/// What permissions and principals have in common.
fn shared(json: &Value) -> Test {
    if let Some(m) = field(json, "header") {
        Test::Header(HeaderMatcher::compile(m))
    } else if let Some(m) = field(json, "url_path") {
        Test::UrlPath(field(m, "path").map_or_else(|| StringMatcher::compile(&Value::Null), StringMatcher::compile))
    } else if let Some(m) = field(json, "metadata") {
        Test::Metadata(MetadataMatcher::compile(m))
    } else if let Some(m) = field(json, "sourced_metadata").filter(|m| !matches!(text(m, "metadata_source"), "ROUTE" | "1")) {
        Test::Metadata(field(m, "metadata_matcher").map_or_else(|| MetadataMatcher::compile(&Value::Null), MetadataMatcher::compile))
    } else {
        unknown(json)
    }
}

fn cidr(range: &Value, test: impl Fn(Cidr) -> Test) -> Test {
    Cidr::compile(range).map_or_else(|| Test::Unknown("an address that can't be read".to_owned()), test)
}

fn unknown(json: &Value) -> Test {
    let keys: Vec<&str> = json.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    Test::Unknown(format!("`{}`: a condition that meshctl does not know", keys.join(", ")))
}

impl Condition {
    /// Whether it holds. With a recorder every part is asked; without, the search ends where the answer is certain.
    pub fn holds<S: Subject, R: Recorder>(&self, subject: &S, recorder: &mut R) -> Truth {
        match self {
            Condition::Always => Truth::Yes,
            Condition::Test(test) => test.asked(subject, recorder),
            Condition::Not(inner) => noted(recorder, Node::Not, |r| !inner.holds(subject, r)),
            Condition::All(list) => noted(recorder, Node::All, |r| fold(list, subject, r, Truth::Yes)),
            Condition::Any(list) => noted(recorder, Node::Any, |r| fold(list, subject, r, Truth::No)),
        }
    }
}

fn noted<R: Recorder>(recorder: &mut R, node: Node<'_>, ask: impl FnOnce(&mut R) -> Truth) -> Truth {
    if !R::ON {
        return ask(recorder);
    }
    recorder.open(node);
    let truth = ask(recorder);
    recorder.close(truth);
    truth
}

/// All of a list hold if `empty` is yes, any of it if `empty` is no.
fn fold<S: Subject, R: Recorder>(list: &[Condition], subject: &S, recorder: &mut R, empty: Truth) -> Truth {
    let mut truth = empty;
    for c in list {
        let one = c.holds(subject, recorder);
        truth = if empty.is_yes() { truth.and(one) } else { truth.or(one) };
        if !R::ON && truth == !empty {
            break;
        }
    }
    truth
}

impl Test {
    pub(super) fn asked<S: Subject, R: Recorder>(&self, subject: &S, recorder: &mut R) -> Truth {
        let truth = self.holds(subject);
        if R::ON {
            recorder.open(Node::Test { test: self, found: self.found(subject) });
            recorder.close(truth);
        }
        truth
    }
    pub fn holds<S: Subject>(&self, subject: &S) -> Truth {
        match self {
            Test::Header(m) => match subject.header_values(&m.name) {
                Fact::Unknown => Truth::Unknown,
                Fact::Absent => m.matches(None),
                Fact::Is(values) => m.matches_any(values),
            },
            Test::UrlPath(m) => known(subject.header(":path"), |p| m.matches(path_only(&p))),
            Test::UriTemplate(t) => known(subject.header(":path"), |p| t.matches(&p)),
            Test::DestinationIp(c) => known(subject.destination_ip(), |ip| c.contains(ip).into()),
            Test::DestinationPort(p) => known(subject.destination_port(), |port| (port == *p).into()),
            Test::DestinationPorts(from, below) => known(subject.destination_port(), |port| (*from..*below).contains(&u32::from(port)).into()),
            // A connection without SNI has an empty one.
            Test::ServerName(m) => match subject.server_name() {
                Fact::Unknown => Truth::Unknown,
                Fact::Absent => m.matches(""),
                Fact::Is(name) => m.matches(&name),
            },
            Test::Metadata(m) => match subject.metadata(&m.filter) {
                Fact::Unknown => Truth::Unknown,
                Fact::Absent => m.matches(None),
                Fact::Is(v) => m.matches(Some(v)),
            },
            Test::FilterState(key, m) => match subject.filter_state(key) {
                Fact::Unknown => unseen_peer(subject, m),
                state => known(state, |v| m.matches(&v)),
            },
            Test::SourceIp(which, c) => known(subject.source_ip(*which), |ip| c.contains(ip).into()),
            Test::Authenticated(None) => known(subject.peer(), |_| Truth::Yes),
            // A certificate without names has an empty subject, which is compared as well.
            Test::Authenticated(Some(m)) => match subject.peer() {
                Fact::Unknown => unseen_peer(subject, m),
                Fact::Is([]) => m.matches(""),
                peer => known(peer, |names| names.iter().fold(Truth::No, |t, n| t.or(m.matches(n)))),
            },
            Test::Unknown(_) => Truth::Unknown,
        }
    }
    /// What the subject has, for people: "`POST`", "absent", "not known".
    pub fn found<S: Subject>(&self, subject: &S) -> String {
        match self {
            Test::Header(m) => show(subject.header(&m.name)),
            Test::UrlPath(_) | Test::UriTemplate(_) => show(subject.header(":path")),
            Test::DestinationIp(_) => show(subject.destination_ip()),
            Test::DestinationPort(_) | Test::DestinationPorts(..) => show(subject.destination_port()),
            Test::ServerName(_) => show(subject.server_name()),
            Test::Metadata(m) => match subject.metadata(&m.filter) {
                Fact::Unknown => "not known".to_owned(),
                _ => "absent or another".to_owned(),
            },
            Test::FilterState(key, _) => show(subject.filter_state(key)),
            Test::SourceIp(which, _) => show(subject.source_ip(*which)),
            Test::Authenticated(_) => match subject.peer() {
                Fact::Unknown => "not known".to_owned(),
                Fact::Absent => "none: the connection is plaintext".to_owned(),
                Fact::Is([]) => "none: no client certificate".to_owned(),
                Fact::Is(names) => format!("`{}`", names.join("`, `")),
            },
            Test::Unknown(_) => "not known".to_owned(),
        }
    }
}

/// Whether a peer that is not known is the one that is asked for: it may be known who it is not.
fn unseen_peer<S: Subject>(subject: &S, m: &StringMatcher) -> Truth {
    match &m.test {
        StringTest::Exact(name) if !m.ignore_case && subject.is_not_peer(name) => Truth::No,
        _ => Truth::Unknown,
    }
}

fn known<T>(fact: Fact<T>, ask: impl FnOnce(T) -> Truth) -> Truth {
    match fact {
        Fact::Unknown => Truth::Unknown,
        Fact::Absent => Truth::No,
        Fact::Is(v) => ask(v),
    }
}

fn show<T: fmt::Display>(fact: Fact<T>) -> String {
    match fact {
        Fact::Unknown => "not known".to_owned(),
        Fact::Absent => "absent".to_owned(),
        Fact::Is(v) => format!("`{v}`"),
    }
}

/// What is wanted: "method is `GET`".
impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Header(m) => m.fmt(f),
            Test::UrlPath(m) => write!(f, "path {m}"),
            Test::UriTemplate(t) => write!(f, "path has the form `{t}`"),
            Test::DestinationIp(c) => write!(f, "destination address is in {c}"),
            Test::DestinationPort(p) => write!(f, "destination port is {p}"),
            Test::DestinationPorts(from, below) => write!(f, "destination port is from {from} and below {below}"),
            Test::ServerName(m) => write!(f, "SNI {m}"),
            Test::Metadata(m) => m.fmt(f),
            Test::FilterState(key, m) => write!(f, "filter state {key} {m}"),
            Test::SourceIp(which, c) => {
                let what: Cow<'_, str> = match which {
                    Source::Direct => "source address".into(),
                    Source::Remote => "client address (X-Forwarded-For)".into(),
                    Source::Connection => "connection's source address".into(),
                };
                write!(f, "{what} is in {c}")
            }
            Test::Authenticated(None) => f.write_str("client has mutual TLS"),
            Test::Authenticated(Some(m)) => write!(f, "principal {m}"),
            Test::Unknown(reason) => f.write_str(reason),
        }
    }
}
