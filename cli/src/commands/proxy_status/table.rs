//! The states as meshctl prints them.

use super::state::{State, SyncState, TypeState, rank};
use crate::commands::proxy_config::Format;
use crate::context::Context;
use crate::print::document::Document;
use crate::print::dump::document as print_document;
use crate::print::table::Table;
use crate::print::time::{age, parse_rfc3339};
use mesh_envoy::redact;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Blanks between columns.
const PADDING: usize = 2;

pub fn table(states: &[State], format: Format, now: i64) -> String {
    let mut types: Vec<&str> = states.iter().flat_map(|s| &s.types).map(|t| t.short.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    types.sort_by_key(|t| (rank(t), *t));
    let mut table = Table::new(["NAME", "CLUSTER", "ISTIOD", "VERSION"].into_iter().chain(types.iter().copied()).chain(["PROBLEM"]));
    for state in states {
        let or_dash = |s: &str| if s.is_empty() { "-".to_owned() } else { s.to_owned() };
        let mut row = vec![or_dash(&state.name), or_dash(&state.cluster), or_dash(&state.istiod), or_dash(&state.version)];
        for short in &types {
            row.push(state.types.iter().find(|t| t.short == *short).map_or("-".to_owned(), |t| cell(t, now)));
        }
        row.push(or_dash(&problem(state)));
        table.row(row);
    }
    if format == Format::Csv { table.csv() } else { table.render(PADDING) }
}

/// `SYNCED`, `STALE 41s`.
pub fn cell(t: &TypeState, now: i64) -> String {
    let word = word(t.sync);
    let mut out = word.to_owned();
    // How long a proxy is in order interests nobody.
    if matches!(t.sync, SyncState::Stale | SyncState::NeverAcknowledged | SyncState::Rejected)
        && let Some(since) = parse_rfc3339(&t.since)
    {
        out.push_str(&format!(" {}", age(now - since)));
    }
    if !t.warming.is_empty() {
        out.push_str(&format!(", WARMING {}", t.warming.len()));
    }
    out
}

fn word(sync: SyncState) -> &'static str {
    match sync {
        SyncState::Synced => "SYNCED",
        SyncState::Stale => "STALE",
        SyncState::NeverAcknowledged => "STALE (never acknowledged)",
        SyncState::NotSent => "NOT SENT",
        SyncState::Rejected => "NACK",
        SyncState::Held => "HELD",
        SyncState::Unknown => "UNKNOWN",
    }
}

/// Why an update was rejected, and what waits.
fn problem(state: &State) -> String {
    let mut parts = Vec::new();
    if state.is_absent {
        parts.push("connected to no istiod: it gets no updates".to_owned());
    }
    for t in &state.types {
        for (name, details) in &t.rejected {
            let what = if name.is_empty() { String::new() } else { format!(" {name}") };
            let details = if details.is_empty() { "no reason given" } else { details.as_str() };
            parts.push(format!("{} rejected{what}: {}", t.short, redact::text(details)));
        }
        if let (SyncState::Rejected, true) = (t.sync, t.rejected.is_empty()) {
            parts.push(format!("{} rejected; the proxy's own dump says why", t.short));
        }
        if let Some(first) = t.warming.first() {
            parts.push(format!("{} waits: {first}{}", t.short, if t.warming.len() > 1 { ", …" } else { "" }));
        }
    }
    parts.join("; ")
}

pub fn document(states: &[State], problems: &[String], as_: Document, context: &Context) -> String {
    let of_type = |t: &TypeState| {
        let rejected: Vec<Value> = t.rejected.iter().map(|(name, details)| json!({"name": name, "details": details})).collect();
        let age = parse_rfc3339(&t.since).map(|since| context.now - since);
        json!({"type": t.short, "state": word(t.sync), "since": t.since, "ageSeconds": age, "rejected": rejected, "warming": t.warming})
    };
    let proxy = |s: &State| {
        let types: Vec<Value> = s.types.iter().map(of_type).collect();
        json!({"name": s.name, "cluster": s.cluster, "istiod": s.istiod, "version": s.version, "connected": !s.is_absent, "fine": s.is_fine(), "types": types})
    };
    let list: Vec<Value> = states.iter().map(proxy).collect();
    print_document(json!({"complete": problems.is_empty(), "problems": problems, "proxies": list}), as_, context.compat)
}
