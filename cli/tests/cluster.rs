//! `analyze` on clusters that a test server plays.

use crate::common;
use common::{Run, command, folder, run};
use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::{Value, json};

/// A Service, a Pod with secrets in all the places that a Pod has, and a VirtualService to a host that is not there.
fn mesh(host: &str) -> Data {
    let mut data = Data::default();
    let mut add = |group: &str, version: &str, plural: &str, kind: &str, items: Vec<Value>| {
        data.add(Resource {
            group: group.into(),
            version: version.into(),
            plural: plural.into(),
            kind: kind.into(),
            is_namespaced: kind != "Namespace",
            items,
        });
    };
    let pod = json!({"metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"},
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "planted-secret"}},
        "spec": {"containers": [{"name": "web", "image": "web:1", "args": ["planted-secret"], "env": [{"name": "TOKEN", "value": "planted-secret"}], "ports": [{"containerPort": 80}]}, {"name": "istio-proxy", "image": "proxyv2"}]}});
    add("", "v1", "pods", "Pod", vec![pod]);
    add("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}})]);
    add(
        "",
        "v1",
        "services",
        "Service",
        vec![json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}})],
    );
    add("", "v1", "secrets", "Secret", vec![json!({"metadata": {"name": "tls", "namespace": "shop"}, "data": {"tls.key": "cGxhbnRlZC1zZWNyZXQ="}})]);
    let service = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": host}}]}]}});
    add("networking.istio.io", "v1", "virtualservices", "VirtualService", vec![service]);
    data
}

struct Clusters {
    dir: tempfile::TempDir,
    paths: String,
}

impl Clusters {
    fn new(servers: &[(&str, &Server)]) -> Clusters {
        let dir = folder(&[]);
        let paths: Vec<String> = servers
            .iter()
            .map(|(name, server)| {
                let path = dir.path().join(format!("{name}.kubeconfig"));
                std::fs::write(&path, server.kubeconfig(name, "token", "shop")).expect("a kubeconfig");
                path.display().to_string()
            })
            .collect();
        Clusters { dir, paths: paths.join(":") }
    }
    fn meshctl(&self, args: &[&str]) -> Run {
        run(command(self.dir.path()).env("KUBECONFIG", &self.paths).args(args).output().expect("meshctl runs"))
    }
}

#[test]
fn without_a_path_the_current_cluster_is_analysed() {
    let server = Server::start(mesh("nowhere"), Faults::default()).expect("a server");
    let clusters = Clusters::new(&[("dev", &server)]);
    let run = clusters.meshctl(&["analyze", "-o", "json"]);
    assert_eq!((run.status, run.found()), (79, vec!["IST0101 VirtualService shop/web".to_owned()]), "{}", run.err);
    // The same objects as files give the same.
    let list = clusters.dir.path().join("list.yaml");
    let service = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}";
    std::fs::write(&list, format!("{service}\n---\n{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: web, namespace: shop}}, spec: {{hosts: [web], http: [{{route: [{{destination: {{host: nowhere}}}}]}}]}}}}\n")).expect("a file");
    let files = clusters.meshctl(&["analyze", "-o", "json", "list.yaml"]);
    let bare =
        |run: &Run| run.findings().iter().map(|f| (f["code"].clone(), f["level"].clone(), f["origin"].clone(), f["message"].clone())).collect::<Vec<_>>();
    assert_eq!(bare(&files), bare(&run));

    let text = clusters.meshctl(&["analyze"]);
    assert!(text.out.contains("kube:dev/VirtualService/shop/web:"), "{}", text.out);
    assert!(text.out.contains("host: nowhere"), "{}", text.out);
    assert!(text.err.contains("1 error"), "{}", text.err);
    assert!(server.counts().requests().iter().all(|r| !r.contains("/secrets")));
}

#[test]
fn files_take_the_place_of_what_the_cluster_holds() {
    let server = Server::start(mesh("nowhere"), Faults::default()).expect("a server");
    let clusters = Clusters::new(&[("dev", &server)]);
    let fixed = |host: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: web, namespace: shop}}\nspec:\n  hosts: [web]\n  http:\n  - route:\n    - destination: {{host: {host}}}\n"
        )
    };
    std::fs::write(clusters.dir.path().join("change.yaml"), fixed("web")).expect("a file");
    for args in [
        &["analyze", "-o", "json", "--world", "kube", "change.yaml"][..],
        &["analyze", "-o", "json", "--from", "kube:dev", "change.yaml"],
        &["analyze", "-o", "json", "--context", "dev", "change.yaml"],
    ] {
        let run = clusters.meshctl(args);
        assert_eq!((run.status, run.found()), (0, Vec::new()), "{args:?}: {}", run.err);
    }
    // What a file refers to is judged against the whole cluster.
    std::fs::write(clusters.dir.path().join("change.yaml"), fixed("elsewhere")).expect("a file");
    assert_eq!(clusters.meshctl(&["analyze", "-o", "json", "--world", "kube", "change.yaml"]).found(), ["IST0101 VirtualService shop/web"]);
    // Without a cluster that is named, none is asked.
    let before = server.counts().requests().len();
    clusters.meshctl(&["analyze", "change.yaml"]);
    assert_eq!(server.counts().requests().len(), before);
}

