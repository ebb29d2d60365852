//! `cargo xtask bench why [SERVICES] [BINARY]`: what `meshctl why` costs on a mesh of 300 services: a cluster with their objects played by the
//! test API server, a Prometheus with a call in ten that fails, an admin port for each service; then with sources that never answer.

use super::analyze::{measure, status};
use super::cluster::objects;
use crate::{Outcome, root};
use mesh_collectors::telemetry::serve::{Limits as Serve, serve};
use mesh_metrics::promql::Options;
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_testserver::apiserver::{Faults, Server};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

const RUNS: usize = 3;
/// Services that each one calls.
const CALLS: usize = 5;

pub fn run(args: &[String]) -> Outcome {
    let services: usize = match args.first() {
        None => 300,
        Some(n) => n.parse().map_err(|_| format!("`{n}` is no number of services"))?,
    };
    let binary = match args.get(1) {
        Some(path) => PathBuf::from(path),
        None => {
            status(Command::new("cargo").args(["build", "--release", "--package", "meshctl"]).current_dir(root()))?;
            root().join("target/release/meshctl")
        }
    };
    let scratch = root().join("target/bench");
    std::fs::create_dir_all(&scratch).map_err(|e| e.to_string())?;
    let server = Server::start(objects(services), Faults::default()).map_err(|e| e.to_string())?;
    let kubeconfig = scratch.join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig("bench", "token", "ns-0")).map_err(|e| e.to_string())?;
    let prometheus = prometheus(services)?;
    let silent = listener(&|_| std::thread::sleep(std::time::Duration::from_secs(600)))?;
    let pages = Arc::new(pages(services)?);
    let mut proxies = Vec::new();
    for i in 0..services {
        let pages = Arc::clone(&pages);
        let address = listener(&move |stream| _ = answer(stream, &pages))?;
        proxies.extend(["-f".to_owned(), format!("svc-{i}-0.ns-{}=http://{address}", i / 20)]);
    }
    let url = |address: SocketAddr| vec!["--prometheus".to_owned(), format!("http://{address}")];
    let (kube, dead) = (["-f".to_owned(), "kube".to_owned()], ["-f".to_owned(), format!("silent.ns-0=http://{silent}")]);
    let all = |metrics: SocketAddr, more: &[String]| [url(metrics), kube.to_vec(), proxies.clone(), more.to_vec()].concat();
    // It is told where the cluster is by its environment.
    println!("{services} services, {} pods, {} admin ports; {} bytes a proxy", 2 * services, services, pages.iter().map(|(_, p)| p.len()).sum::<usize>());
    for (name, sources) in [
        ("all sources answer", all(prometheus, &[])),
        ("one proxy is silent", all(prometheus, &dead)),
        ("the Prometheus is silent", all(silent, &[])),
        ("manifests' part alone: the cluster", kube.to_vec()),
    ] {
        let words: Vec<String> = ["/usr/bin/env".to_owned(), format!("KUBECONFIG={}", kubeconfig.display()), binary.display().to_string(), "why".to_owned()]
            .into_iter()
            .chain(sources)
            .chain(["-o".to_owned(), "json".to_owned()])
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (mut cpu, mut wall, mut mib, mut ended) = (f64::INFINITY, f64::INFINITY, 0.0f64, 0);
        for _ in 0..RUNS {
            let cost = measure(&scratch.join("answer"), &PathBuf::from(words[0]), &words[1..])?;
            (cpu, wall, mib, ended) = (cpu.min(cost.cpu), wall.min(cost.wall), mib.max(cost.mib), cost.status);
        }
        let answer = std::fs::read_to_string(scratch.join("answer")).map_err(|e| e.to_string())?;
        let value: serde_json::Value = serde_json::from_str(&answer).map_err(|e| e.to_string())?;
        let count = |key: &str| value[key].as_array().map_or(0, Vec::len);
        println!(
            "{name}: {wall:.2} s on the clock, {cpu:.2} s CPU, {mib:.0} MiB, exit status {ended}; {} lines, {} faults, {} problems, complete: {}",
            count("lines"),
            count("faults"),
            count("problems"),
            value["complete"]
        );
        value["problems"].as_array().into_iter().flatten().filter_map(|p| p.as_str()).for_each(|p| println!("    {p}"));
    }
    Ok(())
}

