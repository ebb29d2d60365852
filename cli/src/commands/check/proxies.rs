//! Whether the proxies are connected, have what istiod sent, and are as new as it.

use super::is_asked;
use super::report::{Line, Section};
use crate::args::SourceArgs;
use crate::commands::proxy_status::{State, SyncState, WithProxy, fleet};
use crate::context::Context;
use std::collections::BTreeMap;

/// Names that are listed of those to which something applies.
const LISTED: usize = 5;

pub fn section(place: &SourceArgs, asked: &[String], with_proxy: &WithProxy<'_>, context: &Context) -> Section {
    let lines = match fleet(place, with_proxy, context) {
        Ok((states, problems)) => {
            let of = |s: &State| is_asked(asked, s.name.rsplit_once('.').map_or("", |(_, ns)| ns));
            let mut lines = lines(&states.into_iter().filter(of).collect::<Vec<_>>());
            lines.extend(problems.into_iter().map(|p| Line::unseen(p, "")));
            lines
        }
        Err(failure) => vec![Line::unseen(format!("the proxies' state: {failure}"), "deploy/rbac-troubleshooter.yaml has the rights that this needs")],
    };
    Section { title: "proxies", lines }
}

fn lines(states: &[State]) -> Vec<Line> {
    let mut lines = Vec::new();
    let connected: Vec<&State> = states.iter().filter(|s| !s.is_absent).collect();
    let synced = connected.iter().filter(|s| s.is_fine()).count();
    if synced == connected.len() {
        lines.push(Line::fine(format!("{synced} connected, all synced")));
    } else {
        lines.push(Line::fine(format!("{} connected, {synced} synced", connected.len())));
    }
    let having = |sync: &[SyncState]| states.iter().filter(|s| s.types.iter().any(|t| sync.contains(&t.sync))).map(|s| s.name.as_str()).collect::<Vec<_>>();
    let rejected = having(&[SyncState::Rejected]);
    if !rejected.is_empty() {
        lines.push(Line::wrong(format!("{} an update: {}", count(&rejected, "rejects", "reject"), names(&rejected)), "meshctl ps tells why"));
    }
    let stale = having(&[SyncState::Stale, SyncState::NeverAcknowledged]);
    if !stale.is_empty() {
        lines.push(Line::wrong(format!("{} behind what istiod sent: {}", count(&stale, "is", "are"), names(&stale)), "meshctl ps tells since when"));
    }
    let absent: Vec<&str> = states.iter().filter(|s| s.is_absent).map(|s| s.name.as_str()).collect();
    if let Some(first) = absent.first() {
        let (pod, namespace) = first.rsplit_once('.').unwrap_or((first, ""));
        lines.push(Line::wrong(
            format!("{} connected to no istiod: {}", count(&absent, "is", "are"), names(&absent)),
            format!("kubectl logs -n {namespace} {pod} -c istio-proxy tells why"),
        ));
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    connected.iter().filter(|s| !s.version.is_empty()).for_each(|s| *versions.entry(&s.version).or_default() += 1);
    let list: Vec<String> = versions.iter().map(|(v, n)| format!("{v} ({n})")).collect();
    match versions.len() {
        0 => {}
        1 => lines.push(Line::fine(format!("all of version {}", list.join("")))),
        _ => lines
            .push(Line::warning(format!("of several versions: {}", list.join(", ")), "restart the workloads whose proxies are older than the control plane")),
    }
    lines
}

fn count(list: &[&str], one: &str, several: &str) -> String {
    format!("{} {}", list.len(), if list.len() == 1 { one } else { several })
}

fn names(list: &[&str]) -> String {
    let more = list.len().saturating_sub(LISTED);
    let shown = list.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
