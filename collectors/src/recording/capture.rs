//! What sources gave at one moment.

use serde::{Deserialize, Serialize};

/// A page under a path, such as `proxies/shop/cart-1/config_dump.json`:
///
/// | path | holds |
/// | --- | --- |
/// | `manifests/…` | objects as YAML; of several clusters `manifests/clusters/NUMBER/…`, by [`Summary::clusters`] |
/// | `proxies/NAMESPACE/NAME/…` | pages of a proxy |
/// | `unnamed/NAME/…` | pages of a proxy that does not say which it is |
/// | `istio/NAMESPACE/NAME/…` | istiod's answers |
/// | `views/…` | what istiod would send to a proxy |
/// | `metrics/…` | pages of Prometheus text |
/// | `series/…` | files of series |
/// | `traces/…` | files of traces |
/// | `logs/…` | lines of access logs that came since the moment before |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub path: String,
    pub text: String,
}

/// One moment. Pages stand in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capture {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub summary: Summary,
    pub pages: Vec<Page>,
}

/// What is said of a capture beside its pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Version of the meshctl that made it.
    pub meshctl: String,
    /// What was named as sources, without what may be secret in them.
    pub sources: Vec<String>,
    /// What could not be seen.
    pub problems: Vec<String>,
    /// Whether the objects are all that there are.
    pub complete: bool,
    /// Kinds of which there may be more all the same: `group/Kind`, `Kind` of the core group.
    pub unseen: Vec<String>,
    /// The names of the clusters, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
}

impl Capture {
    pub fn new(at: i64) -> Capture {
        let summary = Summary { meshctl: env!("CARGO_PKG_VERSION").to_owned(), ..Summary::default() };
        Capture { at, summary, pages: Vec::new() }
    }
    /// Adds a page; of two with one path the second gets a number.
    pub fn add(&mut self, path: &str, text: String) {
        let taken = |p: &str| self.pages.iter().any(|page| page.path == p);
        let (stem, extension) = path.rsplit_once('.').filter(|(_, e)| !e.contains('/')).map_or((path, String::new()), |(s, e)| (s, format!(".{e}")));
        let path = std::iter::once(path.to_owned()).chain((2..).map(|n| format!("{stem}-{n}{extension}"))).find(|p| !taken(p)).unwrap_or_default();
        self.pages.push(Page { path, text });
    }
    /// Puts the pages in order.
    pub fn sort(&mut self) {
        self.pages.sort_by(|a, b| a.path.cmp(&b.path));
    }
    /// The pages below a folder.
    pub fn below<'c>(&'c self, folder: &'c str) -> impl Iterator<Item = &'c Page> {
        self.pages.iter().filter(move |p| p.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
    pub fn size(&self) -> u64 {
        self.pages.iter().map(|p| p.text.len() as u64).sum()
    }
}

/// A name as a part of a path: letters, digits, and what does no harm; nothing leads out or hides.
pub fn tidy(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '=') { c } else { '_' };
    let parts = name.split('/').map(|p| p.trim_start_matches('.')).filter(|p| !p.is_empty());
    let text: String = parts.collect::<Vec<_>>().join("/").chars().map(keep).collect();
    if text.is_empty() { "_".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_that_lead_nowhere() {
        assert_eq!(tidy("../../etc/pass wd"), "etc/pass_wd");
        assert_eq!((tidy("/"), tidy("http://a:1/x?y"), tidy(".hidden")), ("_".to_owned(), "http_/a_1/x_y".to_owned(), "hidden".to_owned()));
        let mut capture = Capture::new(0);
        ["m/a.yaml", "m/a.yaml", "m/a.yaml", "m.x/a", "m.x/a"].iter().for_each(|p| capture.add(p, String::new()));
        let paths: Vec<&str> = capture.pages.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["m/a.yaml", "m/a-2.yaml", "m/a-3.yaml", "m.x/a", "m.x/a-2"]);
        assert_eq!(capture.below("m").count(), 3);
    }
}
