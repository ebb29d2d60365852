//! Routes: all that a match asks for, and all that is done then.

use super::{Stated, cell, origin, percent};
use crate::commands::proxy_config::istioctl::route::Detail;
use crate::print::table::Table;
use mesh_envoy::dump::Text;
use mesh_envoy::dump::route::{HeaderMatch, Match, QueryMatch, Redirect, Route, RouteAction, RouteConfig, StringMatch, WeightedCluster};
use mesh_envoy::redact::{header_value, text as without_secrets};

pub fn table(routes: &mut [Stated<'_, RouteConfig<'_>>], name: &str, detail: Detail) -> Table {
    let key = |r: &Stated<'_, RouteConfig<'_>>| (r.resource.name.parse::<i64>().map_or((1, 0), |n| (0, n)), r.resource.name.to_string());
    routes.sort_by_cached_key(key);
    let columns: &[&str] = match detail {
        Detail::Count => &["NAME", "VIRTUAL HOSTS", "ROUTES", "STATE"],
        Detail::Routes => &["NAME", "VIRTUAL HOST", "DOMAINS", "MATCH", "DESTINATION", "OPTIONS", "VIRTUAL SERVICE", "STATE"],
    };
    let mut table = Table::new(columns.iter().copied());
    for Stated { resource: r, state } in routes.iter().filter(|r| name.is_empty() || *r.resource.name == *name) {
        let name = cell(&*r.name);
        if detail == Detail::Count {
            let count: usize = r.virtual_hosts.iter().map(|v| v.routes.len()).sum();
            table.row(vec![name, r.virtual_hosts.len().to_string(), count.to_string(), state.show()]);
            continue;
        }
        for vh in &r.virtual_hosts {
            let domains = domains(&vh.domains);
            let head = [name.clone(), cell(&*vh.name), domains];
            for route in &vh.routes {
                let mut row = Vec::from(head.clone());
                row.extend([match_text(&route.matches), destination(route), cell(options(route)), origin(&route.metadata), state.show()]);
                table.row(row);
            }
            if vh.routes.is_empty() {
                let mut row = Vec::from(head);
                row.extend(["any".to_owned(), "404 (no routes)".to_owned(), "-".to_owned(), "-".to_owned(), state.show()]);
                table.row(row);
            }
        }
    }
    table
}

