//! Rules of the Gateway API's CRDs.

use super::text::{is_identifier, is_label, is_qualified_name, is_subdomain, is_wildcard_subdomain};
use super::{Rule, Verdict, agree, at_key, has, key, repeated, text_or};
use crate::validation::duration;
use mesh_model::Node;

pub const RULES: &[Rule] = &[
    // References.
    Rule { hash: 0x805f_2eda, check: |n| ambiguous(n, same_parent, &["sectionName", "port"]) },
    Rule { hash: 0x8738_c5a0, check: |n| twice(n, |a, b| same_parent(a, b) && agree(a, b, "sectionName") && same_port(a, b), "parent") },
    Rule { hash: 0x3895_b645, check: |n| ambiguous(n, same_target, &["sectionName"]) },
    Rule { hash: 0xf43f_91c0, check: |n| twice(n, |a, b| same_target(a, b) && agree(a, b, "sectionName"), "target") },
    Rule { hash: 0x07d8_6f93, check: service_needs_port },
    // Routes.
    Rule { hash: 0x3f1c_f771, check: |n| repeated(n, |a, b| has(a, "name") && has(b, "name") && agree(a, b, "name")).and_then(|r| named_twice(r, "rule")) },
    Rule { hash: 0x4e10_21a4, check: |n| too_many_matches(n, 0) },
    Rule { hash: 0xea13_1432, check: |n| too_many_matches(n, 1) },
    Rule { hash: 0x2335_47f5, check: |n| prefix_needs_prefix(n, true, "requestRedirect") },
    Rule { hash: 0x90e9_fc47, check: |n| prefix_needs_prefix(n, true, "urlRewrite") },
    Rule { hash: 0x9e64_ff31, check: |n| prefix_needs_prefix(n, false, "requestRedirect") },
    Rule { hash: 0xeb92_37b7, check: |n| prefix_needs_prefix(n, false, "urlRewrite") },
    Rule { hash: 0xf8d3_3626, check: redirect_has_no_backend },
    Rule { hash: 0x9e5a_eebf, check: backend_timeout_fits },
    Rule { hash: 0x1e61_f194, check: permanent_needs_timeout },
    Rule {
        hash: 0x6335_c90b,
        check: |n| {
            (has(n, "cookieConfig") && text_or(n, "type", "Cookie") != "Cookie")
                .then(|| (key(n, "cookieConfig"), "`cookieConfig` needs the type Cookie".into()))
        },
    },
    // Filters.
    Rule { hash: 0x6f24_f94b, check: |n| one_filter(n, "RequestHeaderModifier") },
    Rule { hash: 0xb30d_1099, check: |n| one_filter(n, "ResponseHeaderModifier") },
    Rule { hash: 0x0fd4_03f3, check: |n| one_filter(n, "CORS") },
    Rule { hash: 0xb905_d7bd, check: |n| one_filter(n, "URLRewrite") },
    Rule { hash: 0xc9e1_8697, check: |n| one_filter(n, "RequestRedirect") },
    Rule { hash: 0xb8ca_52f7, check: redirect_or_rewrite },
    Rule { hash: 0x1603_211b, check: |n| type_needs(n, "RequestHeaderModifier", "requestHeaderModifier") },
    Rule { hash: 0xe8ce_b424, check: |n| needs_type(n, "requestHeaderModifier", "RequestHeaderModifier") },
    Rule { hash: 0x811b_54b9, check: |n| type_needs(n, "ResponseHeaderModifier", "responseHeaderModifier") },
    Rule { hash: 0x5b9f_f7ba, check: |n| needs_type(n, "responseHeaderModifier", "ResponseHeaderModifier") },
    Rule { hash: 0x1821_4c97, check: |n| type_needs(n, "ExtensionRef", "extensionRef") },
    Rule { hash: 0x96bc_2068, check: |n| needs_type(n, "extensionRef", "ExtensionRef") },
    Rule { hash: 0xc3d0_66b3, check: |n| type_needs(n, "RequestMirror", "requestMirror") },
    Rule { hash: 0xe238_5634, check: |n| needs_type(n, "requestMirror", "RequestMirror") },
    Rule { hash: 0x19a6_8fad, check: |n| type_needs(n, "CORS", "cors") },
    Rule { hash: 0xeec5_da92, check: |n| needs_type(n, "cors", "CORS") },
    Rule { hash: 0xe204_65b1, check: |n| type_needs(n, "ExternalAuth", "externalAuth") },
    Rule { hash: 0x2c85_1bd6, check: |n| needs_type(n, "externalAuth", "ExternalAuth") },
    Rule { hash: 0xda8d_7a9d, check: |n| type_needs(n, "URLRewrite", "urlRewrite") },
    Rule { hash: 0x4867_ca32, check: |n| needs_type(n, "urlRewrite", "URLRewrite") },
    Rule { hash: 0xdf51_efa3, check: |n| type_needs(n, "RequestRedirect", "requestRedirect") },
    Rule { hash: 0xe772_59d4, check: |n| needs_type(n, "requestRedirect", "RequestRedirect") },
    Rule { hash: 0x6ff8_0ae9, check: |n| needs_type(n, "replaceFullPath", "ReplaceFullPath") },
    Rule { hash: 0xe1d2_9ea1, check: |n| type_needs(n, "ReplaceFullPath", "replaceFullPath") },
    Rule { hash: 0xa1e4_5563, check: |n| needs_type(n, "replacePrefixMatch", "ReplacePrefixMatch") },
    Rule { hash: 0x7286_397b, check: |n| type_needs(n, "ReplacePrefixMatch", "replacePrefixMatch") },
    Rule { hash: 0x4ed6_a8f0, check: |n| super::one_of(n, &["percent", "fraction"]) },
    Rule { hash: 0x5edc_37e3, check: fraction_is_at_most_one },
    Rule { hash: 0x9d94_821b, check: star_stands_alone },
    Rule { hash: 0x01e8_e9a5, check: |n| field_needs(n, "protocol", "GRPC", "grpc") },
    Rule { hash: 0xd8b7_4835, check: |n| field_needs(n, "protocol", "HTTP", "http") },
    Rule { hash: 0xe5cc_443f, check: |n| needs_field(n, "grpc", "protocol", "GRPC") },
    Rule { hash: 0xad64_777b, check: |n| needs_field(n, "http", "protocol", "HTTP") },
    // Matches.
    Rule { hash: 0x3457_484e, check: |n| path(n, |p| !p.starts_with('/'), "does not start with `/`") },
    Rule { hash: 0xb07b_e532, check: |n| path(n, |p| p.contains("//"), "contains `//`") },
    Rule { hash: 0x3a8c_4dce, check: |n| path(n, |p| p.contains("/./"), "contains `/./`") },
    Rule { hash: 0x9597_131a, check: |n| path(n, |p| p.contains("/../"), "contains `/../`") },
    Rule { hash: 0x069e_7371, check: |n| path(n, |p| p.contains("%2F"), "contains `%2F`") },
    Rule { hash: 0x06d1_1411, check: |n| path(n, |p| p.contains("%2f"), "contains `%2f`") },
    Rule { hash: 0x7c58_d5f3, check: |n| path(n, |p| p.contains('#'), "contains `#`") },
    Rule { hash: 0x3463_7fd4, check: |n| path(n, |p| p.ends_with("/.."), "ends in `/..`") },
    Rule { hash: 0x04b4_9a9a, check: |n| path(n, |p| p.ends_with("/."), "ends in `/.`") },
    Rule { hash: 0xfcea_c84a, check: |n| path(n, |p| !is_path(p), "has characters that no path can have") },
    Rule {
        hash: 0xb0c6_83be,
        check: |n| {
            n.get("type")
                .filter(|t| !matches!(t.text(), "Exact" | "PathPrefix" | "RegularExpression"))
                .map(|t| (t, format!("`{}` is no type of a path match", t.text())))
        },
    },
    Rule { hash: 0x91c5_9988, check: |n| exact(n, "service", |s| s.strip_prefix('.').unwrap_or(s).split('.').all(is_identifier)) },
    Rule { hash: 0xc0c8_547b, check: |n| exact(n, "method", is_identifier) },
    Rule { hash: 0xd0f0_753d, check: |n| (!has(n, "service") && !has(n, "method")).then(|| (n, "a method match has neither `service` nor `method`".into())) },
    Rule { hash: 0x09af_3d36, check: |n| hostname(n, |h| h.parse::<std::net::IpAddr>().is_ok(), "is an IP address") },
    Rule {
        hash: 0x144d_5b49,
        check: |n| hostname(n, |h| h.contains('*') && !h.strip_prefix("*.").is_some_and(is_subdomain), "has a wildcard that is not its first label"),
    },
    Rule { hash: 0xe851_767d, check: |n| hostname(n, |h| !h.contains('*') && !is_subdomain(h), "is no host name") },
    // Gateway, ListenerSet.
    Rule { hash: 0x857e_6e8d, check: |n| repeated(n, |a, b| agree(a, b, "name")).and_then(|l| named_twice(l, "listener")) },
    Rule { hash: 0x1acb_08dd, check: |n| repeated(n, same_listener).map(overlaps) },
    Rule { hash: 0x3234_62cd, check: |n| repeated(n, same_listener).map(overlaps) },
    Rule { hash: 0x48b2_1e98, check: |n| listener(n, https_terminates) },
    Rule {
        hash: 0x429a_78b3,
        check: |n| listener(n, |l| (l.text_of("protocol") == "TLS" && !has(l, "tls")).then(|| (l, "a TLS listener has no `tls`".into()))),
    },
    Rule { hash: 0x5240_7676, check: |n| listener(n, no_hostname) },
    Rule { hash: 0x7b54_97a4, check: |n| listener(n, no_tls) },
    Rule { hash: 0x62fe_c807, check: terminate_needs_certificate },
    Rule { hash: 0x2725_e4a5, check: |n| address_twice(n, "Hostname") },
    Rule { hash: 0x3964_3d10, check: |n| address_without(n, "Hostname").or_else(|| address_twice(n, "Hostname")) },
    Rule { hash: 0xb4cd_70f3, check: |n| address_twice(n, "IPAddress") },
    Rule { hash: 0xe66c_d1e4, check: |n| address_without(n, "IPAddress").or_else(|| address_twice(n, "IPAddress")) },
    Rule { hash: 0x4c85_ad0f, check: address_is_hostname },
    Rule {
        hash: 0xeed4_61b5,
        check: |n| (n.text_of("type") == "Hostname" && !has(n, "value")).then(|| (n, "an address has no value".into())).or_else(|| address_is_hostname(n)),
    },
    Rule {
        hash: 0xa3b7_31dc,
        check: |n| {
            n.entries().map(|(k, _)| k).find(|k| !is_qualified_name(k.text())).map(|k| (k, format!("`{}` is no valid name of a label or annotation", k.text())))
        },
    },
    Rule { hash: 0xadb5_a5ab, check: long_prefix },
    Rule {
        hash: 0x3586_ef7d,
        check: |n| repeated(n, |a, b| agree(a, b, "port")).map(|p| (p.get("port").unwrap_or(p), format!("port {} stands twice", p.text_of("port")))),
    },
    // GatewayClass: a controller can't change, which one object can't show.
    Rule { hash: 0x918c_9b48, check: |_| None },
    // BackendTLSPolicy, XBackend.
    Rule {
        hash: 0xb3f7_6f64,
        check: |n| {
            (no_certificates(n) && n.text_of("wellKnownCACertificates").is_empty())
                .then(|| (n, "neither `caCertificateRefs` nor `wellKnownCACertificates` says which CA to trust".into()))
        },
    },
    Rule {
        hash: 0xf9d6_e759,
        check: |n| {
            (!no_certificates(n) && !n.text_of("wellKnownCACertificates").is_empty())
                .then(|| (key(n, "wellKnownCACertificates"), "`caCertificateRefs` and `wellKnownCACertificates` exclude each other".into()))
        },
    },
    Rule { hash: 0x3311_6d0e, check: |n| (n.text_of("type") == "URI" && n.text_of("uri").is_empty()).then(|| (n, "the type URI needs `uri`".into())) },
    Rule {
        hash: 0x9ad5_b774,
        check: |n| (n.text_of("type") != "URI" && !n.text_of("uri").is_empty()).then(|| (key(n, "uri"), "`uri` needs the type URI".into())),
    },
    Rule {
        hash: 0xc947_b7af,
        check: |n| {
            (n.text_of("type") != "Hostname" && !n.text_of("hostname").is_empty()).then(|| (key(n, "hostname"), "`hostname` needs the type Hostname".into()))
        },
    },
    Rule {
        hash: 0xd6c8_afd7,
        check: |n| (n.text_of("type") == "Hostname" && n.text_of("hostname").is_empty()).then(|| (n, "the type Hostname needs `hostname`".into())),
    },
    Rule {
        hash: 0x33ad_c009,
        check: |n| type_needs(n, "ExternalHostname", "externalHostname").or_else(|| needs_type(n, "externalHostname", "ExternalHostname")),
    },
    Rule {
        hash: 0xa97a_07f6,
        check: |n| n.text().ends_with(".cluster.local").then(|| (n, format!("`{}` is a host of the cluster, not outside of it", n.text()))),
    },
    Rule {
        hash: 0xaf64_e5cb,
        check: |n| (!(n.text().is_empty() || n.text().len() <= 63 && is_label(n.text()))).then(|| (n, format!("`{}` is no valid name of a port", n.text()))),
    },
    Rule {
        hash: 0x34f4_c9ef,
        check: |n| {
            field_needs(n, "mode", "ClientAndServer", "clientCertificateRef").or_else(|| needs_field(n, "clientCertificateRef", "mode", "ClientAndServer"))
        },
    },
    // XBackendTrafficPolicy.
    Rule { hash: 0xee9b_59a6, check: |n| interval(n, |d| d >= SECOND, "1s to 1h") },
    Rule { hash: 0x2ed3_9f77, check: |n| interval(n, |d| d != 0, "more than 0s and up to 1h") },
];

