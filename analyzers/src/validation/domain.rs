//! DNS labels and domain names.

use super::names::is_dashed;
use super::net;

/// Letters, digits and inner hyphens, at most 63.
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_dashed(text)
}

/// A label, `*`, or a label after `*` or `*-`.
pub fn is_wildcard_label(text: &str) -> bool {
    if text.len() > 63 {
        return false;
    }
    match text.strip_prefix('*') {
        None => is_label(text),
        Some(rest) => rest.is_empty() || is_label(rest.strip_prefix('-').unwrap_or(rest)),
    }
}

/// A DNS label that names something: a port, a subset, a gateway.
pub fn label(what: &str, text: &str) -> Result<(), String> {
    if is_label(text) { Ok(()) } else { Err(format!("`{text}` is not a valid {what}: it must be a DNS label (letters, digits, inner hyphens, at most 63)")) }
}

fn length(name: &str) -> Result<(), String> {
    match name.len() {
        0 => Err("a domain name is empty".to_owned()),
        1..=255 => Ok(()),
        n => Err(format!("domain name `{}…` has {n} characters, more than 255", prefix(name))),
    }
}

fn prefix(name: &str) -> &str {
    let mut end = 40.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// The labels of `part`, the whole of a domain name or what follows its first label.
fn labels(domain: &str, part: &str) -> Result<(), String> {
    let top = part.rsplit('.').next().unwrap_or("");
    if top.parse::<i64>().is_ok() {
        return Err(format!("`{domain}` is not a valid domain name: its last label `{top}` is a number"));
    }
    let mut rest = part.split('.').peekable();
    while let Some(label) = rest.next() {
        // `istio.io.` is a name without doubt.
        if label.is_empty() && rest.peek().is_none() {
            break;
        }
        if !is_label(label) {
            return Err(format!("`{domain}` is not a valid domain name: `{label}` is not a DNS label"));
        }
    }
    Ok(())
}

/// A domain name without wildcards.
pub fn fqdn(name: &str) -> Result<(), String> {
    length(name)?;
    labels(name, name)
}

/// A domain name whose first label may be a wildcard.
pub fn wildcard(name: &str) -> Result<(), String> {
    length(name)?;
    let (first, rest) = name.split_once('.').map_or((name, None), |(f, r)| (f, Some(r)));
    if !is_wildcard_label(first) {
        return Err(format!("`{name}` is not a valid domain name: `{first}` is not a DNS label"));
    }
    rest.map_or(Ok(()), |r| labels(name, r))
}

/// What tells one bad domain name from another: names that share the bad part are one fault to Istio.
pub fn fault_key(name: &str) -> String {
    let bad = match name.split_once('.') {
        Some((first, rest)) if is_wildcard_label(first) && name.len() <= 255 => rest,
        _ => name,
    };
    format!("domain {bad}")
}

/// `*.example.com` is a wildcard, `*example.com` and `a*.com` are partial ones.
pub fn whole_wildcard(host: &str) -> Result<(), String> {
    if host.contains('*') && host.len() != 1 && !host.starts_with("*.") {
        Err(format!("`{host}` is a partial wildcard; only `*` and `*.domain` are wildcards here"))
    } else {
        Ok(())
    }
}

/// A host of a VirtualService that is bound to a gateway: with `sni`, also the form that Istio generates for
/// AUTO_PASSTHROUGH, `outbound_.80_._.reviews.default.svc.cluster.local`.
pub fn gateway_bound(sni: bool, name: &str) -> Result<(), String> {
    length(name)?;
    if !(sni && name.starts_with("outbound_")) {
        return wildcard(name);
    }
    let parts: Vec<&str> = name.split('_').collect();
    let bad = || Err(format!("`{name}` is not a valid generated SNI host; the form is `outbound_.PORT_.SUBSET_.HOST`"));
    let [_, port, _, host, ..] = parts.as_slice() else { return bad() };
    if port.bytes().any(|b| b.is_ascii_digit()) && host.bytes().any(|b| b.is_ascii_alphabetic()) { Ok(()) } else { bad() }
}

/// Where a `namespace/host` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostOf {
    Gateway,
    Sidecar,
}

