//! Commands on the admin port of a real Envoy 1.40, over TCP and over a Unix socket, and what `pc log` changes there.

// It says when it is skipped.
#![allow(clippy::print_stdout)]

mod common;

use common::{Run, folder, meshctl};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The Envoy that `.ci/install-components` installed; `None` where there is none.
fn find() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root.join("target/components"), PathBuf::from);
    Some(folder.join("envoy")).filter(|p| p.exists())
}

struct Envoy {
    process: Child,
    folder: tempfile::TempDir,
    /// As `--from` takes it.
    admin: String,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the admin port of a started Envoy is.
#[derive(Clone, Copy)]
enum Admin {
    Tcp,
    Unix,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a port").port()
}

fn start(program: &Path, admin: Admin) -> Envoy {
    let folder = folder(&[]);
    let socket = folder.path().join("admin.sock").display().to_string();
    let port = free_port();
    let (address, source) = match admin {
        Admin::Tcp => (format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}"), format!("http://127.0.0.1:{port}")),
        Admin::Unix => (format!("{{pipe: {{path: {socket}}}}}"), format!("unix:{socket}")),
    };
    let bootstrap = format!(
        "\
node: {{id: sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local, cluster: cart}}
admin: {{address: {address}}}
static_resources:
  listeners:
  - name: front
    address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: front
          cluster: outbound|80||reviews.shop.svc.cluster.local
  clusters:
  - name: outbound|80||reviews.shop.svc.cluster.local
    type: STATIC
    load_assignment:
      cluster_name: outbound|80||reviews.shop.svc.cluster.local
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]
",
        free_port()
    );
    common::write(folder.path(), &[("bootstrap.yaml", &bootstrap)]);
    let log = std::fs::File::create(folder.path().join("envoy.log")).expect("a log");
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.path().join("bootstrap.yaml")).args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts");
    let mut envoy = Envoy { process, folder, admin: source };
    let until = Instant::now() + Duration::from_secs(60);
    let answers = || match admin {
        Admin::Tcp => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok_and(ready),
        Admin::Unix => std::os::unix::net::UnixStream::connect(&socket).is_ok_and(ready),
    };
    while !answers() {
        let gone = envoy.process.try_wait().ok().flatten();
        let said = || std::fs::read_to_string(envoy.folder.path().join("envoy.log")).unwrap_or_default();
        assert!(gone.is_none() && Instant::now() < until, "Envoy is not ready: {}", said());
        std::thread::sleep(Duration::from_millis(50));
    }
    envoy
}

/// Whether Envoy serves, by its own word.
fn ready(mut stream: impl Read + Write) -> bool {
    let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("LIVE")
}

impl Envoy {
    fn ask(&self, args: &[&str]) -> Run {
        meshctl(self.folder.path(), &[args, &["--from", &self.admin]].concat())
    }

    /// The levels by `pc log`.
    fn levels(&self) -> serde_json::Value {
        let run = self.ask(&["pc", "log", "-o", "json"]);
        assert_eq!(run.status, 0, "{}", run.err);
        serde_json::from_str(&run.out).expect("JSON")
    }
}

#[test]
fn an_admin_port_is_read_and_only_its_levels_are_changed() {
    let Some(program) = find() else {
        println!("SKIPPED: there is no Envoy; .ci/install-components installs one");
        return;
    };
    for admin in [Admin::Tcp, Admin::Unix] {
        let envoy = start(&program, admin);
        let before = envoy.levels();
        assert!(before["http"] == "warning" && before["rbac"] == "warning", "{before}");

        // Without --yes nothing changes, and what undoes it is told.
        let asked = envoy.ask(&["pc", "log", "--level", "http:debug,rbac:trace"]);
        assert!(asked.status == 64 && asked.err.contains("--level http:warning,rbac:warning --yes"), "{}", asked.err);
        assert_eq!(envoy.levels(), before);

        let changed = envoy.ask(&["pc", "log", "--level", "http:debug,rbac:trace", "--yes"]);
        assert!(changed.status == 0 && changed.err.contains("changes 2 of"), "{}{}", changed.out, changed.err);
        let now = envoy.levels();
        assert!(now["http"] == "debug" && now["rbac"] == "trace" && now["router"] == "warning", "{now}");

        // The command that was told undoes it.
        let undo = changed.err.lines().find_map(|l| l.split_once("undo it with: meshctl ")).map(|(_, c)| c.to_owned()).expect("a way back");
        let undone = meshctl(envoy.folder.path(), &undo.split(' ').collect::<Vec<_>>());
        assert_eq!((undone.status, envoy.levels()), (0, before.clone()), "{undo}: {}", undone.err);

        let all = envoy.ask(&["pc", "log", "--level", "error", "--yes"]);
        assert!(all.status == 0 && envoy.levels()["http"] == "error", "{}{}", all.out, all.err);
        let reset = envoy.ask(&["pc", "log", "--reset", "--yes"]);
        assert_eq!((reset.status, envoy.levels()), (0, before.clone()), "{}", reset.err);

        for (args, says) in [
            (&["pc", "cluster"][..], "reviews.shop.svc.cluster.local"),
            (&["pc", "listener"], "front"),
            (&["pc", "endpoint"], "127.0.0.1:9"),
            (&["pc", "bootstrap"], "cart-1.shop"),
            // Several sections at once, of which Envoy takes no mask.
            (&["pc", "cluster", "-o", "wide"], "1/1"),
            (&["ps"], "cart-1.shop"),
        ] {
            let run = envoy.ask(args);
            assert!(run.status == 0 && run.out.contains(says), "{args:?}: {} {}{}", run.status, run.out, run.err);
        }
        // It has no route configuration: that is said, and what there is is printed.
        let routes = envoy.ask(&["pc", "route"]);
        assert!(routes.status != 0 && routes.out.is_empty(), "{} {}{}", routes.status, routes.out, routes.err);
        let all = envoy.ask(&["pc", "all"]);
        assert!(all.status == 75 && all.out.contains("front") && all.err.contains("RoutesConfigDump"), "{} {}{}", all.status, all.out, all.err);
        let same = meshctl(envoy.folder.path(), &["snapshot", "diff", &envoy.admin, &envoy.admin]);
        assert!(same.status == 0 && same.out.contains("the same"), "{}{}", same.out, same.err);
    }
}
