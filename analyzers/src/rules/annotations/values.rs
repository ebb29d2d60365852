//! The values that the sidecar injector accepts in annotations.

use crate::validation::net;
use mesh_model::{Source, Span, yaml};

type Check = fn(&str) -> Result<(), String>;

const CHECKS: &[(&str, Check)] = &[
    ("sidecar.istio.io/interceptionMode", interception_mode),
    ("status.sidecar.istio.io/port", port),
    ("readiness.status.sidecar.istio.io/initialDelaySeconds", unsigned),
    ("readiness.status.sidecar.istio.io/periodSeconds", unsigned),
    ("readiness.status.sidecar.istio.io/failureThreshold", unsigned),
    ("traffic.sidecar.istio.io/includeOutboundIPRanges", ranges_or_all),
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", ranges),
    ("traffic.sidecar.istio.io/includeInboundPorts", ports_or_all),
    ("traffic.sidecar.istio.io/excludeInboundPorts", ports),
    ("traffic.sidecar.istio.io/excludeOutboundPorts", ports),
    ("traffic.sidecar.istio.io/excludeInterfaces", interfaces),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", interfaces),
    ("istio.io/reroute-virtual-interfaces", interfaces),
    ("proxy.istio.io/config", proxy_config),
    ("prometheus.istio.io/merge-metrics", boolean),
    ("sidecar.istio.io/proxyCPU", quantity),
    ("sidecar.istio.io/proxyMemory", quantity),
    ("sidecar.istio.io/proxyCPULimit", quantity),
    ("sidecar.istio.io/proxyMemoryLimit", quantity),
];

/// Judges the value of an annotation; those without a check take anything.
pub fn check(name: &str, value: &str) -> Result<(), String> {
    CHECKS.iter().find(|(n, _)| *n == name).map_or(Ok(()), |(_, check)| check(value))
}

fn interception_mode(v: &str) -> Result<(), String> {
    if matches!(v, "REDIRECT" | "TPROXY" | "NONE") { Ok(()) } else { Err("it is none of REDIRECT, TPROXY and NONE".to_owned()) }
}

fn unsigned(v: &str) -> Result<(), String> {
    if !v.starts_with('+') && v.parse::<u32>().is_ok() { Ok(()) } else { Err("it is no whole number".to_owned()) }
}

fn port(v: &str) -> Result<(), String> {
    let ok = !v.starts_with('+') && v.parse::<u16>().is_ok();
    if ok { Ok(()) } else { Err(format!("`{v}` is no port")) }
}

/// The items of a list; an empty text is an empty list.
fn items(v: &str) -> impl Iterator<Item = &str> {
    v.split(',').filter(|_| !v.is_empty())
}

fn ports(v: &str) -> Result<(), String> {
    items(v.trim()).map(str::trim).try_for_each(port)
}

fn ports_or_all(v: &str) -> Result<(), String> {
    if v == "*" { Ok(()) } else { ports(v) }
}

fn ranges(v: &str) -> Result<(), String> {
    items(v).try_for_each(|r| if net::is_cidr(r) { Ok(()) } else { Err(format!("`{r}` is no CIDR block")) })
}

fn ranges_or_all(v: &str) -> Result<(), String> {
    if v == "*" { Ok(()) } else { ranges(v) }
}

fn boolean(v: &str) -> Result<(), String> {
    let ok = matches!(v, "1" | "t" | "T" | "true" | "TRUE" | "True" | "0" | "f" | "F" | "false" | "FALSE" | "False");
    if ok { Ok(()) } else { Err("it is neither true nor false".to_owned()) }
}

/// Names of network interfaces, as Linux takes them.
fn interfaces(v: &str) -> Result<(), String> {
    items(v).map(str::trim).try_for_each(|name| match name {
        "" => Err("a name is empty".to_owned()),
        n if n.len() > 15 => Err(format!("`{n}` is longer than 15 characters")),
        n if n.starts_with(|c: char| c.is_ascii_alphabetic()) && n.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) => Ok(()),
        n => Err(format!("`{n}` is no name of an interface")),
    })
}

/// The YAML of a ProxyConfig; its fields are not looked at.
fn proxy_config(v: &str) -> Result<(), String> {
    let source = Source::new("", v);
    let parsed = yaml::parse_document(&source, Span::new(0, v.len()), yaml::Limits::default());
    match (parsed.error, parsed.tree) {
        (Some(error), _) => Err(format!("it is no YAML: {}", error.message)),
        (None, Some(tree)) if !tree.root().is_mapping() && !tree.root().is_null() => Err("it is no mapping".to_owned()),
        _ => Ok(()),
    }
}

/// A quantity of Kubernetes: `100m`, `1.5Gi`, `1e3`.
fn quantity(v: &str) -> Result<(), String> {
    const SUFFIXES: &[&str] = &["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let digits = v.trim_start_matches(['+', '-']);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let exponent =
        suffix.strip_prefix(['e', 'E']).is_some_and(|e| !e.is_empty() && e.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit()) && e.len() < 4);
    let ok = number.matches('.').count() <= 1 && number.bytes().any(|b| b.is_ascii_digit()) && (SUFFIXES.contains(&suffix) || exponent);
    if ok { Ok(()) } else { Err("it is no quantity such as `100m` or `128Mi`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_annotations() {
        for good in ["100m", "1", "1.5Gi", "1e3", ".5", "-1"] {
            assert!(quantity(good).is_ok(), "{good}");
        }
        for bad in ["", "m", "1x", "1.2.3", "1e", "one"] {
            assert!(quantity(bad).is_err(), "{bad}");
        }
        assert!(ports("80, 443").is_ok() && ports("").is_ok() && ports("80,x").is_err() && ports("70000").is_err());
        assert!(ranges_or_all("*").is_ok() && ranges("10.0.0.0/8,::/0").is_ok() && ranges("*").is_err());
        // Blanks are taken among ports only, empty items nowhere.
        assert!(ranges("10.0.0.0/8, 11.0.0.0/8").is_err() && ranges("10.0.0.0/8,").is_err() && ranges("").is_ok() && ports("80,").is_err());
        assert!(interfaces("eth0, net1").is_ok() && interfaces("").is_ok() && interfaces("eth0,").is_err() && interfaces("a-name-that-is-too-long").is_err());
        assert!(proxy_config("concurrency: 2").is_ok() && proxy_config("").is_ok() && proxy_config("2").is_err() && proxy_config("a: [").is_err());
    }
}