/// What is wrong with a host, and the key by which Istio tells such faults apart.
#[derive(Debug)]
pub struct Fault {
    pub key: String,
    pub message: String,
}

/// `namespace/host` of a Gateway server or a Sidecar's egress. All that is wrong with it.
pub fn namespaced_host(text: &str, of: HostOf) -> Vec<Fault> {
    let mut problems = Vec::new();
    let fault = |key: &str, message: String| Fault { key: key.to_owned(), message };
    let Some((namespace, host)) = text.split_once('/') else {
        match of {
            HostOf::Gateway => host_part(text, of, &mut problems),
            HostOf::Sidecar => problems.push(fault("host without namespace", format!("`{text}` is not of the form `namespace/host`"))),
        }
        return problems;
    };
    if namespace.is_empty() || host.is_empty() {
        problems.push(fault("half a host", format!("the namespace or the host of `{text}` is empty")));
    }
    let bare = match of {
        HostOf::Gateway => namespace,
        HostOf::Sidecar => namespace.strip_prefix('~').unwrap_or(namespace),
    };
    let empty_is_fine = of == HostOf::Sidecar && bare.is_empty();
    if !matches!(bare, "*" | ".") && !empty_is_fine && !is_label(bare) {
        problems.push(fault(&format!("namespace {namespace}"), format!("`{namespace}` is not a valid namespace of a host")));
    }
    host_part(host, of, &mut problems);
    problems
}

fn host_part(host: &str, of: HostOf, problems: &mut Vec<Fault>) {
    if host != "*" && !host.contains('.') {
        problems.push(Fault { key: "short name".to_owned(), message: format!("`{host}` is a short name; hosts here are full names") });
    }
    if let Err(why) = wildcard(host)
        && (of == HostOf::Sidecar || !net::is_ip(host))
    {
        problems.push(Fault { key: fault_key(host), message: why });
    }
    problems.extend(whole_wildcard(host).err().map(|message| Fault { key: format!("partial {host}"), message }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains() {
        for good in ["a", "a.b", "A-1.b", "istio.io.", "1.2.3.a"] {
            assert!(fqdn(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a..b", "a_b", "1.2.3.4", "*.a", "a.-5", &"a".repeat(64), &"a.".repeat(128)] {
            assert!(fqdn(bad).is_err(), "{bad}");
        }
        for good in ["*", "*.a.b", "*-a.b", "*a.b", "a.b"] {
            assert!(wildcard(good).is_ok(), "{good}");
        }
        for bad in ["", "*.", "**.a", "a.*.b", "*-.a", "*.a_b"] {
            assert_eq!(wildcard(bad).is_err(), bad != "*.", "{bad}");
        }
        assert_eq!(wildcard("x.a_b").unwrap_err(), "`x.a_b` is not a valid domain name: `a_b` is not a DNS label");
    }

    #[test]
    fn generated_sni_hosts() {
        assert!(gateway_bound(true, "outbound_.80_._.e2e.foobar.mesh").is_ok());
        assert!(gateway_bound(true, "outbound_.x_._.e2e").is_err());
        assert!(gateway_bound(true, "outbound_80").is_err());
        assert!(gateway_bound(false, "outbound_.80_._.e2e.foobar.mesh").is_err());
    }

    #[test]
    fn hosts_with_a_namespace() {
        assert!(namespaced_host("*/*", HostOf::Sidecar).is_empty() && namespaced_host("~/*", HostOf::Sidecar).is_empty());
        assert!(namespaced_host("10.0.0.1", HostOf::Gateway).is_empty());
        assert_eq!(namespaced_host("ns/short", HostOf::Gateway).len(), 1);
        assert_eq!(namespaced_host("a.com", HostOf::Sidecar).len(), 1);
        assert_eq!(namespaced_host("/", HostOf::Gateway).len(), 4);
    }
}
