//! `proxy-config route`.

use super::{WIDE, management};
use crate::print::table::Table;
use mesh_envoy::dump::Text;
use mesh_envoy::dump::route::{Match, RouteConfig};

/// Which columns are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Routes,
    /// A line a route configuration, with the number of its virtual hosts.
    Count,
}

/// Purely numeric names in their order, the others where they stand.
pub fn sort<T: Copy>(routes: &mut [T], name: impl Fn(T) -> Option<i64>) {
    let slots: Vec<usize> = (0..routes.len()).filter(|i| name(routes[*i]).is_some()).collect();
    let mut numeric: Vec<T> = slots.iter().map(|i| routes[*i]).collect();
    numeric.sort_by_key(|r| name(*r));
    for (slot, route) in slots.into_iter().zip(numeric) {
        routes[slot] = route;
    }
}

pub fn table(routes: &[&RouteConfig<'_>], name: &str, detail: Detail, prefix: Option<&str>) -> String {
    let mut sorted: Vec<&RouteConfig<'_>> = routes.to_vec();
    sort(&mut sorted, |r| r.name.parse().ok());
    let columns: &[&str] = if detail == Detail::Routes { &["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"] } else { &["NAME", "VIRTUAL HOSTS"] };
    let mut table = Table::new(columns.iter().copied());
    for r in sorted.into_iter().filter(|r| name.is_empty() || *r.name == *name) {
        let shown = format!("{}{}", prefix.unwrap_or(""), r.name);
        if detail == Detail::Count {
            table.row(vec![shown, r.virtual_hosts.len().to_string()]);
            continue;
        }
        for vh in &r.virtual_hosts {
            let domains = domains(&vh.domains);
            for route in vh.routes.iter().filter(|r| r.route.as_ref().is_none_or(|a| &*a.cluster != "PassthroughCluster")) {
                table.row(vec![shown.clone(), vh.name.to_string(), domains.clone(), match_text(&route.matches), management(&route.metadata)]);
            }
            if vh.routes.is_empty() {
                table.row(vec![shown.clone(), vh.name.to_string(), domains, "/*".to_owned(), "404".to_owned()]);
            }
        }
    }
    table.render(WIDE)
}

/// The path of a match; headers, query and method are not shown by istioctl.
pub fn match_text(m: &Match<'_>) -> String {
    let mut parts = Vec::new();
    if let Some(p) = &m.prefix {
        parts.push(format!("{p}*"));
    }
    if let Some(p) = &m.path_separated_prefix {
        parts.push(format!("PathPrefix:{p}"));
    }
    if let Some(p) = &m.path {
        parts.push(p.to_string());
    }
    if let Some(r) = &m.safe_regex {
        parts.push(format!("regex {}", r.regex));
    }
    parts.join(" ")
}

fn domains(list: &[Text<'_>]) -> String {
    if let [one] = list {
        return one.to_string();
    }
    let kept: Vec<&str> = list.iter().map(|d| &**d).filter(|d| !d.contains(':') || (d.matches(':').count() > 2 && d.ends_with(']'))).collect();
    let known = |s: Option<&str>| s.is_some_and(|s| kept.contains(&s));
    let short: Vec<&str> = kept.iter().copied().filter(|d| !known(d.strip_suffix(".svc.cluster.local")) && !known(d.strip_suffix(".svc"))).collect();
    match short.len() {
        0..=2 => short.join(", "),
        n => format!("{} + {} more...", short[..2].join(", "), n - 2),
    }
}

/// An inline route configuration in one cell.
pub fn inline_route_config(config: &RouteConfig<'_>) -> String {
    if let [vh] = config.virtual_hosts.as_slice()
        && let ([domain], [route]) = (vh.domains.as_slice(), vh.routes.as_slice())
        && &**domain == "*"
        && route.matches.prefix.as_deref() == Some("/")
        && let Some(cluster) = route.route.as_ref().map(|r| &r.cluster).filter(|c| !c.is_empty())
    {
        return if cluster.contains("Cluster") { cluster.to_string() } else { format!("Cluster: {cluster}") };
    }
    let hosts: Vec<String> = config
        .virtual_hosts
        .iter()
        .map(|vh| {
            let mut out = String::new();
            if !(vh.domains.len() == 1 && &*vh.domains[0] == "*") {
                out.push_str(&vh.domains.iter().map(|d| d.to_string()).collect::<Vec<_>>().join("/"));
                out.push(' ');
            }
            out.push_str(&vh.routes.iter().map(|r| match_text(&r.matches)).collect::<Vec<_>>().join(", "));
            out
        })
        .collect();
    format!("Inline Route: {}", hosts.join("; "))
}
