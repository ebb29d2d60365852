//! Dumps from folders, archives and live ports, and what `proxy-status` makes of them.

use crate::common;
use common::{Run, folder, meshctl};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn dumps() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/dumps")
}

fn at(args: &[&str]) -> Run {
    meshctl(&dumps(), &[args, &["--now", "2026-11-22T11:40:00Z"]].concat())
}

/// A bug report: the folder, packed.
fn bug_report() -> (tempfile::TempDir, String) {
    let dir = folder(&[]);
    let path = dir.path().join("bug-report.tar.gz");
    let file = std::fs::File::create(&path).expect("a file");
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    builder.append_dir_all("bug-report", dumps().join("mesh")).expect("packed");
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).expect("packed");
    (dir, path.display().to_string())
}

/// Answers by path, so many requests; what is not there is a 404 as Envoy's.
fn server(pages: Vec<(&'static str, String)>, requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for _ in 0..requests {
            let Ok((stream, _)) = listener.accept() else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut reader = BufReader::new(stream);
            let mut first = String::new();
            let _ = reader.read_line(&mut first);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let path = first.split(' ').nth(1).unwrap_or("");
            let (status, body) =
                pages.iter().find(|(p, _)| path.starts_with(p)).map_or(("404 Not Found", "invalid path. admin commands are:\n"), |(_, b)| ("200 OK", b));
            let _ = write!(reader.get_mut(), "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    });
    url
}

fn page(path: &str) -> String {
    std::fs::read_to_string(dumps().join(path)).expect("a page")
}

#[test]
fn a_proxy_of_several_is_named() {
    let (_dir, archive) = bug_report();
    for source in ["mesh", archive.as_str()] {
        let run = at(&["pc", "cluster", "web-1.web", "--from", source]);
        assert!(run.status == 0 && run.out.contains("reviews.shop.svc.cluster.local"), "{source}: {}{}", run.out, run.err);
        let run = at(&["pc", "listener", "web-1", "-n", "web", "-f", source]);
        assert!(run.status == 0 && run.out.contains("0.0.0.0_81"), "{source}: {}{}", run.out, run.err);
        let run = at(&["pc", "endpoint", "web-1", "-f", source]);
        assert!(run.out.contains("10.0.0.9:9080"), "{source}: {}{}", run.out, run.err);
        let several = at(&["pc", "cluster", "-f", source]);
        assert!(several.status == 64 && several.err.contains("  cart-1.shop") && several.err.contains("  web-1.web"), "{source}: {}", several.err);
        let other = at(&["pc", "cluster", "db-1", "-f", source]);
        assert!(other.status == 1 && other.err.contains("nothing of db-1"), "{source}: {}", other.err);
        let check = at(&["authz", "check", "web-1", "-f", source]);
        assert_eq!(check.status, 0, "{source}: {}", check.err);
    }
    let run = at(&["pc", "cluster", "mesh/proxies/shop/cart-1/config_dump"]);
    assert!(run.status == 64 && run.err.contains("did you mean --from mesh/proxies/shop/cart-1/config_dump"), "{}", run.err);
    let run = at(&["pc", "cluster", "-f", "mesh/istio/istio-system/istiod-1/debug/syncz"]);
    assert!(run.status == 65 && run.err.contains("istiod's sync state"), "{}", run.err);
}

#[test]
fn a_live_port_is_asked_and_watched() {
    let dump = || page("mesh/proxies/shop/cart-1/config_dump");
    let url = server(vec![("/config_dump?mask=static_clusters,dynamic_active_clusters,dynamic_warming_clusters", dump())], 1);
    let run = at(&["pc", "cluster", "--from", &url]);
    assert!(run.status == 0 && run.out.contains("reviews.shop.svc.cluster.local"), "{}{}", run.out, run.err);

    // Nobody is there any more.
    let run = at(&["pc", "cluster", "--from", &url]);
    assert!(run.status == 1 && run.err.contains("does not answer"), "{}", run.err);

    let run = at(&["zc", "workload", "--from", &server(vec![("/config_dump", dump())], 1)]);
    assert!(run.status == 65 && run.err.contains("an Envoy config dump"), "{}", run.err);

    let run = at(&["pc", "log", "--from", &server(vec![("/logging", "active loggers:\n  admin: info\u{1b}\n".into())], 1)]);
    assert!(run.status == 0 && run.out.contains("admin   info") && !run.out.contains('\u{1b}'), "{}{}", run.out, run.err);

    // Levels are changed with --yes only, and what undoes it is told.
    let levels = || ("/logging", "active loggers:\n  admin: warning\n  http: info\n".to_owned());
    let run = at(&["pc", "log", "--level", "http:debug", "--from", &server(vec![levels()], 1)]);
    assert!(run.status == 64 && run.out.is_empty() && run.err.contains("/logging?paths=http:debug") && run.err.contains("--level http:info"), "{}", run.err);
    let changed = ("/logging?paths=http:debug", "active loggers:\n  admin: warning\n  http: debug\n".to_owned());
    let run = at(&["pc", "log", "--level", "http:debug", "--yes", "--from", &server(vec![changed, levels()], 2)]);
    assert!(run.status == 0 && run.out.contains("http    debug") && run.err.contains("undo it with"), "{}{}", run.out, run.err);
    let run = at(&["pc", "log", "--level", "htp:debug", "--yes", "--from", &server(vec![levels()], 1)]);
    assert!(run.status == 64 && run.err.contains("did you mean `http`?"), "{}", run.err);
    let run = at(&["pc", "log", "--level", "loud", "--yes", "--from", "secrets.json"]);
    assert!(run.status == 64 && run.err.contains("`loud` is no level"), "{}", run.err);
    let run = at(&["pc", "log", "--reset", "--yes", "--from", "secrets.json"]);
    assert!(run.status == 64 && run.err.contains("live admin port"), "{}", run.err);

    // ztunnel adds to the levels that it started with, and goes back to info.
    let ztunnel = || ("/logging", "current log level is hyper=error,info\n".to_owned());
    let run = at(&["zc", "log", "--level", "ztunnel::proxy:debug,warn", "--from", &server(vec![ztunnel()], 1)]);
    assert!(run.status == 64 && run.err.contains("takes LEVEL or LOGGER:LEVEL"), "{}", run.err);
    let run = at(&["zc", "log", "--level", "ztunnel::proxy:debug", "--from", &server(vec![ztunnel()], 1)]);
    assert!(run.status == 64 && run.err.contains("/logging?level=ztunnel::proxy:debug") && run.err.contains("--reset --yes"), "{}", run.err);
    let changed = ("/logging?level=warn", "current log level is hyper=error,warn\n".to_owned());
    let run = at(&["zc", "log", "--level", "warning", "--yes", "--from", &server(vec![changed, ztunnel()], 2)]);
    assert!(run.status == 0 && run.out.contains("*       warn"), "{}{}", run.out, run.err);
    let run = at(&["zc", "log", "--reset", "--yes", "--from", &server(vec![("/logging?level=info&reset", ztunnel().1), ztunnel()], 2)]);
    assert!(run.status == 0 && run.out.contains("*       info"), "{}{}", run.out, run.err);
    let run = at(&["zc", "log", "--level", "critical", "--yes", "--from", &server(vec![ztunnel()], 1)]);
    assert!(run.status == 64 && run.err.contains("no level `critical`"), "{}", run.err);

    // Two answers that are the same are shown once; then the proxy is gone.
    let run = at(&["pc", "cluster", "--watch=0.01", "--from", &server(vec![("/config_dump", dump())], 2)]);
    assert!(run.status == 1 && run.out.matches("SERVICE FQDN").count() == 1, "{}{}", run.out, run.err);
    let run = at(&["pc", "cluster", "--watch", "-f", "secrets.json"]);
    assert!(run.status == 64 && run.err.contains("live sources"), "{}", run.err);

    // istiod knows what it would send.
    let view = page("mesh/istio/istio-system/istiod-1/debug/config_dump?proxyID=cart-1.shop");
    let run = at(&["pc", "listener", "cart-1.shop", "--from", &server(vec![("/debug/config_dump?proxyID=cart-1.shop", view)], 2)]);
    assert!(run.status == 0 && run.out.contains("0.0.0.0_80"), "{}{}", run.out, run.err);
}

/// The arguments of the commands that the terminal UI's text ends proxies with.
fn commands(text: &str) -> Vec<Vec<&str>> {
    text.lines().filter_map(|l| l.trim_start().strip_prefix("more: meshctl ")).map(|l| l.split(' ').collect()).collect()
}

#[test]
fn the_terminal_ui_opens_what_proxy_config_reads() {
    let (_dir, archive) = bug_report();
    let tui = |source: &str| at(&["tui", "--no-tui", "--open", "proxies", source]);
    let dump = "mesh/proxies/web/web-1/config_dump";
    for (source, names) in [("mesh", &["cart-1.shop", "web-1.web"][..]), (archive.as_str(), &["cart-1.shop", "web-1.web"]), (dump, &["web-1.web"])] {
        let run = tui(source);
        assert!(names.iter().all(|n| run.out.contains(n)), "{source}: {}{}", run.out, run.err);
        let commands = commands(&run.out);
        assert_eq!(commands.len(), names.len(), "{source}: {}", run.out);
        for command in commands {
            let more = at(&command);
            // A dump without certificates or endpoints answers in part.
            assert!([0, 75].contains(&more.status) && more.out.contains("LISTENER"), "{command:?}: {}{}", more.out, more.err);
        }
    }
    let url = server(vec![("/config_dump?include_eds", page(dump)), ("/clusters?format=json", page("mesh/proxies/web/web-1/clusters"))], 2);
    let run = tui(&url);
    assert!(run.out.contains("web-1.web") && commands(&run.out) == [["proxy-config", "all", "--from", &url]], "{}{}", run.out, run.err);

    // What istiod would send is not what the proxy holds.
    let run = tui("mesh/istio/istio-system/istiod-1");
    assert!(run.out.contains("cart-1.shop") && run.out.contains("not available: what the proxy holds"), "{}{}", run.out, run.err);

    // What can't be shown or read is named, and the rest goes on.
    let gone = server(Vec::new(), 0);
    for (source, why) in [("ztunnel.json", "this is a ztunnel config dump, which the terminal UI does not show"), (gone.as_str(), "does not answer")] {
        let run = at(&["tui", "--no-tui", source, dump]);
        assert_eq!(run.status, 65, "{}{}", run.out, run.err);
        assert!(run.out.contains(&format!("{source}: not read: ")) && run.out.contains(why), "{}{}", run.out, run.err);
        assert!(run.out.contains(&format!("{dump}: 1 proxy")), "{}", run.out);
    }
}

#[test]
fn proxy_status_says_what_was_rejected_and_what_is_stale() {
    let (_dir, archive) = bug_report();
    for source in ["mesh", archive.as_str()] {
        let run = at(&["ps", "--from", source]);
        assert_eq!(run.status, 79, "{}{}", run.out, run.err);
        let line = |name: &str| run.out.lines().find(|l| l.starts_with(name)).unwrap_or("").to_owned();
        assert!(
            line("cart-1.shop").contains("NACK 5m") && line("cart-1.shop").contains("LDS rejected 0.0.0.0_80: cannot bind '0.0.0.0:80': Permission denied"),
            "{}",
            run.out
        );
        assert!(line("web-1.web").contains("STALE 90s") && line("web-1.web").contains("istiod-1"), "{}", run.out);
    }
    let json = at(&["ps", "--from", "mesh", "-o", "json", "-n", "shop"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((value["complete"].as_bool(), value["proxies"].as_array().map(Vec::len)), (Some(true), Some(1)));
    // From the dumps alone: what is held, and what was rejected.
    let own = at(&["ps", "--from", "mesh/proxies"]);
    assert!(own.status == 79 && own.out.contains("HELD") && own.out.contains("Permission denied"), "{}", own.out);
    // From istiod alone, live.
    let run = at(&["ps", "--from", &server(vec![("/debug/syncz", page("mesh/istio/istio-system/istiod-1/debug/syncz"))], 1)]);
    assert!(run.status == 79 && run.out.contains("STALE"), "{}{}", run.out, run.err);
    // An Envoy has no such page: its own state is shown.
    let run = at(&["ps", "--from", &server(vec![("/config_dump", page("mesh/proxies/web/web-1/config_dump"))], 2)]);
    assert!(run.status == 0 && run.out.contains("web-1.web"), "{}{}", run.out, run.err);
    assert_eq!(at(&["ps"]).status, 64);
    assert_eq!(at(&["ps", "--from", "ztunnel.json"]).status, 65);
}

#[test]
fn a_source_that_does_not_answer_costs_its_own_line_and_all_of_them_the_answer() {
    let closed = || server(Vec::new(), 0);
    let web = server(vec![("/config_dump", page("mesh/proxies/web/web-1/config_dump"))], 2);
    let (gone, other) = (closed(), closed());
    let run = at(&["ps", "--from", &web, "--from", &gone]);
    assert!(run.status == 75 && run.out.contains("web-1.web") && run.err.contains(&format!("not seen: {gone}")), "{} {}{}", run.status, run.out, run.err);
    let run = at(&["ps", "--from", &gone, "--from", &other]);
    assert!(run.status == 1 && run.err.contains(&gone) && run.err.contains(&other), "{} {}{}", run.status, run.out, run.err);
}

#[test]
fn proxy_status_prints_as_istioctl_does() {
    let run = at(&["ps", "--from", "syncz-xds.json", "--compat", "istioctl"]);
    let want = "\
NAME            CLUSTER        ISTIOD       VERSION     SUBSCRIBED TYPES
cart-1.shop     Kubernetes     istiod-1     1.30.1      2 (CDS,LDS)
web-1.web       Kubernetes     istiod-1     1.30.1      3 (CDS,EDS,RDS)
";
    assert_eq!((run.status, run.out.as_str()), (0, want), "{}", run.err);
    assert!(at(&["ps", "--from", "syncz-xds.json", "--compat", "istioctl", "-o", "json"]).out.contains("\"typeUrl\": \"istio.io/debug/syncz\""));
    let ours = at(&["ps", "--from", "syncz-xds.json"]);
    assert!(ours.status == 79 && ours.out.contains("LDS rejected: cannot bind"), "{}", ours.out);
    let run = at(&["ps", "web-1", "--from", "mesh", "--compat", "istioctl"]);
    assert!(run.status == 1 && run.err.contains("istiod's view"), "{}", run.err);
    let run = at(&["ps", "cart-1", "--from", "mesh", "--compat", "istioctl"]);
    assert!(
        run.out.starts_with("Clusters Don't Match\n")
            && run.out.ends_with("Listeners Match\nRoutes Match (RDS last loaded at Sun, 22 Nov 2026 11:30:00 UTC)\n"),
        "{}",
        run.out
    );
}

#[test]
fn differences_are_told_by_resource_and_field() {
    let run = at(&["ps", "cart-1.shop", "--from", "mesh"]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    assert!(run.out.contains("cluster outbound|80||reviews.shop.svc.cluster.local:\n  connectTimeout: \"2s\" -> \"1s\"\n1 differs, 2 the same"), "{}", run.out);

    let (a, b) = ("mesh/proxies/shop/cart-1/config_dump", "mesh/proxies/web/web-1/config_dump");
    for args in [&["ps", a, b][..], &["snapshot", "diff", a, b], &["ps", "cart-1", "web-1", "--from", "mesh"]] {
        let run = at(args);
        assert_eq!(run.status, 79, "{args:?}: {}{}", run.out, run.err);
        assert!(run.out.contains("connectTimeout: \"1s\" -> \"5s\"") && run.out.contains("listener 0.0.0.0_81: only in "), "{args:?}: {}", run.out);
    }
    assert_eq!(at(&["snapshot", "diff", a, a]).status, 0);
    let json: serde_json::Value = serde_json::from_str(&at(&["snapshot", "diff", a, b, "-o", "json"]).out).expect("JSON");
    assert!(json["differences"].as_array().is_some_and(|list| list.iter().any(|d| d["onlyIn"] == "right")), "{json}");
    // A section that one lacks is no difference, and is said.
    let run = at(&["snapshot", "diff", a, "secrets.json"]);
    assert!(run.err.contains("not seen") && run.err.contains("SecretsConfigDump"), "{}", run.err);
    assert!(!format!("{}{}", run.out, run.err).contains("hunter2"));
    assert_eq!(at(&["snapshot", "diff", a, "ztunnel.json"]).status, 65);
    assert_eq!(at(&["snapshot", "diff", a, "mesh"]).status, 64);
}

#[test]
fn what_could_not_be_read_beside_the_answer_is_said() {
    let dir = folder(&[("web/config_dump.json", &page("mesh/proxies/web/web-1/config_dump"))]);
    std::fs::write(dir.path().join("web/clusters.json"), b"{\"cluster_statuses\": [\xff]}").expect("a file");
    let source = dir.path().display().to_string();
    let run = at(&["pc", "cluster", "--from", &source]);
    assert!(run.status == 75 && run.out.contains("reviews") && run.err.contains("no UTF-8"), "{}{}", run.out, run.err);
}
