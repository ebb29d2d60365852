//! An access log, line by line: failures grouped by what they look like. Memory is bounded, however long the log.

use super::causes::{Cause, Symptom, Whose, diagnose};
use crate::Level;
use mesh_envoy::ClusterName;
use mesh_envoy::access_log::{Entry, Field, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// More groups than that are counted and not kept.
const MOST_GROUPS: usize = 2_000;
/// Of what varies within a group so many are kept.
const MOST_CASES: usize = 16;

/// What a log holds.
#[derive(Clone, Debug, Default)]
pub struct Log {
    groups: BTreeMap<Key, Group>,
    /// Lines of requests and connections.
    pub entries: u64,
    /// Those of them that need no explanation.
    pub fine: u64,
    /// Lines of applications and of the proxy's own log.
    pub other: u64,
    /// Failures in groups that were not kept.
    pub overflow: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    status: u16,
    flags: String,
    details: String,
    transport: String,
    cluster: String,
}

/// Lines that look alike: status, flags, details, the transport's failure and cluster.
#[derive(Clone, Debug)]
pub struct Group {
    pub status: u16,
    pub flags: String,
    pub details: String,
    pub transport: String,
    pub cluster: String,
    pub count: u64,
    /// Start times as logged; "" where the format has none.
    pub first: String,
    pub last: String,
    /// The first line, without its secrets.
    pub sample: String,
    /// Different requests of the group.
    pub cases: BTreeSet<Case>,
    /// Where lines came from, by their wrapping.
    pub pods: BTreeSet<String>,
}

/// What a request was, as far as routes and policies look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub method: String,
    pub authority: String,
    /// Without its query.
    pub path: String,
    pub route: String,
    /// Of the proxy's own side, `10.0.0.1:9080`.
    pub address: String,
    pub source: String,
    pub server_name: String,
    /// The caller's SPIFFE id, where the format has it.
    pub peer: String,
}

impl Case {
    /// The port at the proxy's own side.
    pub fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}

impl Log {
    /// Takes one line. `sample` makes it fit to be shown, and is asked for the first of a group only.
    pub fn add(&mut self, entry: &Entry<'_>, origin: &Origin, sample: &dyn Fn() -> String) {
        self.entries += 1;
        let symptom = Symptom::of(entry);
        if symptom.is_fine() {
            self.fine += 1;
            return;
        }
        let key = Key {
            status: symptom.status,
            flags: symptom.flags.to_owned(),
            details: symptom.details.to_owned(),
            transport: symptom.transport.to_owned(),
            cluster: symptom.cluster.to_owned(),
        };
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
            self.overflow += 1;
            return;
        }
        let group = self.groups.entry(key).or_insert_with_key(|key| Group {
            status: key.status,
            flags: key.flags.clone(),
            details: key.details.clone(),
            transport: key.transport.clone(),
            cluster: key.cluster.clone(),
            count: 0,
            first: String::new(),
            last: String::new(),
            sample: sample(),
            cases: BTreeSet::new(),
            pods: BTreeSet::new(),
        });
        group.count += 1;
        group.time(entry.text(Field::StartTime));
        if group.cases.len() < MOST_CASES {
            group.cases.insert(case(entry));
        }
        if !origin.pod.is_empty() && group.pods.len() < MOST_CASES {
            group.pods.insert(origin.pod.clone());
        }
    }
    /// Groups, the gravest first, then the largest.
    pub fn groups(&self) -> Vec<&Group> {
        let mut out: Vec<&Group> = self.groups.values().collect();
        out.sort_by_key(|g| (g.level(), std::cmp::Reverse(g.count)));
        out
    }
}

pub fn case(entry: &Entry<'_>) -> Case {
    let text = |f: Field| entry.text(f).to_owned();
    Case {
        method: text(Field::Method),
        authority: text(Field::Authority),
        path: mesh_envoy::matcher::path_only(entry.text(Field::Path)).to_owned(),
        route: text(Field::RouteName),
        address: text(Field::DownstreamLocalAddress),
        // The client's port differs from request to request and decides nothing.
        source: entry.text(Field::DownstreamRemoteAddress).rsplit_once(':').map_or("", |(ip, _)| ip).to_owned(),
        server_name: text(Field::RequestedServerName),
        peer: text(Field::PeerUriSan),
    }
}