const SECOND: i64 = 1_000_000_000;

fn same_parent(a: Node<'_>, b: Node<'_>) -> bool {
    let group = |n| text_or(n, "group", "gateway.networking.k8s.io").to_owned();
    group(a) == group(b) && text_or(a, "kind", "Gateway") == text_or(b, "kind", "Gateway") && agree(a, b, "name") && agree(a, b, "namespace")
}

fn same_target(a: Node<'_>, b: Node<'_>) -> bool {
    ["group", "kind", "name"].iter().all(|f| agree(a, b, f))
}

fn port_of(n: Node<'_>) -> i64 {
    n.get("port").and_then(Node::int).unwrap_or(0)
}

fn same_port(a: Node<'_>, b: Node<'_>) -> bool {
    port_of(a) == port_of(b)
}

/// Two references to one thing, of which one names a part (`sectionName`, `port`) and the other does not.
fn ambiguous<'a>(list: Node<'a>, same: impl Fn(Node<'a>, Node<'a>) -> bool, parts: &[&str]) -> Verdict<'a> {
    let set = |n: Node<'a>, part: &str| if part == "port" { port_of(n) != 0 } else { !n.text_of(part).is_empty() };
    let at = repeated(list, |a, b| same(a, b) && parts.iter().any(|p| set(a, p) != set(b, p)))?;
    let parts: Vec<_> = parts.iter().map(|p| format!("`{p}`")).collect();
    Some((at, format!("`{}` is referred to with and without {}", at.text_of("name"), parts.join(" or "))))
}

