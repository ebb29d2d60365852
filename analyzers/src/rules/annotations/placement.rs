//! ## IST0107 MisplacedAnnotation (Warning)
//!
//! **What it checks.** An annotation of Istio on a kind that it does not apply to.
//!
//! **Why it matters.** Nobody reads it there.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {sidecar.istio.io/proxyCPU: 100m}
//! spec: {ports: [{name: http, port: 80}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {sidecar.istio.io/proxyCPU: 100m}
//! spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! ## IST0108 UnknownAnnotation (Warning)
//!
//! **What it checks.** An annotation under `istio.io` that Istio does not define.
//!
//! **Why it matters.** Nobody reads it: what was meant does not happen.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {networking.istio.io/exportsTo: "."}
//! spec: {ports: [{name: http, port: 80}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {networking.istio.io/exportTo: "."}
//! spec: {ports: [{name: http, port: 80}]}
//! ```
//!
//! ## IST0125 InvalidAnnotation (Warning)
//!
//! **What it checks.** An annotation whose value its reader refuses.
//!
//! **Why it matters.** Injection fails, or goes on with a default.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: "http"}
//! spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {traffic.sidecar.istio.io/excludeOutboundPorts: "80,443"}
//! spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! ## IST0135 DeprecatedAnnotation (Info)
//!
//! **What it checks.** An annotation that Istio has deprecated.
//!
//! **Why it matters.** It goes away with a later release.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations: {sidecar.istio.io/inject: "true"}
//! spec: {containers: [{name: app, image: cart}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {sidecar.istio.io/inject: "true"}
//! spec: {containers: [{name: app, image: cart}]}
//! ```

use super::values;
use crate::codes::{IST0107, IST0108, IST0125, IST0135};
use crate::rule::{Context, Sink};
use crate::schema::names;
use crate::spelling;
use mesh_model::{Kind, Node, Object, Role};

const INJECT: &str = "sidecar.istio.io/inject";
/// Written by Istio itself, or checked elsewhere.
pub(super) const IGNORED: &[&str] = &["sidecar.istio.io/status", "gateway.istio.io/controller-version", "istio.io/rev"];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for kind in [Kind::Namespace, Kind::Service, Kind::Pod, Kind::Deployment] {
        for object in cx.mesh.objects(kind).iter().copied().filter(|o| o.role == Role::Judged) {
            for (key, value) in object.annotations() {
                if is_istios(key.text()) && !IGNORED.contains(&key.text()) {
                    check(sink, object, key, value);
                }
            }
        }
    }
}

pub(super) fn is_istios(name: &str) -> bool {
    name == "kubernetes.io/ingress.class" || name.split('/').next().is_some_and(|domain| domain.ends_with("istio.io"))
}

fn check<'a>(sink: &mut Sink<'a>, object: &'a Object, key: Node<'a>, value: Node<'a>) {
    let name = key.text();
    let known = names::annotation(name);
    let resources: Vec<&str> = match known {
        Some(k) => k.resources().collect(),
        None if name == "kubernetes.io/ingress.class" => vec!["Ingress"],
        None => {
            let finding = sink.report(&IST0108, object, key, format!("annotation `{name}` is not known"));
            if let Some(near) = spelling::nearest(name, names::annotations().iter().map(|k| k.name)) {
                finding.help(format!("did you mean `{near}`?"));
            } else {
                finding.help("remove it, or check its name in the list of Istio's annotations");
            }
            return;
        }
    };
    if known.is_some_and(|k| k.deprecated) && !(name == INJECT && object.label(INJECT).is_some()) {
        let finding = sink.report(&IST0135, object, key, format!("annotation `{name}` is deprecated"));
        if name == INJECT {
            finding.help("use the label `sidecar.istio.io/inject`");
        }
    }
    if resources.contains(&"Any") {
        return;
    }
    if !resources.contains(&object.kind_name()) {
        sink.report(&IST0107, object, key, format!("annotation `{name}` has no effect on a {}; it applies to {}", object.kind_name(), resources.join(", ")))
            .help(if object.kind == Kind::Deployment && resources.contains(&"Pod") {
                "put it into `spec.template.metadata.annotations`"
            } else {
                "move it to where it applies"
            });
        return;
    }
    if let Err(why) = values::check(name, value.text()) {
        sink.report(&IST0125, object, value, format!("annotation `{name}` has the value `{}`: {why}", value.text()))
            .help("correct the value, or remove the annotation to have the default");
    }
}
