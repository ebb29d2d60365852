//! Folders of the system's temporary one, for this user alone.

use std::io;
use tempfile::{Builder, TempDir};

/// Makes one that goes with what is returned; its name begins with `prefix`.
///
/// # Errors
/// A folder that can't be made.
pub fn own(prefix: &str) -> io::Result<TempDir> {
    let mut builder = Builder::new();
    // What the library makes others may list, as their umask lets them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.prefix(prefix).tempdir()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn others_see_nothing() {
        let all = [super::own("meshctl-demo-test-").expect("a folder"), crate::mesh::folder(&[("a.yaml", String::new())]).expect("a folder")];
        for folder in all {
            assert_eq!(folder.path().metadata().expect("a folder").permissions().mode() & 0o077, 0, "{folder:?}");
        }
    }
}
