//! TLS settings of what listens: a Gateway's server, a Sidecar's ingress.

use super::{Checks, fields, flag, has_text, text};
use mesh_model::Node;
use mesh_resolver::server_ciphers::SERVER_CIPHERS;

/// Whether a list field holds something.
fn lists(tls: Node<'_>, key: &str) -> bool {
    tls.get(key).is_some_and(|l| l.is_sequence() && !l.is_empty())
}

/// `tls` of a server.
pub fn check<'a>(checks: &mut Checks<'a, '_>, tls: Node<'a>) {
    let mode = match text(tls, "mode") {
        "" => "PASSTHROUGH",
        m => m,
    };
    if matches!(text(tls, "minProtocolVersion"), "TLSV1_0" | "TLSV1_1") && !lists(tls, "cipherSuites") {
        checks
            .warn(tls.get("minProtocolVersion").unwrap_or(tls), "TLS below 1.2 is allowed without `cipherSuites`, and the default suites have none for it")
            .help("name suites for the old versions, or require TLSV1_2");
    }
    check_ciphers(checks, tls);
    if mode == "ISTIO_MUTUAL" {
        for field in ["serverCertificate", "privateKey", "caCertificates", "credentialName"] {
            if has_text(tls, field) {
                checks.error(tls.get(field).unwrap_or(tls), format!("`{field}` stands beside the mode ISTIO_MUTUAL, which brings its own certificates"));
            }
        }
        for field in ["tlsCertificates", "credentialNames"] {
            if lists(tls, field) {
                checks.error(tls.get(field).unwrap_or(tls), format!("`{field}` stands beside the mode ISTIO_MUTUAL, which brings its own certificates"));
            }
        }
        return;
    }
    if matches!(mode, "PASSTHROUGH" | "AUTO_PASSTHROUGH") {
        let texts = ["caCrl", "serverCertificate", "privateKey", "caCertificates", "credentialName"].into_iter().find(|f| has_text(tls, f));
        let given = texts.or_else(|| ["tlsCertificates", "credentialNames"].into_iter().find(|f| lists(tls, f)));
        if let Some(field) = given {
            checks.warn_once(&format!("certificates of {mode}"), tls.get(field).unwrap_or(tls), format!("`{field}` is ignored in the mode {mode}"));
        }
    }
    let sources = [
        has_text(tls, "serverCertificate") && has_text(tls, "privateKey"),
        has_text(tls, "credentialName"),
        lists(tls, "credentialNames"),
        lists(tls, "tlsCertificates"),
    ];
    if sources.iter().filter(|s| **s).count() > 1 {
        checks
            .error(tls, "more than one source of certificates is given")
            .help("keep one of `credentialName`, `credentialNames`, `serverCertificate` with `privateKey`, `tlsCertificates`");
    }
    let serves = matches!(mode, "SIMPLE" | "MUTUAL" | "OPTIONAL_MUTUAL");
    if serves && (has_text(tls, "credentialName") || lists(tls, "credentialNames")) {
        return;
    }
    if serves {
        check_files(checks, tls, mode);
    }
    if has_text(tls, "caCrl") {
        let at = tls.get("caCrl").unwrap_or(tls);
        if has_text(tls, "credentialName") {
            checks.error(at, "`caCrl` stands beside `credentialName`").help("put the list into the secret, under `ca.crl`");
        }
        if mode == "SIMPLE" {
            checks.error(at, "`caCrl` has no use in the mode SIMPLE, where no client certificate is asked for");
        }
    }
}

fn check_files<'a>(checks: &mut Checks<'a, '_>, tls: Node<'a>, mode: &str) {
    let kind = if mode == "SIMPLE" { "SIMPLE" } else { "MUTUAL" };
    if kind == "MUTUAL" && fields::lacks_text(tls, "caCertificates") {
        checks.error(tls, format!("TLS of the mode {mode} has no `caCertificates` to verify clients with"));
    }
    let listed: Vec<Node<'a>> = tls.list("tlsCertificates").filter(|c| c.is_mapping()).collect();
    if listed.len() > 2 {
        checks.warn(tls.get("tlsCertificates").unwrap_or(tls), format!("{} certificates are given; at most two are used", listed.len()));
    }
    let certificates = if lists(tls, "tlsCertificates") { listed } else { vec![tls] };
    for certificate in certificates {
        if fields::lacks_text(certificate, "serverCertificate") {
            checks.error(certificate, format!("TLS of the mode {kind} has no server certificate")).help("name a secret in `credentialName`");
        }
        if fields::lacks_text(certificate, "privateKey") {
            checks.error(certificate, format!("TLS of the mode {kind} has no private key")).help("name a secret in `credentialName`");
        }
    }
}

fn check_ciphers<'a>(checks: &mut Checks<'a, '_>, tls: Node<'a>) {
    let (mut invalid, mut twice) = (Vec::new(), Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    for (at, suite) in fields::strings(tls, "cipherSuites") {
        let expression = suite.is_empty() || suite == "ALL" || !suite.starts_with(|c: char| c.is_alphanumeric());
        if !expression && !SERVER_CIPHERS.contains(&suite) {
            invalid.push((at, suite));
        } else if seen.contains(&suite) {
            twice.push((at, suite));
        } else {
            seen.push(suite);
        }
    }
    for (what, list) in [("unknown", invalid), ("given twice", twice)] {
        if let Some((at, _)) = list.first() {
            let mut names: Vec<String> = list.iter().map(|(_, s)| format!("`{s}`")).collect();
            names.sort();
            names.dedup();
            let said = checks.warn(*at, format!("cipher suites are {what} and ignored: {}", names.join(", ")));
            if let Some(near) = crate::spelling::nearest(at.text(), SERVER_CIPHERS.iter().copied()) {
                said.help(format!("did you mean `{near}`?"));
            }
        }
    }
}

/// Whether `httpsRedirect` is set.
pub fn redirects(tls: Option<Node<'_>>) -> bool {
    tls.is_some_and(|t| flag(t, "httpsRedirect"))
}