impl Group {
    pub fn symptom(&self) -> Symptom<'_> {
        Symptom { status: self.status, flags: &self.flags, details: &self.details, transport: &self.transport, cluster: &self.cluster }
    }
    /// The cause first, then what else it could be; one a title.
    pub fn causes(&self) -> Vec<&'static Cause> {
        diagnose(&self.symptom())
    }
    /// A command of a cause with the lines' own names in place of those that stand for them.
    pub fn command(&self, command: &str) -> String {
        let name = ClusterName::parse_any(&self.cluster);
        let port = self.cases.iter().find_map(Case::port).map(|p| p.to_string());
        let own = |word| match word {
            "HOST" => name.map_or(word, |n| n.host),
            "SUBSET" => name.map_or(word, |n| n.subset),
            "PORT" => port.as_deref().unwrap_or(word),
            "CLUSTER" if !self.cluster.is_empty() => &self.cluster,
            "POD" => self.pods.first().map_or(word, String::as_str),
            _ => word,
        };
        let quoted = |word: &str| if word.contains('|') && !word.starts_with('\'') { format!("'{word}'") } else { word.to_owned() };
        command.split(' ').map(|word| quoted(own(word))).collect::<Vec<_>>().join(" ")
    }
    /// How grave it is: what is meant to be is Info, what clients do a Warning, what is not known an Error.
    pub fn level(&self) -> Level {
        match self.causes().first().map(|c| c.whose) {
            Some(Whose::Intended) => Level::Info,
            Some(Whose::Client) => Level::Warning,
            _ => Level::Error,
        }
    }
    /// Times in order; those of one length compare as text, others keep the order of the lines.
    fn time(&mut self, time: &str) {
        if time.is_empty() {
            return;
        }
        if self.first.is_empty() || time.len() == self.first.len() && time < self.first.as_str() {
            time.clone_into(&mut self.first);
        }
        if self.last.is_empty() || time.len() != self.last.len() || time > self.last.as_str() {
            time.clone_into(&mut self.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::access_log::{Line, Reader};

    fn log(lines: &[String]) -> Log {
        let (reader, mut log) = (Reader::default(), Log::default());
        for line in lines {
            match reader.read(line) {
                Line::Entry(e) => log.add(&e, &Origin::default(), &|| reader.sample(line)),
                _ => log.other += 1,
            }
        }
        log
    }

    fn line(time: &str, code: u16, flags: &str, path: &str) -> String {
        format!(r#"[{time}] "GET {path} HTTP/1.1" {code} {flags} 0 0 0 - "-" "-" "-" "h" "-""#)
    }

    #[test]
    fn failures_are_grouped_and_fine_lines_counted() {
        let lines = [
            line("2026-01-01T00:00:02.000Z", 503, "UF", "/a?x=1"),
            line("2026-01-01T00:00:01.000Z", 503, "UF", "/b"),
            line("2026-01-01T00:00:03.000Z", 0, "DC", "/b"),
            line("2026-01-01T00:00:03.000Z", 200, "-", "/b"),
            "hello".to_owned(),
        ];
        let log = log(&lines);
        assert_eq!((log.entries, log.fine, log.other), (4, 1, 1));
        let told: Vec<_> = log.groups().iter().map(|g| (g.flags.as_str(), g.count, g.level(), g.first.as_str(), g.last.as_str())).collect();
        assert_eq!(
            told,
            [
                ("UF", 2, Level::Error, "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"),
                ("DC", 1, Level::Warning, "2026-01-01T00:00:03.000Z", "2026-01-01T00:00:03.000Z")
            ]
        );
        let paths: Vec<_> = log.groups()[0].cases.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(paths, ["/a", "/b"]);
        assert!(log.groups()[0].sample.contains("redacted"));
    }

    #[test]
    fn a_log_of_ever_new_failures_stays_bounded() {
        let lines: Vec<String> = (0..3 * MOST_GROUPS).map(|i| line("t", 503, &format!("UF,X{i}"), "/")).collect();
        let log = log(&lines);
        assert_eq!((log.groups().len(), log.overflow), (MOST_GROUPS, 2 * MOST_GROUPS as u64));
    }
}
