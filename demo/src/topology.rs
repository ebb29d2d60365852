//! isotope's graphs of services (`kind: MockServiceGraph`, istio/tools `isotope/convert/pkg/graph`) as manifests: a Service
//! and a Deployment for each, whose annotation is its script.

use crate::own::script::{self, Step, Wrong, fields, join};
use crate::own::{ENTRY, ERROR_RATE, RESPONSE_SIZE, SCRIPT};
use mesh_model::{Node, Source, Span, yaml};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The namespace of services that name none, as isotope's converter has it.
const NAMESPACE: &str = "service-graph";
/// The port of every service there.
const PORT: u16 = 8080;
/// Replicas of one service, and Pods of a graph.
const MOST_REPLICAS: i64 = 100;
const MOST_PODS: usize = 2000;
/// Policies of a graph: a few lines may ask for millions.
const MOST_POLICIES: i64 = 20_000;

#[derive(Clone, Debug)]
struct Service {
    name: String,
    namespace: String,
    is_grpc: bool,
    is_entry: bool,
    errors: f64,
    size: usize,
    replicas: i64,
    policies: i64,
    script: Vec<Step>,
    /// Where it is written.
    path: String,
}

/// Whether a file is such a graph: it says so, or has `services` and no kind.
pub fn is_one(path: &Path) -> bool {
    let is_yaml = path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|y| e.eq_ignore_ascii_case(y)));
    let Ok(bytes) = std::fs::read(path) else { return false };
    let source = Source::from_bytes(path.display().to_string(), bytes);
    let parsed = yaml::parse_document(&source, Span::new(0, source.text().len()), yaml::Limits::default());
    let root = parsed.tree.as_ref().map(yaml::Tree::root);
    is_yaml && root.is_some_and(|r| r.text_of("kind") == "MockServiceGraph" || (r.get("kind").is_none() && r.get("services").is_some_and(Node::is_sequence)))
}

/// Manifests of a graph.
///
/// # Errors
/// The first thing that is wrong with it, with its line and path.
pub fn manifests(source: &std::sync::Arc<Source>) -> Result<String, Wrong> {
    let parsed = yaml::parse_document(source, Span::new(0, source.text().len()), yaml::Limits::default());
    let broken = |what: &str| Wrong { place: source.name().to_owned(), path: "the document".to_owned(), what: what.to_owned() };
    if let Some(e) = &parsed.error {
        return Err(Wrong {
            place: format!("{}:{}", source.name(), source.position(e.span.start).line),
            path: "the document".to_owned(),
            what: e.message.clone(),
        });
    }
    let tree = parsed.tree.ok_or_else(|| broken("there is nothing in it"))?;
    let services = read(tree.root())?;
    let pods: i64 = services.iter().map(|s| s.replicas).sum();
    if pods > MOST_PODS as i64 {
        return Err(broken(&format!("{pods} Pods are more than the {MOST_PODS} that are run here")));
    }
    let policies: i64 = services.iter().map(|s| s.policies).sum();
    if policies > MOST_POLICIES {
        return Err(broken(&format!("{policies} AuthorizationPolicies are more than the {MOST_POLICIES} that are made here")));
    }
    Ok(write(&services))
}

