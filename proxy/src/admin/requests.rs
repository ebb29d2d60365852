//! `/requests`: the last requests and what was decided about each. `/unused`: configuration that nothing ever came to.

use super::Context;
use crate::config::listener::End;
use crate::config::manager::Routes;
use crate::config::route::Table;
use crate::decisions::{Decision, Wanted};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Lines without `?last=`.
const LAST: usize = 100;

/// What a query asks for: the parameters of [`Wanted`], and `last`.
///
/// # Errors
/// A parameter that is none.
pub fn parse(query: &str) -> Result<(Wanted, usize), String> {
    let (mut wanted, mut last) = (Wanted::default(), LAST);
    for (name, value) in query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))) {
        match (name, wanted.take(name, value)) {
            (_, Some(taken)) => taken?,
            ("last", None) => last = value.parse().map_err(|_| format!("last: `{value}` is no number"))?,
            ("format", None) => {}
            _ => return Err(format!("`{name}` is none of last, {}, format", Wanted::NAMES)),
        }
    }
    Ok((wanted, last))
}

fn wanted(context: &Context, query: &str) -> Result<Vec<Decision>, String> {
    let (wanted, last) = parse(query)?;
    Ok(context.shared.rings.read().into_iter().filter(|d| wanted.holds(d)).take(last).collect())
}

/// A decision as it is shown.
pub fn object(d: &Decision) -> Value {
    json!({
        "time": super::dump::timestamp(d.started), "method": d.method.as_str(), "authority": d.authority, "path": d.path, "protocol": d.protocol,
        "filterChain": d.listener_chain, "virtualHost": d.virtual_host, "route": d.route, "cluster": d.cluster.as_deref(), "host": Some(&d.host).filter(|h| !h.is_empty()),
        "status": d.status, "flags": d.flags.join(","), "details": d.details, "attempts": d.attempts, "received": d.received, "sent": d.sent,
        "milliseconds": {"request": d.request, "answerBegun": d.answer_begun, "whole": d.whole},
    })
}

pub fn json(context: &Context, query: &str) -> Result<Value, String> {
    Ok(json!({"requests": wanted(context, query)?.iter().map(object).collect::<Vec<_>>()}))
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
