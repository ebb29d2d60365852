//! `meshctl controlplane` as a user runs it.
#![allow(clippy::print_stdout)]

use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

struct Plane {
    process: Child,
    lines: mpsc::Receiver<String>,
    pages: String,
    /// The port of gRPC.
    xds: String,
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn meshctl() -> Command {
    Command::new(env!("CARGO_BIN_EXE_meshctl"))
}

impl Plane {
    fn start(arguments: &[&str]) -> Plane {
        let mut command = meshctl();
        command.arg("controlplane").args(arguments).args(["--xds", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = process.stderr.take().expect("stderr");
        let (to, lines) = mpsc::channel();
        std::thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|l| drop(to.send(l))));
        let mut plane = Plane { process, lines, pages: String::new(), xds: String::new() };
        let line = plane.line("debug pages on ");
        plane.pages = line.split("debug pages on ").nth(1).and_then(|l| l.split(';').next()).unwrap_or("").to_owned();
        plane.xds = line.split("xDS on 127.0.0.1:").nth(1).and_then(|l| l.split(',').next()).unwrap_or("").to_owned();
        plane
    }
    /// The next line that holds something.
    fn line(&self, part: &str) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).unwrap_or_else(|e| panic!("no line with {part:?}: {e}"));
            if line.contains(part) {
                return line;
            }
        }
    }
    fn end(&mut self) -> Option<i32> {
        let killed = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        self.process.wait().expect("an end").code()
    }
}

fn shop() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/controlplane/shop")).expect("the shop").flatten() {
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
    }
    dir
}

fn envoy() -> Option<PathBuf> {
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components"), PathBuf::from);
    let found = Some(folder.join("envoy")).filter(|p| p.exists());
    // CI says so: there a comparison that is left out is a failure.
    assert!(found.is_some() || std::env::var("MESHCTL_COMPONENTS_REQUIRED").as_deref() != Ok("1"), "no envoy in {}", folder.display());
    found
}

fn ps(pages: &str) -> (Option<i32>, String) {
    let output = meshctl().args(["ps", "--from", pages]).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn it_serves_until_it_is_told_to_end_and_says_what_it_can_not_read() {
    let (dir, tokens) = (shop(), tempfile::tempdir().expect("a folder"));
    let tokens_dir = tokens.path().join("t");
    let mut plane = Plane::start(&["--from", dir.path().to_str().expect("a path"), "--laptop", "ports", "--tokens", tokens_dir.to_str().expect("a path")]);
    let file = tokens_dir.join("shop/page");
    let end = Instant::now() + Duration::from_secs(30);
    while !file.exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let token = std::fs::read_to_string(&file).expect("a token");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(&tokens_dir).expect("a folder").permissions().mode() & 0o777, 0o700);
    }
    std::fs::write(dir.path().join("traffic.yaml"), "apiVersion: v1\nkind: [").expect("a file");
    let said = plane.line("traffic.yaml");
    assert!(said.contains("stays in force") && !said.contains(&token), "{said}");
    if let Some(program) = envoy() {
        let _envoy = sidecar(&program, &plane, &token);
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let (code, text) = ps(&plane.pages);
            if code == Some(0) && text.contains("page-v1.shop") {
                break;
            }
            assert!(Instant::now() < end, "{code:?} {text}");
            std::thread::sleep(Duration::from_millis(100));
        }
    } else {
        println!("SKIPPED in part: no Envoy; .ci/install-components installs it");
    }
    assert_eq!(plane.end(), Some(0));
}