fn twice<'a>(list: Node<'a>, same: impl Fn(Node<'a>, Node<'a>) -> bool, what: &str) -> Verdict<'a> {
    repeated(list, same).map(|at| (at, format!("the {what} `{}` stands twice", at.text_of("name"))))
}

fn named_twice<'a>(item: Node<'a>, what: &str) -> Verdict<'a> {
    Some((item.get("name").unwrap_or(item), format!("two {what}s are named `{}`", item.text_of("name"))))
}

fn service_needs_port(backend: Node<'_>) -> Verdict<'_> {
    (text_or(backend, "group", "").is_empty() && text_or(backend, "kind", "Service") == "Service" && !has(backend, "port"))
        .then(|| (backend, format!("the Service `{}` is referred to without a port", backend.text_of("name"))))
}

fn too_many_matches(rules: Node<'_>, without: usize) -> Verdict<'_> {
    let total: usize = rules.items().take(16).map(|r| r.get("matches").map_or(without, Node::len)).sum();
    (total > 128).then(|| (rules, format!("the rules have {total} matches, more than 128")))
}

/// A filter that replaces the matched prefix stands in a rule with one match, which is a prefix.
fn prefix_needs_prefix<'a>(rule: Node<'a>, in_backends: bool, filter: &str) -> Verdict<'a> {
    let replaces = |holder: Node<'a>| {
        let mut found = holder
            .list("filters")
            .filter(|f| f.at(&[filter, "path"]).is_some_and(|p| p.text_of("type") == "ReplacePrefixMatch" && p.get("replacePrefixMatch").is_some()));
        let first = found.next()?;
        found.next().is_none().then_some(first)
    };
    let at = if in_backends {
        let mut found = rule.list("backendRefs").filter_map(replaces);
        let first = found.next()?;
        if found.next().is_some() {
            return None;
        }
        first
    } else {
        replaces(rule)?
    };
    let fine = rule.get("matches").is_none_or(|m| {
        let mut items = m.items();
        match (items.next(), items.next()) {
            (Some(only), None) => only.get("path").is_none_or(|p| text_or(p, "type", "PathPrefix") == "PathPrefix"),
            _ => false,
        }
    });
    let at = at.at(&[filter, "path", "replacePrefixMatch"]).unwrap_or(at);
    (!fine).then(|| (at, "a prefix is replaced, but the rule does not have one match by prefix".into()))
}

