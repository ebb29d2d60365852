//! `cargo xtask bench graph`: from the decoded answers of a query to the bytes of a graph, on the meshes of `../shared/bench/graph`.
//!
//! Timed is `graph::build` and the writing of JSON; reading the file and evaluating its queries come before.

use crate::{Outcome, root};
use mesh_metrics::promql::{self, Options as Query, Sample, Value};
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_model::graph::{self, Facts, GraphType, Namespace, Options, ServiceTraffic};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

const RUNS: usize = 7;

pub fn run(args: &[String]) -> Outcome {
    let folder = root().join("../shared/bench/graph");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .map_err(|e| format!("{}: {e}: the benchmark needs the recorded meshes", folder.display()))?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "gz") && args.iter().all(|a| p.display().to_string().contains(a)))
        .collect();
    files.sort();
    scan()?;
    println!("| data | samples | workload | versioned app + services | service |\n| --- | --- | --- | --- | --- |");
    for file in files {
        let packed = Command::new("gzip").args(["-dc"]).arg(&file).output().map_err(|e| format!("gzip: {e}"))?;
        let data: serde_json::Value = serde_json::from_slice(&packed.stdout).map_err(|e| format!("{}: {e}", file.display()))?;
        let store = store(&data)?;
        let names = data["namespaces"].as_array().into_iter().flatten().filter_map(|n| n.as_str()).map(str::to_owned).collect();
        let file = file.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
        measure(&file.replace(".json.gz", ""), &store, names)?;
    }
    if args.is_empty() {
        let (store, names) = generated()?;
        measure("made here: 20ns_10000wl_100000e", &store, names)?;
    }
    Ok(())
}

/// Times the three sorts of graphs and prints a row of the table.
fn measure(name: &str, store: &Store, namespaces: Vec<String>) -> Outcome {
    let namespaces: Vec<Namespace> = namespaces.into_iter().map(|name| Namespace { name, duration: 600, is_ambient: false }).collect();
    let mut cells = Vec::new();
    let mut samples = 0;
    for (graph_type, services) in [(GraphType::Workload, false), (GraphType::VersionedApp, true), (GraphType::Service, true)] {
        let mut options =
            Options { graph_type, inject_service_nodes: services, namespaces: namespaces.clone(), query_time: 1_700_000_000, ..Options::default() };
        options.appenders = BTreeSet::new();
        options.rates.ambient = graph::Ambient::None;
        let queries = graph::plan(&options);
        let answers: Vec<Vec<Sample>> = queries.iter().map(|q| ask(store, &q.promql)).collect::<Result<_, _>>()?;
        samples = answers.iter().map(Vec::len).sum();
        let facts = Facts::default();
        let mut best = f64::INFINITY;
        let mut size = 0;
        for _ in 0..RUNS {
            let start = Instant::now();
            let graph = graph::build(&options, &facts, &queries, &answers, ServiceTraffic::AsReference);
            size = graph::kiali::to_json(&graph, &options).len();
            best = best.min(start.elapsed().as_secs_f64());
        }
        cells.push(format!("{:.1} ms, {:.1} MB", best * 1000.0, size as f64 / 1e6));
    }
    println!("| {name} | {samples} | {} |", cells.join(" | "));
    Ok(())
}

/// A mesh of 20 namespaces with 500 workloads each, of which each calls ten: the same on every run.
fn generated() -> Result<(Store, Vec<String>), String> {
    let mut store = Store::new(Limits::default());
    let mut seed = 20_260_101_u64;
    let mut below = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % n
    };
    let place = |workload: u64| (format!("ns{:02}", workload / 500), format!("app{}", workload % 500));
    for from in 0..10_000 {
        let (source_namespace, source) = place(from);
        let mut callees = BTreeSet::new();
        while callees.len() < 10 {
            callees.insert(below(10_000));
        }
        for to in callees {
            let (namespace, name) = place(to);
            let (workload, host) = (format!("{name}-v1"), format!("{name}.{namespace}.svc.cluster.local"));
            let source_workload = format!("{source}-v1");
            for (reporter, code, flags) in [("source", "200", "-"), ("destination", "200", "-"), ("source", "503", "UF,URX")] {
                // One call in ten fails at its source.
                if code == "503" && below(10) != 0 {
                    continue;
                }
                let labels = [
                    (NAME, "istio_requests_total"),
                    ("reporter", reporter),
                    ("source_cluster", "east"),
                    ("source_workload_namespace", &source_namespace),
                    ("source_workload", &source_workload),
                    ("source_canonical_service", &source),
                    ("source_canonical_revision", "v1"),
                    ("destination_cluster", "east"),
                    ("destination_service_namespace", &namespace),
                    ("destination_service", &host),
                    ("destination_service_name", &name),
                    ("destination_workload_namespace", &namespace),
                    ("destination_workload", &workload),
                    ("destination_canonical_service", &name),
                    ("destination_canonical_revision", "v1"),
                    ("request_protocol", "http"),
                    ("response_code", code),
                    ("response_flags", flags),
                    ("grpc_response_status", ""),
                ];
                store.add_rate(labels, (1 + below(10_000)) as f64 / 100.0).map_err(|e| format!("{e:?}"))?;
            }
        }
    }
    Ok((store, (0..20).map(|n| format!("ns{n:02}")).collect()))
}

fn store(data: &serde_json::Value) -> Result<Store, String> {
    let mut store = Store::new(Limits::default());
    for series in data["series"].as_array().ok_or("no series")? {
        let metric = series["metric"].as_str().ok_or("a series without metric")?;
        let labels = series["labels"].as_object().ok_or("a series without labels")?;
        let pairs = labels.iter().map(|(n, v)| (n.as_str(), v.as_str().unwrap_or(""))).chain([(NAME, metric)]);
        store.add_rate(pairs, series["rate"].as_f64().unwrap_or(0.0)).map_err(|e| format!("{e:?}"))?;
    }
    Ok(store)
}

fn ask(store: &Store, query: &str) -> Result<Vec<Sample>, String> {
    let expr = promql::parse(query).map_err(|e| e.render(query))?;
    match promql::query_in_order(store, &expr, 0, &Query::default()).map_err(|e| e.render(query))?.value {
        Value::Vector(samples) => Ok(samples),
        _ => Err(format!("{query}: no vector")),
    }
}

/// The page scanner, on a page of 200,000 series as Envoy writes them.
fn scan() -> Outcome {
    let mut page = String::from("# TYPE istio_requests_total counter\n");
    for i in 0..200_000 {
        page.push_str(&format!(
            "istio_requests_total{{reporter=\"source\",source_workload=\"wl-{}\",source_workload_namespace=\"ns{}\",destination_service=\"svc{}.ns1.svc.cluster.local\",response_code=\"200\",response_flags=\"UF,URX\",n=\"{i}\"}} {}\n",
            i % 500,
            i % 10,
            i % 300,
            i * 7
        ));
    }
    let mut best = f64::INFINITY;
    let mut found = 0;
    for _ in 0..RUNS {
        let start = Instant::now();
        found = mesh_metrics::text::scan(page.as_bytes()).samples.len();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let bytes = found * std::mem::size_of::<mesh_metrics::text::Sample<'_>>();
    println!(
        "page of {found} series, {:.1} MB: {:.0} MB/s, {:.1} MB of samples above its text\n",
        page.len() as f64 / 1e6,
        page.len() as f64 / 1e6 / best,
        bytes as f64 / 1e6
    );
    Ok(())
}
