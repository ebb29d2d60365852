//! `cargo xtask bench controlplane [PROXIES]`: a VirtualService changes, and every proxy that is connected has it. The
//! mesh has a service for ten proxies, each with a VirtualService and a DestinationRule; the proxies are streams of
//! gRPC over loopback, in this process.

use crate::{Outcome, root};
use futures_util::stream::unfold;
use mesh_controlplane::ca::Authority;
use mesh_controlplane::resource::Type;
use mesh_controlplane::{Manifests, Options, Running, Settings};
use mesh_envoy::api::discovery::{DiscoveryRequest, DiscoveryResponse, Node, STREAM_AGGREGATED};
use mesh_envoy::api::{Struct, Value, cluster::Cluster};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

const RUNS: usize = 5;
const PORT: &str = "8080";
/// No wait is longer.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn run(args: &[String]) -> Outcome {
    if cfg!(debug_assertions) {
        // Figures are of optimized code.
        let command = ["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "controlplane"];
        let again = Command::new("cargo").args(command).args(args).current_dir(root()).status();
        return match again {
            Ok(s) if s.success() => Ok(()),
            Ok(s) => Err(format!("the optimized build ended with {s}")),
            Err(e) => Err(e.to_string()),
        };
    }
    let proxies: usize = match args {
        [] => 500,
        [n] => n.parse().map_err(|_| format!("`{n}` is no number of proxies"))?,
        _ => return Err("one number of proxies at most".into()),
    };
    let services = proxies.div_ceil(10);
    let folder = std::env::temp_dir().join(format!("meshctl-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let outcome = measure(&folder, proxies, services);
    let _ = std::fs::remove_dir_all(&folder);
    outcome
}

fn measure(folder: &Path, proxies: usize, services: usize) -> Outcome {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).map_err(|e| e.to_string());
    write("mesh.yaml", mesh(services))?;
    write("changing.yaml", changing(0))?;
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let options = Options {
        xds: any,
        tls: None,
        http: any,
        translation: Settings::default(),
        authority: Authority::self_signed("cluster.local", now).map_err(|e| e.to_string())?,
        tokens: None,
        most_connections: proxies + 10,
        say: Arc::new(|text| println!("{text}")),
    };
    let plane = Running::start(options, Box::new(Manifests::new(vec![folder.display().to_string()], None))).map_err(|e| e.to_string())?;
    let (ready, changes) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let clients = {
        let (ready, changes, at) = (Arc::clone(&ready), Arc::clone(&changes), plane.xds);
        std::thread::spawn(move || connect(at, proxies, services, &ready, &changes))
    };
    wait("all proxies have their first configuration", || ready.load(Ordering::Acquire) == proxies)?;
    println!("{proxies} proxies, {services} services: connected and configured in {:.2} s", start.elapsed().as_secs_f64());
    std::thread::sleep(Duration::from_secs(1));
    let mut all = Vec::new();
    let busy = cpu();
    for round in 1..=RUNS {
        changes.store(0, Ordering::Release);
        let start = Instant::now();
        write("changing.yaml", changing(round))?;
        wait("all proxies have the change", || changes.load(Ordering::Acquire) == proxies)?;
        all.push(start.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(Duration::from_millis(500));
    }
    all.sort_by(f64::total_cmp);
    println!(
        "one VirtualService changed: from the write to the last of {proxies} proxies {:.0} ms (median of {RUNS}; best {:.0}, worst {:.0}); {:.0} ms of CPU, the proxies' own with it",
        all[RUNS / 2],
        all[0],
        all[RUNS - 1],
        (cpu() - busy) / RUNS as f64,
    );
    drop(plane);
    let _ = clients.join();
    Ok(())
}

fn wait(what: &str, mut f: impl FnMut() -> bool) -> Outcome {
    let end = Instant::now() + PATIENCE;
    while !f() {
        if Instant::now() > end {
            return Err(format!("not within {PATIENCE:?}: {what}"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// What all threads of this process have used, in milliseconds; 0 where the system does not tell.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |path: std::path::PathBuf| std::fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse::<f64>().ok();
    tasks.filter_map(|t| of(t.path())).sum::<f64>() / 1e6
}

fn mesh(services: usize) -> String {
    let mut out = String::new();
    for i in 0..services {
        let _ = write!(
            out,
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: svc-{i}, namespace: shop}}\nspec: {{clusterIP: 10.0.{}.{}, selector: {{app: svc-{i}}}, ports: [{{name: http, port: {PORT}}}]}}\n\
             ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: svc-{i}, namespace: shop}}\nspec: {{host: svc-{i}, subsets: [{{name: v1, labels: {{version: v1}}}}, {{name: v2, labels: {{version: v2}}}}]}}\n",
            i / 250,
            i % 250 + 1,
        );
        if i > 0 {
            let _ = write!(
                out,
                "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: svc-{i}, namespace: shop}}\nspec: {{hosts: [svc-{i}], http: [{{route: [{{destination: {{host: svc-{i}, subset: v1}}}}]}}]}}\n"
            );
        }
    }
    out
}

fn changing(round: usize) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: svc-0, namespace: shop}}\nspec: {{hosts: [svc-0], http: [{{timeout: {}s, route: [{{destination: {{host: svc-0, subset: v1}}}}]}}]}}\n",
        round + 1
    )
}

