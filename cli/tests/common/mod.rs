//! Running the binary as a person does.

#![allow(dead_code)]

pub mod demo;
#[cfg(unix)]
pub mod envoy;
pub mod mesh;
pub mod played;
pub mod zipkin;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What `.ci/install-components` installed under a name. `None` where it is not there, which is said, and is a failure where
/// MESHCTL_COMPONENTS_REQUIRED is set to 1, as CI sets it.
#[allow(clippy::print_stderr)]
pub fn component(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root.join("target/components"), PathBuf::from);
    let found = std::fs::canonicalize(folder.join(name)).ok();
    if found.is_none() {
        let why = format!("no {name} in {}; .ci/install-components installs it where it can be had", folder.display());
        assert!(std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "{why}");
        eprintln!("SKIPPED: {why}");
    }
    found
}

/// What a run said.
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The findings of `-o json`.
    pub fn findings(&self) -> Vec<serde_json::Value> {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }
    /// `CODE Kind ns/name`, sorted as printed.
    pub fn found(&self) -> Vec<String> {
        self.findings().iter().map(|f| format!("{} {}", f["code"].as_str().unwrap_or(""), f["origin"].as_str().unwrap_or(""))).collect()
    }
}

pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command
        .current_dir(dir)
        .env_remove("MESHCTL_COMPAT")
        .env_remove("MESHCTL_NOW")
        .env_remove("MESHCTL_PROMETHEUS")
        .env_remove("CLICOLOR_FORCE")
        .env("NO_COLOR", "1");
    // Tests read the clusters that they name, never that of whoever runs them.
    command.env("KUBECONFIG", "/nonexistent/kubeconfig").env_remove("KUBERNETES_SERVICE_HOST");
    command.stdin(Stdio::null());
    command
}

pub fn meshctl(dir: &Path, args: &[&str]) -> Run {
    run(command(dir).args(args).output().expect("meshctl runs"))
}

pub fn meshctl_with_input(dir: &Path, args: &[&str], input: &str) -> Run {
    use std::io::Write;
    let mut child = command(dir).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("meshctl runs");
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    run(child.wait_with_output().expect("meshctl ends"))
}

pub fn run(output: Output) -> Run {
    Run {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A folder with files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), files);
    dir
}

pub fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folders");
        std::fs::write(path, text).expect("a file");
    }
}

/// A Service of namespace shop.
pub const REVIEWS: &str = "\
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {ports: [{name: http, port: 80}]}
";

/// A VirtualService with one Error: its destination does not exist.
pub const BROKEN: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: shop
spec:
  hosts: [reviews]
  http:
  - route:
    - destination:
        host: nowhere
";

/// Twice the same: one Warning.
pub const TWICE: &str = "\
apiVersion: v1
kind: ServiceAccount
metadata: {name: a, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: a, namespace: shop}
";
