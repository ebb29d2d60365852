//! The tree of a git revision, laid out in a scratch folder. The repository itself is only read.

use crate::status::Failure;
use crate::worlds::{Plan, absolute};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

/// Files of a revision. The folder goes when this does.
pub struct Tree {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    /// Lays out the files at and below the paths, or all of them where a command may need any.
    pub fn new(revision: &str, plans: &[Plan]) -> Result<Tree, Failure> {
        let paths: Vec<&str> =
            plans.iter().flat_map(|p| p.paths.iter().chain(&p.consulted).chain(p.clusters.iter().map(|(_, dir)| dir))).map(String::as_str).collect();
        if paths.contains(&"-") {
            return Err(Failure::usage("--base needs files in a git repository, not standard input"));
        }
        let start = plans.iter().find_map(|p| p.command.as_ref().map(|c| c.dir.clone())).or_else(|| paths.first().map(|p| nearest_folder(Path::new(p))));
        let start = start.unwrap_or_else(|| PathBuf::from("."));
        let root =
            git(&start, &["rev-parse", "--show-toplevel"]).map_err(|e| Failure::usage(format!("--base: {} is in no git repository: {e}", start.display())))?;
        let root = absolute(Path::new(text(&root).trim_end()));
        let commit = git(&root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{revision}^{{commit}}")])
            .map_err(|_| Failure::usage(format!("--base: `{revision}` is no revision of {}", root.display())))?;
        let commit = text(&commit).trim().to_owned();
        let mut arguments = vec!["--literal-pathspecs".to_owned(), "ls-tree".into(), "-r".into(), "-z".into(), "--full-tree".into(), commit];
        if plans.iter().all(|p| p.command.is_none()) {
            arguments.push("--".into());
            for path in &paths {
                match inside(&root, Path::new(path)) {
                    Some(relative) if relative.as_os_str().is_empty() => {
                        arguments.truncate(7);
                        break;
                    }
                    Some(relative) => arguments.push(fixed_part(&relative).display().to_string()),
                    None => {}
                }
            }
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let list = git(&root, &arguments).map_err(|e| Failure::Other(format!("--base: {e}")))?;
        let folder = tempfile::Builder::new().prefix("meshctl-base-").tempdir().map_err(|e| Failure::Other(format!("--base: {e}")))?;
        let tree = Tree { folder, root };
        tree.write(&list)?;
        Ok(tree)
    }

    /// The plan with its paths in this tree. What is not there, or lies outside of the repository, is left as it is or out.
    pub fn plan(&self, plan: &Plan) -> Plan {
        let existing = |list: &[String]| list.iter().filter_map(|p| self.map(p)).collect();
        Plan {
            name: plan.name.clone(),
            paths: existing(&plan.paths),
            clusters: plan.clusters.iter().filter_map(|(name, dir)| Some((name.clone(), self.map(dir)?))).collect(),
            consulted: existing(&plan.consulted),
            command: plan.command.clone().map(|c| crate::worlds::Command { dir: self.map_path(&c.dir), words: c.words }),
            live: plan.live.clone(),
            complete: plan.complete,
            only: plan.only.iter().map(|p| self.map_path(p)).collect(),
        }
    }

    fn map(&self, path: &str) -> Option<String> {
        let mapped = self.map_path(Path::new(path));
        (mapped.exists() || path.contains(['*', '?', '['])).then(|| mapped.display().to_string())
    }

    pub fn map_path(&self, path: &Path) -> PathBuf {
        inside(&self.root, path).map_or_else(|| path.to_path_buf(), |relative| absolute(self.folder.path()).join(relative))
    }

    /// Writes the files of `git ls-tree -z`.
    fn write(&self, list: &[u8]) -> Result<(), Failure> {
        let fail = |e: std::io::Error| Failure::Other(format!("--base: {e}"));
        let mut blobs = Vec::new();
        for line in list.split(|b| *b == 0).filter(|l| !l.is_empty()) {
            let line = String::from_utf8_lossy(line);
            let Some((meta, path)) = line.split_once('\t') else { continue };
            let mut fields = meta.split(' ');
            let (Some(mode), Some("blob"), Some(id)) = (fields.next(), fields.next(), fields.next()) else { continue };
            let path = PathBuf::from(path);
            if path.components().all(|c| matches!(c, Component::Normal(_))) {
                blobs.push((mode == "120000", id.to_owned(), path));
            }
        }
        let mut child = Command::new("git")
            .arg("-C")
            .arg(&self.root)
            .args(["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(fail)?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::Other("--base: git has no pipes".to_owned()));
        };
        let wanted: String = blobs.iter().map(|(_, id, _)| format!("{id}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(wanted.as_bytes()));
        let mut reader = BufReader::new(stdout);
        for (is_link, _, path) in &blobs {
            let mut header = String::new();
            reader.read_line(&mut header).map_err(fail)?;
            let Some(size) = header.trim_end().rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()) else {
                return Err(Failure::Other(format!("--base: git has no text of {}", path.display())));
            };
            let mut bytes = vec![0; size + 1];
            reader.read_exact(&mut bytes).map_err(fail)?;
            bytes.truncate(size);
            let target = self.folder.path().join(path);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(fail)?;
            }
            if *is_link { link(path, &bytes, &target) } else { std::fs::write(&target, &bytes).map_err(fail)? }
        }
        drop(reader);
        let _ = writer.join();
        let _ = child.wait();
        Ok(())
    }
}

/// A link that stays inside of the tree.
fn link(path: &Path, target: &[u8], at: &Path) {
    let target = PathBuf::from(String::from_utf8_lossy(target).into_owned());
    let mut depth = path.components().count() as i64 - 1;
    for part in target.components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return,
        }
        if depth < 0 {
            return;
        }
    }
    #[cfg(unix)]
    let _ = std::os::unix::fs::symlink(target, at);
    #[cfg(not(unix))]
    let _ = (target, at);
}

fn git(dir: &Path, arguments: &[&str]) -> Result<Vec<u8>, String> {
    let output = Command::new("git")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .arg("-C")
        .arg(dir)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("git can't be run: {e}"))?;
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path relative to the root, though the file itself may be gone from the working tree.
fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    let full = std::path::absolute(path).ok()?;
    let existing = full.ancestors().find(|a| a.exists())?;
    let rest = full.strip_prefix(existing).ok()?;
    absolute(existing).join(rest).strip_prefix(root).ok().map(|p| p.components().collect())
}

fn nearest_folder(path: &Path) -> PathBuf {
    let full = std::path::absolute(path).unwrap_or_default();
    full.ancestors().find(|a| a.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The part of a glob before its first wildcard.
fn fixed_part(path: &Path) -> PathBuf {
    path.components().take_while(|c| !c.as_os_str().to_string_lossy().contains(['*', '?', '['])).collect()
}
