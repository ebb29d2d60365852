//! Whether the API server reaches the webhooks of Istio, and trusts them; and the mesh's roots.

use super::control_plane::is_ready;
use super::report::{Line, Section};
use crate::print::time::{age, rfc3339};
use mesh_envoy::certificate::{Certificate, from_base64, from_pem};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::{Mesh, Selector};
use std::collections::BTreeSet;

/// A root with less left is to be replaced soon: every workload has to learn the new one first.
const ROOT_SOON: i64 = 30 * 86_400;

pub fn section(mesh: &Mesh<'_>, istio: &str, now: i64) -> Section {
    let mut lines = Vec::new();
    let roots = roots(mesh, istio);
    for root in &roots {
        lines.push(validity(&format!("root {}", root.subject), root, now));
    }
    for kind in [Kind::MutatingWebhookConfiguration, Kind::ValidatingWebhookConfiguration] {
        for object in mesh.objects_everywhere(kind) {
            let own: Vec<Node<'_>> = object.root().list("webhooks").filter(|w| w.text_of("name").ends_with("istio.io")).collect();
            if !own.is_empty() {
                lines.push(webhook(mesh, object, &own, &roots, now));
            }
        }
    }
    Section { title: "webhooks and roots", lines }
}

/// The certificates that every namespace is given as the mesh's roots.
fn roots(mesh: &Mesh<'_>, istio: &str) -> Vec<Certificate> {
    let map = mesh.find(Kind::ConfigMap, istio, "istio-ca-root-cert");
    map.and_then(|m| m.at(&["data", "root-cert.pem"])).map(|n| from_pem(n.text().as_bytes())).unwrap_or_default()
}

fn validity(what: &str, c: &Certificate, now: i64) -> Line {
    let until = rfc3339(c.not_after);
    if now >= c.not_after {
        Line::wrong(
            format!("{what} has expired at {until}"),
            "plug in a new CA certificate: https://istio.io/latest/docs/tasks/security/cert-management/plugin-ca-cert/",
        )
    } else if now <= c.not_before {
        Line::wrong(format!("{what} is not valid before {}", rfc3339(c.not_before)), "is the clock right?")
    } else if c.not_after - now < ROOT_SOON {
        Line::warning(format!("{what} expires in {}, at {until}", age(c.not_after - now)), "bring in the new root beside the old one before that")
    } else {
        Line::fine(format!("{what} is valid until {until}"))
    }
}

/// One configuration: its Service, and the certificate by which the API server knows it.
fn webhook(mesh: &Mesh<'_>, object: &Object, own: &[Node<'_>], roots: &[Certificate], now: i64) -> Line {
    let name = format!("{} {}", object.kind_name(), object.name());
    let fails = own.iter().any(|w| w.text_of("failurePolicy") != "Ignore");
    let effect = if fails { "what it judges is refused meanwhile" } else { "what it judges passes unjudged meanwhile" };
    let services: BTreeSet<(&str, &str)> =
        own.iter().filter_map(|w| w.at(&["clientConfig", "service"])).map(|s| (s.text_of("namespace"), s.text_of("name"))).collect();
    let are_seen = !mesh.snapshot.unseen.iter().any(|(_, k)| matches!(k, Kind::Service | Kind::Pod));
    for (namespace, service) in &services {
        let Some(found) = mesh.find(Kind::Service, namespace, service) else {
            if are_seen {
                return Line::wrong(
                    format!("{name}: its Service {namespace}/{service} does not exist; {effect}"),
                    "delete the configuration if its istiod is gone",
                );
            }
            continue;
        };
        let selector = Selector::from_map(found.spec_at(&["selector"]));
        let ready = mesh.objects_in(Kind::Pod, namespace).iter().any(|p| selector.matches(|key| p.label(key)) && is_ready(p));
        if are_seen && !selector.is_empty() && !ready {
            return Line::wrong(format!("{name}: no pod of its Service {namespace}/{service} is ready; {effect}"), format!("kubectl get pods -n {namespace}"));
        }
    }
    for webhook in own {
        let bundle = webhook.at(&["clientConfig", "caBundle"]).map_or("", |n| n.text());
        if bundle.is_empty() {
            return Line::wrong(
                format!("{name}: it has no caBundle, so that the API server does not trust istiod; {effect}"),
                "istiod writes it as soon as it runs: `kubectl logs -n istio-system deploy/istiod` says why it does not",
            );
        }
        let bundle = from_base64(bundle);
        let Some(first) = bundle.first() else {
            return Line::wrong(format!("{name}: its caBundle holds no certificate; {effect}"), "remove the field: istiod writes it anew");
        };
        if !first.valid_at(now) {
            return Line::wrong(
                format!("{name}: its caBundle is not valid now (until {}); {effect}", rfc3339(first.not_after)),
                "restart istiod, which writes it anew",
            );
        }
        if !roots.is_empty() && !bundle.iter().any(|c| roots.contains(c)) {
            return Line::warning(
                format!("{name}: its caBundle is none of the mesh's roots (ConfigMap istio-ca-root-cert)"),
                "right where istiod's certificate comes from another CA; else restart istiod, which writes it anew",
            );
        }
    }
    Line::fine(format!("{name} reaches its Service, and is trusted"))
}
