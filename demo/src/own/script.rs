//! What a program does when it is asked: the script language of isotope (istio/tools, `isotope/service/README.md`), with
//! calls to hosts, ports and paths beside those to services.

use mesh_model::Node;
use std::fmt;
use std::time::Duration;

/// One thing after the other; the first call that fails ends it.
pub type Script = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Sleep(Duration),
    Call(Call),
    /// All at once, and each is waited for.
    Together(Vec<Step>),
}

/// A request to somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// As written: `reviews`, `reviews.shop`, or a host outside.
    pub host: String,
    /// `None` for the service's first port that fits.
    pub port: Option<u16>,
    pub path: String,
    /// `None` for what the service's port says that it carries.
    pub carries: Option<Carries>,
    /// Bytes of the request's body.
    pub size: usize,
    /// Of a hundred turns so many are taken.
    pub percent: f64,
}

/// What a port carries, as far as a program here can speak it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    Http,
    /// HTTP/2 from the first byte, with gRPC's framing and trailers.
    Grpc,
    Bytes,
}

/// What is wrong in a text that somebody wrote, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// `graph.yaml:7`
    pub place: String,
    /// `services[1].script[0].call`
    pub path: String,
    pub what: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.path, self.what)
    }
}

impl Wrong {
    pub fn at(node: Node<'_>, path: &str, what: impl Into<String>) -> Wrong {
        Wrong { place: format!("{}:{}", node.source().name(), node.position().line), path: path.to_owned(), what: what.into() }
    }
}

/// Refuses fields that nobody here reads: what is passed over in silence would be missed.
///
/// # Errors
/// The first such field, and which there are.
pub fn fields(node: Node<'_>, path: &str, known: &[&str]) -> Result<(), Wrong> {
    if !node.is_mapping() {
        return Err(Wrong::at(node, path, format!("fields are expected here: {}", known.join(", "))));
    }
    match node.entries().find(|(k, _)| !known.contains(&k.text())) {
        Some((key, _)) => Err(Wrong::at(key, &join(path, key.text()), format!("no such field; there are {}", known.join(", ")))),
        None => Ok(()),
    }
}

pub fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// Steps of a script; calls without a size have `request` bytes.
///
/// # Errors
/// What is no step, with its path.
pub fn read(node: Node<'_>, path: &str, request: usize) -> Result<Script, Wrong> {
    if node.is_null() {
        return Ok(Vec::new());
    }
    if !node.is_sequence() {
        return Err(Wrong::at(node, path, "a list of steps is expected: `sleep`, `call`, or a list of them that run at once"));
    }
    let at_once = |item: Node<'_>, path: &str| {
        let steps = item.items().enumerate().map(|(i, s)| step(s, &format!("{path}[{i}]"), request));
        steps.collect::<Result<Vec<Step>, Wrong>>().map(Step::Together)
    };
    node.items()
        .enumerate()
        .map(|(i, item)| {
            let path = format!("{path}[{i}]");
            if item.is_sequence() { at_once(item, &path) } else { step(item, &path, request) }
        })
        .collect()
}

fn step(node: Node<'_>, path: &str, request: usize) -> Result<Step, Wrong> {
    if node.is_sequence() {
        return Err(Wrong::at(node, path, "steps that run at once can't be nested"));
    }
    fields(node, path, &["sleep", "call"])?;
    if node.len() != 1 {
        return Err(Wrong::at(node, path, "a step is one of `sleep` and `call`"));
    }
    if let Some(sleep) = node.get("sleep") {
        let bad = || Wrong::at(sleep, &join(path, "sleep"), "a duration is expected, such as 100ms or 1.5s, an hour at most");
        return duration(sleep.text()).filter(|d| sleep.is_scalar() && *d <= Duration::from_secs(3600)).map(Step::Sleep).ok_or_else(bad);
    }
    let (call, path) = (node.get("call").unwrap_or(node), join(path, "call"));
    if call.is_scalar() {
        return target(call.text(), request).map(Step::Call).ok_or_else(|| Wrong::at(call, &path, TARGETS));
    }
    fields(call, &path, &["service", "size", "probability"])?;
    let service = call.get("service").ok_or_else(|| Wrong::at(call, &path, "`service` is missing: who is called"))?;
    let mut out = target(service.text(), request).ok_or_else(|| Wrong::at(service, &join(&path, "service"), TARGETS))?;
    if let Some(s) = call.get("size") {
        out.size = size(s, &join(&path, "size"))?;
    }
    if let Some(p) = call.get("probability") {
        let bad = || Wrong::at(p, &join(&path, "probability"), "a number of 0 to 100 is expected");
        out.percent = p.float().filter(|p| (0.0..=100.0).contains(p)).ok_or_else(bad)?;
    }
    Ok(Step::Call(out))
}

const TARGETS: &str = "the name of a service, HOST:PORT, or a URL of http, grpc or tcp is expected";

