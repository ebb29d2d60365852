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
        let namespaces: Vec<Namespace> = data["namespaces"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|n| n.as_str())
            .map(|n| Namespace { name: n.to_owned(), duration: 600, is_ambient: false })
            .collect();
        let mut cells = Vec::new();
        let mut samples = 0;
        for (graph_type, services) in [(GraphType::Workload, false), (GraphType::VersionedApp, true), (GraphType::Service, true)] {
            let mut options =
                Options { graph_type, inject_service_nodes: services, namespaces: namespaces.clone(), query_time: 1_700_000_000, ..Options::default() };
            options.appenders = BTreeSet::new();
            options.rates.ambient = graph::Ambient::None;
            let queries = graph::plan(&options);
            let answers: Vec<Vec<Sample>> = queries.iter().map(|q| ask(&store, &q.promql)).collect::<Result<_, _>>()?;
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
        let name = file.file_name().unwrap_or_default().to_string_lossy().replace(".json.gz", "");
        println!("| {name} | {samples} | {} |", cells.join(" | "));
    }
    Ok(())
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
