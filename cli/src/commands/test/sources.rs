//! What is asked: dumps of proxies, or manifests. Which of them a source is, is found out by its content.

use crate::dump::{self, Need};
use crate::status::Failure;
use mesh_collectors::dumps::{Dumps, Limits, Page, Source, Want, read_path, read_stream};
use mesh_envoy::identify::Content;
use std::path::Path;

pub enum Sources {
    /// The texts of config dumps by where they came from, and what could not be read beside them.
    Dumps(Vec<(String, String)>, Vec<String>),
    /// Paths.
    Manifests(Vec<String>),
}

/// Reads sources; paths are relative to `base`.
pub fn read(from: &[String], base: &Path) -> Result<Sources, Failure> {
    let (mut pages, mut problems, mut manifests) = (Vec::new(), Vec::new(), Vec::new());
    for text in from {
        let source = Source::parse(text).map_err(|e| Failure::usage(format!("{text}: {e}")))?;
        let want = Want { pod: None, contents: &[Content::ConfigDump] };
        match source {
            Source::Live(endpoint) => pages.push(dump::block_on(dump::live(&endpoint, Need::Whole, None))??),
            Source::Cluster(_) => {
                return Err(Failure::usage(format!("{text}: tests are answered from dumps, bug reports, admin ports and manifests, not from a cluster")));
            }
            Source::Stdin => take(read_stream("standard input", std::io::stdin().lock(), &want, Limits::default()), &mut pages, &mut problems),
            Source::Path(path) => {
                let path = base.join(path);
                match of_path(&path, &want)? {
                    Some(dumps) => take(dumps, &mut pages, &mut problems),
                    None => manifests.push(path.display().to_string()),
                }
            }
        }
    }
    match (pages.is_empty(), manifests.is_empty()) {
        (false, false) => Err(Failure::usage("of dumps and manifests one is asked, not both: give the other a run of its own")),
        (true, true) if problems.is_empty() => Err(Failure::input("the sources hold neither a dump of a proxy nor manifests")),
        (true, true) => Err(Failure::input(problems.join("\n"))),
        (true, false) => Ok(Sources::Manifests(manifests)),
        (false, true) => Ok(Sources::Dumps(pages.into_iter().map(|p| (p.origin, p.text)).collect(), problems)),
    }
}

/// The dumps that lie at a path; `None` where manifests do.
fn of_path(path: &Path, want: &Want<'_>) -> Result<Option<Dumps>, Failure> {
    if !path.exists() {
        let is_pattern = path.to_string_lossy().contains(['*', '?', '[']);
        return if is_pattern { Ok(None) } else { Err(Failure::input(format!("{}: there is no such file or folder", path.display()))) };
    }
    let dumps = read_path(path, want, Limits::default());
    let found: Vec<&Page> = dumps.proxies.iter().chain(&dumps.views).flat_map(|p| &p.pages).collect();
    if found.iter().any(|p| p.content == Content::ConfigDump) || !dumps.problems.is_empty() {
        return Ok(Some(dumps));
    }
    match found.first() {
        Some(page) if path.is_file() && !matches!(page.content, Content::Yaml | Content::Kubernetes | Content::OtherText | Content::OtherJson) => {
            Err(Failure::input(format!("{}: this is {}; expected are dumps of proxies or manifests", path.display(), page.content.describe())))
        }
        _ => Ok(None),
    }
}

/// A dump of each proxy; what istiod would send where there is nothing else.
fn take(dumps: Dumps, pages: &mut Vec<Page>, problems: &mut Vec<String>) {
    problems.extend(dumps.problems.iter().map(|(subject, message)| format!("{subject}: {message}")));
    let list = if dumps.proxies.is_empty() { dumps.views } else { dumps.proxies };
    pages.extend(list.iter().filter_map(|p| p.page(&[Content::ConfigDump])).cloned());
}
