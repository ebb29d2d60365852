//! Demos that run on this machine, as a source: `--from demo`, or `--from demo:NAME` where there are several.

mod words;

pub use words::{place, unasked};

use crate::status::Failure;
use mesh_demo::state::{State, running};
use std::path::{Path, PathBuf};

/// The word that stands for a running demo.
pub const WORD: &str = "demo";

/// Where running demos tell of themselves: a folder of this user alone. `None` where the environment names none.
pub fn folder() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = of("XDG_RUNTIME_DIR").or_else(|| of("XDG_CACHE_HOME")).or_else(|| of("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("meshctl").join("demos"))
}

/// The word for the running demo whose manifests are among some sources: shorter to type again.
pub fn word_of(sources: &[String]) -> Option<String> {
    let all = folder().map(|f| running(&f)).unwrap_or_default();
    let one = all.iter().find(|s| sources.iter().any(|w| Path::new(w) == s.manifests || s.clusters.iter().any(|c| *w == c.source())))?;
    Some(if all.len() == 1 { WORD.to_owned() } else { format!("{WORD}:{}", one.name) })
}

/// The word for the first of those that run.
pub fn first() -> Option<String> {
    let all = folder().map(|f| running(&f)).unwrap_or_default();
    let one = all.first()?;
    Some(if all.len() == 1 { WORD.to_owned() } else { format!("{WORD}:{}", one.name) })
}

/// Whether there is any.
pub fn any() -> bool {
    folder().is_some_and(|f| !running(&f).is_empty())
}

/// Whether one runs, and no other: it needs no name.
pub fn is_alone() -> bool {
    folder().is_some_and(|f| running(&f).len() == 1)
}

/// The demo that is named, or the only one.
pub fn find(name: Option<&str>) -> Result<State, Failure> {
    let all = folder().map(|f| running(&f)).unwrap_or_default();
    let names = || all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, all.as_slice()) {
        (_, []) => Err(Failure::none("no demo runs: start one with `meshctl demo` in another terminal")),
        (None, [one]) => Ok(one.clone()),
        (None, _) => Err(Failure::usage(format!("several demos run: {}; name one, as in {WORD}:{}", names(), all[0].name))),
        (Some(name), _) => {
            all.iter().find(|s| s.name == name).cloned().ok_or_else(|| Failure::none(format!("no demo is called {name}; there is: {}", names())))
        }
    }
}