fn read(root: Node<'_>) -> Result<Vec<Service>, Wrong> {
    fields(root, "", &["apiVersion", "kind", "defaults", "default", "services"])?;
    let defaults = root.get_entry("defaults").or_else(|| root.get_entry("default"));
    let mut default = Service {
        name: String::new(),
        namespace: NAMESPACE.to_owned(),
        is_grpc: false,
        is_entry: false,
        errors: 0.0,
        size: 0,
        replicas: 1,
        policies: 0,
        script: Vec::new(),
        path: String::new(),
    };
    let mut request = 0;
    if let Some((key, node)) = defaults.filter(|(_, n)| !n.is_null()) {
        let path = key.text();
        fields(node, path, &["type", "errorRate", "requestSize", "responseSize", "numReplicas", "numRbacPolicies", "isEntrypoint", "namespace", "script"])?;
        request = node.get("requestSize").map_or(Ok(0), |n| script::size(n, &join(path, "requestSize")))?;
        take(&mut default, node, path, request)?;
    }
    let list = root.get("services").filter(|s| s.is_sequence());
    let list = list.ok_or_else(|| Wrong::at(root, "services", "a list of services is expected"))?;
    let mut out: Vec<Service> = Vec::new();
    for (i, node) in list.items().enumerate() {
        let path = format!("services[{i}]");
        fields(node, &path, &["name", "type", "errorRate", "responseSize", "numReplicas", "numRbacPolicies", "isEntrypoint", "namespace", "script"])?;
        let mut service = Service { path: path.clone(), ..default.clone() };
        take(&mut service, node, &path, request)?;
        let name = node.get("name").map_or("", Node::text);
        if !is_label(name) {
            return Err(Wrong::at(
                node.get("name").unwrap_or(node),
                &join(&path, "name"),
                "the name of a service is expected: a-z, 0-9 and -, 63 letters at most",
            ));
        }
        if out.iter().any(|s| s.name == name) {
            return Err(Wrong::at(node, &join(&path, "name"), format!("there is a service {name} already")));
        }
        name.clone_into(&mut service.name);
        out.push(service);
    }
    if out.is_empty() {
        return Err(Wrong::at(list, "services", "there is no service"));
    }
    let by_name: BTreeMap<String, usize> = out.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
    let items: Vec<Node<'_>> = list.items().collect();
    for (i, service) in out.iter().enumerate() {
        for host in calls(&service.script) {
            if !by_name.contains_key(host) {
                let node = items[i].get("script").unwrap_or(items[i]);
                return Err(Wrong::at(node, &join(&service.path, "script"), format!("it calls {host}, and there is no such service")));
            }
        }
    }
    if let Some(circle) = circle(&out, &by_name) {
        return Err(Wrong::at(list, "services", format!("scripts lead in a circle, which would never end: {circle}")));
    }
    let namespaces: BTreeMap<String, String> = out.iter().map(|s| (s.name.clone(), s.namespace.clone())).collect();
    for service in &mut out {
        let own = service.namespace.clone();
        qualify(&mut service.script, &own, &namespaces);
    }
    Ok(out)
}

/// The fields that a service and the defaults have.
fn take(s: &mut Service, node: Node<'_>, path: &str, request: usize) -> Result<(), Wrong> {
    let number = |key: &str, range: std::ops::RangeInclusive<i64>| match node.get(key) {
        None => Ok(None),
        Some(n) => {
            let what = format!("a number of {} to {} is expected", range.start(), range.end());
            n.int().filter(|i| range.contains(i)).map(Some).ok_or_else(|| Wrong::at(n, &join(path, key), what))
        }
    };
    match node.get("type").map(|n| (n, n.text())) {
        None => {}
        Some((_, "http")) => s.is_grpc = false,
        Some((_, "grpc")) => s.is_grpc = true,
        Some((n, _)) => return Err(Wrong::at(n, &join(path, "type"), "http or grpc is expected")),
    }
    if let Some(n) = node.get("errorRate") {
        s.errors = script::share(n, &join(path, "errorRate"))?;
    }
    if let Some(n) = node.get("responseSize") {
        s.size = script::size(n, &join(path, "responseSize"))?;
    }
    if let Some(n) = node.get("isEntrypoint") {
        s.is_entry = n.bool().ok_or_else(|| Wrong::at(n, &join(path, "isEntrypoint"), "true or false is expected"))?;
    }
    if let Some(n) = node.get("namespace") {
        let bad = || Wrong::at(n, &join(path, "namespace"), "the name of a namespace is expected");
        s.namespace = Some(n.text()).filter(|t| is_label(t)).map(str::to_owned).ok_or_else(bad)?;
    }
    s.replicas = number("numReplicas", 1..=MOST_REPLICAS)?.unwrap_or(s.replicas);
    s.policies = number("numRbacPolicies", 0..=1000)?.unwrap_or(s.policies);
    if let Some(n) = node.get("script") {
        s.script = script::read(n, &join(path, "script"), request)?;
    }
    Ok(())
}

