//! Virtual hosts and their routes.

use super::{Proxy, Route, Wanted, destinations, origin, rejected, short};
use mesh_envoy::dump::route::{Match, Route as EnvoyRoute, RouteConfig};

pub(super) fn read(proxy: &mut Proxy, wanted: &Wanted<'_>) {
    for section in &wanted.routes {
        for entry in section.static_route_configs.iter().chain(&section.dynamic_route_configs) {
            let Some(config) = &entry.route_config else { continue };
            rejected(proxy, &format!("routes {}", config.name), entry.error_state.as_ref());
            // Inline ones stand here once more, without a name.
            if !config.name.is_empty() {
                proxy.routes.entry(config.name.to_string()).or_insert_with(|| routes(config));
            }
        }
    }
}

pub(super) fn routes(config: &RouteConfig<'_>) -> Vec<Route> {
    let mut out = Vec::new();
    for (place, host) in config.virtual_hosts.iter().enumerate() {
        let domains: Vec<String> = host.domains.iter().map(ToString::to_string).collect();
        out.extend(host.routes.iter().enumerate().map(|(i, r)| Route { at: (place, i), ..route(&host.name, &domains, r) }));
        if host.routes.is_empty() {
            out.push(Route {
                at: (place, 0),
                host: host.name.to_string(),
                domains,
                accepts: "nothing".to_owned(),
                action: "404: no route".to_owned(),
                ..Route::default()
            });
        }
    }
    out
}

fn route(host: &str, domains: &[String], r: &EnvoyRoute<'_>) -> Route {
    let mut clusters = Vec::new();
    let mut more = Vec::new();
    let action = if let Some(action) = &r.route {
        clusters = destinations(&action.cluster, action.weighted_clusters.as_ref());
        if !action.timeout.is_empty() {
            more.push(format!("timeout {}", if &*action.timeout == "0s" { "none" } else { &action.timeout }));
        }
        if let Some(retry) = &action.retry_policy {
            more.push(format!("retries {} on {}", retry.num_retries.as_ref().map_or(1, |n| n.0), retry.retry_on));
        }
        more.extend(action.request_mirror_policies.iter().map(|m| format!("mirrored to {}", short(&m.cluster))));
        if !action.prefix_rewrite.is_empty() {
            more.push(format!("path rewritten to {}", action.prefix_rewrite));
        }
        match clusters.as_slice() {
            [] => format!("→ the cluster that header {} names", action.cluster_header),
            many => format!("→ {}", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    } else if let Some(redirect) = &r.redirect {
        let scheme = if redirect.https_redirect { "https" } else { &redirect.scheme_redirect };
        format!("redirect {scheme} {} {}", redirect.host_redirect, redirect.path_redirect).split_whitespace().collect::<Vec<_>>().join(" ")
    } else if let Some(direct) = &r.direct_response {
        format!("answers {} itself", direct.status.0)
    } else {
        "nothing that is known".to_owned()
    };
    if let Some(fault) = &r.typed_per_filter_config.fault {
        if let Some(abort) = &fault.abort {
            more.push(format!("fault: {} for {}%", abort.http_status.0, abort.percentage.percent()));
        }
        if let Some(delay) = &fault.delay {
            more.push(format!("fault: delay {} for {}%", delay.fixed_delay, delay.percentage.percent()));
        }
    }
    if let Some(text) = origin(&r.metadata) {
        more.push(text);
    }
    Route { host: host.to_owned(), domains: domains.to_vec(), name: r.name.to_string(), accepts: matches(&r.matches), clusters, action, more, at: (0, 0) }
}

fn matches(m: &Match<'_>) -> String {
    let path = if let Some(p) = &m.path {
        p.to_string()
    } else if let Some(p) = &m.prefix {
        format!("{p}*")
    } else if let Some(p) = &m.path_separated_prefix {
        format!("{p}, {p}/*")
    } else if let Some(r) = &m.safe_regex {
        format!("~{}", r.regex)
    } else if m.connect_matcher.is_some() {
        "CONNECT".to_owned()
    } else {
        "any".to_owned()
    };
    let mut conditions = vec![path];
    conditions.extend(m.headers.iter().map(|h| {
        // Header values may be secrets; that there is a condition is what is shown.
        format!("{}header {}", if h.invert_match { "not " } else { "" }, h.name)
    }));
    conditions.extend(m.query_parameters.iter().map(|q| format!("query {}", q.name)));
    conditions.join(" + ")
}
