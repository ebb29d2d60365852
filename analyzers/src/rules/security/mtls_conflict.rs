//! ## MSH0304 MtlsConflict (Warning)
//!
//! **What it checks.** A DestinationRule that has clients speak to a workload as the workload does not listen: plaintext or
//! TLS of their own to one that takes mTLS only, Istio's mTLS to one that has no proxy or takes none. It looks at each
//! pair of client and server: which DestinationRule the client goes by (its namespace, the service's, the mesh's), and the
//! PeerAuthentication of the server's port. In ambient mode nothing is said.
//!
//! **Why it matters.** Every request of a client with a proxy fails with 503 UC or UF.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: shop}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec: {host: cart, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}
//! ```
//!
//! **Good** (in a part of a mesh)
//!
//! The PeerAuthentications of `shop` may say otherwise, and are not in the input.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: istio-system}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: cart, namespace: shop}
//! spec: {host: cart, trafficPolicy: {tls: {mode: DISABLE}}}
//! ```
//!
//! **Good**
//!
//! A gateway takes what its servers say, not what a PeerAuthentication does.
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: egress, namespace: edge}
//! spec: {selector: {istio: egress}, ports: [{name: tls, port: 443}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: egress, namespace: edge, labels: {istio: egress}}
//! spec: {containers: [{name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: PeerAuthentication
//! metadata: {name: default, namespace: istio-system}
//! spec: {mtls: {mode: STRICT}}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: egress, namespace: edge}
//! spec: {host: egress, trafficPolicy: {tls: {mode: DISABLE}}}
//! ```

use crate::codes::MSH0304;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::destination_rule::{self, tls_mode};
use mesh_resolver::{InMesh, MtlsMode, Place, Selector, Service, ServiceKind, Workload, WorkloadSource, host};

/// Workloads of a service that are looked at: more would say the same again.
const ENOUGH: usize = 200;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut listeners = Listeners { cx, of: vec![None; cx.mesh.services.all().len()] };
    for rule in cx.mesh.objects(Kind::DestinationRule).iter().copied().filter(|d| d.role == Role::Judged) {
        let policies = policies(rule);
        if policies.is_empty() {
            continue;
        }
        let host = host::expand(rule.spec().map_or("", |s| s.text_of("host")), rule.namespace(), cx.mesh.domain);
        if host.starts_with('*') {
            let services = cx.mesh.services.all().iter().enumerate();
            let mut covered = services.filter(|(_, s)| s.kind == ServiceKind::Kubernetes && s.hosts.iter().any(|h| host::covers(&host, h)));
            covered.find(|(i, s)| listeners.differ(*i) && policies.iter().any(|p| check(cx, sink, rule, s, p)));
        } else if let Some(service) = cx.mesh.services.by_host(&host).find(|s| s.kind == ServiceKind::Kubernetes) {
            for policy in &policies {
                check(cx, sink, rule, service, policy);
            }
        }
    }
}

/// A traffic policy that says something of TLS, and the subset that it is for.
struct Policy<'a> {
    node: Node<'a>,
    subset: Option<Node<'a>>,
}

fn policies<'a>(rule: &'a Object) -> Vec<Policy<'a>> {
    let Some(spec) = rule.spec() else { return Vec::new() };
    let whole = spec.get("trafficPolicy").map(|node| Policy { node, subset: None });
    let subsets = spec.list("subsets").filter_map(|s| Some(Policy { node: s.get("trafficPolicy")?, subset: Some(s) }));
    let says = |p: &Policy<'a>| p.node.get("tls").is_some() || p.node.list("portLevelSettings").any(|s| s.get("tls").is_some());
    whole.into_iter().chain(subsets).filter(says).collect()
}

/// Whether services have workloads that take one sort of traffic only; found out once a service.
struct Listeners<'m, 'a> {
    cx: &'m Context<'a>,
    of: Vec<Option<bool>>,
}

