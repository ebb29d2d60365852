//! ## IST0170 MultiClusterInconsistentService (Warning)
//!
//! **What it checks.** A Service of one name and namespace that differs between clusters in its type, its ports, or in
//! being headless. Its input are clusters given one by one (`--cluster NAME=DIR`).
//!
//! **Why it matters.** To the mesh it is one service; requests fail or are balanced wrongly where the clusters disagree.
//!
//! **Bad**
//!
//! ```yaml
//! # meshctl: cluster east
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {clusterIP: None, ports: [{name: http, port: 80}]}
//! ---
//! # meshctl: cluster west
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! # meshctl: cluster east
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ---
//! # meshctl: cluster west
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {ports: [{name: http, port: 80}]}
//! ```

use crate::codes::IST0170;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role};
use std::collections::{BTreeMap, BTreeSet};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let services = cx.mesh.objects(Kind::Service);
    if services.iter().all(|s| s.cluster == services[0].cluster) {
        return;
    }
    let mut by_name: BTreeMap<(&str, &str), Vec<&'a Object>> = BTreeMap::new();
    for s in services.iter().copied().filter(|s| s.role == Role::Judged) {
        by_name.entry((s.namespace(), s.name())).or_default().push(s);
    }
    for (_, copies) in by_name.into_iter().filter(|(_, c)| c.len() > 1) {
        let differences: Vec<String> = [("headless", headless as fn(&Object) -> String), ("type", kind), ("ports", ports)]
            .into_iter()
            .filter(|(_, show)| copies.iter().map(|s| show(s)).collect::<BTreeSet<_>>().len() > 1)
            .map(|(what, show)| {
                let each: Vec<String> = copies.iter().map(|s| format!("`{}` in `{}`", show(s), cx.mesh.snapshot.cluster_name(s))).collect();
                format!("{what} {}", each.join(", "))
            })
            .collect();
        if differences.is_empty() {
            continue;
        }
        let object = copies[0];
        let message = format!("Service `{}` differs between clusters: {}", object.full_name(), differences.join("; "));
        let finding = sink.report(&IST0170, object, object.name_node(), message);
        finding.help("make the Service the same in all clusters");
        for other in &copies[1..] {
            finding.related(other, other.name_node(), format!("in `{}`", cx.mesh.snapshot.cluster_name(other)));
        }
    }
}

fn headless(s: &Object) -> String {
    if s.spec().is_some_and(|s| s.text_of("clusterIP") == "None") { "yes" } else { "no" }.to_owned()
}

fn kind(s: &Object) -> String {
    match s.spec().map_or("", |s| s.text_of("type")) {
        "" => "ClusterIP".to_owned(),
        t => t.to_owned(),
    }
}

fn ports(s: &Object) -> String {
    let mut ports: Vec<String> = s.spec().into_iter().flat_map(|s| s.list("ports")).map(port).collect();
    ports.sort();
    ports.join(" ")
}

/// `name:port/protocol>target`, and what else tells ports apart.
fn port(p: Node<'_>) -> String {
    let text = |key: &str, default: &'static str| match p.text_of(key) {
        "" => default.to_owned(),
        t => t.to_owned(),
    };
    let target = if p.text_of("targetPort").is_empty() { p.text_of("port") } else { p.text_of("targetPort") };
    let mut out = format!("{}:{}/{}>{target}", text("name", "-"), text("port", "?"), text("protocol", "TCP"));
    for key in ["appProtocol", "nodePort"] {
        if p.get(key).is_some() {
            out.push_str(&format!(" {key} {}", p.text_of(key)));
        }
    }
    out
}
