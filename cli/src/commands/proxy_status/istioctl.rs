//! The states as istioctl prints them.

use super::state::{State, SyncState, TypeState};
use crate::context::Compat;
use crate::print::document::Document;
use crate::print::dump::document as print_document;
use crate::print::table::Table;
use crate::status::Failure;
use mesh_collectors::dumps::Dumps;
use mesh_envoy::identify::Content;
use std::collections::BTreeSet;

const PADDING: usize = 5;

/// By default which types each proxy is subscribed to; with `-v 1` a column a type.
pub fn table(states: &[State], verbosity: u8) -> String {
    if verbosity == 0 {
        let mut table = Table::new(["NAME", "CLUSTER", "ISTIOD", "VERSION", "SUBSCRIBED TYPES"]);
        for s in states {
            let types: Vec<&str> = s.types.iter().map(|t| t.short.as_str()).collect();
            table.row(vec![s.name.clone(), s.cluster.clone(), s.istiod.clone(), s.version.clone(), format!("{} ({})", types.len(), types.join(","))]);
        }
        return table.render(PADDING);
    }
    let types: BTreeSet<&str> = states.iter().flat_map(|s| &s.types).map(|t| t.short.as_str()).collect();
    let header = ["NAME", "CLUSTER"].into_iter().chain(types.iter().copied()).chain(["ISTIOD", "VERSION"]);
    let mut table = Table::new(header);
    for s in states {
        let mut row = vec![s.name.clone(), s.cluster.clone()];
        row.extend(types.iter().map(|short| s.types.iter().find(|t| t.short == *short).map_or("IGNORED".to_owned(), word)));
        row.extend([s.istiod.clone(), s.version.clone()]);
        table.row(row);
    }
    table.render(PADDING)
}

fn word(t: &TypeState) -> String {
    match t.sync {
        SyncState::Synced | SyncState::Held => "SYNCED".to_owned(),
        SyncState::Stale => "STALE".to_owned(),
        SyncState::NeverAcknowledged => "STALE (Never Acknowledged)".to_owned(),
        SyncState::NotSent => "NOT SENT".to_owned(),
        SyncState::Rejected => "ERROR".to_owned(),
        SyncState::Unknown => "UNKNOWN".to_owned(),
    }
}

/// istiod's answers as they are. Only its xDS form is what istioctl prints.
pub fn document(dumps: &Dumps, as_: Document) -> Result<String, Failure> {
    let pages: Vec<_> = dumps.control_planes.iter().flat_map(|c| &c.pages).filter(|p| p.content == Content::Syncz).collect();
    let mut out = String::new();
    for page in pages {
        let value: serde_json::Value = serde_json::from_str(&page.text).map_err(|e| Failure::input(format!("{}: {e}", page.origin)))?;
        if !value.is_object() {
            return Err(Failure::none("istioctl prints the answer of istiod's xDS form here; this is the flat form of port 15014 (leave --compat out)"));
        }
        out.push_str(&print_document(value, as_, Compat::Istioctl));
    }
    if out.is_empty() { Err(Failure::none("no answer of istiod's `/debug/syncz` is in it")) } else { Ok(out) }
}