/// An Envoy that ends with its value.
struct Sidecar(Child, #[allow(dead_code, reason = "kept until the end")] tempfile::TempDir);

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sidecar(program: &Path, plane: &Plane, token: &str) -> Sidecar {
    let folder = tempfile::tempdir().expect("a folder");
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/controlplane.md")).expect("the chapter");
    // The bootstrap of the documentation, with ports of this test.
    let text = page.split("```json\n").nth(1).and_then(|t| t.split("```").next()).expect("a bootstrap");
    let text = text.replace("reviews-v1", "page-v1").replace("\"reviews\"", "\"page\"").replace("reviews.shop", "page.shop").replace("TOKEN", token);
    let text = text.replace("\"port_value\": 15000", "\"port_value\": 0").replace("\"port_value\": 15010", &format!("\"port_value\": {}", plane.xds));
    let file = folder.path().join("bootstrap.json");
    std::fs::write(&file, text).expect("a bootstrap");
    let log = std::fs::File::create(folder.path().join("log")).expect("a log");
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
    Sidecar(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts"), folder)
}

/// The body of a page.
fn page(pages: &str, path: &str) -> String {
    let at = pages.trim_start_matches("http://");
    let Ok(mut stream) = std::net::TcpStream::connect(at) else { return String::new() };
    let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn what_can_not_be_served_is_refused() {
    let run = |arguments: &[&str]| {
        let output = meshctl().arg("controlplane").args(arguments).stdin(Stdio::null()).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = run(&["--from", "/nowhere"]);
    assert!(code == Some(65) && text.contains("/nowhere"), "{code:?} {text}");
    let dir = shop();
    let from = dir.path().to_str().expect("a path");
    let (code, text) = run(&["--from", from, "--xds", "0.0.0.0:0"]);
    assert!(code == Some(64) && text.contains("loopback"), "{code:?} {text}");
    let (code, text) = run(&["--from", from, "--cert-lifetime", "1s"]);
    assert!(code == Some(64) && text.contains("10s"), "{code:?} {text}");
    let file = dir.path().join("apps.yaml");
    let file = file.to_str().expect("a path");
    let (code, text) = run(&["--from", from, "--ca-cert", file, "--ca-key", file]);
    assert!(code == Some(65) && text.contains("no certificate"), "{code:?} {text}");
    assert_eq!(run(&["--from", from, "--ca-cert", file]).0, Some(64));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = taken.local_addr().expect("an address").to_string();
    let (code, text) = run(&["--from", from, "--xds", &at]);
    assert!(code == Some(1) && text.contains(&at), "{code:?} {text}");
}

#[test]
fn a_cluster_is_followed_and_a_change_reaches_the_pages_at_once() {
    let mut data = Data::default();
    let service =
        |name: &str| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]}});
    for (plural, kind, items) in
        [("services", "Service", vec![service("a")]), ("namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]), ("pods", "Pod", vec![])]
    {
        data.add(Resource { group: String::new(), version: "v1".into(), plural: plural.into(), kind: kind.into(), is_namespaced: kind != "Namespace", items });
    }
    let server = Server::start(data, Faults::default()).expect("a server");
    let dir = tempfile::tempdir().expect("a folder");
    let kubeconfig = dir.path().join("config");
    std::fs::write(&kubeconfig, server.kubeconfig("dev", "token", "shop")).expect("a kubeconfig");
    let mut plane = Plane::start(&["--from", "kube", "--kubeconfig", kubeconfig.to_str().expect("a path")]);
    let names = || {
        let page = page(&plane.pages, "/debug/registryz");
        ["a.shop.svc", "b.shop.svc", "c.shop.svc"].map(|n| page.contains(n))
    };
    let becomes = |wanted: [bool; 3]| {
        let start = Instant::now();
        while names() != wanted {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?} {:?}", names(), server.counts().requests());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    becomes([true, false, false]);
    server.apply("/v1/services", service("b"));
    becomes([true, true, false]);
    // What changes while the server is away is there afterwards, and nothing is lost meanwhile.
    server.while_away(|| {
        server.apply("/v1/services", service("c"));
        server.remove("/v1/services", "shop", "b");
    });
    becomes([true, false, true]);
    let lists = server.counts().requests().into_iter().filter(|r| r.starts_with("/api/v1/services?") && r.contains("sendInitialEvents")).count();
    assert_eq!(lists, 1, "{:?}", server.counts().requests());
    assert_eq!(plane.end(), Some(0));
}