impl Listeners<'_, '_> {
    fn differ(&mut self, service: usize) -> bool {
        let Some(known) = self.of.get_mut(service) else { return false };
        *known.get_or_insert_with(|| {
            let (mesh, Some(service)) = (self.cx.mesh, self.cx.mesh.services.all().get(service)) else { return false };
            servers(self.cx, service, None).any(|w| {
                !mesh.in_mesh(w).is_in()
                    || service.ports.iter().any(|p| {
                        let port = p.of_workload(w);
                        port.is_some_and(|p| !w.captures_inbound(p)) || mesh.peer_authentications.of_workload(w, port).mode != MtlsMode::Permissive
                    })
            })
        })
    }
}

/// The workloads of a service, or of one of its subsets.
fn servers<'a>(cx: &Context<'a>, service: &Service<'a>, subset: Option<Node<'a>>) -> impl Iterator<Item = &'a Workload<'a>> {
    let mut selector = service.selector();
    let selects = !selector.is_empty();
    selector.pairs.extend(Selector::from_map(subset.and_then(|s| s.get("labels"))).pairs);
    let runs = |w: &&Workload<'a>| w.source == WorkloadSource::Pod || w.replicas > 0;
    let all = selects.then(|| cx.mesh.workloads.matching(Some(service.namespace), &selector));
    all.into_iter().flatten().filter(runs).take(ENOUGH)
}

/// Whether some client goes by this policy of the rule towards the service.
fn applies(cx: &Context<'_>, rule: &Object, service: &Service<'_>, policy: &Policy<'_>) -> bool {
    if rule.spec_at(&["workloadSelector"]).is_some() {
        return true;
    }
    // A rule of the root namespace is for clients of which neither the own namespace nor the service's has one.
    let root = cx.mesh.config.root_namespace();
    let client = if rule.namespace() == root { service.namespace } else { rule.namespace() };
    service.hosts.iter().any(|fqdn| {
        let united = cx.mesh.destination_rules.effective(client, fqdn, service.namespace);
        let used = match policy.subset {
            None => destination_rule::traffic_policy(&united),
            Some(subset) => destination_rule::subset(&united, subset.text_of("name")),
        };
        used.is_some_and(|(by, _)| std::ptr::eq(by, rule))
    })
}

/// True when something was reported: one fault a policy.
fn check<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, rule: &'a Object, service: &Service<'a>, policy: &Policy<'a>) -> bool {
    // A Sidecar may give a workload listeners with TLS of their own.
    let own_listeners = cx.mesh.objects_in(Kind::Sidecar, service.namespace).iter().any(|s| s.spec_at(&["ingress"]).is_some());
    if own_listeners || !applies(cx, rule, service, policy) {
        return false;
    }
    // Nearer rules of the clients, and the mode of the workloads, may be elsewhere.
    let owns = |kind| cx.mesh.owns(rule, Place::Objects(kind, service.namespace));
    let nearest = rule.namespace() != cx.mesh.config.root_namespace() || owns(Kind::DestinationRule);
    if !nearest || !owns(Kind::PeerAuthentication) {
        sink.not_judged(NotJudged::ObjectOutside);
        return false;
    }
    for port in &service.ports {
        let Some(mode) = tls_mode(policy.node, port.number) else { continue };
        for w in servers(cx, service, policy.subset) {
            let place = cx.mesh.in_mesh(w);
            // What a gateway takes is a matter of its servers' TLS.
            if place == InMesh::Gateway {
                continue;
            }
            if let Some(reason) = match place {
                InMesh::Ambient => Some(NotJudged::Ambient),
                InMesh::Unknown => Some(NotJudged::WorkloadOutside),
                _ => None,
            } {
                sink.not_judged(reason);
                return false;
            }
            let number = port.of_workload(w);
            let serves = cx.mesh.peer_authentications.of_workload(w, number);
            let open = place == InMesh::No || number.is_some_and(|n| !w.captures_inbound(n));
            let why = match mode.text() {
                "DISABLE" if !open && serves.mode == MtlsMode::Strict => "clients speak plaintext, but it takes mTLS only (STRICT)",
                "SIMPLE" | "MUTUAL" if !open && serves.mode == MtlsMode::Strict => "clients use TLS of their own, but it takes Istio's mTLS only (STRICT)",
                "ISTIO_MUTUAL" if place == InMesh::No => "clients use Istio's mTLS, but it has no proxy to take it",
                "ISTIO_MUTUAL" if open => "clients use Istio's mTLS, but the port is excluded from its proxy",
                "ISTIO_MUTUAL" if serves.mode == MtlsMode::Disable => "clients use Istio's mTLS, but its mode is DISABLE",
                _ => continue,
            };
            report(sink, rule, service, w, mode, why, serves.policy.filter(|_| !open));
            return true;
        }
    }
    false
}

