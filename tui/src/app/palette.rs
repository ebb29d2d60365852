//! The palette: every action, screen and object, found by a few letters of it.

use crate::action::{ACTIONS, Action, Scope, Tab};
use crate::keys::Keymap;
use crate::screens::Request;
use crate::world::World;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Action(Action),
    Request(Request),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub text: String,
    /// The key, or what sort of thing it is.
    pub note: String,
    pub does: Does,
}

/// How many are shown at most.
const MOST: usize = 200;

/// The entries that fit, best first.
pub(super) fn find(text: &str, keymap: &Keymap, scopes: &[Scope], world: Option<&World>) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for spec in ACTIONS.iter().filter(|s| s.scope == Scope::Global || scopes.contains(&s.scope)) {
        let keys: Vec<String> = keymap.keys(spec.action, spec.scope).iter().map(ToString::to_string).collect();
        all.push(Entry { text: format!("{} — {}", spec.id, spec.what), note: keys.join(" "), does: Does::Action(spec.action) });
    }
    if let Some(world) = world {
        objects(world, &mut all);
    }
    if text.is_empty() {
        all.truncate(MOST);
        return all;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(text, CaseMatching::Smart, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, usize)> =
        all.iter().enumerate().filter_map(|(i, e)| Some((pattern.score(Utf32Str::new(&e.text, &mut buffer), &mut matcher)?, i))).collect();
    scored.sort_by_key(|(score, i)| (std::cmp::Reverse(*score), *i));
    scored.into_iter().take(MOST).map(|(_, i)| all[i].clone()).collect()
}

fn objects(world: &World, all: &mut Vec<Entry>) {
    for n in &world.namespaces {
        all.push(Entry {
            text: n.name.clone(),
            note: "namespace".to_owned(),
            does: Does::Request(Request::Graph { filter: format!("ns:{}", n.name), node: None }),
        });
    }
    for (name, kind) in crate::command::nodes(world) {
        let (ns, bare) = name.split_once('/').unwrap_or(("", &name));
        all.push(Entry { does: Does::Request(Request::Detail(ns.to_owned(), bare.to_owned())), text: name.clone(), note: kind });
    }
    for (i, p) in world.proxies.shared().into_iter().flatten().enumerate() {
        all.push(Entry { text: p.full_name(), note: "proxy".to_owned(), does: Does::Request(Request::Proxy(i)) });
    }
    for (i, f) in world.findings.known().into_iter().flatten().enumerate() {
        all.push(Entry { text: format!("{} {} {}", f.code, f.object, f.message), note: "finding".to_owned(), does: Does::Request(Request::Finding(i)) });
    }
    for (trace, line) in world.traces.known().into_iter().flat_map(|t| t.all.iter().zip(&t.lines)) {
        all.push(Entry { text: format!("{} {}", trace.id, line.begins), note: "trace".to_owned(), does: Does::Request(Request::Trace(trace.id.clone())) });
    }
    for tab in Tab::ALL {
        all.push(Entry { text: tab.name().to_owned(), note: "screen".to_owned(), does: Does::Request(Request::Show(tab)) });
    }
}
