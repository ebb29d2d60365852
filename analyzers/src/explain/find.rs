//! From a word to its topics.

use super::causes::{self, Cause};
use super::topic::{Kind, Page, Topic};
use super::{messages, metrics, ports, terms};
use crate::spelling;
use mesh_envoy::cluster_name::{ClusterName, Direction};
use mesh_envoy::{response_code_details, response_flags};

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Flags,
    Details,
    Metrics,
    Ports,
    Terms,
    Causes,
}

/// All topics of a kind, in the order of their tables.
pub fn list(what: Listed) -> Vec<Topic> {
    let pages = |kind: Kind, pages: &[Page]| pages.iter().map(|p| Topic::of(kind, p)).collect::<Vec<_>>();
    match what {
        Listed::Flags => response_flags::ALL.iter().map(flag).collect(),
        Listed::Details => response_code_details::ALL.iter().map(|d| details(d.name, d.meaning)).collect(),
        Listed::Metrics => [pages(Kind::Metric, metrics::ALL), pages(Kind::Label, metrics::LABELS)].concat(),
        Listed::Ports => pages(Kind::Port, ports::ALL),
        Listed::Terms => [pages(Kind::Term, terms::ALL), pages(Kind::Message, messages::ALL)].concat(),
        Listed::Causes => causes::all().map(cause).collect(),
    }
}

/// The topics that a word means, or the nearest word that means something.
pub fn find(word: &str) -> Result<Vec<Topic>, Option<&'static str>> {
    let word = word.trim().trim_matches(['"', '\'', '`']).trim();
    let out = exact(word);
    if !out.is_empty() {
        return Ok(out);
    }
    // A piece of a log line: what a message is part of, and the other way round.
    let found: Vec<Topic> =
        messages::ALL.iter().filter(|m| std::iter::once(&m.name).chain(m.also).any(|n| is_part(n, word))).map(|m| Topic::of(Kind::Message, m)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(spelling::nearest(word, names()).or_else(|| {
        let lower = word.to_ascii_lowercase();
        names().find(|n| lower.len() > 3 && n.to_ascii_lowercase().contains(&lower))
    }))
}

fn exact(word: &str) -> Vec<Topic> {
    let mut out = Vec::new();
    if word.is_empty() {
        return out;
    }
    if let Some(topic) = cluster(word) {
        out.push(topic);
        return out;
    }
    let flags: Vec<&str> = word.split([',', ' ']).map(str::trim).filter(|f| !f.is_empty()).collect();
    if flags.len() > 1 && flags.iter().all(|f| response_flags::find(f).is_some()) {
        out.extend(flags.iter().filter_map(|f| response_flags::find(f)).map(flag));
        // Together they say more than each alone.
        let together = causes::diagnose(&causes::Symptom { status: 503, flags: &flags.join(","), ..Default::default() });
        if let Some(last) = out.last_mut() {
            last.causes = together;
        }
        return out;
    }
    out.extend(response_flags::find(word).map(|f| Topic { causes: causes::of_flags(&[f.short]), ..flag(f) }));
    if let Some(d) = response_code_details::find(word) {
        out.push(Topic { causes: causes::of_details(word), ..details(word, d.meaning) });
    }
    let tables =
        [(Kind::Metric, metrics::ALL), (Kind::Label, metrics::LABELS), (Kind::Port, ports::ALL), (Kind::Term, terms::ALL), (Kind::Message, messages::ALL)];
    for (kind, pages) in tables {
        let named = |p: &&Page| p.name.eq_ignore_ascii_case(word) || p.also.iter().any(|a| a.eq_ignore_ascii_case(word));
        out.extend(pages.iter().filter(named).map(|p| Topic::of(kind, p)));
    }
    out.extend(causes::all().filter(|c| c.id.eq_ignore_ascii_case(word)).map(cause));
    if out.is_empty() {
        out.extend(status(word));
    }
    out
}

/// Whether a text holds what a name says: its parts in order, where `…` stands for anything.
fn is_part(name: &str, text: &str) -> bool {
    let (name, text) = (name.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut rest = text.as_str();
    let within = name.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    });
    within || text.len() >= 8 && name.contains(&text)
}

fn names() -> impl Iterator<Item = &'static str> {
    let pages =
        [metrics::ALL, metrics::LABELS, terms::ALL, messages::ALL].into_iter().flatten().flat_map(|p| std::iter::once(p.name).chain(p.also.iter().copied()));
    let flags = response_flags::ALL.iter().flat_map(|f| [f.short, f.long]);
    pages.chain(flags).chain(response_code_details::ALL.iter().map(|d| d.name)).chain(causes::all().map(|c| c.id))
}

fn flag(f: &response_flags::ResponseFlag) -> Topic {
    let code = if f.code.is_empty() { String::new() } else { format!(" It usually goes with status {}.", f.code) };
    Topic { text: format!("The long name is {}.{code}", f.long), ..Topic::new(Kind::Flag, f.short, &format!("{}.", f.meaning)) }
}

fn details(name: &str, meaning: &str) -> Topic {
    Topic::new(Kind::Details, name, &format!("{meaning}."))
}

fn cause(c: &'static Cause) -> Topic {
    Topic { causes: vec![c], ..Topic::new(Kind::Cause, c.id, &format!("{}.", c.title)) }
}