fn report<'a>(sink: &mut Sink<'a>, rule: &'a Object, service: &Service<'a>, w: &Workload<'a>, mode: Node<'a>, why: &str, policy: Option<&'a Object>) {
    let finding = sink.report(
        &MSH0304,
        rule,
        mode,
        format!("TLS mode `{}` does not fit workload `{}` of `{}`: {why}", mode.text(), w.object.name(), service.object.full_name()),
    );
    finding.help("leave out `tls`: Istio then uses mTLS wherever the workload takes it").related(w.object, w.object.name_node(), "this workload");
    if let Some(policy) = policy {
        finding.related(policy, policy.spec_at(&["mtls", "mode"]).unwrap_or_else(|| policy.name_node()), "its mode is set here");
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Completeness, Role, Snapshot, Source};

    const CART: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: web}, {name: http-admin, port: 81, targetPort: 8081}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata:
      labels: {app: cart}
      annotations: {traffic.sidecar.istio.io/excludeInboundPorts: "8081"}
    spec: {containers: [{name: app, image: cart, ports: [{name: web, containerPort: 8080}]}]}
---
"#;

    fn rule(namespace: &str, name: &str, host: &str, policy: &str) -> String {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{host: '{host}', trafficPolicy: {policy}}}\n---\n"
        )
    }

    fn peers(namespace: &str, spec: &str) -> String {
        format!("apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: p, namespace: {namespace}}}\nspec: {spec}\n---\n")
    }

    fn conflicts(more: &[String]) -> Vec<String> {
        let source = Source::new("", format!("{CART}{}", more.concat()));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.completeness = Completeness::Complete;
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        analyze(&mesh, &options, |r| r.name == "mtls-conflict").findings.iter().map(|f| f.object.name().to_owned()).collect()
    }

    #[test]
    fn a_rule_for_many_hosts_counts_where_no_nearer_rule_does() {
        let strict = peers("istio-system", "{mtls: {mode: STRICT}}");
        let mesh = rule("istio-system", "mesh", "*.local", "{tls: {mode: DISABLE}}");
        assert_eq!(conflicts(&[strict.clone(), mesh.clone()]), ["mesh"]);
        assert!(conflicts(std::slice::from_ref(&mesh)).is_empty(), "PERMISSIVE takes plaintext");
        let nearer = rule("shop", "cart", "cart", "{tls: {mode: ISTIO_MUTUAL}, portLevelSettings: [{port: {number: 81}, tls: {mode: DISABLE}}]}");
        assert!(conflicts(&[strict, mesh, nearer]).is_empty());
    }

    #[test]
    fn ports_are_judged_by_their_own_modes() {
        let by_port = peers("shop", "{selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}}");
        assert!(
            conflicts(&[by_port.clone(), rule("shop", "a", "cart", "{tls: {mode: DISABLE}}")]).is_empty(),
            "8080 takes plaintext, 8081 has no proxy in front"
        );
        assert_eq!(conflicts(&[by_port.clone(), rule("shop", "a", "cart", "{tls: {mode: ISTIO_MUTUAL}}")]), ["a"]);
        let at_admin = "{portLevelSettings: [{port: {number: 81}, tls: {mode: ISTIO_MUTUAL}}]}";
        assert_eq!(conflicts(&[rule("shop", "a", "cart", at_admin)]), ["a"], "the port is excluded from the proxy");
    }
}
