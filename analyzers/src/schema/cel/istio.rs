//! Rules of Istio's CRDs.

use super::{Rule, Verdict, agree, at_key, has, key, one_of, repeated, text_or};
use crate::validation::duration;
use crate::validation::names::is_dashed;
use crate::validation::url;
use mesh_model::Node;

pub const RULES: &[Rule] = &[
    // Any kind.
    Rule { hash: super::DURATION, check: at_least_a_millisecond },
    Rule { hash: 0x3cb7_4691, check: |n| one_of(n, &["selector", "targetRef", "targetRefs"]) },
    Rule { hash: 0x7e7a_1221, check: |n| one_of(n, &["workloadSelector", "targetRefs"]) },
    Rule { hash: 0xd7ef_b5f8, check: |n| one_of(n, &["selector", "targetRefs"]) },
    Rule { hash: 0x94e0_7505, check: |n| find_key(n, str::is_empty).map(|k| (k, "a selector has a label without a name".into())) },
    Rule { hash: 0x9f98_76fa, check: |n| find_key(n, |k| k.contains('*')).map(|k| (k, format!("the label name `{}` has a wildcard", k.text()))) },
    Rule { hash: 0x18f5_dc96, check: |n| n.text().contains('*').then(|| (n, format!("the label value `{}` has a wildcard", n.text()))) },
    Rule { hash: 0x0424_4af1, check: |n| (!n.text().is_empty()).then(|| (n, "a target in another namespace is not supported".into())) },
    Rule { hash: 0xe781_7ce8, check: |n| n.int().is_none_or(|p| !(1..=65535).contains(&p)).then(|| (n, format!("`{}` is no port number", n.text()))) },
    // AuthorizationPolicy.
    Rule { hash: 0x40d0_4a8d, check: service_accounts_stand_alone },
    // EnvoyFilter.
    Rule { hash: 0xa094_37c1, check: waypoint_context },
    // Gateway, Sidecar.
    Rule { hash: 0x03a3_b25f, check: |n| one_of(n, &["credentialName", "credentialNames"]) },
    Rule { hash: 0x32e0_a28c, check: |n| one_of(n, &["credentialNames", "tlsCertificates"]) },
    Rule { hash: 0x5e36_0e54, check: |n| one_of(n, &["credentialNames", "tlsCertificates"]) },
    // PeerAuthentication.
    Rule { hash: 0x0b53_30df, check: port_level_needs_selector },
    Rule { hash: 0x43e7_02df, check: |n| find_key(n, |k| !is_port(k)).map(|k| (k, format!("`{}` is no port number", k.text()))) },
    // RequestAuthentication.
    Rule { hash: 0xef9b_97ed, check: |n| one_of(n, &["jwksUri", "jwks_uri", "jwks"]) },
    Rule { hash: 0x069c_ee1b, check: http_url },
    // ServiceEntry, WorkloadEntry, WorkloadGroup.
    Rule { hash: 0x16d6_a922, check: |n| one_of(n, &["workloadSelector", "endpoints"]) },
    Rule { hash: 0xdbe0_10cc, check: endpoints_need_resolution },
    Rule { hash: 0xdc87_4367, check: one_round_robin_endpoint },
    Rule { hash: 0xe580_a1e4, check: cidr_needs_static },
    Rule {
        hash: 0x4fb7_884d,
        check: |n| (is_unix(text_or(n, "address", "")) && has(n, "ports")).then(|| (key(n, "ports"), "a Unix domain socket has no ports".into())),
    },
    Rule { hash: 0xb589_0d25, check: |n| (!has(n, "address") && !has(n, "network")).then(|| (n, "an endpoint has neither `address` nor `network`".into())) },
    Rule { hash: 0xa518_5d8d, check: |n| (is_unix(n.text()) && n.text().ends_with('/')).then(|| (n, format!("`{}` is a folder, not a socket", n.text()))) },
    Rule { hash: 0xa5b8_e4ca, check: socket_is_absolute },
    Rule {
        hash: 0x91e7_06ab,
        check: |n| find_key(n, |k| k.chars().count() >= 63 || !is_dashed(k)).map(|k| (k, format!("`{}` is no valid name of a port", k.text()))),
    },
    Rule { hash: 0x5565_50d9, check: |n| (n.text() == "*").then(|| (n, "the host `*` stands for everything, which no entry can".into())) },
    Rule {
        hash: 0x220e_3e05,
        check: |n| repeated(n, |a, b| agree(a, b, "number")).map(|p| (p.get("number").unwrap_or(p), format!("port {} stands twice", p.text_of("number")))),
    },
    Rule { hash: 0x4b82_2ce1, check: |n| (!matches!(n.text(), "" | "HTTP" | "HTTPS")).then(|| (n, format!("`{}` is neither `HTTP` nor `HTTPS`", n.text()))) },
    // Telemetry.
    Rule {
        hash: 0x6bbc_21cb,
        check: |n| (n.text_of("operation") == "REMOVE" && has(n, "value")).then(|| (key(n, "value"), "a tag that is removed has a value".into())),
    },
    Rule {
        hash: 0x6dd5_e171,
        check: |n| (n.text_of("operation") == "UPSERT" && n.text_of("value").is_empty()).then(|| (n, "a tag that is set has no value".into())),
    },
    // WasmPlugin, TrafficExtension.
    Rule { hash: 0x9279_4811, check: |n| (has(n, "wasm") == has(n, "lua")).then(|| (n, "exactly one of `wasm` and `lua` must be set".into())) },
    Rule { hash: 0x5fc3_86d4, check: module_url },
    Rule { hash: 0xae8d_bbac, check: module_url },
    Rule {
        hash: 0xfde4_54f5,
        check: |n| {
            (n.text_of("valueFrom") == "HOST" && has(n, "value")).then(|| (key(n, "value"), "a variable taken from the host has a value of its own".into()))
        },
    },
];