fn redirect_has_no_backend(rule: Node<'_>) -> Verdict<'_> {
    rule.list("backendRefs").next()?;
    let filter = rule.list("filters").find(|f| has(*f, "requestRedirect"))?;
    Some((filter, "a rule that redirects has backends".into()))
}

fn backend_timeout_fits(timeouts: Node<'_>) -> Verdict<'_> {
    let (request, backend) = (timeouts.get("request")?, timeouts.get("backendRequest")?);
    let (r, b) = match (duration::parse(request.text()), duration::parse(backend.text())) {
        (Some(r), Some(b)) => (r, b),
        (None, _) => return Some((request, format!("`{}` is no duration", request.text()))),
        (Some(0), None) => return None,
        (_, None) => return Some((backend, format!("`{}` is no duration", backend.text()))),
    };
    (r != 0 && b > r).then(|| (backend, format!("the timeout of a try, `{}`, is longer than that of the request, `{}`", backend.text(), request.text())))
}

fn permanent_needs_timeout(n: Node<'_>) -> Verdict<'_> {
    let lifetime = n.at(&["cookieConfig", "lifetimeType"])?;
    (lifetime.text() == "Permanent" && !has(n, "absoluteTimeout")).then(|| (lifetime, "a permanent cookie needs `absoluteTimeout`".into()))
}

fn one_filter<'a>(filters: Node<'a>, ty: &str) -> Verdict<'a> {
    let second = filters.items().filter(|f| f.text_of("type") == ty).nth(1)?;
    Some((second, format!("the filter {ty} stands twice")))
}

fn redirect_or_rewrite(filters: Node<'_>) -> Verdict<'_> {
    let of = |ty: &str| filters.items().find(|f| f.text_of("type") == ty);
    let (_, rewrite) = (of("RequestRedirect")?, of("URLRewrite")?);
    Some((rewrite, "the filters RequestRedirect and URLRewrite exclude each other".into()))
}

fn type_needs<'a>(n: Node<'a>, ty: &str, field: &str) -> Verdict<'a> {
    field_needs(n, "type", ty, field)
}

