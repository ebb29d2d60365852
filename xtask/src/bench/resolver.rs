//! `cargo xtask bench resolver`: what it costs to translate a mesh for one proxy: Bookinfo as it was recorded, where the
//! recording lies beside the checkout, and a mesh of 2,000 services with 2,000 VirtualServices and 2,000
//! DestinationRules; and what it costs to ask who may call each service, and how it is encrypted, with a workload and an
//! AuthorizationPolicy more for each; and what one object costs that changes: a VirtualService taken into a translation
//! that is kept, and others when the whole input is read again.

use crate::{Outcome, root};
use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Completeness, Kind, Role, Snapshot, Source};
use mesh_resolver::translate::{ControlPlane, Differences, Entry, Interception, Model, Proxy, ProxyKind, Revised, Section};
use mesh_resolver::{Mesh, mtls, who_can};
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::process::Command;
use std::time::Instant;

const RUNS: usize = 10;

pub fn run(args: &[String]) -> Outcome {
    if cfg!(debug_assertions) {
        // Figures are of optimized code.
        let again = Command::new("cargo")
            .args(["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "resolver"])
            .args(args)
            .current_dir(root())
            .status();
        return match again {
            Ok(s) if s.success() => Ok(()),
            Ok(s) => Err(format!("the optimized build ended with {s}")),
            Err(e) => Err(e.to_string()),
        };
    }
    let services: usize = match args {
        [] => 2_000,
        [n] => n.parse().map_err(|_| format!("`{n}` is no number of services"))?,
        _ => return Err("one number of services at most".into()),
    };
    match recorded() {
        Some(texts) => measure("Bookinfo, as recorded", &texts, "bookinfo", &[("app", "productpage")]),
        None => println!("SKIPPED: no recording of Bookinfo beside the checkout"),
    }
    let title = format!("{services} services, {services} VirtualServices, {services} DestinationRules");
    measure(&title, &[generated(services)], "ns-0", &[("app", "svc-0")]);
    change(services);
    renew(services);
    ask(services);
    Ok(())
}

/// One VirtualService gets another content: its text is read and taken into a translation that is kept.
fn change(services: usize) {
    let snapshot = snapshot_of(&[generated(services)]);
    let name = format!("svc-{}", services / 2);
    let find = |s: &Snapshot| s.objects.iter().position(|o| o.kind == Kind::VirtualService && o.name() == name);
    let Some(at) = find(&snapshot) else { return };
    let mut texts = Vec::new();
    for weight in [80, 70, 60, 50, 40, 30, 20, 10] {
        let own = snapshot.objects[at].source().text();
        let whole = own.split("---\n").find(|t| t.contains("kind: VirtualService") && t.contains(&format!("  name: {name}\n"))).unwrap_or_default();
        texts.push(whole.replace("weight: 90", &format!("weight: {weight}")));
    }
    let mesh = Mesh::new(&snapshot);
    let model = Model::new(&mesh);
    let mut open = model.open(proxy("ns-0", &[("app", "svc-0")]), ControlPlane::default());
    let later: Vec<OnceCell<Snapshot>> = texts.iter().map(|_| OnceCell::new()).collect();
    let (mut old, mut least, mut done) = (&snapshot.objects[at], f64::INFINITY, 0);
    for (text, place) in texts.iter().zip(&later) {
        let start = Instant::now();
        let new = &place.get_or_init(|| snapshot_of(std::slice::from_ref(text))).objects[0];
        if let Revised::Done(_) = open.revise(old, new) {
            done += 1;
            old = new;
        }
        least = least.min(start.elapsed().as_secs_f64());
    }
    println!("one VirtualService of {services} changed: {:.2} ms, {done} of {} taken in", 1000.0 * least, texts.len());
}

/// One object changes and everything is read again: what is made again for one proxy, and how long each step takes.
fn renew(services: usize) {
    let text = generated(services) + &workloads(services);
    let at = services / 2;
    let more =
        |kind: &str, spec: &str| format!("---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: more, namespace: ns-0}}\nspec: {spec}\n");
    let own = format!("  name: svc-{at}\n  namespace: ns-{}\nspec:\n  host: svc-{at}\n", at / 20);
    let changes = [
        ("a VirtualService", text.replacen("weight: 90", "weight: 80", 1)),
        ("a DestinationRule", text.replace(&own, &format!("{own}  exportTo: ['*']\n"))),
        ("a Deployment", text.replacen("containerPort: 8080", "containerPort: 8081", 1)),
        (
            "a Service come",
            format!("{text}---\napiVersion: v1\nkind: Service\nmetadata: {{name: more, namespace: ns-0}}\nspec: {{ports: [{{name: http, port: 8080}}]}}\n"),
        ),
        ("an AuthorizationPolicy", text.replacen("methods: [GET]", "methods: [PUT]", 1)),
        ("a Sidecar come", text.clone() + &more("Sidecar", "{egress: [{hosts: ['ns-0/*']}]}")),
    ];
    let old = snapshot_of(std::slice::from_ref(&text));
    let proxy = proxy("ns-0", &[("app", "svc-0")]);
    let (mesh, control_plane) = (Mesh::new(&old), ControlPlane::default());
    let kept = Model::new(&mesh).renew(&proxy, control_plane, None).kept;
    for (what, text) in changes {
        let new = snapshot_of(&[text]);
        let [mut compare, mut read, mut made, mut whole] = [f64::INFINITY; 4];
        let mut count = 0;
        for _ in 0..RUNS {
            let start = Instant::now();
            let differences = Differences::between(&old, &new);
            compare = compare.min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let mesh = Mesh::new(&new);
            let model = Model::new(&mesh);
            read = read.min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let renewed = model.renew(&proxy, control_plane, Some((&kept, &differences)));
            made = made.min(start.elapsed().as_secs_f64());
            count = fresh(&renewed.clusters) + fresh(&renewed.endpoints) + fresh(&renewed.listeners) + fresh(&renewed.routes);
            let start = Instant::now();
            let _ = model.translate(&proxy);
            whole = whole.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{what} of {services} changed: compared in {:.1} ms, indexed and read in {:.1} ms, {count} messages made in {:.1} ms (all in {:.1} ms)",
            1000.0 * compare,
            1000.0 * read,
            1000.0 * made,
            1000.0 * whole
        );
    }
}

fn fresh<M>(section: &Section<'_, M>) -> usize {
    match section {
        Section::Same => 0,
        Section::Changed(entries) => entries.iter().filter(|e| matches!(e, Entry::New(_))).count(),
    }
}

fn snapshot_of(texts: &[String]) -> Snapshot {
    let mut snapshot = Snapshot::new();
    snapshot.completeness = Completeness::Complete;
    for text in texts {
        let source = Source::new("bench", text.as_str());
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    }
    snapshot
}

fn proxy(namespace: &str, labels: &[(&str, &str)]) -> Proxy {
    Proxy {
        kind: ProxyKind::Sidecar,
        id: format!("bench.{namespace}"),
        addresses: vec!["10.250.0.1".into()],
        namespace: namespace.to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        dns_domain: format!("{namespace}.svc.cluster.local"),
        interception: Interception::Redirect,
        auto_allocated_addresses: false,
        network_view: Vec::new(),
        metadata: None,
    }
}

/// The objects of the recorded mesh.
fn recorded() -> Option<Vec<String>> {
    let mut paths: Vec<_> = std::fs::read_dir(root().join("../shared/conformance/recorded/bookinfo/k8s")).ok()?.flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with("s.json")));
    paths.sort();
    Some(paths.iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect())
}

