//! The state of proxies in whatever sources are named: the same files, folders, bug reports and admin ports that
//! `proxy-config` reads.

use crate::commands::proxy_status::state::{State, SyncState, TypeState, states};
use crate::commands::proxy_status::table::cell;
use crate::dump::{STATE, proxies_and_sync};
use mesh_collectors::dumps::{Dumps, Proxy, Source};
use mesh_collectors::recording;
use mesh_envoy::identify::Content;
use mesh_tui::graph::Health;
use mesh_tui::shell::quoted;
use mesh_tui::world::proxies::{Pages, Teller};
use mesh_tui::world::sync::{Sync, Type};

/// The pages of one proxy.
struct Held {
    proxy: Proxy,
    /// What `proxy-config` takes to find it.
    arguments: String,
}

/// What was found in all sources.
#[derive(Default)]
pub struct Found {
    proxies: Vec<Held>,
    /// What istiod would send: shown where no proxy was found.
    views: Vec<Held>,
    /// Control planes, with what they say of their proxies.
    control_planes: Vec<Proxy>,
}

/// How reading sources went, by their names.
pub type Said = Vec<(String, Result<String, String>)>;

/// What else may be in a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    Manifests,
    /// No manifests and no proxy's state: a control plane's word on its proxies.
    ControlPlane,
    Nothing,
}

impl Found {
    /// Reads one source: what else it may hold, and how reading it and its parts went.
    pub fn read(&mut self, typed: &str, source: &Source) -> (Rest, Said) {
        let mut said = Vec::new();
        let rest = self.read_and(typed, source, &mut |name, state| said.push((name.to_owned(), state)));
        (rest, said)
    }

    fn read_and(&mut self, typed: &str, source: &Source, say: &mut dyn FnMut(&str, Result<String, String>)) -> Rest {
        let is_folder = matches!(source, Source::Path(path) if path.is_dir() || recording::find(path).is_some());
        // What is not there is told by who looks for manifests in it.
        if matches!(source, Source::Path(path) if !recording::is_there(path)) {
            return Rest::Manifests;
        }
        let dumps = match proxies_and_sync(source) {
            Ok(dumps) => dumps,
            Err(failure) => {
                say(typed, Err(failure.to_string()));
                return Rest::Nothing;
            }
        };
        for (name, why) in &dumps.problems {
            say(name, Err(why.clone()));
        }
        for proxy in &dumps.proxies {
            proxy.passed_over(&[Content::ConfigDump]).into_iter().for_each(|said| say(&proxy.name, Ok(said)));
        }
        let other = other(&dumps);
        let told: Vec<Proxy> = dumps.control_planes.iter().filter(|c| c.pages.iter().any(|p| p.content == Content::Syncz)).cloned().collect();
        let is_told = !told.is_empty();
        self.control_planes.extend(told);
        let (proxies, views) = (with_state(typed, dumps.proxies), with_state(typed, dumps.views));
        let state = match (proxies.len(), views.len(), other) {
            (0, 0, _) if is_told && !is_folder => {
                say(typed, Ok("a control plane's word on its proxies".to_owned()));
                return Rest::ControlPlane;
            }
            (0, 0, Some(content)) if !is_folder => Err(format!("this is {}, which the terminal UI does not show", content.describe())),
            (0, 0, _) => return Rest::Manifests,
            (0, 1, _) => Ok("istiod's view of 1 proxy".to_owned()),
            (0, n, _) => Ok(format!("istiod's view of {n} proxies")),
            (1, ..) => Ok("1 proxy".to_owned()),
            (n, ..) => Ok(format!("{n} proxies")),
        };
        say(typed, state);
        merge(&mut self.proxies, proxies);
        merge(&mut self.views, views);
        if is_folder { Rest::Manifests } else { Rest::Nothing }
    }

    /// What control planes say of their proxies, and what of that can't be read.
    pub fn sync(&self, now: i64) -> (Vec<Sync>, Vec<String>) {
        let (states, problems) = states(&Dumps { control_planes: self.control_planes.clone(), ..Dumps::default() });
        let of_type = |t: &TypeState| Type { short: t.short.clone(), state: cell(t, now), health: health(t.sync) };
        let of = |s: State| Sync { types: s.types.iter().map(of_type).collect(), proxy: s.name, istiod: s.istiod };
        (states.into_iter().map(of).collect(), problems)
    }

    /// Looks at every proxy.
    pub fn each(&self, look: &mut dyn FnMut(&Proxy)) {
        self.proxies.iter().for_each(|held| look(&held.proxy));
    }

    /// The pages to show.
    pub fn pages(&self) -> Vec<Pages<'_>> {
        let (list, teller) = if self.proxies.is_empty() { (&self.views, Teller::ControlPlane) } else { (&self.proxies, Teller::Proxy) };
        list.iter().map(|held| held.pages(teller)).collect()
    }
}

impl Held {
    fn pages(&self, teller: Teller) -> Pages<'_> {
        let text = |content| self.proxy.page(&[content]).map(|p| p.text.as_str());
        Pages {
            name: &self.proxy.name,
            from: self.proxy.page(STATE).map_or("", |p| &p.origin),
            arguments: &self.arguments,
            teller,
            config_dump: text(Content::ConfigDump),
            clusters: text(Content::Clusters),
        }
    }
}

/// As `proxy-status` judges it.
fn health(sync: SyncState) -> Health {
    match sync {
        SyncState::Rejected => Health::Failing,
        SyncState::Stale | SyncState::NeverAcknowledged => Health::Degraded,
        SyncState::Synced | SyncState::Held => Health::Ok,
        SyncState::NotSent => Health::Idle,
        SyncState::Unknown => Health::Unknown,
    }
}

/// Those of which there is a page that is shown.
fn with_state(typed: &str, list: Vec<Proxy>) -> Vec<Held> {
    let list: Vec<Proxy> = list.into_iter().filter(|p| p.page(STATE).is_some()).collect();
    let is_alone = list.len() == 1;
    let held = |proxy: Proxy| {
        let arguments = match proxy.page(STATE) {
            _ if is_alone => format!("--from {}", quoted(typed)),
            // A name that only its file gave it is no pod's.
            Some(page) if !proxy.is_known => format!("--from {}", quoted(&page.origin)),
            _ => format!("{} --from {}", quoted(&proxy.name), quoted(typed)),
        };
        Held { proxy, arguments }
    };
    list.into_iter().map(held).collect()
}

/// Pages of one proxy may be in several sources.
fn merge(mine: &mut Vec<Held>, theirs: Vec<Held>) {
    for held in theirs {
        match mine.iter_mut().find(|m| m.proxy.is_known && held.proxy.is_known && m.proxy.name == held.proxy.name) {
            Some(known) => known.proxy.pages.extend(held.proxy.pages),
            None => mine.push(held),
        }
    }
}

/// A page that is known and not shown.
fn other(dumps: &Dumps) -> Option<Content> {
    let is_other = |c: &Content| {
        !matches!(
            c,
            Content::ConfigDump
                | Content::Clusters
                | Content::Archive
                | Content::Kubernetes
                | Content::OtherJson
                | Content::Yaml
                | Content::Html
                | Content::Empty
                | Content::Binary
                | Content::OtherText
        )
    };
    dumps.proxies.iter().chain(&dumps.control_planes).flat_map(|p| &p.pages).map(|p| p.content).find(is_other)
}
