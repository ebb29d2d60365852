//! `meshctl why` and `mtls` beside sources that never answer, drip, or answer with rubbish: the rest counts, and they are named.

use crate::common;
use common::{BROKEN, REVIEWS, Run, command, folder, run};
use mesh_testserver::admin::Admin;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// Longer than what is given to sources on a busy machine, shorter than their usual limits.
const BOUND: Duration = Duration::from_secs(40);
/// No test needs a server for longer.
const LIFE: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, Debug)]
enum Manner {
    Silent,
    /// The beginning of an answer, and then a byte a second.
    Dripping,
    Rubbish,
}

const MANNERS: [Manner; 3] = [Manner::Silent, Manner::Dripping, Manner::Rubbish];

/// A server that answers each connection so. It ends with the test's process.
fn server(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(answer(stream, manner)));
        }
    });
    address
}

fn answer(mut stream: TcpStream, manner: Manner) -> std::io::Result<()> {
    let until = Instant::now() + LIFE;
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    match manner {
        Manner::Silent => std::thread::sleep(LIFE),
        Manner::Dripping => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{")?;
            while Instant::now() < until {
                stream.write_all(b" ")?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        Manner::Rubbish => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n\x1b[31m{\"data\":[}]\xff\x00")?,
    }
    Ok(())
}

fn ask(dir: &Path, args: &[&str]) -> Run {
    let began = Instant::now();
    let run = run(command(dir).env("KUBECONFIG", dir.join("kubeconfig")).args(args).output().expect("meshctl runs"));
    assert!(began.elapsed() < BOUND, "{args:?} took {:?}: {}", began.elapsed(), run.err);
    assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'), "{:?}{:?}", run.out, run.err);
    run
}

fn kubeconfig(server: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: dev\nclusters: [{{name: c, cluster: {{server: 'http://{server}'}}}}]\nusers: [{{name: u, user: {{}}}}]\ncontexts: [{{name: dev, context: {{cluster: c, user: u}}}}]\n"
    )
}

#[test]
fn a_prometheus_without_sense_costs_the_traffic_alone() {
    let dir = folder(&[("broken.yaml", &format!("{REVIEWS}---\n{BROKEN}")), ("fine.yaml", REVIEWS)]);
    for manner in MANNERS {
        let url = format!("http://{}", server(manner));
        let run = ask(dir.path(), &["why", "-f", "broken.yaml", "--prometheus", &url, "--within", "1s"]);
        assert!(run.status == 79 && run.out.contains("VirtualService shop/reviews"), "{manner:?}: {} {}{}", run.status, run.out, run.err);
        let said = format!("note: prometheus {url}: ");
        assert!(run.err.contains(&said) && run.err.contains("; without it which calls fail was not seen"), "{manner:?}: {}", run.err);
        let run = ask(dir.path(), &["why", "-f", "fine.yaml", "--prometheus", &url, "--within", "1s", "-o", "json"]);
        let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        assert!(run.status == 75 && value["complete"] == false, "{manner:?}: {} {}", run.status, run.out);
        // Nothing else was asked: there is no answer.
        let run = ask(dir.path(), &["why", "--prometheus", &url, "--within", "1s"]);
        assert!(run.status == 1 && run.err.contains(&url), "{manner:?}: {} {}", run.status, run.err);
        // The same beside what `mtls` reads from objects.
        let run = ask(dir.path(), &["mtls", "-f", "fine.yaml", "--prometheus", &url, "--within", "1s"]);
        assert!(run.status == 75 && run.err.contains(&url) && run.err.contains("what came in plaintext was not seen"), "{manner:?}: {}", run.err);
    }
}

#[test]
fn a_server_of_traces_without_sense_costs_the_traces_alone() {
    let dir = folder(&[("broken.yaml", &format!("{REVIEWS}---\n{BROKEN}")), ("fine.yaml", REVIEWS)]);
    for manner in MANNERS {
        let url = format!("http://{}", server(manner));
        let run = ask(dir.path(), &["why", "-f", "broken.yaml", "--jaeger", &url, "--within", "1s"]);
        assert!(run.status == 79 && run.out.contains("VirtualService shop/reviews"), "{manner:?}: {} {}{}", run.status, run.out, run.err);
        let said =
            run.err.lines().any(|l| l.starts_with("note: traces of ") && l.contains(&url) && l.contains("who does not hand trace headers on was not seen"));
        assert!(said, "{manner:?}: {}", run.err);
        // A request that is asked about, or one service, has nothing to do with it.
        let run = ask(dir.path(), &["why", "reviews", "-f", "fine.yaml", "--jaeger", &url, "--within", "1s"]);
        assert!(!run.err.contains(&url), "{manner:?}: {}", run.err);
    }
}

#[test]
fn proxies_and_clusters_without_sense_cost_their_part() {
    let clusters = r#"{"cluster_statuses": [{"name": "outbound|80||reviews.shop.svc.cluster.local"}]}"#;
    let pages = [("/clusters".to_owned(), clusters.to_owned()), ("/stats".to_owned(), "control_plane.connected_state: 0\n".to_owned())].into();
    let good = Admin::start(pages).expect("an admin port");
    let good = format!("web.shop=http://{}", good.address());
    for manner in MANNERS {
        let port = format!("cart.shop=http://{}", server(manner));
        let dir = folder(&[("broken.yaml", &format!("{REVIEWS}---\n{BROKEN}")), ("kubeconfig", &kubeconfig(server(manner)))]);
        // The good one has to answer within it, on a busy machine as well.
        let run = ask(dir.path(), &["why", "-f", "broken.yaml", "-f", &port, "-f", &good, "--within", "10s"]);
        assert!(run.status == 79 && run.err.contains("note: proxy cart.shop: "), "{manner:?}: {} {}{}", run.status, run.out, run.err);
        // What the others say counts.
        assert!(run.out.contains("have lost it") && run.out.contains("web.shop"), "{manner:?}: {}{}", run.out, run.err);
        let run = ask(dir.path(), &["why", "-f", "broken.yaml", "-f", "kube", "--within", "1s"]);
        let is_named = run.err.lines().any(|l| l.contains("note: ") && (l.contains("cluster dev") || l.contains("kube")));
        assert!(run.status == 79 && run.out.contains("VirtualService shop/reviews") && is_named, "{manner:?}: {} {}{}", run.status, run.out, run.err);
        let run = ask(dir.path(), &["why", "-f", "kube", "--within", "1s"]);
        assert!(run.status == 1 && run.err.contains("error: "), "{manner:?}: {} {}", run.status, run.err);
    }
}
