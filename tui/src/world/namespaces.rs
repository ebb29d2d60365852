//! Namespaces and what is in them.

use super::{Finding, Level, Proxy, Traffic};
use crate::graph::{Flow, Health};
use mesh_model::{Kind, Role};
use mesh_resolver::InMesh;
use mesh_resolver::Mesh;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Namespace {
    pub name: String,
    pub errors: usize,
    pub warnings: usize,
    pub infos: usize,
    pub services: usize,
    pub workloads: usize,
    /// Workloads that have or will have a proxy.
    pub in_mesh: usize,
    /// Workloads of which the input does not tell.
    pub unknown: usize,
    /// Istio's and the Gateway API's objects.
    pub configuration: usize,
    pub proxies: usize,
    /// What enters its nodes, where traffic is known.
    pub flow: Option<Flow>,
    /// The worst that traffic says of one of its nodes.
    pub traffic: Health,
}

impl Namespace {
    /// The worse of what findings and what traffic say.
    pub fn health(&self) -> Health {
        let findings = match (self.errors, self.warnings) {
            (0, 0) => Health::Ok,
            (0, _) => Health::Degraded,
            _ => Health::Failing,
        };
        findings.max(self.traffic)
    }
}

pub(super) fn namespaces(mesh: &Mesh<'_>, findings: &[Finding], proxies: &[Proxy], traffic: Option<&Traffic>) -> Vec<Namespace> {
    let mut all: BTreeMap<String, Namespace> = BTreeMap::new();
    let mut at = |name: &str, change: &dyn Fn(&mut Namespace)| {
        // What belongs to no namespace is no row.
        if name.is_empty() {
            return;
        }
        change(all.entry(name.to_owned()).or_insert_with(|| Namespace { name: name.to_owned(), ..Namespace::default() }));
    };
    for finding in findings.iter().filter(|f| !f.namespace.is_empty()) {
        at(&finding.namespace, &|n| match finding.level {
            Level::Error => n.errors += 1,
            Level::Warning => n.warnings += 1,
            Level::Info => n.infos += 1,
        });
    }
    for object in mesh.snapshot.objects.iter().filter(|o| o.role != Role::Assumed) {
        if object.kind == Kind::Namespace {
            at(object.name(), &|_| {});
        } else if object.kind.groups().iter().any(|g| g.ends_with("istio.io") || *g == "gateway.networking.k8s.io") {
            at(object.namespace(), &|n| n.configuration += 1);
        }
    }
    for service in mesh.services.all().iter().filter(|s| s.object.role != Role::Assumed) {
        at(service.namespace, &|n| n.services += 1);
    }
    for workload in mesh.workloads.all().iter().filter(|w| w.object.role != Role::Assumed) {
        let state = mesh.in_mesh(workload);
        at(workload.namespace, &|n| {
            n.workloads += 1;
            n.in_mesh += usize::from(state.is_in() && state != InMesh::Unknown);
            n.unknown += usize::from(state == InMesh::Unknown);
        });
    }
    for proxy in proxies.iter().filter(|p| !p.namespace.is_empty()) {
        at(&proxy.namespace, &|n| n.proxies += 1);
    }
    for load in traffic.into_iter().flat_map(|t| t.loads.values()) {
        at(&load.namespace, &|n| n.traffic = n.traffic.max(load.health));
    }
    let mut out: Vec<Namespace> = all.into_values().collect();
    for n in &mut out {
        n.flow = traffic.map(|t| t.into_namespace(&n.name));
    }
    out.sort_by(|a, b| (b.health(), b.errors, b.warnings, &a.name).cmp(&(a.health(), a.errors, a.warnings, &b.name)));
    out
}
