//! HTTP/2 as h2spec examines it. Needs the h2spec that `.ci/install-components` installs, and is skipped without it.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use crate::support;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Upstream, answer, bootstrap, cluster, manager, start};

fn find() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root.join("target/components"), PathBuf::from);
    let found = Some(folder.join("h2spec")).filter(|p| p.exists());
    // CI says so: there a comparison that is left out is a failure.
    assert!(found.is_some() || std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "no h2spec in {}", folder.display());
    found
}

#[test]
fn all_of_h2spec_passes() {
    let Some(h2spec) = find() else {
        eprintln!("SKIPPED: no h2spec; `.ci/install-components` installs one");
        return;
    };
    let up = Upstream::new(|_| answer(200, "", "hello, this is the upstream"));
    let routes = json!([{"match": {"prefix": "/"}, "route": {"cluster": "up"}}]);
    let proxy = start(bootstrap(&manager(routes, None), &[cluster("up", &[up.address])]));
    let port = proxy.address("l").expect("a listener").port().to_string();
    let out = Command::new(h2spec).args(["-h", "127.0.0.1", "-p", &port, "-o", "3"]).output().expect("h2spec");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("145 tests, 145 passed, 0 skipped, 0 failed"), "{}", text.split("Failures:").nth(1).unwrap_or(&text));
}
