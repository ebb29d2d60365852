//! Any text as a config dump: no panic, and one broken entry costs no other.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_envoy::dump::{self, SectionKind, Sections, bootstrap, cluster, endpoint, listener, route, secret};
use serde::{Deserialize, Deserializer};

#[derive(Clone, Default)]
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

fuzz_target!(|text: &str| {
    if let Ok(found) = dump::read(text, &mut All) {
        for unread in found.unread {
            assert!(unread.why.line >= 1 && unread.why.line <= text.lines().count().max(1) + 1, "{unread}");
        }
    }
});