/// A server that does so with each connection, until this process ends.
fn listener(serve: &(impl Fn(TcpStream) + Clone + Send + 'static)) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    let serve = serve.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// The first page whose path the request's begins with.
fn answer(mut stream: TcpStream, pages: &[(&str, String)]) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request)?;
    let line = String::from_utf8_lossy(&request[..read]).into_owned();
    let path = line.split(' ').nth(1).unwrap_or("");
    let page = pages.iter().find(|(p, _)| path.starts_with(p)).map_or("", |(_, page)| page);
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len())
}

/// What each proxy says: a recorded dump, and endpoints of all services, of which one is ejected.
fn pages(services: usize) -> Result<Vec<(&'static str, String)>, String> {
    let dump = std::fs::read_to_string(root().join("testdata/dumps/mesh/proxies/web/web-1/config_dump")).map_err(|e| e.to_string())?;
    let mut clusters = String::from("{\"cluster_statuses\": [");
    for i in 0..services {
        let host = |replica: usize, health: &str| {
            format!(
                "{{\"address\": {{\"socket_address\": {{\"address\": \"10.{}.{}.{}\", \"port_value\": 8080}}}}, \"health_status\": {{{health}}}}}",
                replica + 1,
                i / 256,
                i % 256
            )
        };
        let second = if i == 7 { "\"failed_outlier_check\": true" } else { "\"eds_health_status\": \"HEALTHY\"" };
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            clusters,
            "{comma}{{\"name\": \"outbound|80||svc-{i}.ns-{}.svc.cluster.local\", \"host_statuses\": [{}, {}]}}",
            i / 20,
            host(0, "\"eds_health_status\": \"HEALTHY\""),
            host(1, second)
        );
    }
    clusters.push_str("]}");
    Ok(vec![("/config_dump", dump), ("/clusters", clusters), ("/stats", "control_plane.connected_state: 1\n".to_owned())])
}

/// A Prometheus with samples of the last hour: each service calls five others, and of ten calls one fails since twenty minutes ago.
fn prometheus(services: usize) -> Result<SocketAddr, String> {
    let mut store = Store::new(Limits::default());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let name = |i: usize| (format!("svc-{i}"), format!("ns-{}", i / 20));
    for from in 0..services {
        for to in (1..=CALLS).map(|n| (from + n * 7) % services) {
            let ((source, source_namespace), (service, namespace)) = (name(from), name(to));
            let host = format!("{service}.{namespace}.svc.cluster.local");
            for (reporter, code, flags) in [("source", "200", "-"), ("destination", "200", "-"), ("source", "503", "UF,URX")] {
                if code == "503" && (from + to) % 10 != 0 {
                    continue;
                }
                let labels = [
                    (NAME, "istio_requests_total"),
                    ("reporter", reporter),
                    ("source_cluster", "c"),
                    ("source_workload_namespace", &source_namespace),
                    ("source_workload", &source),
                    ("source_canonical_service", &source),
                    ("source_canonical_revision", "v1"),
                    ("destination_cluster", "c"),
                    ("destination_service_namespace", &namespace),
                    ("destination_service", &host),
                    ("destination_service_name", &service),
                    ("destination_workload_namespace", &namespace),
                    ("destination_workload", &service),
                    ("destination_canonical_service", &service),
                    ("destination_canonical_revision", "v1"),
                    ("request_protocol", "http"),
                    ("response_code", code),
                    ("response_flags", flags),
                    ("connection_security_policy", "mutual_tls"),
                ];
                for step in 0..240_i64 {
                    let value = if code == "503" { (step - 160).max(0) } else { step } * 15;
                    store.append(labels, now - (239 - step) * 15_000, value as f64).map_err(|e| format!("{e:?}"))?;
                }
            }
        }
    }
    let store = Arc::new(RwLock::new(store));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).map_err(|e| e.to_string())?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    std::thread::spawn(move || runtime.block_on(serve(listener, store, Options::default(), Serve::default())));
    Ok(address)
}