/// A status: the flags that go with it.
fn status(word: &str) -> Option<Topic> {
    let code: u16 = word.parse().ok().filter(|c| (100..600).contains(c) || *c == 0)?;
    let flags: Vec<&str> = response_flags::ALL.iter().filter(|f| f.code == word).map(|f| f.short).collect();
    let whose = "Whose answer it is says RESPONSE_CODE_DETAILS of the access log: `via_upstream` is the upstream's own, anything else the proxy's.";
    let text = match (code, flags.is_empty()) {
        (0, _) => format!("No status was sent: the connection ended before an answer, or it is not HTTP. {whose}"),
        (_, true) => format!("No response flag stands for status {code}. {whose}"),
        _ => format!("Proxies answer {code} with the flags {}. {whose}", flags.join(", ")),
    };
    Some(Topic { see: flags.iter().map(|f| (*f).to_owned()).chain(["via_upstream".to_owned()]).collect(), ..Topic::new(Kind::Status, word, &text) })
}

/// A cluster's name taken apart.
fn cluster(word: &str) -> Option<Topic> {
    let n = ClusterName::parse_any(word)?;
    let direction = Direction::of(word);
    let subset = if n.subset.is_empty() { String::new() } else { format!(", subset {} (defined in a DestinationRule of the host)", n.subset) };
    let text = match direction {
        Direction::Inbound => format!(
            "Inbound: traffic to port {} of the workload that the proxy serves. Its host is the workload itself; a failure here is between the proxy and its own application.",
            n.port
        ),
        _ if word.contains("_.") => format!(
            "Outbound, in the form that stands in SNI: port {} of host {}{subset}. Clients of the mesh send it, and gateways between networks pass it on.",
            n.port, n.host
        ),
        _ => format!(
            "Outbound: traffic to port {} of host {}{subset}. Istio makes one for each port of each Service and ServiceEntry that the proxy can see.",
            n.port, n.host
        ),
    };
    let see = if direction == Direction::Inbound { vec!["15006".to_owned()] } else { vec!["cluster".to_owned(), "subset".to_owned(), "UH".to_owned()] };
    Some(Topic { see, ..Topic::new(Kind::Cluster, word, &text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn kinds(word: &str) -> Vec<(Kind, String)> {
        find(word).unwrap_or_default().into_iter().map(|t| (t.kind, t.name)).collect()
    }

    #[test]
    fn words_have_topics() {
        for (word, kind, name) in [
            ("UF", Kind::Flag, "UF"),
            ("upstreamconnectionfailure", Kind::Flag, "UF"),
            ("via_upstream", Kind::Details, "via_upstream"),
            ("istio_requests_total", Kind::Metric, "istio_requests_total"),
            ("response_flags", Kind::Label, "response_flags"),
            ("15006", Kind::Port, "15006"),
            ("outbound|9080|v2|reviews.default.svc.cluster.local", Kind::Cluster, "outbound|9080|v2|reviews.default.svc.cluster.local"),
            ("Sni", Kind::Term, "SNI"),
            ("permissive", Kind::Term, "PERMISSIVE"),
            ("\"TLS error: Secret is not supplied by SDS\"", Kind::Message, "TLS error: Secret is not supplied by SDS"),
            (
                "2026 warning envoy config gRPC config for type.googleapis.com/envoy.config.listener.v3.Listener rejected: Error",
                Kind::Message,
                "gRPC config for … rejected",
            ),
            ("503", Kind::Status, "503"),
            ("connection-refused", Kind::Cause, "connection-refused"),
        ] {
            assert_eq!(kinds(word).first(), Some(&(kind, name.to_owned())), "{word}");
        }
        assert_eq!(kinds("URX,UF").len(), 2);
        assert_eq!(find("istio_request_total").err(), Some(Some("istio_requests_total")));
        assert_eq!(find("zzzzqqq").err(), Some(None));
    }

    #[test]
    fn everything_listed_is_found_by_its_name_and_everything_seen_exists() {
        for what in [Listed::Flags, Listed::Details, Listed::Metrics, Listed::Ports, Listed::Terms, Listed::Causes] {
            for topic in list(what) {
                assert!(kinds(&topic.name).contains(&(topic.kind, topic.name.clone())), "{}", topic.name);
                for see in &topic.see {
                    assert!(find(see).is_ok(), "{} sees {see}", topic.name);
                }
                assert!(topic.summary.ends_with('.') && topic.summary.len() < 260, "{}: {}", topic.name, topic.summary);
            }
        }
        // What causes tell to type exists as well.
        for next in causes::all().flat_map(|c| c.next) {
            if let Some(word) = next.strip_prefix("meshctl explain ").map(|w| w.split("   #").next().unwrap_or(w)) {
                assert!(word.ends_with(".log") || find(word).is_ok(), "{next}");
            }
        }
    }

    #[test]
    fn no_name_stands_for_two_topics_of_one_kind() {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (kind, pages) in [("metric", metrics::ALL), ("label", metrics::LABELS), ("term", terms::ALL), ("message", messages::ALL)] {
            for p in pages {
                for name in std::iter::once(&p.name).chain(p.also) {
                    assert_eq!(seen.insert(format!("{kind} {}", name.to_ascii_lowercase()), p.name), None, "{name}");
                }
            }
        }
    }
}
