//! `.meshctl.toml`: the settings of a repository.

use crate::status::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

const NAME: &str = ".meshctl.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct File {
    /// What is analysed when no path is typed.
    pub paths: Vec<String>,
    /// Globs of what is left out.
    pub exclude: Vec<String>,
    pub select: Vec<String>,
    pub ignore: Vec<String>,
    pub fail_on: Option<Spanned<String>>,
    /// The version of meshctl whose rules count: later ones are not run.
    pub rule_set: Option<Spanned<String>>,
    pub istio_version: Option<Spanned<String>>,
    pub complete: bool,
    pub mesh_config: Option<PathBuf>,
    pub mesh_networks: Option<PathBuf>,
    /// Objects that are consulted and never judged, as `--world`.
    pub consulted: Vec<String>,
    /// Code → error, warning, info or off.
    pub levels: BTreeMap<String, Spanned<String>>,
    pub suppress: Vec<Spanned<Suppress>>,
    pub world: Vec<World>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppress {
    pub code: Words,
    /// `Kind ns/name`, with stars; every object when absent.
    #[serde(default)]
    pub object: Option<String>,
    #[serde(default)]
    pub paths: Vec<String>,
    /// Why; for people.
    #[serde(default)]
    #[allow(dead_code)]
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    pub name: String,
    #[serde(default)]
    pub paths: Vec<String>,
    /// Run, without a shell, beside the file; what it prints is read as manifests.
    #[serde(default)]
    pub command: Option<Words>,
    #[serde(default)]
    pub complete: bool,
    #[serde(default)]
    pub consulted: Vec<String>,
}

/// A list, or one string.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    /// The words of a command; a single string is split at blanks.
    pub fn split(&self) -> Vec<String> {
        match self {
            Words::One(text) => text.split_whitespace().map(str::to_owned).collect(),
            Words::Many(list) => list.clone(),
        }
    }
    pub fn list(&self) -> &[String] {
        match self {
            Words::One(text) => std::slice::from_ref(text),
            Words::Many(list) => list,
        }
    }
}

/// A configuration file that was found.
pub struct Config {
    pub file: File,
    pub path: PathBuf,
    /// Its folder, absolute: paths in it are relative to this.
    pub dir: PathBuf,
    pub text: String,
}

impl Config {
    /// `FILE:LINE` of a value.
    pub fn place<T>(&self, value: &Spanned<T>) -> String {
        let before = self.text.get(..value.span().start).unwrap_or_default();
        format!("{}:{}", self.path.display(), before.matches('\n').count() + 1)
    }
}

/// Reads the file that is named.
pub fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::input(format!("{}: {e}", path.display())))?;
    let file: File = toml::from_str(&text).map_err(|e| Failure::usage(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
    let absolute = std::path::absolute(path).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))?;
    let dir = absolute.parent().map(Path::to_path_buf).unwrap_or_default();
    for (i, world) in file.world.iter().enumerate() {
        if world.name.is_empty() || file.world.iter().take(i).any(|w| w.name == world.name) {
            return Err(Failure::usage(format!("{}: each [[world]] has a name of its own, not `{}`", path.display(), world.name)));
        }
        if world.paths.is_empty() && world.command.as_ref().is_none_or(|c| c.split().is_empty()) {
            return Err(Failure::usage(format!("{}: world `{}` has neither paths nor a command", path.display(), world.name)));
        }
    }
    Ok(Config { file, path: path.to_path_buf(), dir, text })
}

/// The file that is in force where the first path is: in its folder or above it, up to the root of the repository.
/// Outside of a repository it is looked for up to the working directory only: what lies above may belong to anybody.
pub fn find(first: Option<&str>) -> Result<Option<Config>, Failure> {
    let start = match first {
        None | Some("-") => PathBuf::from("."),
        Some(path) => fixed_part(Path::new(path)),
    };
    let Ok(absolute) = std::path::absolute(&start) else { return Ok(None) };
    let folder = if absolute.is_dir() { absolute.as_path() } else { absolute.parent().unwrap_or(&absolute) };
    // `a/../b` is walked as `b`.
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
    let current = std::env::current_dir().and_then(|d| d.canonicalize()).unwrap_or_default();
    let root = folder.ancestors().find(|d| d.join(".git").exists());
    let root = root.or_else(|| folder.ancestors().find(|d| *d == current)).unwrap_or(&folder);
    for dir in folder.ancestors() {
        let path = dir.join(NAME);
        if path.is_file() {
            return read(&path).map(Some);
        }
        if dir == root {
            break;
        }
    }
    Ok(None)
}

/// The part of a glob before its first wildcard.
fn fixed_part(path: &Path) -> PathBuf {
    let fixed: PathBuf = path.components().take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?', '['])).collect();
    if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed }
}

/// A path of the file as it is shown: relative to the working directory.
pub fn shown(dir: &Path, path: &str) -> String {
    if path == "-" {
        return path.to_owned();
    }
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let target = normal(&dir.join(path));
    let current = std::env::current_dir().and_then(|d| d.canonicalize()).unwrap_or_default();
    let common = current.components().zip(target.components()).take_while(|(a, b)| a == b).count();
    // Nothing but the root in common: the whole path says more.
    let text = if common <= 1 {
        target
    } else {
        let up = current.components().skip(common).map(|_| std::path::Component::ParentDir);
        up.chain(target.components().skip(common)).collect()
    };
    if text.as_os_str().is_empty() { ".".to_owned() } else { text.display().to_string() }
}

/// A path without `.` and `..`, by its text alone.
pub fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                out.pop();
            }
            std::path::Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

/// A set of globs in which the name of a folder stands for all that it holds.
pub fn globs(list: &[String], whence: &str) -> Result<globset::GlobSet, Failure> {
    let mut set = globset::GlobSetBuilder::new();
    for text in list {
        let trimmed = text.trim_start_matches("./").trim_end_matches('/');
        for pattern in [trimmed.to_owned(), format!("{trimmed}/**")] {
            let glob = globset::GlobBuilder::new(&pattern).literal_separator(true).build();
            set.add(glob.map_err(|e| Failure::usage(format!("{whence}: {e}")))?);
        }
    }
    set.build().map_err(|e| Failure::usage(format!("{whence}: {e}")))
}