#[test]
fn what_may_not_be_seen_is_named_and_nothing_is_judged_by_it() {
    let server =
        Server::start(mesh("other.shop.svc.cluster.local"), Faults { forbidden: ["services".to_owned()].into(), ..Faults::default() }).expect("a server");
    let clusters = Clusters::new(&[("dev", &server)]);
    let run = clusters.meshctl(&["analyze", "-o", "json"]);
    assert_eq!((run.status, run.found()), (75, Vec::new()), "{}", run.err);
    assert!(run.err.contains("may not read services") && run.err.contains("resources: [services], verbs: [list]"), "{}", run.err);
    assert_eq!(clusters.meshctl(&["analyze", "--allow-partial"]).status, 0);
}

#[test]
fn several_clusters_are_one_mesh() {
    let (east, west) = (Server::start(mesh("web"), Faults::default()).expect("a server"), Server::start(mesh("nowhere"), Faults::default()).expect("a server"));
    let clusters = Clusters::new(&[("east", &east), ("west", &west)]);
    let run = clusters.meshctl(&["analyze", "--context", "east,west", "-o", "json"]);
    assert_eq!(run.found().iter().filter(|f| f.starts_with("IST0101")).count(), 1, "{}\n{}", run.out, run.err);
    drop(west);
    let run = clusters.meshctl(&["analyze", "--context", "east,west", "--kubeclient-timeout", "1s", "-o", "json"]);
    assert_eq!((run.status, run.found()), (75, Vec::new()), "{}", run.err);
    assert!(run.err.contains("cluster west: the API server can't be reached"), "{}", run.err);
}

#[test]
fn a_cluster_that_gives_nothing_is_no_answer() {
    let server = Server::start(mesh("web"), Faults { token: Some("new".to_owned()), ..Faults::default() }).expect("a server");
    let clusters = Clusters::new(&[("dev", &server)]);
    let run = clusters.meshctl(&["analyze"]);
    assert_eq!((run.status, run.out.as_str()), (1, ""), "{}", run.err);
    assert!(run.err.contains("401") && run.err.contains("log in again"), "{}", run.err);
    let run = clusters.meshctl(&["analyze", "--context", "prod"]);
    assert_eq!(run.status, 64);
    assert!(run.err.contains("no context `prod`; it has dev"), "{}", run.err);
    assert_eq!(clusters.meshctl(&["analyze", "--use-kube=false"]).status, 64);
    assert_eq!(clusters.meshctl(&["validate"]).status, 64);
}

#[test]
fn nothing_secret_comes_out() {
    let server = Server::start(mesh("nowhere"), Faults::default()).expect("a server");
    let clusters = Clusters::new(&[("dev", &server)]);
    for format in ["text", "json", "yaml", "sarif", "junit", "github", "gitlab", "log"] {
        let run = clusters.meshctl(&["analyze", "--with-secrets", "--all", "-v", "-o", format]);
        for planted in ["planted-secret", "cGxhbnRlZC1zZWNyZXQ"] {
            assert!(!run.out.contains(planted) && !run.err.contains(planted), "{format}: {}{}", run.out, run.err);
        }
    }
}

#[test]
fn several_clusters_are_recorded_into_one_file() {
    let (east, west) = (Server::start(mesh("web"), Faults::default()).expect("a server"), Server::start(mesh("nowhere"), Faults::default()).expect("a server"));
    let clusters = Clusters::new(&[("east", &east), ("west", &west)]);
    let made = clusters.meshctl(&["snapshot", "record", "mesh.rec", "--from", "kube:east", "--from", "kube:west", "--count", "1"]);
    // The servers have no proxies to be asked.
    assert!([0, 75].contains(&made.status), "{}{}", made.out, made.err);
    let live = clusters.meshctl(&["analyze", "--context", "east", "--context", "west", "-o", "json"]);
    let recorded = clusters.meshctl(&["analyze", "mesh.rec", "-o", "json"]);
    let said = |run: &Run| run.findings().iter().map(|f| (f["code"].clone(), f["origin"].clone(), f["message"].clone())).collect::<Vec<_>>();
    assert_eq!(said(&recorded), said(&live), "{}{}", recorded.err, live.err);
    assert_eq!(recorded.found(), ["IST0101 VirtualService shop/web"]);
    let info = clusters.meshctl(&["snapshot", "info", "mesh.rec", "-o", "json"]);
    assert!(info.out.contains("kube:east") && info.out.contains("kube:west"), "{}", info.out);
}
