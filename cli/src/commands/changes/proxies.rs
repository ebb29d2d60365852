//! What istiod sent lately, who did not take it, and when a proxy took each resource over.

use super::Row;
use crate::args::DumpArgs;
use crate::commands::proxy_status::{SyncState, WithProxy, fleet};
use crate::context::Context;
use crate::dump::Need;
use crate::print::time::parse_rfc3339;
use crate::reach;
use crate::status::Failure;
use serde_json::Value;
use std::collections::BTreeMap;

/// One row for each type of resource that istiod sent, and one for each proxy that did not take one.
pub fn pushes(place: &DumpArgs, since: &str, context: &Context, rows: &mut Vec<Row>, problems: &mut Vec<String>) {
    let states = match fleet(&place.source, &WithProxy::Asked, context) {
        Ok((states, unseen)) => {
            problems.extend(unseen);
            states
        }
        Err(failure) => return problems.push(format!("what istiod sent: {failure}")),
    };
    let from = parse_rfc3339(since).unwrap_or(i64::MIN);
    // By type: the last instant, and how many proxies.
    let mut sent: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for state in &states {
        for t in state.types.iter().filter(|t| parse_rfc3339(&t.since).is_some_and(|at| at >= from)) {
            let entry = sent.entry(t.short.clone()).or_default();
            entry.0 = entry.0.clone().max(t.since.clone());
            entry.1 += 1;
            let word = match t.sync {
                SyncState::Rejected => "rejected",
                SyncState::Stale | SyncState::NeverAcknowledged => "not acknowledged",
                _ => continue,
            };
            let reasons: Vec<String> = t.rejected.iter().map(|(name, why)| format!("{name}: {why}").trim_start_matches(": ").to_owned()).collect();
            rows.push(Row {
                at: t.since.clone(),
                what: word.to_owned(),
                object: format!("{} of {}", t.short, state.name),
                who: state.name.clone(),
                detail: reasons.join("; "),
            });
        }
    }
    for (short, (at, n)) in sent {
        let proxies = if n == 1 { "1 proxy".to_owned() } else { format!("{n} proxies") };
        rows.push(Row { at, what: "sent".to_owned(), object: short, who: "istiod".to_owned(), detail: format!("to {proxies}, the last at this time") });
    }
}

/// The resources that the named proxies took over lately, with their secrets: a new certificate.
pub fn held(name: Option<&str>, place: &DumpArgs, since: &str, context: &Context, rows: &mut Vec<Row>, problems: &mut Vec<String>) -> Result<(), Failure> {
    let (pages, left_out) = reach::fleet(name, place, Need::Whole, context)?;
    problems.extend(left_out);
    let from = parse_rfc3339(since).unwrap_or(i64::MIN);
    for (pod, page) in pages {
        let text = match page {
            Ok(reached) => reached.page.text,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let dump: Value = match serde_json::from_str(&text) {
            Ok(dump) => dump,
            Err(e) => {
                problems.push(format!("{pod}: {e}"));
                continue;
            }
        };
        for section in dump["configs"].as_array().into_iter().flatten() {
            let kind = section["@type"].as_str().unwrap_or("").rsplit('.').next().unwrap_or("").trim_end_matches("ConfigDump");
            let lists = section.as_object().into_iter().flatten().filter_map(|(_, v)| v.as_array());
            for item in lists.flatten() {
                let Some(at) = updated(item).filter(|at| parse_rfc3339(at).is_some_and(|t| t >= from)) else { continue };
                let what = if kind == "Secrets" { "new certificate" } else { "taken over" };
                rows.push(Row {
                    at: at.to_owned(),
                    what: what.to_owned(),
                    object: format!("{} {}", kind.trim_end_matches('s'), named(item)),
                    who: pod.clone(),
                    detail: String::new(),
                });
            }
        }
    }
    Ok(())
}

fn updated(item: &Value) -> Option<&str> {
    item["last_updated"].as_str().or_else(|| item["active_state"]["last_updated"].as_str())
}

fn named(item: &Value) -> &str {
    let inner = ["cluster", "route_config", "endpoint_config", "listener", "secret"].into_iter().map(|key| &item[key]);
    let own = inner.clone().find_map(|v| v["name"].as_str().or_else(|| v["cluster_name"].as_str()));
    item["name"].as_str().or(own).unwrap_or("?")
}