fn is_label(name: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !name.is_empty() && name.len() <= 63 && name.bytes().all(|b| is_inner(b) || b == b'-') && !name.starts_with('-') && !name.ends_with('-')
}

fn calls(steps: &[Step]) -> BTreeSet<&str> {
    let mut out = BTreeSet::new();
    for step in steps {
        match step {
            Step::Call(c) => drop(out.insert(c.host.as_str())),
            Step::Together(steps) => out.extend(calls(steps)),
            Step::Sleep(_) => {}
        }
    }
    out
}

/// Services of other namespaces are called by their namespace too.
fn qualify(steps: &mut [Step], own: &str, namespaces: &BTreeMap<String, String>) {
    for step in steps {
        match step {
            Step::Call(c) => {
                if let Some(namespace) = namespaces.get(&c.host).filter(|n| *n != own) {
                    c.host = format!("{}.{namespace}", c.host);
                }
            }
            Step::Together(steps) => qualify(steps, own, namespaces),
            Step::Sleep(_) => {}
        }
    }
}

/// A way from a service to itself, as `a → b → a`.
fn circle(services: &[Service], by_name: &BTreeMap<String, usize>) -> Option<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let next: Vec<Vec<usize>> = services.iter().map(|s| calls(&s.script).into_iter().filter_map(|h| by_name.get(h).copied()).collect()).collect();
    let mut marks = vec![Mark::New; services.len()];
    for start in 0..services.len() {
        // Without recursion: a chain may be as long as a file.
        let mut way: Vec<(usize, usize)> = Vec::new();
        if marks[start] == Mark::New {
            marks[start] = Mark::Open;
            way.push((start, 0));
        }
        while let Some((at, turn)) = way.last().copied() {
            let Some(to) = next[at].get(turn).copied() else {
                marks[at] = Mark::Done;
                way.pop();
                continue;
            };
            if let Some(last) = way.last_mut() {
                last.1 += 1;
            }
            match marks[to] {
                Mark::Open => {
                    let from = way.iter().position(|(w, _)| *w == to).unwrap_or(0);
                    let names = way[from..].iter().map(|(w, _)| *w).chain([to]).map(|w| services[w].name.as_str());
                    return Some(names.collect::<Vec<_>>().join(" → "));
                }
                Mark::New => {
                    marks[to] = Mark::Open;
                    way.push((to, 0));
                }
                Mark::Done => {}
            }
        }
    }
    None
}

/// A script as an annotation: JSON, which is YAML.
pub fn annotation(steps: &[Step]) -> String {
    use serde_json::{Value, json};
    fn value(step: &Step) -> Value {
        match step {
            Step::Sleep(time) => json!({"sleep": format!("{}us", time.as_micros())}),
            Step::Call(c) => {
                let port = c.port.map_or_else(String::new, |p| format!(":{p}"));
                let path = if c.path == "/" { "" } else { &c.path };
                let mut call = json!({"service": format!("{}{port}{path}", c.host), "size": c.size});
                if c.percent < 100.0 {
                    call["probability"] = c.percent.into();
                }
                json!({"call": call})
            }
            Step::Together(steps) => steps.iter().map(value).collect(),
        }
    }
    Value::from(steps.iter().map(value).collect::<Vec<_>>()).to_string()
}

fn write(services: &[Service]) -> String {
    let mut out = String::from("# Made of a MockServiceGraph: what is changed here is overwritten when that changes.\n");
    let namespaces: BTreeSet<&str> = services.iter().map(|s| s.namespace.as_str()).collect();
    for namespace in namespaces {
        let _ = write!(out, "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{istio-injection: enabled}}}}\n---\n");
    }
    for s in services {
        one(&mut out, s);
    }
    out
}