fn needs_type<'a>(n: Node<'a>, field: &str, ty: &str) -> Verdict<'a> {
    needs_field(n, field, "type", ty)
}

/// A value of one field needs another field.
fn field_needs<'a>(n: Node<'a>, by: &str, value: &str, field: &str) -> Verdict<'a> {
    (n.text_of(by) == value && !has(n, field)).then(|| (n.get(by).unwrap_or(n), format!("the {by} {value} needs `{field}`")))
}

/// A field needs a value of another one.
fn needs_field<'a>(n: Node<'a>, field: &str, by: &str, value: &str) -> Verdict<'a> {
    if has(n, field) && n.text_of(by) != value { at_key(n, field, format!("`{field}` needs the {by} {value}, not {}", n.text_of(by))) } else { None }
}

fn fraction_is_at_most_one(n: Node<'_>) -> Verdict<'_> {
    let numerator = n.get("numerator")?;
    let denominator = n.get("denominator").map_or(Some(100), Node::int)?;
    (numerator.int()? > denominator).then(|| (numerator, format!("{} of {denominator} is more than all", numerator.text())))
}

fn star_stands_alone(list: Node<'_>) -> Verdict<'_> {
    let star = list.items().find(|i| i.str() == Some("*"))?;
    (list.len() > 1).then(|| (star, "`*` stands beside other values".into()))
}

fn path<'a>(n: Node<'a>, wrong: impl Fn(&str) -> bool, how: &str) -> Verdict<'a> {
    if !matches!(text_or(n, "type", "PathPrefix"), "Exact" | "PathPrefix") {
        return None;
    }
    let value = n.get("value")?;
    wrong(value.text()).then(|| (value, format!("the path `{}` {how}", value.text())))
}

fn is_path(text: &str) -> bool {
    let bytes = text.as_bytes();
    let hex = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_hexdigit);
    !bytes.is_empty()
        && bytes.iter().enumerate().all(|(i, b)| match b {
            b'%' => hex(i + 1) && hex(i + 2),
            _ => b.is_ascii_alphanumeric() || b"-/._~!$&'()*+,;=:@".contains(b),
        })
}

