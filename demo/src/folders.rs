//! Folders of the system's temporary one, for this user alone. Each has a file that its process holds locked: what a process that was killed
//! has left is known by it, and taken away by the next demo.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempDir};

/// How the names of all of them begin.
const PREFIX: &str = "meshctl-demo-";
/// The file that is locked. It is beside what the folder is for: who reads that finds nothing else.
const MARK: &str = ".meshctl-demo";

/// A folder that goes with this.
#[derive(Debug)]
pub struct Own {
    // It goes before the lock does: nobody else finds it without.
    _folder: TempDir,
    _lock: File,
    path: PathBuf,
}

impl Own {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes one; its name begins with `meshctl-demo-` and what it is for.
///
/// # Errors
/// A folder that can't be made.
pub fn own(what: &str) -> io::Result<Own> {
    let mut builder = Builder::new();
    // What the library makes others may list, as their umask lets them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let folder = builder.prefix(&format!("{PREFIX}{what}")).tempdir()?;
    // It gets its name when it is locked.
    let draft = folder.path().join(format!("{MARK}.new"));
    let lock = OpenOptions::new().write(true).create_new(true).open(&draft)?;
    lock.lock()?;
    fs::rename(&draft, folder.path().join(MARK))?;
    let path = folder.path().join(if what.is_empty() { "manifests" } else { what.trim_end_matches('-') });
    let mut make = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(&path)?;
    Ok(Own { _folder: folder, _lock: lock, path })
}

/// Removes what demos of this user that were killed have left in the system's temporary folder; how many folders.
pub fn sweep() -> usize {
    sweep_in(&std::env::temp_dir())
}

fn sweep_in(temporary: &Path) -> usize {
    let Ok(entries) = fs::read_dir(temporary) else { return 0 };
    let ours = entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX));
    ours.filter(|e| is_abandoned(&e.path()).is_ok_and(|it| it) && fs::remove_dir_all(e.path()).is_ok()).count()
}

/// Whether a folder is this user's, and of a demo that has ended. What has no mark, or another one, is nobody's.
fn is_abandoned(folder: &Path) -> io::Result<bool> {
    let (meta, mark) = (fs::symlink_metadata(folder)?, folder.join(MARK));
    if !meta.is_dir() || !fs::symlink_metadata(&mark)?.is_file() {
        return Ok(false);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let own = rustix::process::geteuid().as_raw();
        if meta.uid() != own || meta.mode() & 0o077 != 0 || fs::symlink_metadata(&mark)?.uid() != own {
            return Ok(false);
        }
    }
    // A lock goes with the process that has it, however that ends.
    Ok(OpenOptions::new().write(true).open(&mark)?.try_lock().is_ok())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn others_see_nothing() {
        let all = [own("test-").expect("a folder"), crate::mesh::folder(&[("a.yaml", String::new())]).expect("a folder")];
        for folder in all {
            let path = folder.path();
            assert_eq!(path.metadata().expect("a folder").permissions().mode() & 0o077, 0, "{path:?}");
        }
    }

    #[test]
    fn what_nobody_holds_any_more_is_taken_away_and_nothing_else() {
        let temporary = tempfile::tempdir().expect("a folder");
        let make = |name: &str, mode: u32, mark: &str| {
            let folder = temporary.path().join(name);
            fs::create_dir(&folder).expect("a folder");
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("a mode");
            fs::write(folder.join(mark), "").expect("a file");
            folder
        };
        let gone = make("meshctl-demo-x1", 0o700, MARK);
        let kept = [
            make("meshctl-demo-x2", 0o700, "other"),
            make("meshctl-demo-x3", 0o755, MARK),
            make("meshctl-other", 0o700, MARK),
            make("meshctl-demo-x4", 0o700, MARK),
        ];
        let lock = OpenOptions::new().write(true).open(kept[3].join(MARK)).expect("a file");
        lock.lock().expect("a lock");
        let elsewhere = tempfile::tempdir().expect("a folder");
        fs::write(elsewhere.path().join(MARK), "").expect("a file");
        std::os::unix::fs::symlink(elsewhere.path(), temporary.path().join("meshctl-demo-x5")).expect("a link");
        assert_eq!(sweep_in(temporary.path()), 1);
        assert!(!gone.exists() && kept.iter().all(|k| k.exists()) && elsewhere.path().join(MARK).exists());
        drop(lock);
        assert_eq!(sweep_in(temporary.path()), 1);
    }
}
