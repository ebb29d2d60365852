//! DestinationRules that have a subset and do not count for a client, and services that it does not see.

use super::answer::{Miss, Thing};
use super::party::Party;
use crate::host;
use crate::service::ExportTo;
use crate::translate::{Model, RegisteredService};
use mesh_model::{Kind, Node, Object};

/// A rule that has a subset, and why it does not count.
pub(super) struct Uncounted<'a> {
    pub object: &'a Object,
    pub node: Node<'a>,
    pub why: String,
    pub change: String,
}

impl Uncounted<'_> {
    pub fn miss(&self) -> Miss {
        Miss { name: self.object.origin(), thing: Some(Thing::at(self.object, self.node)), why: self.why.clone() }
    }
}

/// The rules for a service that have a subset, in the order of their names.
pub(super) fn with_subset<'a>(model: &Model<'_, 'a>, party: &Party<'_, '_>, service: &RegisteredService<'a>, subset: &str) -> Vec<Uncounted<'a>> {
    let mesh = model.mesh;
    let root = mesh.config.root_namespace();
    let counted = mesh.destination_rules.effective(&party.namespace, &service.host, service.namespace);
    let all = mesh.objects(Kind::DestinationRule).iter().copied();
    let of_host = all.filter(|o| host::covers(&host::expand(o.spec().map_or("", |s| s.text_of("host")), o.namespace(), mesh.domain), &service.host));
    let mut out: Vec<Uncounted<'a>> = of_host
        .filter(|o| !counted.iter().any(|c| std::ptr::eq(*c, *o)))
        .filter_map(|o| {
            let spec = o.spec()?;
            let node = spec.list("subsets").find(|s| s.text_of("name") == subset)?;
            let to: Vec<&str> = spec.list("exportTo").map(Node::text).collect();
            let is_written = !to.is_empty();
            let export = ExportTo(if is_written { to } else { mesh.config.default_export_to("defaultDestinationRuleExportTo") });
            let places = [party.namespace.as_str(), service.namespace, root];
            let (why, change) = if !places.contains(&o.namespace()) {
                let has = format!("has it, and stands in namespace {}: rules of the client's, the service's and the root namespace count", o.namespace());
                (has, format!("move {} to namespace {}", o.origin(), service.namespace))
            } else if !export.visible_to(o.namespace(), &party.namespace) {
                let by = if is_written { "" } else { ", by defaultDestinationRuleExportTo of the mesh configuration" };
                (format!("has it, and is exported to {} only{by}", export.0.join(", ")), format!("add {} to `exportTo` of {}", party.namespace, o.origin()))
            } else if spec.get("workloadSelector").is_some() {
                ("has it, and is for other workloads (workloadSelector)".to_owned(), format!("widen `workloadSelector` of {}", o.origin()))
            } else {
                let by = counted.first().map_or_else(String::new, |c| c.origin());
                (format!("has it, and does not count: {by} comes before it, and two namespaces are not united"), format!("write the subset into {by}"))
            };
            Some(Uncounted { object: o, node, why, change })
        })
        .collect();
    // Rules for a host that is nobody's, and nearly this one.
    let name = service.host.split('.').next().unwrap_or_default();
    out.extend(
        mesh.objects(Kind::DestinationRule).iter().copied().filter(|o| o.namespace() == service.namespace || o.namespace() == party.namespace).filter_map(
            |o| {
                let host = o.spec()?.get("host")?;
                let full = host::expand(host.text(), o.namespace(), mesh.domain);
                let is_mistyped = model.registry.by_host(&full).next().is_none() && super::host::is_near(host.text().split('.').next()?, name);
                let node = o.spec()?.list("subsets").find(|s| s.text_of("name") == subset).filter(|_| is_mistyped)?;
                let why = format!("has it, and is for {full}, which is no service");
                Some(Uncounted { object: o, node, why, change: format!("correct the host of {}", o.origin()) })
            },
        ),
    );
    out.sort_by_key(|u| u.object.origin());
    out
}

/// Why a proxy holds no cluster of a service that exists: with the field, and what would change it.
pub(super) fn unseen(model: &Model<'_, '_>, party: &Party<'_, '_>, service: &RegisteredService<'_>) -> Option<(String, Thing, String)> {
    let object = service.object;
    if !model.registry.is_visible(model.mesh, service, &party.namespace) {
        let node = object.spec_at(&["exportTo"]).or_else(|| object.at(&["metadata", "annotations", "networking.istio.io/exportTo"]));
        let thing = Thing::at(object, node.unwrap_or(object.name_node()));
        return Some((format!("{} is not exported to {}", object.origin(), party.namespace), thing, format!("add {} to its exportTo", party.namespace)));
    }
    let sidecar = party.proxy.as_ref().and_then(|p| model.sidecar_of(p))?;
    let is_held = party.translation.as_ref().is_some_and(|t| t.clusters.iter().any(|c| c.message.name.ends_with(&format!("|{}", service.host))));
    (!is_held).then(|| {
        let egress = sidecar.spec_at(&["egress"]).unwrap_or(sidecar.name_node());
        let change = format!("add `{}/{}` to its egress hosts", service.namespace, service.host);
        (format!("{} does not import {}", sidecar.origin(), service.host), Thing::at(sidecar, egress), change)
    })
}
