//! A cluster read through its API, from a test server that replays lists.

#![allow(clippy::print_stdout)]

use mesh_collectors::kube::{Cluster, ConnectError, Followed, Options, Secrets, Timeout, What, read};
use mesh_model::{Completeness, Kind, ProblemKind, Role, Snapshot};
use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

fn resource(group: &str, version: &str, plural: &str, kind: &str, items: Vec<Value>) -> Resource {
    Resource { group: group.into(), version: version.into(), plural: plural.into(), kind: kind.into(), is_namespaced: kind != "Namespace", items }
}

fn mesh(pods: usize) -> Data {
    let mut data = Data::default();
    let pod = |i: usize| json!({"metadata": {"name": format!("web-{i:05}"), "namespace": if i.is_multiple_of(2) { "shop" } else { "other" }, "labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "env": [{"name": "TOKEN", "value": "s3cret"}]}]}});
    data.add(resource("", "v1", "pods", "Pod", (0..pods).map(pod).collect()));
    data.add(resource("", "v1", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]));
    data.add(resource(
        "",
        "v1",
        "services",
        "Service",
        vec![json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}})],
    ));
    data.add(resource(
        "",
        "v1",
        "secrets",
        "Secret",
        vec![json!({"metadata": {"name": "tls", "namespace": "shop"}, "data": {"tls.crt": "Q0VSVA==", "tls.key": "czNjcmV0"}})],
    ));
    let service = |host: &str| json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"hosts": [host]}});
    data.add(resource("networking.istio.io", "v1beta1", "virtualservices", "VirtualService", vec![service("old")]));
    data.add(resource("networking.istio.io", "v1", "virtualservices", "VirtualService", vec![service("web")]));
    data
}

fn what() -> What {
    What {
        role: Role::Judged,
        cluster: 0,
        secrets: Secrets::Left,
        istio_namespace: "istio-system".into(),
        revision: None,
        namespaces: Vec::new(),
        deadline: Duration::from_secs(20),
    }
}

struct Client {
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
    options: Options,
}

impl Client {
    fn new(server: &Server, token: &str) -> Client {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::fs::write(&path, server.kubeconfig("test", token, "shop")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = Options { kubeconfig: Some(path), timeout: Timeout(Duration::from_secs(3)), ..Options::default() };
        Client { runtime, _dir: dir, options }
    }
    fn read(&self, what: &What) -> Result<Snapshot, String> {
        self.runtime.block_on(async {
            let cluster = Cluster::connect(&self.options).await.map_err(|e| e.to_string())?;
            let mut snapshot = Snapshot::new();
            read(&cluster, what, &mut snapshot).await.map_err(|e| e.to_string())?;
            Ok(snapshot)
        })
    }
}

fn of(snapshot: &Snapshot, kind: Kind) -> Vec<String> {
    snapshot.objects.iter().filter(|o| o.kind == kind).map(|o| o.full_name()).collect()
}

#[test]
fn pages_make_one_list_in_order_and_nothing_secret_is_kept() {
    let server = Server::start(mesh(1203), Faults::default()).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert_eq!(of(&snapshot, Kind::Pod).len(), 1203);
    assert_eq!(server.counts().requests().iter().filter(|r| r.starts_with("/api/v1/pods?")).count(), 3);
    assert_eq!(snapshot.completeness, Completeness::Complete);
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    assert!(snapshot.objects.iter().all(|o| !o.source().text().contains("s3cret")));
    assert!(of(&snapshot, Kind::Secret).is_empty() && snapshot.unseen.contains(&(0, Kind::Secret)));
    let virtual_service = snapshot.objects.iter().find(|o| o.kind == Kind::VirtualService).unwrap();
    assert_eq!((virtual_service.api_version(), virtual_service.source().name()), ("networking.istio.io/v1", "kube:test/VirtualService/shop/web"));
    assert!(server.counts().most_at_once() <= 8, "{}", server.counts().most_at_once());

    let again = Client::new(&server, "t").read(&what()).unwrap();
    let names = |s: &Snapshot| s.objects.iter().map(|o| o.source().name().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&again), names(&snapshot));
}

#[test]
fn secrets_are_read_when_asked_and_their_keys_never() {
    let server = Server::start(mesh(1), Faults::default()).unwrap();
    let snapshot = Client::new(&server, "t").read(&What { secrets: Secrets::Read, ..what() }).unwrap();
    let secret = snapshot.objects.iter().find(|o| o.kind == Kind::Secret).unwrap();
    assert!(secret.source().text().contains("Q0VSVA==") && !secret.source().text().contains("czNjcmV0"), "{}", secret.source().text());
    assert!(server.counts().requests().iter().any(|r| r.contains("helm.sh")));
}