fn exact<'a>(n: Node<'a>, field: &str, fine: impl Fn(&str) -> bool) -> Verdict<'a> {
    let value = n.get(field)?;
    (text_or(n, "type", "Exact") == "Exact" && !fine(value.text())).then(|| (value, format!("`{}` is no name of a gRPC {field}", value.text())))
}

fn hostname<'a>(list: Node<'a>, wrong: impl Fn(&str) -> bool, how: &str) -> Verdict<'a> {
    let host = list.items().find(|h| wrong(h.text()))?;
    Some((host, format!("the host `{}` {how}", host.text())))
}

fn listener<'a>(list: Node<'a>, check: impl Fn(Node<'a>) -> Verdict<'a>) -> Verdict<'a> {
    list.items().find_map(check)
}

fn same_listener(a: Node<'_>, b: Node<'_>) -> bool {
    same_port(a, b) && agree(a, b, "protocol") && has(a, "hostname") == has(b, "hostname") && agree(a, b, "hostname")
}

fn overlaps(l: Node<'_>) -> (Node<'_>, String) {
    (l, format!("the listener `{}` has the port, protocol and hostname of an earlier one", l.text_of("name")))
}

fn https_terminates(l: Node<'_>) -> Verdict<'_> {
    let mode = l.at(&["tls", "mode"])?;
    (l.text_of("protocol") == "HTTPS" && !matches!(mode.text(), "" | "Terminate"))
        .then(|| (mode, format!("an HTTPS listener terminates TLS; its mode can not be {}", mode.text())))
}

fn no_hostname(l: Node<'_>) -> Verdict<'_> {
    let protocol = l.text_of("protocol");
    let host = l.get("hostname").filter(|h| !h.text().is_empty())?;
    matches!(protocol, "TCP" | "UDP").then(|| (host, format!("a {protocol} listener can not have a hostname")))
}

fn no_tls(l: Node<'_>) -> Verdict<'_> {
    let protocol = l.text_of("protocol");
    if matches!(protocol, "HTTP" | "TCP" | "UDP") && has(l, "tls") {
        at_key(l, "tls", format!("a listener with protocol {protocol} can not have `tls`"))
    } else {
        None
    }
}

fn terminate_needs_certificate(tls: Node<'_>) -> Verdict<'_> {
    let some = |f: &str| tls.get(f).is_some_and(|n| !n.is_empty());
    (text_or(tls, "mode", "Terminate") == "Terminate" && !some("certificateRefs") && !some("options"))
        .then(|| (tls, "TLS is terminated, but there is no certificate".into()))
}

fn address_twice<'a>(list: Node<'a>, ty: &str) -> Verdict<'a> {
    let of = |n: Node<'a>| text_or(n, "type", "IPAddress") == ty && has(n, "value");
    repeated(list, |a, b| of(a) && of(b) && agree(a, b, "value"))
        .map(|a| (a.get("value").unwrap_or(a), format!("the address `{}` stands twice", a.text_of("value"))))
}

/// Older versions have no address without a value.
fn address_without<'a>(list: Node<'a>, ty: &str) -> Verdict<'a> {
    list.items().find(|a| text_or(*a, "type", "IPAddress") == ty && !has(*a, "value")).map(|a| (a, "an address has no value".into()))
}

fn address_is_hostname(n: Node<'_>) -> Verdict<'_> {
    let value = n.get("value")?;
    (n.text_of("type") == "Hostname" && !is_wildcard_subdomain(value.text())).then(|| (value, format!("`{}` is no host name", value.text())))
}

fn long_prefix(map: Node<'_>) -> Verdict<'_> {
    let key = map.entries().map(|(k, _)| k).find(|k| k.text().split('/').next().is_some_and(|p| p.chars().count() >= 253))?;
    Some((key, "the prefix of a name has 253 characters or more".into()))
}

fn no_certificates(n: Node<'_>) -> bool {
    n.get("caCertificateRefs").is_none_or(Node::is_empty)
}

fn interval<'a>(n: Node<'a>, fine: impl Fn(i64) -> bool, range: &str) -> Verdict<'a> {
    let ok = duration::parse(n.text()).is_some_and(|d| fine(d) && d <= 3600 * SECOND);
    (!ok).then(|| (n, format!("the interval `{}` is not within {range}", n.text())))
}
