//! Expectations of encryption: how a request travels, and what the ports of a server take.

use super::expect::{Encryption, Expectation, Travels, What};
use super::follow::Followed;
use super::judge::{Failure, Held, Outcome, instead};
use super::members::Members;
use super::spec::Server;
use mesh_resolver::mtls::{Port, Takes, Verdict};

/// Whether all of a request's way is so. One part that is not is a failure, whatever is not known of others.
pub fn of_request(wanted: Travels, f: &Followed) -> Held {
    if f.legs.is_empty() {
        return match f.first() {
            Some(v) if f.way.told.len() == 1 && !f.reaches() => Held::No { expected: wanted.name().to_owned(), found: instead(v) },
            _ => Held::Unknown("no proxy of the input sends the request on".to_owned()),
        };
    }
    let other = f.legs.iter().find(|l| l.travels.as_ref().is_ok_and(|t| *t != wanted));
    if let Some((leg, travels)) = other.and_then(|l| Some((l, l.travels.as_ref().ok()?))) {
        return Held::No { expected: wanted.name().to_owned(), found: format!("{} from {} to {}", travels.name(), leg.from, leg.to) };
    }
    match f.legs.iter().find_map(|l| l.travels.as_ref().err()) {
        Some(why) => Held::Unknown(why.clone()),
        None => Held::Yes,
    }
}

/// Whether the ports of a server are so, by the answers of `meshctl mtls`.
pub fn of_server(server: &Server, members: &Members<'_>) -> Outcome {
    let Some(report) = members.encryption() else {
        return Outcome::NotJudged(vec!["what servers take is known from manifests, and the input holds none".to_owned()]);
    };
    let named = if server.name == "*" { Ok((0..members.len()).collect()) } else { members.named(&server.name) };
    let ids = match named {
        Ok(ids) => ids,
        Err(why) => return Outcome::NotJudged(vec![why]),
    };
    // Pods of one making are one workload of the report.
    let is_meant = |p: &&Port| ids.iter().map(|i| members.identity(*i)).any(|m| (m.namespace.as_str(), m.workload.as_str()) == (&*p.namespace, &*p.workload));
    let ports: Vec<&Port> = report.ports.iter().filter(is_meant).filter(|p| server.port.is_none_or(|n| n == p.port)).collect();
    if ports.is_empty() {
        let which = server.port.map_or_else(|| "no port".to_owned(), |n| format!("no port {n}"));
        return Outcome::NotJudged(vec![format!("{which} of {} is known: no Service leads there, and no container declares it", server.name)]);
    }
    let (mut failures, mut unknown) = (Vec::new(), Vec::new());
    for expectation in &server.expect {
        let What::PortTakes(wanted) = &expectation.what else { continue };
        for port in &ports {
            match holds(*wanted, port) {
                Held::Yes => {}
                Held::Unknown(why) => unknown.push(format!("{}: {why}", place(port))),
                Held::No { expected, found } => failures.push(failure(expectation, port, expected, &found)),
            }
        }
    }
    match (failures.is_empty(), unknown.is_empty()) {
        (false, _) => Outcome::Failed(failures),
        (true, false) => Outcome::NotJudged(unknown),
        (true, true) => Outcome::Passed,
    }
}

fn place(port: &Port) -> String {
    format!("{}.{}:{}", port.workload, port.namespace, port.port)
}

fn failure(e: &Expectation, port: &Port, expected: String, found: &str) -> Failure {
    let by = port.thing.as_ref().map_or_else(String::new, |t| {
        let place = if t.place.is_empty() { String::new() } else { format!(", {}", t.place) };
        format!(" ({}{place})", t.object)
    });
    Failure { key: e.key.clone(), at: e.at, expected, found: format!("at {} {found}{by}", place(port)), proxy: place(port) }
}

fn holds(wanted: Encryption, port: &Port) -> Held {
    let mode = |expected: &str, fits: &[Takes]| match port.takes {
        Takes::AmbientStrict if fits.contains(&Takes::Strict) => Held::Yes,
        Takes::Ambient if fits.contains(&Takes::Permissive) => Held::Yes,
        Takes::Unknown => Held::Unknown(port.says.clone()),
        takes if fits.contains(&takes) => Held::Yes,
        takes => Held::No { expected: expected.to_owned(), found: takes.name().to_owned() },
    };
    match wanted {
        Encryption::Strict => mode("STRICT", &[Takes::Strict]),
        Encryption::Permissive => mode("PERMISSIVE", &[Takes::Permissive]),
        Encryption::Off => mode("no mutual TLS", &[Takes::Off, Takes::NoProxy]),
        Encryption::Encrypted => match port.verdict {
            Verdict::Encrypted => Held::Yes,
            Verdict::NotJudged => Held::Unknown(port.says.clone()),
            Verdict::NotEncrypted => Held::No { expected: "encrypted".to_owned(), found: port.says.clone() },
        },
    }
}
