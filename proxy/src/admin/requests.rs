//! `/requests`: the last requests and what was decided about each. `/unused`: configuration that nothing ever came to.

use super::{Context, parameter};
use crate::config::listener::End;
use crate::config::manager::Routes;
use crate::config::route::Table;
use crate::decisions::Decision;
use crate::percent;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Lines without `?last=`.
const LAST: usize = 100;

/// Those that a query asks for: `last`, `flag`, `status` (`503`, `5xx`), `cluster`, `path` (a beginning).
///
/// # Errors
/// A parameter that is none.
fn wanted(context: &Context, query: &str) -> Result<Vec<Decision>, String> {
    let last = match parameter(query, "last") {
        None => LAST,
        Some(text) => text.parse().map_err(|_| format!("last: `{text}` is no number"))?,
    };
    if let Some((unknown, _)) = query
        .split('&')
        .filter(|p| !p.is_empty())
        .map(|p| p.split_once('=').unwrap_or((p, "")))
        .find(|(k, _)| !["last", "flag", "status", "cluster", "path", "format"].contains(k))
    {
        return Err(format!("`{unknown}` is none of last, flag, status, cluster, path, format"));
    }
    let is = |d: &Decision| {
        let status =
            parameter(query, "status").is_none_or(|s| s == d.status.to_string() || s.strip_suffix("xx").is_some_and(|c| c == (d.status / 100).to_string()));
        let flag = parameter(query, "flag").is_none_or(|f| f.split(',').any(|f| d.flags.contains(&f)));
        let cluster = parameter(query, "cluster").is_none_or(|c| percent::decode(c) == d.cluster.as_deref().unwrap_or(""));
        let path = parameter(query, "path").is_none_or(|p| d.path.starts_with(&percent::decode(p)));
        status && flag && cluster && path
    };
    Ok(context.shared.rings.read().into_iter().filter(is).take(last).collect())
}

pub fn json(context: &Context, query: &str) -> Result<Value, String> {
    let list: Vec<Value> = wanted(context, query)?
        .iter()
        .map(|d| {
            json!({
                "time": super::dump::timestamp(d.started), "method": d.method.as_str(), "authority": d.authority, "path": d.path, "protocol": d.protocol,
                "filterChain": d.listener_chain, "virtualHost": d.virtual_host, "route": d.route, "cluster": d.cluster.as_deref(), "host": Some(&d.host).filter(|h| !h.is_empty()),
                "status": d.status, "flags": d.flags.join(","), "details": d.details, "attempts": d.attempts, "received": d.received, "sent": d.sent,
                "milliseconds": {"request": d.request, "answerBegun": d.answer_begun, "whole": d.whole},
            })
        })
        .collect();
    Ok(json!({"requests": list}))
}

pub fn text(context: &Context, query: &str) -> Result<String, String> {
    let mut out = String::new();
    for d in wanted(context, query)? {
        let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.escape_default().to_string() };
        let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let _ = writeln!(
            out,
            "{} {} {} {}{} route={} cluster={} host={} attempts={} flags={} details={} request={}ms answer={}ms whole={}ms",
            super::dump::timestamp(d.started),
            d.status,
            d.method,
            known(&d.authority),
            known(&d.path),
            known(&d.route),
            known(d.cluster.as_deref().unwrap_or("")),
            known(&d.host),
            d.attempts,
            known(&d.flags.join(",")),
            known(&d.details),
            number(d.request),
            number(d.answer_begun),
            d.whole,
        );
    }
    Ok(out)
}

/// What nothing came to: listeners and clusters since the proxy began, routes since their configuration came.
pub fn unused(context: &Context) -> Value {
    let (snapshot, stats) = (context.shared.snapshot(), context.shared.registry.read());
    let counted = |name: String| stats.get(&name).is_some_and(|(_, n)| *n > 0);
    let mut tables: BTreeMap<String, Arc<Table>> = snapshot.routes.iter().map(|(name, t)| (name.to_string(), t.clone())).collect();
    let mut listeners: Vec<&str> = Vec::new();
    for listener in &*snapshot.listeners {
        if !counted(format!("listener.{}.downstream_cx_total", listener.stat_prefix)) {
            listeners.push(&listener.engine.name);
        }
        for (i, chain) in listener.chains.iter().enumerate() {
            if let End::Http(manager) = &chain.end
                && let Routes::Inline(table) = &manager.routes
            {
                tables.insert(format!("{} of listener {}[{i}]", table.engine.name, listener.engine.name), table.clone());
            }
        }
    }
    let mut clusters: Vec<&str> = snapshot.clusters.keys().map(|n| &**n).collect();
    clusters.retain(|name| !counted(format!("cluster.{name}.upstream_rq_total")) && !counted(format!("cluster.{name}.upstream_cx_total")));
    clusters.sort_unstable();
    let mut routes = Vec::new();
    for (name, table) in &tables {
        for (host, extras) in table.engine.hosts.iter().zip(&table.hosts) {
            for (route, own) in host.routes.iter().zip(&extras.routes) {
                if !own.used.load(Ordering::Relaxed) {
                    routes
                        .push(json!({"routeConfiguration": name, "virtualHost": host.name, "route": route.name, "index": route.index, "object": route.source}));
                }
            }
        }
    }
    let of = |used: usize, all: usize| json!({"unused": used, "of": all});
    let all_routes: usize = tables.values().map(|t| t.hosts.iter().map(|h| h.routes.len()).sum::<usize>()).sum();
    json!({
        "counts": {"listeners": of(listeners.len(), snapshot.listeners.len()), "routes": of(routes.len(), all_routes), "clusters": of(clusters.len(), snapshot.clusters.len())},
        "listeners": listeners, "routes": routes, "clusters": clusters,
    })
}
