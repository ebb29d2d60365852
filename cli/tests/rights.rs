//! The rights that the manifests in deploy/ give: those that the commands on pods use, and no more.

use crate::common;
use common::mesh::{Mesh, objects, resource};
use mesh_model::Role;
use mesh_testserver::apiserver::Faults;
use std::collections::BTreeSet;
use std::path::Path;

/// Group, resource and verb.
type Right = (String, String, String);

fn rights(file: &str) -> BTreeSet<Right> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    let source = mesh_model::Source::new(file, std::fs::read_to_string(&path).expect("a manifest"));
    let manifest = mesh_model::snapshot::read_manifest(&source, Role::Judged, 0, mesh_model::yaml::Limits::default());
    let mut out = BTreeSet::new();
    for rule in manifest.objects.iter().flat_map(|o| o.root().list("rules").collect::<Vec<_>>()) {
        let texts = |field: &str| rule.list(field).map(|n| n.text().to_owned()).collect::<Vec<_>>();
        for group in texts("apiGroups") {
            for resource in texts("resources") {
                out.extend(texts("verbs").into_iter().map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    out
}

/// The right that a request needs; none for what everybody may ask.
fn right(request: &str) -> Option<Right> {
    let path: Vec<&str> = request.split('?').next()?.trim_matches('/').split('/').collect();
    let (group, rest) = match path.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let list = if request.contains("watch=true") { "watch" } else { "list" };
    let (resource, verb) = match rest {
        ["namespaces", _, resource] | [resource] => ((*resource).to_owned(), list),
        ["namespaces", _, resource, _, sub] => (format!("{resource}/{sub}"), "get"),
        ["namespaces", _, resource, _] | [resource, _] => ((*resource).to_owned(), "get"),
        _ => return None,
    };
    Some((group.to_owned(), resource, verb.to_owned()))
}

#[test]
fn what_the_commands_on_pods_ask_is_allowed_and_nothing_more() {
    let mut data = objects();
    for (group, plural, kind) in
        [("apps", "statefulsets", "StatefulSet"), ("apps", "daemonsets", "DaemonSet"), ("apps", "replicasets", "ReplicaSet"), ("batch", "jobs", "Job")]
    {
        data.add(resource(group, "v1", plural, kind, Vec::new()));
    }
    data.add(resource("", "v1", "events", "Event", Vec::new()));
    data.log("shop", "cart-1", "cart", &[("2026-11-22T11:00:00Z", "started")]);
    let mut faults = Faults::default();
    // So that commands in pods are run as well.
    faults.failing.push(("/api/v1/namespaces/web/pods/web-1/portforward".to_owned(), 500, 1));
    let mesh = Mesh::with(data, faults);
    for target in ["cart-1", "web-1.web", "deploy/cart", "sts/none", "ds/none", "rs/none", "job/none", "svc/cart"] {
        mesh.meshctl(&["pc", "cluster", target]);
    }
    for args in [
        &["ps"][..],
        &["ps", "cart-1"],
        &["check"],
        &["check", "--wait", "1s"],
        &["certs"],
        &["logs", "cart-1"],
        &["changes"],
        &["changes", "cart-1"],
        &["version"],
        &["pc", "cluster", "-l", "app=cart"],
        &["pc", "log", "cart-1"],
        &["zc", "workload"],
        &["authz", "check", "cart-1"],
        &["authz", "can", "--pod", "cart-1", "--port", "80", "GET", "/"],
        &["authz", "who-can", "deployment/cart", "--from", "kube"],
        &["route", "--pod", "cart-1", "GET", "http://reviews/"],
        &["analyze"],
        &["describe", "cart-1"],
        &["mtls", "--from", "kube"],
        &["why", "--from", "kube", "deployment/web.web", "http://cart.shop/"],
        &["plan", "--from", "kube", "--delete", "Service shop/cart"],
        &["describe", "svc/cart"],
        &["snapshot", "record", "once.rec", "--from", "kube", "--for", "1s"],
        &["tui", "kube", "--no-tui"],
    ] {
        let run = mesh.meshctl(args);
        // A wrong call asks nothing.
        assert!(run.status != 64, "{args:?}: {}", run.err);
    }
    let followed = mesh.start_meshctl(&["logs", "deployment/cart", "-f"]);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !mesh.server.counts().requests().iter().any(|r| r.contains("/pods?") && r.contains("watch=true")) {
        assert!(std::time::Instant::now() < until, "{}{}", followed.out(), followed.err());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    drop(followed);
    let (viewer, mut own) = (rights("rbac-viewer.yaml"), rights("rbac-troubleshooter.yaml"));
    for request in mesh.server.counts().requests() {
        let Some((group, resource, verb)) = right(&request) else { continue };
        let exact = (group.clone(), resource.clone(), verb.clone());
        let is_allowed =
            viewer.contains(&exact) || viewer.contains(&(group.clone(), "*".to_owned(), verb.clone())) || rights("rbac-troubleshooter.yaml").contains(&exact);
        assert!(is_allowed, "{request} is asked and not allowed");
        own.remove(&exact);
        // A websocket is opened by GET; newer API servers judge it as `create`.
        if resource.contains('/') && resource != "pods/log" {
            own.remove(&(group, resource, "create".to_owned()));
        }
    }
    assert!(own.is_empty(), "what is allowed and not asked: {own:?}");
}