/// Services in namespaces of 20, each with a route by header and two subsets.
fn generated(services: usize) -> String {
    let mut out = String::new();
    for i in 0..services {
        let namespace = i / 20;
        let _ = write!(
            out,
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: svc-{i}\n  namespace: ns-{namespace}\nspec:\n  clusterIP: 10.{}.{}.{}\n  selector:\n    app: svc-{i}\n  ports:\n  - name: http\n    port: 8080\n  - name: grpc\n    port: 9090\n\
             ---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: svc-{i}\n  namespace: ns-{namespace}\nspec:\n  hosts:\n  - svc-{i}\n  http:\n  - match:\n    - headers:\n        end-user:\n          exact: jason\n    route:\n    - destination:\n        host: svc-{i}\n        subset: v2\n  - route:\n    - destination:\n        host: svc-{i}\n        subset: v1\n      weight: 90\n    - destination:\n        host: svc-{i}\n        subset: v2\n      weight: 10\n\
             ---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata:\n  name: svc-{i}\n  namespace: ns-{namespace}\nspec:\n  host: svc-{i}\n  trafficPolicy:\n    connectionPool:\n      http:\n        http2MaxRequests: 100\n  subsets:\n  - name: v1\n    labels:\n      version: v1\n  - name: v2\n    labels:\n      version: v2\n",
            1 + i / 65_536,
            i / 256 % 256,
            i % 256,
        );
    }
    out
}