/// `reviews`, `reviews.shop:9080/path`, `http://…`, `grpc://…`, `tcp://db:5432`.
fn target(text: &str, size: usize) -> Option<Call> {
    let (carries, rest) = match text.split_once("://") {
        None => (None, text),
        Some(("http", rest)) => (Some(Carries::Http), rest),
        Some(("grpc", rest)) => (Some(Carries::Grpc), rest),
        Some(("tcp", rest)) => (Some(Carries::Bytes), rest),
        Some(_) => return None,
    };
    let (authority, path) = rest.split_once('/').map_or((rest, String::from("/")), |(a, p)| (a, format!("/{p}")));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|p| *p != 0)?)),
        None => (authority, None),
    };
    let is_name = !host.is_empty() && host.len() < 254 && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let is_path = path.bytes().all(|b| b.is_ascii_graphic());
    (is_name && is_path).then(|| Call { host: host.to_ascii_lowercase(), port, path, carries, size, percent: 100.0 })
}

/// A duration as Go writes it: `100ms`, `1.5s`, `1m30s`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let of = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * of;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

/// Bodies are no longer than this.
pub const LONGEST: usize = 8 << 20;

/// Bytes: a number, or one with a unit of 1024 such as `1 KB`, `10k`, `1.5MiB` (as docker's go-units reads them).
///
/// # Errors
/// What is no size, or beyond [`LONGEST`].
pub fn size(node: Node<'_>, path: &str) -> Result<usize, Wrong> {
    let bytes = bytes(node.text()).filter(|_| node.is_scalar());
    let bytes = bytes.ok_or_else(|| Wrong::at(node, path, "a size is expected, such as 512 or 16 KB"))?;
    if bytes > LONGEST as f64 { Err(Wrong::at(node, path, "8 MB is the most that is sent here")) } else { Ok(bytes as usize) }
}

fn bytes(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|u| *u == unit)?;
    number.parse::<f64>().ok().map(|n| n * 1024_f64.powi(i32::try_from(power).unwrap_or(0)))
}

/// A share of 0 to 1: a number of that range, or a percentage such as `0.1%`.
///
/// # Errors
/// Everything else.
pub fn share(node: Node<'_>, path: &str) -> Result<f64, Wrong> {
    let text = node.text().trim();
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|p| p / 100.0),
        None => text.parse().ok(),
    };
    let bad = || Wrong::at(node, path, "a percentage such as 0.1%, or a number of 0 to 1, is expected");
    share.filter(|s| node.is_scalar() && (0.0..=1.0).contains(s)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::{Source, Span, yaml};

    fn of(text: &str) -> Result<Script, String> {
        let source = Source::new("f", text);
        let tree = yaml::parse_document(&source, Span::new(0, text.len()), yaml::Limits::default()).tree.expect("YAML");
        read(tree.root(), "script", 7).map_err(|w| w.to_string())
    }

    fn call(host: &str) -> Call {
        Call { host: host.into(), port: None, path: "/".into(), carries: None, size: 7, percent: 100.0 }
    }

    #[test]
    fn steps_of_all_forms() {
        let got = of("- sleep: 1m1.5s\n- call: a\n- - call: {service: b.shop, size: 1 KB, probability: 50}\n  - sleep: 10ms\n- call: tcp://db:5432\n")
            .expect("a script");
        let expected = vec![
            Step::Sleep(Duration::from_millis(61_500)),
            Step::Call(call("a")),
            Step::Together(vec![Step::Call(Call { size: 1024, percent: 50.0, ..call("b.shop") }), Step::Sleep(Duration::from_millis(10))]),
            Step::Call(Call { port: Some(5432), carries: Some(Carries::Bytes), ..call("db") }),
        ];
        assert_eq!(got, expected);
        assert_eq!(
            of("- call: http://reviews:9080/reviews/0?x=1"),
            Ok(vec![Step::Call(Call { port: Some(9080), path: "/reviews/0?x=1".into(), carries: Some(Carries::Http), ..call("reviews") })])
        );
        assert_eq!(of("[]"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_step_is_refused_with_its_place() {
        for (text, says) in [
            ("- cal: a", "f:1: script[0].cal: no such field"),
            ("- sleep: soon", "script[0].sleep: a duration"),
            ("- sleep: {Load: 1}", "script[0].sleep: a duration"),
            ("- call: https://a", "script[0].call: the name"),
            ("- call: {size: 1}", "script[0].call: `service` is missing"),
            ("- call: {service: a, hostname: b}", "script[0].call.hostname: no such field"),
            ("- call: {service: a, size: 9 TB}", "script[0].call.size: 8 MB"),
            ("- - - call: a", "script[0][0]: steps that run at once can't be nested"),
            ("- call: a\n  sleep: 1s", "script[0]: a step is one"),
            ("call: a", "script: a list of steps"),
        ] {
            let got = of(text);
            assert!(got.as_ref().is_err_and(|e| e.contains(says)), "{text}: {got:?}");
        }
    }

    #[test]
    fn sizes_and_durations_are_read_as_go_does() {
        assert_eq!(
            (bytes("1 KB"), bytes("10k"), bytes("512"), bytes("1.5MiB"), bytes("x"), bytes("1 xb")),
            (Some(1024.0), Some(10240.0), Some(512.0), Some(1_572_864.0), None, None)
        );
        assert_eq!(
            (duration("100ms"), duration(""), duration("5"), duration("1x"), duration("-1s")),
            (Some(Duration::from_millis(100)), None, None, None, None)
        );
    }
}