/// All proxies, on one thread; returns when the control plane has ended.
fn connect(at: SocketAddr, proxies: usize, services: usize, ready: &Arc<AtomicUsize>, changes: &Arc<AtomicUsize>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for i in 0..proxies {
            let Ok(endpoint) = Endpoint::from_shared(format!("http://{at}")) else { return };
            let Ok(channel) = endpoint.connect().await else { return };
            tasks.push(tokio::spawn(proxy(channel, i, i % services, Arc::clone(ready), Arc::clone(changes))));
        }
        for task in tasks {
            let _ = task.await;
        }
    });
}

fn ask(node: Option<Node>, kind: Type, names: Vec<String>, nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest { node, type_url: kind.url().into(), resource_names: names, response_nonce: nonce.to_owned(), ..DiscoveryRequest::default() }
}

/// One proxy: takes everything, and counts when it has its routes first, and when they have changed.
async fn proxy(channel: Channel, i: usize, service: usize, ready: Arc<AtomicUsize>, changes: Arc<AtomicUsize>) -> Option<()> {
    let labels: Struct = [("app".to_owned(), Value::from(format!("svc-{service}").as_str())), ("version".to_owned(), Value::from("v1"))].into_iter().collect();
    let metadata: Struct = [("NAMESPACE", Value::from("shop")), ("LABELS", Value::from(labels))].into_iter().collect();
    let node = Node {
        id: format!("sidecar~10.9.{}.{}~svc-{service}-{i}.shop~shop.svc.cluster.local", i / 250, i % 250 + 1),
        metadata: Some(metadata),
        ..Node::default()
    };
    let (to, from) = mpsc::channel::<DiscoveryRequest>(16);
    let requests = unfold(from, |mut from| async move { from.recv().await.map(|r| (r, from)) });
    to.send(ask(Some(node), Type::Cluster, Vec::new(), "")).await.ok()?;
    let mut grpc = tonic::client::Grpc::new(channel).max_decoding_message_size(64 << 20);
    grpc.ready().await.ok()?;
    let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
    let mut answers = grpc.streaming(tonic::Request::new(requests), http::uri::PathAndQuery::from_static(STREAM_AGGREGATED), codec).await.ok()?.into_inner();
    let mut endpoints: Vec<String> = Vec::new();
    let mut is_ready = false;
    while let Ok(Some(answer)) = answers.message().await {
        let kind = Type::parse(&answer.type_url)?;
        let names = match kind {
            Type::Endpoint => endpoints.clone(),
            Type::Route => vec![PORT.to_owned()],
            _ => Vec::new(),
        };
        to.send(ask(None, kind, names, &answer.nonce)).await.ok()?;
        match kind {
            Type::Cluster if endpoints.is_empty() => {
                endpoints = answer.resources.iter().filter_map(|r| r.unpack::<Cluster>()).map(|c| c.name).filter(|n| n.starts_with("outbound|")).collect();
                to.send(ask(None, Type::Endpoint, endpoints.clone(), "")).await.ok()?;
                to.send(ask(None, Type::Listener, Vec::new(), "")).await.ok()?;
                to.send(ask(None, Type::Route, vec![PORT.to_owned()], "")).await.ok()?;
            }
            Type::Route if is_ready => drop(changes.fetch_add(1, Ordering::AcqRel)),
            Type::Route => {
                is_ready = true;
                ready.fetch_add(1, Ordering::AcqRel);
            }
            _ => {}
        }
    }
    Some(())
}
