//! Causes of what proxies log: from flags, details, status, the transport's failure and the direction of the cluster to
//! what happened, where the evidence is, and what to type next.
//!
//! Causes are data. The first that fits a line is its cause; what fits later is what else it could be.

mod answered;
mod connection;
mod limits;
mod protocol;
mod routing;
mod security;
mod timeouts;

use mesh_envoy::Direction;
use mesh_envoy::access_log::{Entry, Field};
use mesh_envoy::response_code_details::Details;
use mesh_envoy::response_flags;

/// One cause.
#[derive(Debug)]
pub struct Cause {
    /// A name for tests, JSON and `meshctl explain NAME`.
    pub id: &'static str,
    pub title: &'static str,
    pub whose: Whose,
    /// Any of these.
    pub when: &'static [When],
    /// What happened, and what usually leads to it, the likeliest first.
    pub why: &'static str,
    /// Where to look, and what one sees there.
    pub evidence: &'static [&'static str],
    /// Commands; HOST, PORT, SUBSET, CLUSTER, ROUTE and DUMP stand for the line's own.
    pub next: &'static [&'static str],
    /// Where the statement comes from.
    pub source: &'static str,
}

/// Where the thing to mend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// The program behind the proxy.
    Application,
    /// The other side of the call: its proxy or its program.
    Upstream,
    Client,
    /// Objects of Istio or Kubernetes.
    Configuration,
    /// Certificates, the control plane, the proxy itself.
    Infrastructure,
    /// Nothing is broken: somebody configured it so.
    Intended,
}

impl Whose {
    pub fn name(self) -> &'static str {
        match self {
            Whose::Application => "application",
            Whose::Upstream => "upstream",
            Whose::Client => "client",
            Whose::Configuration => "configuration",
            Whose::Infrastructure => "infrastructure",
            Whose::Intended => "intended",
        }
    }
}

/// What a line must be for a cause to fit. An empty list admits anything.
#[derive(Debug)]
pub struct When {
    /// All of them, by their short names.
    pub flags: &'static [&'static str],
    /// One of these details, without what stands in braces; one that ends in `.` is a prefix.
    pub details: &'static [&'static str],
    /// What stands in braces contains one of these, or is it where it begins with `=`.
    pub reason: &'static [&'static str],
    /// The transport's failure contains one of these; case and `_` for blanks do not count.
    pub transport: &'static [&'static str],
    /// From and to.
    pub status: (u16, u16),
    pub directions: &'static [Direction],
}

const ANY: When = When { flags: &[], details: &[], reason: &[], transport: &[], status: (0, 999), directions: &[] };

/// A line, as far as causes look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symptom<'l> {
    pub status: u16,
    /// As logged, joined by commas; "" for none.
    pub flags: &'l str,
    pub details: &'l str,
    pub transport: &'l str,
    /// "" for none.
    pub cluster: &'l str,
}

impl<'l> Symptom<'l> {
    pub fn of(entry: &'l Entry<'_>) -> Symptom<'l> {
        Symptom {
            status: entry.code(),
            flags: entry.text(Field::ResponseFlags),
            details: entry.text(Field::ResponseCodeDetails),
            transport: entry.transport_failure(),
            cluster: entry.text(Field::UpstreamCluster),
        }
    }
    /// Whether there is nothing to explain: an answer below 400 that came from the upstream, a TCP connection that
    /// ended well.
    pub fn is_fine(&self) -> bool {
        let marks = self.flags.split(',').map(str::trim).filter(|f| !f.is_empty() && *f != "-");
        self.status < 400 && marks.count() == 0 && matches!(self.details, "" | "via_upstream") && Direction::of(self.cluster) != Direction::BlackHole
    }
}

fn short(flag: &str) -> &str {
    response_flags::find(flag).map_or(flag, |f| f.short)
}

/// All causes, in the order in which they are tried.
pub fn all() -> impl Iterator<Item = &'static Cause> {
    [answered::CAUSES, security::CAUSES, limits::CAUSES, timeouts::CAUSES, routing::CAUSES, protocol::CAUSES, connection::CAUSES].into_iter().flatten()
}

/// The causes that fit, the likeliest first; none where nothing is known of such a line.
pub fn diagnose(symptom: &Symptom<'_>) -> Vec<&'static Cause> {
    let seen = Seen::of(symptom);
    all().filter(|c| c.when.iter().any(|w| seen.fits(w))).collect()
}

/// The causes that lines with these flags can have.
pub fn of_flags(flags: &[&str]) -> Vec<&'static Cause> {
    let has = |f: &str| flags.iter().any(|g| short(g) == f);
    // Failures of the transport come with UF.
    let fits = |w: &When| !w.flags.is_empty() && w.flags.iter().all(|f| has(f)) || !w.transport.is_empty() && has("UF");
    all().filter(|c| c.when.iter().any(fits)).collect()
}

/// The causes of lines with such details.
pub fn of_details(text: &str) -> Vec<&'static Cause> {
    let details = Details::parse(text);
    let symptom = Symptom { details: text, transport: details.transport, ..Symptom::default() };
    let seen = Seen::of(&symptom);
    let fits = |w: &When| {
        let reason = details.reason.is_empty() || seen.has(&seen.reason, w.reason);
        let transport = details.transport.is_empty() || seen.has(&seen.transport, w.transport);
        !w.details.is_empty() && named(w.details, details.name) && reason && transport
    };
    all().filter(|c| c.when.iter().any(fits)).collect()
}

/// A symptom in the form that comparisons need.
struct Seen<'l> {
    flags: Vec<&'l str>,
    details: Details<'l>,
    reason: String,
    transport: String,
    status: u16,
    direction: Direction,
}

impl<'l> Seen<'l> {
    fn of(symptom: &Symptom<'l>) -> Seen<'l> {
        let details = Details::parse(symptom.details);
        Seen {
            flags: symptom.flags.split(',').map(|f| short(f.trim())).filter(|f| !f.is_empty() && *f != "-").collect(),
            details,
            reason: plain(details.reason),
            transport: plain(symptom.transport),
            status: symptom.status,
            direction: Direction::of(symptom.cluster),
        }
    }
    fn fits(&self, when: &When) -> bool {
        when.flags.iter().all(|f| self.flags.contains(f))
            && (when.details.is_empty() || named(when.details, self.details.name))
            && self.has(&self.reason, when.reason)
            && self.has(&self.transport, when.transport)
            && (when.status.0..=when.status.1).contains(&self.status)
            && (when.directions.is_empty() || when.directions.contains(&self.direction))
    }
    fn has(&self, text: &str, wanted: &[&str]) -> bool {
        wanted.is_empty() || wanted.iter().any(|w| w.strip_prefix('=').map_or_else(|| text.contains(&plain(w)), |w| text == w))
    }
}

fn named(list: &[&str], name: &str) -> bool {
    list.iter().any(|d| *d == name || d.ends_with('.') && name.starts_with(d))
}

fn plain(text: &str) -> String {
    text.replace('_', " ").to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