/// A workload with an identity of its own for each service, and a policy that lets the next one read.
fn workloads(services: usize) -> String {
    let mut out = String::new();
    for i in 0..services {
        let (namespace, next) = (i / 20, (i + 1) % services);
        let _ = write!(
            out,
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: ns-{namespace}, labels: {{istio-injection: enabled}}}}\n\
             ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: svc-{i}, namespace: ns-{namespace}}}\nspec:\n  selector: {{matchLabels: {{app: svc-{i}}}}}\n  template:\n    metadata: {{labels: {{app: svc-{i}}}}}\n    spec: {{serviceAccountName: svc-{i}, containers: [{{name: app, ports: [{{containerPort: 8080}}]}}]}}\n\
             ---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: svc-{i}, namespace: ns-{namespace}}}\nspec:\n  selector: {{matchLabels: {{app: svc-{i}}}}}\n  rules:\n  - from: [{{source: {{principals: [cluster.local/ns/ns-{}/sa/svc-{next}]}}}}]\n    to: [{{operation: {{methods: [GET], paths: [/api/*]}}}}]\n",
            next / 20,
        );
    }
    out
}

/// Who may call every service, and what every client sends to it: each once.
fn ask(services: usize) {
    let snapshot = snapshot_of(&[generated(services) + &workloads(services)]);
    let mesh = Mesh::new(&snapshot);
    let model = Model::supposing(&mesh);
    let identities = who_can::identities(&model);
    let start = Instant::now();
    let all = 0..u32::try_from(mesh.workloads.all().len()).unwrap_or(u32::MAX);
    let answers: usize = all.map(|id| who_can::access(&model, id, 8080, &who_can::Asked::default(), &identities, true).callers.len()).sum();
    println!("who may call {services} services: {answers} answers in {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let report = mtls::report(&mesh);
    println!("how {} ports are encrypted: {:.2} s", report.ports.len(), start.elapsed().as_secs_f64());
}

fn measure(title: &str, texts: &[String], namespace: &str, labels: &[(&str, &str)]) {
    let snapshot = snapshot_of(texts);
    let proxy = proxy(namespace, labels);
    let mesh = Mesh::new(&snapshot);
    let before = resident();
    let model = Model::new(&mesh);
    let translation = model.translate(&proxy);
    let after = resident();
    let (mut index, mut read, mut translate) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let start = Instant::now();
        let mesh = Mesh::new(&snapshot);
        index = index.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let model = Model::new(&mesh);
        read = read.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let _ = model.translate(&proxy);
        translate = translate.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{title}: {} objects; indexed in {:.1} ms, read in {:.1} ms, translated in {:.1} ms: {} listeners, {} route configurations, {} clusters; {:.0} MiB",
        snapshot.objects.len(),
        1000.0 * index,
        1000.0 * read,
        1000.0 * translate,
        translation.listeners.len(),
        translation.routes.len(),
        translation.clusters.len(),
        after.saturating_sub(before) as f64 / 1024.0,
    );
}

/// Resident memory in KiB; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
