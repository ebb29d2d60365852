//! A cluster with an istiod, two workloads with proxies and one without, played by the test servers from testdata/dumps.

use super::{Run, command, run};
use mesh_testserver::admin::{Admin, Pages};
use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub struct Mesh {
    pub server: Server,
    pub cart: Admin,
    pub web: Admin,
    pub istiod: Admin,
    dir: tempfile::TempDir,
}

pub fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/dumps").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn resource(group: &str, version: &str, plural: &str, kind: &str, items: Vec<Value>) -> Resource {
    let is_namespaced = !matches!(kind, "Namespace" | "Node" | "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration");
    Resource { group: group.into(), version: version.into(), plural: plural.into(), kind: kind.into(), is_namespaced, items }
}

/// A running pod of a Deployment's ReplicaSet.
pub fn pod(namespace: &str, name: &str, app: &str, containers: &[(&str, &str)]) -> Value {
    let containers: Vec<Value> = containers.iter().map(|(name, image)| json!({"name": name, "image": image})).collect();
    let mut labels = json!({"app": app});
    if containers.iter().any(|c| c["name"] == "istio-proxy") {
        labels["service.istio.io/canonical-name"] = json!(app);
        labels["security.istio.io/tlsMode"] = json!("istio");
    }
    json!({"metadata": {"name": name, "namespace": namespace, "labels": labels, "creationTimestamp": "2026-11-22T10:00:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "name": format!("{app}-7d9"), "controller": true}]},
        "spec": {"nodeName": "n1", "serviceAccountName": app, "containers": containers},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T10:00:10Z"}],
            "containerStatuses": [{"name": app, "ready": true, "restartCount": 0}]}})
}

const PROXY: (&str, &str) = ("istio-proxy", "docker.io/istio/proxyv2:1.30.1");

/// The objects, without what is behind the pods.
pub fn objects() -> Data {
    let mut data = Data::default();
    data.add(resource(
        "",
        "v1",
        "pods",
        "Pod",
        vec![
            pod("shop", "cart-1", "cart", &[("cart", "cart:1"), PROXY]),
            pod("shop", "cart-2", "cart", &[("cart", "cart:1"), PROXY]),
            pod("shop", "cron-1", "cron", &[("cron", "cron:1")]),
            pod("web", "web-1", "web", &[("web", "web:1"), PROXY]),
            pod("istio-system", "istiod-1", "istiod", &[("discovery", "docker.io/istio/pilot:1.30.1")]),
        ],
    ));
    let deployment =
        |namespace: &str, app: &str| json!({"metadata": {"name": app, "namespace": namespace}, "spec": {"selector": {"matchLabels": {"app": app}}}});
    data.add(resource("apps", "v1", "deployments", "Deployment", vec![deployment("shop", "cart"), deployment("shop", "gone"), deployment("web", "web")]));
    data.add(resource(
        "",
        "v1",
        "services",
        "Service",
        vec![json!({"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"selector": {"app": "cart"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})],
    ));
    data
}

impl Mesh {
    pub fn start(faults: Faults) -> Mesh {
        Mesh::with(objects(), faults)
    }

    pub fn with(mut data: Data, faults: Faults) -> Mesh {
        let pages = |list: &[(&str, &str)]| list.iter().map(|(path, file)| ((*path).to_owned(), page(file))).collect::<Pages>();
        let cart = pages(&[("/config_dump", "mesh/proxies/shop/cart-1/config_dump"), ("/certs", "mesh/proxies/shop/cart-1/certs")]);
        let web = pages(&[("/config_dump", "mesh/proxies/web/web-1/config_dump"), ("/clusters", "mesh/proxies/web/web-1/clusters")]);
        let istiod = pages(&[
            ("/debug/syncz", "mesh/istio/istio-system/istiod-1/debug/syncz"),
            ("/debug/config_dump?proxyID=cart-1.shop", "mesh/istio/istio-system/istiod-1/debug/config_dump?proxyID=cart-1.shop"),
        ]);
        let start = |pages| Admin::start(pages).expect("an admin port");
        let (cart, web, istiod) = (start(cart), start(web), start(istiod));
        data.forward("shop", "cart-1", 15000, cart.address());
        data.forward("web", "web-1", 15000, web.address());
        data.forward("istio-system", "istiod-1", 15014, istiod.address());
        let mut mesh = Mesh::bare(data, faults);
        (mesh.cart, mesh.web, mesh.istiod) = (cart, web, istiod);
        mesh
    }

    /// Without anything behind the pods but what the data has.
    pub fn bare(data: Data, faults: Faults) -> Mesh {
        let nobody = || Admin::start(Pages::new()).expect("an admin port");
        let server = Server::start(data, faults).expect("a server");
        let dir = super::folder(&[("config", &server.kubeconfig("dev", "token", "shop"))]);
        Mesh { server, cart: nobody(), web: nobody(), istiod: nobody(), dir }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn meshctl(&self, args: &[&str]) -> Run {
        run(self.command(args).output().expect("meshctl runs"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.dir());
        command.env("KUBECONFIG", self.dir().join("config")).env("MESHCTL_NOW", "2026-11-22T11:40:00Z").args(args);
        command
    }

    /// Starts a command that does not end by itself.
    pub fn start_meshctl(&self, args: &[&str]) -> Running {
        let mut child = self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("meshctl runs");
        let collect = |from: Box<dyn Read + Send>| {
            let text = Arc::new(Mutex::new(String::new()));
            let to = Arc::clone(&text);
            std::thread::spawn(move || {
                for line in BufReader::new(from).lines().map_while(Result::ok) {
                    let mut to = to.lock().unwrap_or_else(PoisonError::into_inner);
                    to.push_str(&line);
                    to.push('\n');
                }
            });
            text
        };
        let out = collect(Box::new(child.stdout.take().expect("stdout")));
        let err = collect(Box::new(child.stderr.take().expect("stderr")));
        Running { child, out, err }
    }
}

/// A command that runs; it is killed with this.
pub struct Running {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

/// A debug build on a busy machine needs its time.
const PATIENCE: Duration = Duration::from_secs(60);

impl Running {
    pub fn out(&self) -> String {
        self.out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub fn err(&self) -> String {
        self.err.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    #[track_caller]
    pub fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(&self.out()) {
            assert!(Instant::now() < until, "{what}: {}\n{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// Waits for its end by itself; its exit status.
    #[track_caller]
    pub fn end(&mut self) -> Option<i32> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(Instant::now() < until, "it does not end: {}\n{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