/// The first three domains, and how many there are more.
fn domains(list: &[Text<'_>]) -> String {
    let shown: Vec<&str> = list.iter().take(3).map(|d| &**d).collect();
    match list.len() {
        0..=3 => cell(shown.join(",")),
        n => format!("{} +{}", shown.join(","), n - 3),
    }
}

/// `/path`, `/prefix*`, `~regex`, then method, headers, query and the rest.
pub fn match_text(m: &Match<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(p) = &m.path {
        parts.push(p.to_string());
    }
    if let Some(p) = &m.prefix {
        parts.push(format!("{p}*"));
    }
    if let Some(p) = &m.path_separated_prefix {
        parts.push(format!("{p}[/*]"));
    }
    if let Some(r) = &m.safe_regex {
        parts.push(format!("~{}", r.regex));
    }
    if m.connect_matcher.is_some() {
        parts.push("CONNECT".to_owned());
    }
    if m.case_sensitive == Some(false) {
        parts.push("(any case)".to_owned());
    }
    parts.extend(m.headers.iter().map(header));
    parts.extend(m.query_parameters.iter().map(query));
    if m.grpc.is_some() {
        parts.push("gRPC".to_owned());
    }
    if let Some(f) = &m.runtime_fraction {
        parts.push(format!("{} of requests", percent(f.default_value.percent())));
    }
    if parts.is_empty() { "any".to_owned() } else { parts.join(" ") }
}

/// `=v`, `=v*`, `=*v`, `~regex`.
fn string_match(s: &StringMatch<'_>, show: impl Fn(&str) -> String) -> String {
    let mut out = if let Some(v) = &s.exact {
        format!("={}", show(v))
    } else if let Some(v) = &s.prefix {
        format!("={}*", show(v))
    } else if let Some(v) = &s.suffix {
        format!("=*{}", show(v))
    } else if let Some(v) = &s.contains {
        format!("=*{}*", show(v))
    } else if let Some(r) = &s.safe_regex {
        format!("~{}", show(&r.regex))
    } else {
        "=?".to_owned()
    };
    if s.ignore_case {
        out.push_str(" (any case)");
    }
    out
}

fn header(h: &HeaderMatch<'_>) -> String {
    let show = |value: &str| header_value(&h.name, value).into_owned();
    let name = match &*h.name {
        ":method" => "method",
        ":authority" => "authority",
        ":scheme" => "scheme",
        n => n,
    };
    let value = if let Some(s) = &h.string_match {
        string_match(s, show)
    } else if let Some(v) = &h.exact_match {
        format!("={}", show(v))
    } else if let Some(v) = &h.prefix_match {
        format!("={}*", show(v))
    } else if let Some(r) = &h.safe_regex_match {
        format!("~{}", show(&r.regex))
    } else if let Some(r) = &h.range_match {
        format!(" in [{},{})", r.start, r.end)
    } else if h.present_match == Some(false) {
        " absent".to_owned()
    } else {
        " present".to_owned()
    };
    if h.invert_match { format!("not({name}{value})") } else { format!("{name}{value}") }
}

fn query(q: &QueryMatch<'_>) -> String {
    match &q.string_match {
        Some(s) => format!("?{}{}", q.name, string_match(s, |value| header_value(&q.name, value).into_owned())),
        None if q.present_match == Some(false) => format!("?{} absent", q.name),
        None => format!("?{} present", q.name),
    }
}

/// Where a matched request goes.
pub fn destination(r: &Route<'_>) -> String {
    if let Some(a) = &r.route {
        return action(a);
    }
    if let Some(d) = &r.redirect {
        return redirect(d);
    }
    if let Some(d) = &r.direct_response {
        return format!("responds {}", d.status.0);
    }
    "-".to_owned()
}

fn action(a: &RouteAction<'_>) -> String {
    match &a.weighted_clusters {
        Some(w) => weights(&w.clusters),
        None if !a.cluster_header.is_empty() => format!("the cluster that header {} names", a.cluster_header),
        None => cell(&*a.cluster),
    }
}

/// `80% a, 20% b`: shares, not raw weights.
pub fn weights(clusters: &[WeightedCluster<'_>]) -> String {
    let total: u64 = clusters.iter().map(|c| c.weight.0).sum();
    let share = |c: &WeightedCluster<'_>| if total == 0 { 0.0 } else { c.weight.0 as f64 * 100.0 / total as f64 };
    clusters.iter().map(|c| format!("{} {}", percent(share(c)), c.name)).collect::<Vec<_>>().join(", ")
}

fn redirect(d: &Redirect<'_>) -> String {
    let code = match &*d.response_code {
        "" | "MOVED_PERMANENTLY" => "301",
        "FOUND" => "302",
        "SEE_OTHER" => "303",
        "TEMPORARY_REDIRECT" => "307",
        "PERMANENT_REDIRECT" => "308",
        other => other,
    };
    let scheme = if d.https_redirect { "https" } else { &*d.scheme_redirect };
    let mut to = String::new();
    if !scheme.is_empty() {
        to.push_str(scheme);
        to.push_str("://");
    }
    to.push_str(if d.host_redirect.is_empty() && !to.is_empty() { "(same host)" } else { &d.host_redirect });
    if d.port_redirect.0 != 0 {
        to.push_str(&format!(":{}", d.port_redirect.0));
    }
    to.push_str(&d.path_redirect);
    if !d.prefix_rewrite.is_empty() {
        to.push_str(&format!("{}*", d.prefix_rewrite));
    }
    format!("redirects {code} {}", without_secrets(&to))
}

/// Time-out, retries, rewrite, mirrors and faults.
fn options(r: &Route<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(a) = &r.route {
        if !a.timeout.is_empty() && &*a.timeout != "0s" {
            parts.push(format!("timeout {}", a.timeout));
        }
        if let Some(p) = &a.retry_policy {
            let n = p.num_retries.map_or(1, |n| n.0);
            let each = if p.per_try_timeout.is_empty() { String::new() } else { format!(" of {}", p.per_try_timeout) };
            parts.push(format!("retries {n}{each}"));
        }
        if !a.prefix_rewrite.is_empty() {
            parts.push(format!("rewrite {}", a.prefix_rewrite));
        }
        if let Some(w) = &a.regex_rewrite {
            parts.push(format!("rewrite {} to {}", w.pattern.regex, w.substitution));
        }
        if !a.host_rewrite_literal.is_empty() {
            parts.push(format!("host {}", a.host_rewrite_literal));
        }
        for m in &a.request_mirror_policies {
            let share = m.runtime_fraction.as_ref().map_or(String::new(), |f| format!(" {}", percent(f.default_value.percent())));
            parts.push(format!("mirror{share} to {}", m.cluster));
        }
    }
    if let Some(f) = &r.typed_per_filter_config.fault {
        if let Some(d) = &f.delay {
            parts.push(format!("fault: delays {} of {}", d.fixed_delay, percent(d.percentage.percent())));
        }
        if let Some(a) = &f.abort {
            let what = a.grpc_status.map_or(a.http_status.0.to_string(), |g| format!("gRPC {}", g.0));
            parts.push(format!("fault: aborts {} with {what}", percent(a.percentage.percent())));
        }
    }
    parts.join("; ")
}

/// An inline route configuration in one cell.
pub fn summary(config: &RouteConfig<'_>) -> String {
    let all: Vec<&Route<'_>> = config.virtual_hosts.iter().flat_map(|v| &v.routes).collect();
    match all.as_slice() {
        [] => "no routes: 404".to_owned(),
        [one] if one.matches.prefix.as_deref() == Some("/") && one.matches.headers.is_empty() => destination(one),
        many => many.iter().map(|r| format!("{} -> {}", match_text(&r.matches), destination(r))).collect::<Vec<_>>().join("; "),
    }
}
