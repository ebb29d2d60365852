//! What a test expects.

use super::field::{Read, mapping, number, scalar, time, wrong};
use mesh_model::{Node, Position};
use std::time::Duration;

/// One assertion, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// As the file spells it: `subset`.
    pub key: String,
    pub at: Position,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The request reaches the workload, through every proxy on its way.
    Allowed,
    /// A policy refuses it.
    Denied,
    Cluster(String),
    /// A host, or the first labels of one.
    Service(String),
    Subset(String),
    Port(u16),
    /// Shares in percent, by subset, service or cluster; all of them.
    Weights(Vec<(String, f64)>),
    /// Of an answer of the proxy's own.
    Status(u16),
    Flag(String),
    Details(String),
    /// The location of a redirect.
    Redirect(String),
    /// `None` for no limit.
    Timeout(Option<Duration>),
    Retries {
        attempts: Option<u64>,
        on: Option<String>,
        per_try: Option<Duration>,
    },
    /// Path and host as the upstream sees them.
    Path(String),
    Host(String),
    Mirror(String),
    Route(String),
    /// `VirtualService shop/cart`: the object behind the route.
    Object(String),
    /// How the request travels between proxies.
    Travels(Travels),
    /// What the ports of a server take, and what arrives there.
    PortTakes(Encryption),
}

/// How a request travels, at its worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Travels {
    Plaintext,
    /// TLS without a certificate of the client's.
    Tls,
    MutualTls,
}

impl Travels {
    pub fn name(self) -> &'static str {
        match self {
            Travels::Plaintext => "plaintext",
            Travels::Tls => "TLS",
            Travels::MutualTls => "mutual TLS",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Whatever arrives is encrypted, as `meshctl mtls` has it.
    Encrypted,
    /// Mutual TLS only is taken.
    Strict,
    Permissive,
    /// No mutual TLS is taken.
    Off,
}

const KEYS: &[&str] = &[
    "access",
    "cluster",
    "service",
    "subset",
    "port",
    "weights",
    "status",
    "flag",
    "details",
    "redirect",
    "timeout",
    "retries",
    "path",
    "host",
    "mirror",
    "route",
    "object",
    "encryption",
];

/// `allowed`, `denied`, or a mapping of assertions that must all hold.
pub fn read(node: Node<'_>) -> Read<Vec<Expectation>> {
    if node.is_scalar() {
        let Some(what) = access(node.text()) else { return wrong(node, "`expect` is `allowed`, `denied` or a mapping") };
        return Ok(vec![Expectation { key: "access".to_owned(), at: node.position(), what }]);
    }
    mapping(node, "`expect`", KEYS)?;
    let list: Vec<Expectation> = node.entries().map(|(key, value)| one(key, value)).collect::<Read<_>>()?;
    if list.is_empty() { wrong(node, "`expect` says nothing") } else { Ok(list) }
}

/// The same of a test of a server: `encryption` alone.
pub fn of_server(node: Node<'_>) -> Read<Vec<Expectation>> {
    mapping(node, "what is expected of a server", &["encryption"])?;
    let Some(value) = node.get("encryption") else { return wrong(node, "`expect` says nothing") };
    let what = match value.text() {
        "encrypted" => Encryption::Encrypted,
        "strict" => Encryption::Strict,
        "permissive" => Encryption::Permissive,
        "off" => Encryption::Off,
        _ => return wrong(value, "`encryption` of a server is encrypted, strict, permissive or off"),
    };
    Ok(vec![Expectation { key: "encryption".to_owned(), at: value.position(), what: What::PortTakes(what) }])
}

fn travels(value: Node<'_>) -> Read<What> {
    let how = match value.text() {
        "mtls" => Travels::MutualTls,
        "tls" => Travels::Tls,
        "plaintext" => Travels::Plaintext,
        _ => return wrong(value, "`encryption` is mtls, tls or plaintext"),
    };
    Ok(What::Travels(how))
}

fn access(word: &str) -> Option<What> {
    match word {
        "allowed" => Some(What::Allowed),
        "denied" => Some(What::Denied),
        _ => None,
    }
}

fn one(key: Node<'_>, value: Node<'_>) -> Read<Expectation> {
    let name = key.text();
    let text = || scalar(value, name).map(str::to_owned);
    let what = match name {
        "access" => access(value.text()).map_or_else(|| wrong(value, "`access` is `allowed` or `denied`"), Ok)?,
        "cluster" => What::Cluster(text()?),
        "service" => What::Service(text()?),
        "subset" => What::Subset(text()?),
        "port" => What::Port(number(value, name, "a port")?),
        "weights" => What::Weights(weights(value)?),
        "status" => What::Status(number(value, name, "a status of HTTP").and_then(|n: u16| match n {
            100..=599 => Ok(n),
            _ => wrong(value, "`status` is a status of HTTP"),
        })?),
        "flag" => What::Flag(text()?),
        "details" => What::Details(text()?),
        "redirect" => What::Redirect(text()?),
        "timeout" if value.text() == "none" => What::Timeout(None),
        "timeout" => What::Timeout(Some(time(value, name)?).filter(|t| !t.is_zero())),
        "retries" => retries(value)?,
        "path" => What::Path(text()?),
        "host" => What::Host(text()?),
        "mirror" => What::Mirror(text()?),
        "route" => What::Route(text()?),
        "encryption" => travels(value)?,
        // The last of the known keys: `mapping` lets no others through.
        _ => What::Object(text()?),
    };
    Ok(Expectation { key: name.to_owned(), at: value.position(), what })
}

fn weights(node: Node<'_>) -> Read<Vec<(String, f64)>> {
    if !node.is_mapping() || node.entries().next().is_none() {
        return wrong(node, "`weights` is a mapping of subsets, services or clusters to percent");
    }
    let mut out = Vec::new();
    for (key, value) in node.entries() {
        let percent = value.float().filter(|p| (0.0..=100.0).contains(p));
        out.push((key.text().to_owned(), percent.map_or_else(|| wrong(value, format!("`{}` is a share in percent", key.text())), Ok)?));
    }
    let sum: f64 = out.iter().map(|(_, p)| p).sum();
    if (sum - 100.0).abs() > 0.1 { wrong(node, format!("`weights` make {sum}%, not 100%")) } else { Ok(out) }
}

fn retries(node: Node<'_>) -> Read<What> {
    if node.is_scalar() {
        return Ok(What::Retries { attempts: Some(number(node, "retries", "a number of attempts, or a mapping")?), on: None, per_try: None });
    }
    mapping(node, "`retries`", &["attempts", "retryOn", "perTryTimeout"])?;
    Ok(What::Retries {
        attempts: node.get("attempts").map(|n| number(n, "attempts", "a number")).transpose()?,
        on: node.get("retryOn").map(|n| scalar(n, "retryOn").map(str::to_owned)).transpose()?,
        per_try: node.get("perTryTimeout").map(|n| time(n, "perTryTimeout")).transpose()?,
    })
}