#[test]
fn what_may_not_be_seen_is_named_with_the_rule_that_would_allow_it() {
    let forbidden = ["pods", "namespaces"].map(str::to_owned).into();
    let server = Server::start(mesh(4), Faults { forbidden, allowed_namespaces: ["shop".to_owned()].into(), ..Faults::default() }).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    // The context's namespace may be read all the same.
    assert_eq!(of(&snapshot, Kind::Pod), ["shop/web-00000", "shop/web-00002"]);
    assert!(snapshot.unseen.contains(&(0, Kind::Pod)) && snapshot.unseen.contains(&(0, Kind::Namespace)));
    let [problem] = snapshot.problems.as_slice() else { panic!("{:?}", snapshot.problems) };
    assert_eq!(problem.kind, ProblemKind::Unseen);
    assert_eq!(problem.message, "this user may not read pods, namespaces; what needs them is not judged");
    assert_eq!(problem.help.as_deref(), Some(r#"a ClusterRole with these rules allows it: [{apiGroups: [""], resources: [pods, namespaces], verbs: [list]}]"#));
    assert_eq!(of(&snapshot, Kind::Service), ["shop/web"]);
}

#[test]
fn what_may_not_be_seen_in_the_cluster_is_looked_for_in_every_namespace_that_is_named() {
    let forbidden = ["pods", "services", "configmaps"].map(str::to_owned).into();
    let mut data = mesh(4);
    data.add(resource("", "v1", "configmaps", "ConfigMap", Vec::new()));
    let server = Server::start(data, Faults { forbidden, allowed_namespaces: ["shop", "other"].map(str::to_owned).into(), ..Faults::default() }).unwrap();
    let snapshot = Client::new(&server, "t").read(&What { namespaces: vec!["other".into(), "nosuch".into(), "other".into()], ..what() }).unwrap();
    assert_eq!(of(&snapshot, Kind::Pod), ["other/web-00001", "other/web-00003", "shop/web-00000", "shop/web-00002"]);
    assert_eq!(of(&snapshot, Kind::Service), ["shop/web"]);
    assert!([Kind::Pod, Kind::Service].iter().all(|k| snapshot.unseen.contains(&(0, *k))) && snapshot.mesh_config_unreadable);
    let [problem] = snapshot.problems.as_slice() else { panic!("{:?}", snapshot.problems) };
    assert!(problem.message.contains("services, pods, configmaps in istio-system"), "{}", problem.message);
    // The least that is needed: of ConfigMaps only those beside the control plane.
    let help = problem.help.as_deref().unwrap();
    assert!(help.ends_with(r#"a Role in istio-system with these rules allows it: [{apiGroups: [""], resources: [configmaps], verbs: [list]}]"#), "{help}");
}

#[test]
fn where_nothing_may_be_seen_there_is_no_answer() {
    let forbidden = ["pods", "namespaces", "services", "virtualservices"].map(str::to_owned).into();
    let server = Server::start(mesh(4), Faults { forbidden, ..Faults::default() }).unwrap();
    let error = Client::new(&server, "t").read(&what()).unwrap_err();
    assert!(error.starts_with("the API server answers 403:"), "{error}");
}

#[test]
fn kinds_of_a_group_that_does_not_say_what_it_serves_are_not_known() {
    let failing = |path: &str| Faults { failing: vec![(path.to_owned(), 503, 99)], ..Faults::default() };
    // `…/v1` is the beginning of `…/v1beta1` too.
    let server = Server::start(mesh(1), failing("/apis/networking.istio.io/v1")).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert_eq!((of(&snapshot, Kind::Pod).len(), of(&snapshot, Kind::VirtualService).len()), (1, 0));
    for kind in [Kind::VirtualService, Kind::DestinationRule, Kind::CustomResourceDefinition] {
        assert!(snapshot.unseen.contains(&(0, kind)), "{kind:?}");
    }
    assert!(!snapshot.unseen.contains(&(0, Kind::AuthorizationPolicy)));
    let subjects: Vec<_> = snapshot.problems.iter().map(|p| p.subject.as_str()).collect();
    assert_eq!(subjects, ["kube:test networking.istio.io/v1", "kube:test networking.istio.io/v1beta1"]);
    // A version that answers has all objects of its kinds.
    let server = Server::start(mesh(1), failing("/apis/networking.istio.io/v1beta1")).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert_eq!(of(&snapshot, Kind::VirtualService), ["shop/web"]);
    assert!(!snapshot.unseen.contains(&(0, Kind::VirtualService)) && snapshot.unseen.contains(&(0, Kind::DestinationRule)));
}

#[test]
fn an_object_that_can_not_be_read_is_named_and_its_kind_not_known() {
    let mut data = mesh(3);
    let odd = json!({"metadata": {"name": "odd", "namespace": "shop"}, "spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "N", "value": 7}]}]}}}});
    data.add(resource("apps", "v1", "deployments", "Deployment", vec![odd, json!({"metadata": {"name": "good", "namespace": "shop"}})]));
    let server = Server::start(data, Faults::default()).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert_eq!((of(&snapshot, Kind::Deployment), of(&snapshot, Kind::Pod).len()), (vec!["shop/good".to_owned()], 3));
    assert!(snapshot.unseen.contains(&(0, Kind::Deployment)) && !snapshot.unseen.contains(&(0, Kind::Pod)));
    let [problem] = snapshot.problems.as_slice() else { panic!("{:?}", snapshot.problems) };
    assert_eq!((problem.kind, problem.subject.as_str()), (ProblemKind::Unseen, "kube:test/Deployment/shop/odd"));
    assert!(problem.message.starts_with("it can't be read: ") && problem.help.is_some(), "{problem:?}");
}

#[test]
fn no_more_than_eight_requests_wait_for_the_server() {
    let mut data = mesh(1);
    for i in 1..=20 {
        data.add(resource("security.istio.io", &format!("v1alpha{i}"), "authorizationpolicies", "AuthorizationPolicy", Vec::new()));
    }
    let server = Server::start(data, Faults { slow: vec![("/ap".to_owned(), Duration::from_millis(20))], ..Faults::default() }).unwrap();
    Client::new(&server, "t").read(&what()).unwrap();
    assert!(server.counts().requests().len() > 20);
    assert!(server.counts().most_at_once() <= 8, "{}", server.counts().most_at_once());
}

#[test]
fn what_fails_for_a_moment_is_asked_again_and_what_keeps_failing_is_named() {
    let failing = vec![
        ("/api/v1/pods".to_owned(), 429, 1),
        ("/api/v1/services".to_owned(), 500, 1),
        ("/apis/networking.istio.io/v1/virtualservices".to_owned(), 503, 99),
    ];
    let server = Server::start(mesh(3), Faults { failing, ..Faults::default() }).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert_eq!((of(&snapshot, Kind::Pod).len(), of(&snapshot, Kind::Service).len()), (3, 1));
    let problems: Vec<_> = snapshot.problems.iter().map(|p| (p.subject.as_str(), p.message.as_str())).collect();
    assert_eq!(problems, [("kube:test virtualservices", "the API server answers 503: the test wants it so")]);
    assert!(snapshot.unseen.contains(&(0, Kind::VirtualService)));
}

#[test]
fn a_list_whose_place_is_forgotten_is_begun_anew() {
    for expired in [1, 3] {
        let server = Server::start(mesh(1203), Faults { expired, ..Faults::default() }).unwrap();
        let snapshot = Client::new(&server, "t").read(&what()).unwrap();
        assert_eq!(of(&snapshot, Kind::Pod).len(), 1203, "after {expired}");
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    }
}

#[test]
fn a_slow_answer_costs_its_own_part_and_bounded_time() {
    let server = Server::start(mesh(3), Faults { slow: vec![("/api/v1/pods".to_owned(), Duration::from_secs(30))], ..Faults::default() }).unwrap();
    let mut client = Client::new(&server, "t");
    client.options.timeout = Timeout(Duration::from_millis(300));
    let snapshot = client.read(&what()).unwrap();
    assert_eq!(snapshot.problems.len(), 1);
    assert_eq!(snapshot.problems[0].message, "no answer within 0.3 s");
    assert_eq!(of(&snapshot, Kind::Service).len(), 1);
}

#[test]
fn an_expired_token_and_a_dead_server_are_errors_that_say_what_to_do() {
    let server = Server::start(mesh(1), Faults { token: Some("new".to_owned()), ..Faults::default() }).unwrap();
    assert_eq!(Client::new(&server, "old").read(&what()).unwrap_err(), "the API server answers 401: Unauthorized");
    assert!(Client::new(&server, "new").read(&what()).is_ok());
    let client = Client::new(&server, "new");
    drop(server);
    let error = client.read(&what()).unwrap_err();
    assert!(error.starts_with("the API server can't be reached:"), "{error}");
}

#[test]
fn a_kubeconfig_that_is_missing_or_lacks_the_context_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connect = |options: &Options| runtime.block_on(Cluster::connect(options)).err().unwrap();
    let missing = Options { kubeconfig: Some(dir.path().join("nosuch")), ..Options::default() };
    assert!(matches!(connect(&missing), ConnectError::Kubeconfig(m) if m.contains("nosuch")));
    let server = Server::start(Data::default(), Faults::default()).unwrap();
    let client = Client::new(&server, "t");
    let unknown = Options { context: Some("prod".into()), ..client.options.clone() };
    assert_eq!(connect(&unknown).to_string(), "the kubeconfig has no context `prod`; it has test");
}

#[test]
fn recorded_lists_read_as_their_files_do() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/recorded/bookinfo/k8s");
    if !recorded.is_dir() {
        println!("SKIPPED: no recorded lists beside this checkout");
        return;
    }
    let server = Server::start(Data::read(&recorded).unwrap(), Faults::default()).unwrap();
    let snapshot = Client::new(&server, "t").read(&what()).unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    for (kind, n) in [(Kind::Pod, 9), (Kind::VirtualService, 3), (Kind::DestinationRule, 4), (Kind::EnvoyFilter, 1), (Kind::HttpRoute, 1)] {
        assert_eq!(of(&snapshot, kind).len(), n, "{kind:?}");
    }
    assert!(snapshot.mesh_config.is_some());
}

/// How the API names the objects of a kind.
fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.strip_suffix('y').filter(|stem| !stem.ends_with('a')) {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with("endpoints") => kind,
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

#[test]
fn the_viewers_rights_are_those_that_are_used() {
    let mut data = Data::default();
    for kind in mesh_model::kind::KINDS {
        for group in kind.groups() {
            let mut all = resource(group, "v1", &plural(kind.name()), kind.name(), Vec::new());
            all.is_namespaced = kind.scope() == mesh_model::Scope::Namespaced;
            data.add(all);
        }
    }
    let server = Server::start(data, Faults::default()).unwrap();
    let client = Client::new(&server, "t");
    client.read(&what()).unwrap();
    // Followed as well, by a watch each.
    let followed = Followed::start(client.options.clone(), what()).unwrap();
    followed.read(&what(), Duration::from_secs(20), &mut Snapshot::new()).unwrap();
    drop(followed);
    // Of EndpointSlices only those that are not made of Pods.
    let slices = |r: &&String| r.contains("/endpointslices?");
    let requests = server.counts().requests();
    assert!(requests.iter().filter(slices).count() >= 2, "{requests:?}");
    let left_out = "labelSelector=endpointslice.kubernetes.io%2Fmanaged-by%21%3Dendpointslice-controller.k8s.io";
    assert!(requests.iter().filter(slices).all(|r| r.contains(left_out)), "{requests:?}");
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rbac-viewer.yaml")).unwrap();
    let source = mesh_model::Source::new("rbac", text);
    let manifest = mesh_model::snapshot::read_manifest(&source, Role::Judged, 0, mesh_model::yaml::Limits::default());
    // Group, resource and verb of everything that is allowed.
    let mut allowed = BTreeSet::new();
    for rule in manifest.objects.iter().flat_map(|o| o.root().list("rules").collect::<Vec<_>>()) {
        let texts = |field: &str| rule.list(field).map(|n| n.text().to_owned()).collect::<Vec<_>>();
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                allowed.extend(texts("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    let mut used = BTreeSet::new();
    for request in server.counts().requests() {
        let path: Vec<&str> = request.split('?').next().unwrap().trim_matches('/').split('/').collect();
        let (group, rest) = match path.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => continue,
        };
        let list = if request.contains("watch=true") { "watch" } else { "list" };
        let (plural, verb) = match rest {
            ["namespaces", _, plural] | [plural] => (*plural, list),
            [plural, _] => (*plural, "get"),
            _ => continue,
        };
        let exact = (group.to_owned(), plural.to_owned(), verb.to_owned());
        let any = (group.to_owned(), "*".to_owned(), verb.to_owned());
        let right = [exact, any].into_iter().find(|r| allowed.contains(r));
        used.insert(right.unwrap_or_else(|| panic!("{request} is asked and not allowed")));
    }
    // An earlier name of a group is asked only where the current one is not served.
    for verb in ["list", "watch"] {
        allowed.remove(&("inference.networking.x-k8s.io".to_owned(), "*".to_owned(), verb.to_owned()));
    }
    assert_eq!(allowed, used, "what is allowed and not asked");
}