fn one(out: &mut String, s: &Service) {
    let Service { name, namespace, .. } = s;
    let protocol = if s.is_grpc { "grpc" } else { "http" };
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    let mut annotations = vec![format!("{SCRIPT}: {}", quoted(annotation(&s.script)))];
    annotations.push(format!("{ERROR_RATE}: '{}'", s.errors));
    annotations.push(format!("{RESPONSE_SIZE}: '{}'", s.size));
    if s.is_entry {
        annotations.push(format!("{ENTRY}: 'true'"));
    }
    let indented = |by: &str| annotations.iter().map(|a| format!("{by}{a}\n")).collect::<String>();
    let _ = write!(
        out,
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}, namespace: {namespace}}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n\
         spec: {{selector: {{app: {name}}}, ports: [{{name: {protocol}, port: {PORT}}}]}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}, version: v1}}}}\n\
         spec:\n  replicas: {}\n  selector: {{matchLabels: {{app: {name}, version: v1}}}}\n  template:\n    metadata:\n      labels: {{app: {name}, version: v1}}\n      annotations:\n{}\
         \x20   spec:\n      serviceAccountName: {name}\n      containers: [{{name: app, image: isotope, ports: [{{containerPort: {PORT}}}]}}]\n---\n",
        s.replicas,
        indented("        "),
    );
    // Of a template one Pod is played: where there are to be several, each is written down.
    for i in (1..=s.replicas).filter(|_| s.replicas > 1) {
        let _ = write!(
            out,
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}-{i}\n  namespace: {namespace}\n  labels: {{app: {name}, version: v1}}\n  \
             ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {name}-1, uid: {name}-1}}]\n  annotations:\n{}\
             spec:\n  serviceAccountName: {name}\n  containers: [{{name: app, image: isotope, ports: [{{containerPort: {PORT}}}]}}]\n---\n",
            indented("    "),
        );
    }
    for i in 1..=s.policies {
        // The last lets everybody in; those before it cost what rules cost.
        let rule = if i == s.policies { "{}".to_owned() } else { format!("{{to: [{{operation: {{paths: [/asked-by-nobody/{i}]}}}}]}}") };
        let _ = write!(
            out,
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}-{i}, namespace: {namespace}}}\n\
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, action: ALLOW, rules: [{rule}]}}\n---\n",
        );
    }
}

/// A graph that is made into manifests again when its file changes.
pub struct Followed {
    file: PathBuf,
    folder: PathBuf,
    seen: Option<(u64, SystemTime)>,
    /// As of the look before; it is read when two looks show the same.
    last: Option<(u64, SystemTime)>,
}