fn at_least_a_millisecond(n: Node<'_>) -> Verdict<'_> {
    match duration::parse(n.text()) {
        None => Some((n, format!("`{}` is no duration", n.text()))),
        Some(d) if d < 1_000_000 => Some((n, format!("the duration `{}` is shorter than 1ms", n.text()))),
        _ => None,
    }
}

fn find_key<'a>(map: Node<'a>, wrong: impl Fn(&str) -> bool) -> Option<Node<'a>> {
    map.entries().map(|(k, _)| k).find(|k| wrong(k.text()))
}

fn is_port(text: &str) -> bool {
    text.parse::<i64>().is_ok_and(|p| (1..=65535).contains(&p))
}

fn is_unix(address: &str) -> bool {
    address.starts_with("unix://")
}

fn service_accounts_stand_alone(source: Node<'_>) -> Verdict<'_> {
    if !has(source, "serviceAccounts") && !has(source, "notServiceAccounts") {
        return None;
    }
    let other = ["principals", "notPrincipals", "namespaces", "notNamespaces"].into_iter().find(|f| has(source, f))?;
    at_key(source, other, format!("`{other}` can not stand beside service accounts"))
}

fn waypoint_context(m: Node<'_>) -> Verdict<'_> {
    match (m.text_of("context") == "WAYPOINT", has(m, "waypoint")) {
        (true, false) => at_key(m, "context", "the context WAYPOINT needs a `waypoint` match"),
        (false, true) => at_key(m, "waypoint", "a `waypoint` match needs the context WAYPOINT"),
        _ => None,
    }
}

fn port_level_needs_selector(spec: Node<'_>) -> Verdict<'_> {
    let selects = spec.at(&["selector", "matchLabels"]).is_some_and(|l| !l.is_empty());
    if has(spec, "portLevelMtls") && !selects { at_key(spec, "portLevelMtls", "`portLevelMtls` needs a selector with labels") } else { None }
}

/// The scheme of a URL as `isURL` and `url` take it; "" for a path, `None` for what is no URL.
fn scheme(text: &str) -> Option<String> {
    Some(url::parse_request(text).ok()?.scheme.to_ascii_lowercase())
}

fn http_url(n: Node<'_>) -> Verdict<'_> {
    match scheme(n.text()).as_deref() {
        Some("http" | "https") => None,
        _ => Some((n, format!("`{}` is no http or https URL", n.text()))),
    }
}

fn endpoints_need_resolution(spec: Node<'_>) -> Verdict<'_> {
    if text_or(spec, "resolution", "NONE") == "NONE" && has(spec, "endpoints") {
        at_key(spec, "endpoints", "endpoints are given, but the resolution is NONE")
    } else {
        None
    }
}

fn one_round_robin_endpoint(spec: Node<'_>) -> Verdict<'_> {
    let second = spec.list("endpoints").nth(1)?;
    (spec.text_of("resolution") == "DNS_ROUND_ROBIN").then(|| (second, "the resolution DNS_ROUND_ROBIN takes one endpoint".into()))
}

fn cidr_needs_static(spec: Node<'_>) -> Verdict<'_> {
    let resolution = text_or(spec, "resolution", "NONE");
    if matches!(resolution, "STATIC" | "NONE") {
        return None;
    }
    let range = spec.list("addresses").find(|a| a.text().contains('/'))?;
    Some((range, format!("the address range `{}` needs the resolution NONE or STATIC, not {resolution}", range.text())))
}

fn socket_is_absolute(n: Node<'_>) -> Verdict<'_> {
    let path = n.text().strip_prefix("unix://")?;
    (!path.starts_with(['/', '@'])).then(|| (n, format!("the socket `{}` is neither an absolute path nor abstract", n.text())))
}

fn module_url(n: Node<'_>) -> Verdict<'_> {
    let fine = match scheme(n.text()) {
        Some(scheme) => matches!(scheme.as_str(), "" | "http" | "https" | "oci" | "file"),
        None => scheme(&format!("http://{}", n.text())).is_some(),
    };
    (!fine).then(|| (n, format!("`{}` is no URL with scheme http, https, oci or file", n.text())))
}
