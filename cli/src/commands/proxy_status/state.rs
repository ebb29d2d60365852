//! The state of each proxy, from istiod's word and from its own dump.

use mesh_collectors::dumps::Dumps;
use mesh_collectors::dumps::syncz::{self, Sync};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::dump::status::{SectionStatus, status};
use mesh_envoy::identify::Content;

/// One proxy; istiods that it changed between each have a word.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub name: String,
    pub cluster: String,
    pub istiod: String,
    pub version: String,
    pub types: Vec<TypeState>,
    /// A pod with a proxy that no istiod knows of.
    pub is_absent: bool,
}

/// One type of resource, `CDS`.
#[derive(Clone, Debug)]
pub struct TypeState {
    pub short: String,
    pub sync: SyncState,
    /// RFC 3339; "" where it is not known.
    pub since: String,
    /// Rejected resources and why.
    pub rejected: Vec<(String, String)>,
    pub warming: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    Synced,
    Stale,
    NeverAcknowledged,
    NotSent,
    Rejected,
    /// Only the proxy's dump is there: it holds this, and nobody says whether it is the newest.
    Held,
    Unknown,
}

impl State {
    pub fn is_fine(&self) -> bool {
        !self.is_absent && self.types.iter().all(|t| !matches!(t.sync, SyncState::Stale | SyncState::NeverAcknowledged | SyncState::Rejected))
    }
}

/// The states by name, and what could not be read.
pub fn states(dumps: &Dumps) -> (Vec<State>, Vec<String>) {
    let (mut out, mut problems) = (Vec::<State>::new(), Vec::new());
    for istiod in &dumps.control_planes {
        for page in istiod.pages.iter().filter(|p| p.content == Content::Syncz) {
            match syncz::read(&page.text) {
                Err(e) => problems.push(format!("{}: {e}", page.origin)),
                Ok(list) => {
                    for proxy in list {
                        // In a bug report the folder has the name of the istiod.
                        let own = istiod.name.rsplit_once('.').map_or(istiod.name.as_str(), |(n, _)| n);
                        out.push(State {
                            name: proxy.proxy,
                            cluster: proxy.cluster,
                            istiod: if proxy.istiod.is_empty() { own.to_owned() } else { proxy.istiod },
                            version: proxy.version,
                            types: proxy.types.iter().map(of_sync).collect(),
                            is_absent: false,
                        });
                    }
                }
            }
        }
    }
    // A part of a dump that does not say whose it is, such as istiod's word on endpoints, is no proxy's state.
    for proxy in dumps.proxies.iter().filter(|p| p.is_known || dumps.proxies.len() == 1) {
        let Some(page) = proxy.page(&[Content::ConfigDump]) else { continue };
        match status(&page.text) {
            Err(e) => problems.push(format!("{}: {e}", page.origin)),
            Ok((sections, unread)) => {
                problems.extend(unread.iter().map(|u| format!("{}: {u}", page.origin)));
                let at = out.iter().position(|s| s.name == proxy.name).unwrap_or_else(|| {
                    out.push(State { name: proxy.name.clone(), ..State::default() });
                    out.len() - 1
                });
                if let Some(state) = out.get_mut(at) {
                    for section in sections {
                        add(state, section);
                    }
                }
            }
        }
    }
    for state in &mut out {
        state.types.sort_by_key(|t| (rank(&t.short), t.short.clone()));
    }
    out.sort_by(|a, b| (&a.name, &a.istiod).cmp(&(&b.name, &b.istiod)));
    (out, problems)
}

/// CDS, LDS, EDS, RDS, then the others.
pub fn rank(short: &str) -> usize {
    ["CDS", "LDS", "EDS", "RDS"].iter().position(|s| *s == short).unwrap_or(4)
}

fn of_sync(t: &syncz::TypeSync) -> TypeState {
    let sync = match t.state {
        Sync::Synced => SyncState::Synced,
        Sync::Stale => SyncState::Stale,
        Sync::NeverAcknowledged => SyncState::NeverAcknowledged,
        Sync::NotSent => SyncState::NotSent,
        Sync::Error => SyncState::Rejected,
        Sync::Unknown => SyncState::Unknown,
    };
    let rejected = if t.reason.is_empty() { Vec::new() } else { vec![(String::new(), t.reason.clone())] };
    TypeState { short: t.short().to_owned(), sync, since: t.since.clone(), rejected, warming: Vec::new() }
}

/// Adds what the proxy itself says: the reasons of rejections, which istiod's flat answer lacks.
fn add(state: &mut State, section: SectionStatus) {
    let short = match section.kind {
        SectionKind::Clusters => "CDS",
        SectionKind::Listeners => "LDS",
        SectionKind::Endpoints => "EDS",
        SectionKind::Routes => "RDS",
        SectionKind::Secrets => "SDS",
        _ => return,
    };
    let at = state.types.iter().position(|t| t.short == short).unwrap_or_else(|| {
        let sync = if section.active + section.warming.len() + section.rejected.len() == 0 { SyncState::NotSent } else { SyncState::Held };
        state.types.push(TypeState { short: short.to_owned(), sync, since: String::new(), rejected: Vec::new(), warming: Vec::new() });
        state.types.len() - 1
    });
    let Some(known) = state.types.get_mut(at) else { return };
    known.warming.extend(section.warming);
    if let Some(first) = section.rejected.first() {
        known.sync = SyncState::Rejected;
        if !first.at.is_empty() {
            known.since.clone_from(&first.at);
        }
        // istiod's reason is that of one of these.
        known.rejected = section.rejected.into_iter().map(|r| (r.name, r.details)).collect();
    }
}
