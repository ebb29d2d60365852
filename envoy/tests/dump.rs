//! What the fuzz target `dump` does, over its seeds, the fixtures and what is cut or changed of them, on any compiler.

use mesh_envoy::dump::{self, SectionKind, Sections, bootstrap, cluster, endpoint, listener, route, secret};
use serde::{Deserialize, Deserializer};
use std::path::{Path, PathBuf};

#[derive(Default)]
struct All;

impl<'a> Sections<'a> for All {
    fn fresh(&self) -> Self {
        All
    }
    fn wants(&self, _: SectionKind) -> bool {
        true
    }
    fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        match kind {
            SectionKind::Bootstrap => bootstrap::BootstrapDump::deserialize(section).map(drop),
            SectionKind::Clusters => cluster::Clusters::<cluster::Cluster<'a>>::deserialize(section).map(drop),
            SectionKind::Listeners => listener::Listeners::<listener::Listener<'a>>::deserialize(section).map(drop),
            SectionKind::Routes => route::Routes::<route::RouteConfig<'a>>::deserialize(section).map(drop),
            SectionKind::Endpoints => endpoint::Endpoints::<endpoint::LoadAssignment<'a>>::deserialize(section).map(drop),
            SectionKind::Secrets => secret::Secrets::<secret::Secret<'a>>::deserialize(section).map(drop),
            SectionKind::ScopedRoutes | SectionKind::Ecds => serde_json::Value::deserialize(section).map(drop),
        }
    }
}

/// How many entries could not be read; `None` where the text is no dump.
fn unread(text: &str) -> Option<usize> {
    let found = dump::read(text, &mut All).ok()?;
    for unread in &found.unread {
        assert!(unread.why.line >= 1 && unread.why.line <= text.lines().count() + 1, "{unread}");
    }
    Some(found.unread.len())
}

fn inputs() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = ["fuzz/seeds/dump", "testdata/dumps"];
    let mut paths: Vec<PathBuf> =
        folders.iter().flat_map(|f| std::fs::read_dir(root.join(f)).expect("a folder").flatten().map(|e| e.path()).filter(|p| p.is_file())).collect();
    paths.sort();
    paths.into_iter().map(|p| (p.clone(), std::fs::read_to_string(p).expect("a dump"))).collect()
}

#[test]
fn cut_dumps_never_panic() {
    let inputs = inputs();
    assert!(inputs.len() >= 3);
    for (_, text) in inputs {
        for cut in (0..text.len()).filter(|i| text.is_char_boundary(*i)).step_by(1 + text.len() / 200) {
            let _ = unread(&text[..cut]);
        }
    }
}

#[test]
fn a_value_of_the_wrong_form_costs_at_most_its_entry() {
    for (path, text) in inputs() {
        let Some(before) = unread(&text) else { continue };
        // Each value that a colon announces is changed in turn: the JSON stays whole, so what is read is still a dump.
        let starts: Vec<usize> = text.match_indices(": \"").map(|(i, _)| i + 2).collect();
        for start in starts.iter().step_by(1 + starts.len() / 100) {
            let Some(end) = text[start + 1..].find('"').map(|n| start + n + 2).filter(|end| !text[*start..*end].contains('\\')) else { continue };
            let changed = format!("{}{{\"odd\": [1]}}{}", &text[..*start], &text[end..]);
            let after = unread(&changed).unwrap_or_else(|| panic!("{}: {start}", path.display()));
            assert!(after <= before + 1, "{}: {start}", path.display());
        }
    }
}