impl Followed {
    /// Writes a graph's manifests into a folder.
    ///
    /// # Errors
    /// A file that can't be read or is no graph, or a folder that can't be written.
    pub fn begin(file: &Path, folder: &Path) -> Result<Followed, String> {
        let mut this = Followed { file: file.to_owned(), folder: folder.to_owned(), seen: None, last: None };
        this.seen = this.mark();
        this.last = this.seen;
        this.convert().map(|()| this)
    }
    fn mark(&self) -> Option<(u64, SystemTime)> {
        let meta = std::fs::metadata(&self.file).ok()?;
        Some((meta.len(), meta.modified().ok()?))
    }
    fn convert(&self) -> Result<(), String> {
        let name = self.file.display().to_string();
        let bytes = std::fs::read(&self.file).map_err(|e| format!("{name}: {e}"))?;
        let text = manifests(&Source::from_bytes(name, bytes)).map_err(|w| w.to_string())?;
        crate::manifests::write(&self.folder, &[("graph.yaml", text)], &[]).map_err(|e| format!("{}: {e}", self.folder.display()))
    }
    /// Takes up a change; what is wrong with it.
    pub fn follow(&mut self) -> Option<String> {
        let (now, before) = (self.mark(), self.last);
        self.last = now;
        if now == self.seen || now != before {
            return None;
        }
        self.seen = now;
        self.convert().err().map(|e| format!("{e}; what it said before stays in force"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<String, String> {
        manifests(&Source::new("g.yaml", text)).map_err(|w| w.to_string())
    }

    const CANONICAL: &str = "apiVersion: v1alpha1\nkind: MockServiceGraph\ndefaults:\n  type: grpc\n  requestSize: 1 KB\n  responseSize: 1 KB\n  numRbacPolicies: 3\nservices:\n- name: a\n  errorRate: 0.01%\n- name: b\n  type: http\n  numReplicas: 2\n- name: c\n  namespace: far\n  script:\n  - call: a\n  - call: {service: b, size: 10K}\n- name: d\n  isEntrypoint: true\n  script:\n  - - call: a\n    - call: c\n  - sleep: 10ms\n  - call: b\n";

    #[test]
    fn a_graph_becomes_manifests() {
        let text = of(CANONICAL).expect("a graph");
        for part in [
            "kind: Service\nmetadata: {name: a, namespace: service-graph, labels: {app: a}}\nspec: {selector: {app: a}, ports: [{name: grpc, port: 8080}]}",
            "demo.meshctl/error-rate: '0.0001'",
            "ports: [{name: http, port: 8080}]",
            "name: b-2\n",
            "\\\"service\\\":\\\"a.service-graph\\\",\\\"size\\\":1024",
            "\\\"service\\\":\\\"b.service-graph\\\",\\\"size\\\":10240",
            "\\\"service\\\":\\\"c.far\\\"",
            "demo.meshctl/entry: 'true'",
            "kind: AuthorizationPolicy\nmetadata: {name: a-3, namespace: service-graph}",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.matches("kind: Pod\n").count(), 2);
    }

    #[test]
    fn what_nobody_reads_is_refused_with_its_path() {
        for (from, to, says) in [
            ("name: a\n", "name: a\n  cpu: 1\n", "g.yaml:10: services[0].cpu: no such field"),
            ("requestSize", "payloadSize", "defaults.payloadSize: no such field"),
            ("kind:", "spec: 1\nkind:", "spec: no such field"),
            ("call: b\n", "call: x\n", "services[3].script: it calls x"),
            ("type: http", "type: tcp", "services[1].type: http or grpc"),
            ("numReplicas: 2", "numReplicas: 1000", "services[1].numReplicas: a number of 1 to 100"),
            ("0.01%", "101%", "services[0].errorRate: a percentage"),
            ("name: b\n", "name: a\n", "services[1].name: there is a service a already"),
            ("name: b\n", "name: B_\n", "services[1].name: the name of a service"),
            ("name: a\n", "name: a\n  script: [{call: d}]\n", "a circle, which would never end: a → d → a"),
            ("services:", "services: {}\nx:", "no such field"),
        ] {
            let got = of(&CANONICAL.replacen(from, to, 1));
            assert!(got.as_ref().is_err_and(|e| e.contains(says)), "{from} {to}: {got:?}");
        }
        let many: String = (0..21).map(|i| format!("- name: s{i}\n")).collect();
        let many = of(&format!("kind: MockServiceGraph\ndefaults: {{numRbacPolicies: 1000}}\nservices:\n{many}"));
        assert!(many.as_ref().is_err_and(|e| e.contains("21000 AuthorizationPolicies")), "{many:?}");
        assert!(of("kind: MockServiceGraph\n").is_err_and(|e| e.contains("services: a list")));
    }

    #[test]
    fn a_graph_that_is_half_written_keeps_what_it_said() {
        let (file, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let path = file.path().join("g.yaml");
        std::fs::write(&path, CANONICAL).expect("written");
        assert!(is_one(&path));
        let mut followed = Followed::begin(&path, folder.path()).expect("a graph");
        let written = || std::fs::read_to_string(folder.path().join("graph.yaml")).expect("manifests");
        let before = written();
        assert_eq!(followed.follow(), None);
        std::fs::write(&path, &CANONICAL[..CANONICAL.len() - 30]).expect("written");
        // It is being written; then it is what it is.
        assert_eq!(followed.follow(), None);
        let said = followed.follow();
        assert!(said.as_ref().is_some_and(|s| s.contains("stays in force")) && written() == before, "{said:?}");
        std::fs::write(&path, CANONICAL.replace("name: d", "name: e")).expect("written");
        followed.follow();
        assert_eq!(followed.follow(), None);
        assert!(written().contains("name: e,"));
    }
}
