//! ## MSH0305 HttpRuleOnTcpPort (Warning)
//!
//! **What it checks.** A rule of an AuthorizationPolicy with conditions on HTTP (methods, paths, hosts, headers, tokens) where
//! the workload's port carries TCP.
//!
//! **Why it matters.** There are no requests to look at. An ALLOW rule is dropped: nobody is let in by it. Of a DENY rule the
//! conditions on HTTP are dropped: it denies everything that the rest of it describes.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: db, namespace: shop}
//! spec: {selector: {app: db}, ports: [{name: tcp-db, port: 5432}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: db, namespace: shop, labels: {app: db}}
//! spec: {containers: [{name: app, image: db}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: db, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: db}}
//!   rules: [{to: [{operation: {methods: [GET]}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: db, namespace: shop}
//! spec: {selector: {app: db}, ports: [{name: tcp-db, port: 5432}, {name: http-admin, port: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: db, namespace: shop, labels: {app: db}}
//! spec: {containers: [{name: app, image: db}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: db, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: db}}
//!   rules: [{to: [{operation: {methods: [GET], ports: ["8080"]}}]}, {to: [{operation: {ports: ["5432"]}}]}]
//! ```
//!
//! ## MSH0307 PolicyPortNotServed (Warning)
//!
//! **What it checks.** A port of an AuthorizationPolicy that is the port of a Service, where the workload itself listens on
//! another one.
//!
//! **Why it matters.** The workload's proxy sees the workload's port: the rule never matches by the Service's.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{to: [{operation: {ports: ["80"]}}]}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop}
//! spec: {selector: {app: cart}, ports: [{name: http, port: 80, targetPort: 8080}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {app: cart}}
//! spec: {containers: [{name: app, image: cart}, {name: istio-proxy, image: proxyv2}]}
//! ---
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   rules: [{to: [{operation: {ports: ["8080"]}}]}]
//! ```

use super::selected::selected;
use crate::codes::{MSH0305, MSH0307};
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::{InMesh, Place, Protocol};
use std::collections::{BTreeMap, BTreeSet};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for policy in cx.mesh.objects(Kind::AuthorizationPolicy).iter().copied().filter(|p| p.role == Role::Judged) {
        let Some(spec) = policy.spec() else { continue };
        let rules = || spec.list("rules");
        if !rules().any(|r| http_condition(r).is_some() || ports_of_rule(r).next().is_some()) {
            continue;
        }
        let ports = match Ports::behind(cx, policy) {
            Ok(ports) if !ports.served.is_empty() => ports,
            Ok(_) => continue,
            Err(reason) => {
                reason.into_iter().for_each(|r| sink.not_judged(r));
                continue;
            }
        };
        for rule in rules() {
            let unserved = check_ports(sink, policy, rule, &ports);
            match spec.text_of("action") {
                "" | "ALLOW" if !unserved => check_allow(sink, policy, rule, &ports),
                "DENY" if !unserved => check_deny(sink, policy, rule, &ports),
                _ => {}
            }
        }
    }
}

/// How a port of the workloads is known to its clients.
struct Served<'a> {
    service: &'a Object,
    port: Node<'a>,
    protocol: Protocol,
}

/// The ports of the workloads that a policy applies to.
pub struct Ports<'a> {
    /// By the workload's port; those of Services.
    served: BTreeMap<u16, Vec<Served<'a>>>,
    /// Declared by containers.
    declared: BTreeSet<u16>,
    /// Port of a Service, and the workload's port that it leads to.
    mapped: BTreeMap<u16, u16>,
}

impl<'a> Ports<'a> {
    pub fn behind(cx: &Context<'a>, policy: &'a Object) -> Result<Ports<'a>, Option<NotJudged>> {
        let mut ports = Ports { served: BTreeMap::new(), declared: BTreeSet::new(), mapped: BTreeMap::new() };
        for w in selected(cx, policy)? {
            // Services that are not in the input may serve other ports.
            if !cx.mesh.owns(policy, Place::Hosts(w.namespace)) {
                return Err(Some(NotJudged::HostOutside));
            }
            ports.declared.extend(w.container_ports().filter_map(|p| u16::try_from(p.get("containerPort")?.int()?).ok()));
            for service in cx.mesh.services.selecting(w) {
                for port in &service.ports {
                    let Some(own) = port.of_workload(w) else { continue };
                    let served = ports.served.entry(own).or_default();
                    // A gateway's port carries what its Gateway says.
                    let protocol = if cx.mesh.in_mesh(w) == InMesh::Gateway { Protocol::Unsupported } else { service.protocol(port) };
                    if !served.iter().any(|s| s.port == port.node) {
                        served.push(Served { service: service.object, port: port.node, protocol });
                    }
                    ports.mapped.insert(port.number, own);
                }
            }
        }
        Ok(ports)
    }
    /// Where a port is a Service's and no workload listens on it: the workload's port, and the Service's.
    pub fn only_of_service(&self, port: u16) -> Option<(u16, Option<(&'a Object, Node<'a>)>)> {
        let own = *self.mapped.get(&port).filter(|_| !self.served.contains_key(&port) && !self.declared.contains(&port))?;
        let of_port = |s: &&Served<'a>| s.port.get("port").and_then(Node::int) == Some(i64::from(port));
        Some((own, self.served.get(&own).and_then(|s| s.iter().find(of_port)).map(|s| (s.service, s.port))))
    }
    /// Whether a port carries TCP, and nothing that could be HTTP.
    fn is_tcp(&self, port: u16) -> bool {
        self.served.get(&port).is_some_and(|s| s.iter().all(|s| s.protocol.is_tcp()))
    }
}

/// Ports that an operation names in a field.
fn ports_in<'a>(operation: Option<Node<'a>>, field: &'static str) -> impl Iterator<Item = (Node<'a>, u16)> {
    operation.into_iter().flat_map(move |o| o.list(field)).filter_map(|p| Some((p, p.text().parse().ok()?)))
}

/// All ports that a rule names.
fn ports_of_rule<'a>(rule: Node<'a>) -> impl Iterator<Item = (Node<'a>, u16)> {
    let operations = rule.list("to").flat_map(|t| ["ports", "notPorts"].into_iter().flat_map(move |f| ports_in(t.get("operation"), f)));
    let conditions = rule.list("when").filter(|w| w.text_of("key") == "destination.port");
    operations.chain(conditions.flat_map(|w| ["values", "notValues"].into_iter().flat_map(move |f| ports_in(Some(w), f))))
}

/// The first of some fields that is there and not empty: its key.
fn first_of<'a>(node: Node<'a>, fields: &[&str]) -> Option<Node<'a>> {
    node.entries().find(|(k, v)| fields.contains(&k.text()) && !v.is_empty()).map(|(k, _)| k)
}

/// What of an operation only requests of HTTP can meet.
fn http_in_operation(to: Node<'_>) -> Option<Node<'_>> {
    first_of(to.get("operation")?, &["hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"])
}

/// What of a rule's sources and conditions only requests of HTTP can meet.
fn http_in_sources(rule: Node<'_>) -> Option<Node<'_>> {
    let of_source = rule.list("from").filter_map(|f| f.get("source")).find_map(|s| first_of(s, &["requestPrincipals", "notRequestPrincipals"]));
    of_source.or_else(|| rule.list("when").filter_map(|w| w.get("key")).find(|k| k.text().starts_with("request.")))
}

/// The first condition of a rule that only requests of HTTP can meet.
fn http_condition(rule: Node<'_>) -> Option<Node<'_>> {
    rule.list("to").find_map(http_in_operation).or_else(|| http_in_sources(rule))
}

/// Ports that an operation of the rule is for: those it names, else all but those it excludes.
fn covers(operation: Option<Node<'_>>, port: u16) -> bool {
    let mut named = ports_in(operation, "ports").peekable();
    let included = named.peek().is_none() || named.any(|(_, p)| p == port);
    included && !ports_in(operation, "notPorts").any(|(_, p)| p == port)
}

/// The served ports that a rule is for.
fn ports_for<'p>(rule: Node<'p>, ports: &'p Ports<'_>) -> impl Iterator<Item = u16> + 'p {
    let covered = move |port: u16| {
        let mut operations = rule.list("to").peekable();
        operations.peek().is_none() || operations.any(|t| covers(t.get("operation"), port))
    };
    ports.served.keys().copied().filter(move |p| covered(*p))
}

/// Ports of Services that are no ports of the workloads; true when one was told of.
fn check_ports<'a>(sink: &mut Sink<'a>, policy: &'a Object, rule: Node<'a>, ports: &Ports<'a>) -> bool {
    let mut found = false;
    for (at, port) in ports_of_rule(rule) {
        let Some((own, service)) = ports.only_of_service(port) else { continue };
        let finding = sink.report(
            &MSH0307,
            policy,
            at,
            format!("port `{port}` never matches: it is the Service's, the workload listens on `{own}`, which its proxy sees"),
        );
        finding.help(format!("write `{own}`"));
        if let Some((service, port)) = service {
            finding.related(service, port, "this port of the Service");
        }
        found = true;
    }
    found
}

/// An ALLOW rule is dropped on ports of TCP: told where it names such a port, or has no other.
fn check_allow<'a>(sink: &mut Sink<'a>, policy: &'a Object, rule: Node<'a>, ports: &Ports<'a>) {
    let Some(at) = http_condition(rule) else { return };
    let named = rule.list("to").flat_map(|t| ports_in(t.get("operation"), "ports")).map(|(_, p)| p).find(|p| ports.is_tcp(*p));
    let mut all = ports_for(rule, ports).peekable();
    let first = all.peek().copied();
    let none_else = || first.filter(|_| all.all(|p| ports.is_tcp(p)));
    if let Some(port) = named.or_else(none_else) {
        report(sink, policy, at, ports, port, "the ALLOW rule is dropped there and lets nobody in");
    }
}

/// Of a DENY rule what HTTP alone knows is dropped on ports of TCP. Where a rule names no ports, the validation speaks of
/// all (IST0133).
fn check_deny<'a>(sink: &mut Sink<'a>, policy: &'a Object, rule: Node<'a>, ports: &Ports<'a>) {
    let names_ports = |t: Node<'_>| ["ports", "notPorts"].iter().any(|f| t.at(&["operation", f]).is_some_and(|l| !l.is_empty()));
    if rule.list("to").next().is_some() && !rule.list("to").any(names_ports) {
        return;
    }
    let in_sources = http_in_sources(rule);
    let tcp = |operation: Option<Node<'a>>| ports.served.keys().copied().find(|p| ports.is_tcp(*p) && covers(operation, *p));
    let of_operations = rule.list("to").find_map(|t| Some((http_in_operation(t).or(in_sources)?, tcp(t.get("operation"))?)));
    let of_sources = || in_sources.filter(|_| rule.list("to").next().is_none()).and_then(|at| Some((at, tcp(None)?)));
    if let Some((at, port)) = of_operations.or_else(of_sources) {
        report(sink, policy, at, ports, port, "it is dropped there from the DENY rule, which denies all that the rest of it describes");
    }
}

fn report<'a>(sink: &mut Sink<'a>, policy: &'a Object, at: Node<'a>, ports: &Ports<'a>, port: u16, effect: &str) {
    let served = ports.served.get(&port).and_then(|s| s.first());
    let service = served.map_or_else(String::new, |s| format!(" of Service `{}`", s.service.name()));
    let finding = sink.report(&MSH0305, policy, at, format!("`{}` can not be known on port `{port}`{service}, which carries TCP: {effect}", at.text()));
    finding.help("use conditions on the connection there (ports, principals, namespaces, IP blocks), or name the port after its protocol if it is HTTP");
    if let Some(s) = served {
        finding.related(s.service, s.port, "the port of the Service");
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, analyze};
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Completeness, Role, Snapshot, Source};

    fn codes(policy: &str, proxy: &str) -> Vec<&'static str> {
        let text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: shop}}\nspec: {{selector: {{app: db}}, ports: [{{name: tcp, port: 5432}}, {{name: http, port: 80, targetPort: web}}, {{name: any, port: 90}}]}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: db, namespace: shop, labels: {{app: db}}}}\nspec: {{containers: [{proxy}, {{name: istio-proxy, image: proxyv2, ports: [{{name: web, containerPort: 8080}}]}}]}}\n---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: a, namespace: shop}}\nspec: {policy}\n"
        );
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        snapshot.completeness = Completeness::Complete;
        let mesh = mesh_resolver::Mesh::new(&snapshot);
        let options = Options::default();
        analyze(&mesh, &options, |r| r.name == "authorization-ports").findings.iter().map(|f| f.code.id).collect()
    }

    const APP: &str = "{name: app, image: db}";

    #[test]
    fn what_is_sound() {
        for policy in [
            "{rules: [{to: [{operation: {methods: [GET]}}]}]}",
            "{rules: [{to: [{operation: {methods: [GET], ports: ['8080', '90']}}]}]}",
            "{rules: [{to: [{operation: {ports: ['5432']}}]}]}",
            "{rules: [{to: [{operation: {ports: ['1234']}}]}]}",
            // The operation with a method leaves the port of TCP out.
            "{action: DENY, rules: [{to: [{operation: {ports: ['5432']}}, {operation: {ports: ['8080'], methods: [GET]}}]}]}",
            "{action: DENY, rules: [{to: [{operation: {methods: [GET], notPorts: ['5432']}}]}]}",
        ] {
            assert!(codes(policy, APP).is_empty(), "{policy}");
        }
        let https_gateway = "{name: istio-proxy, image: proxyv2}";
        assert!(codes("{rules: [{to: [{operation: {methods: [GET], ports: ['5432']}}]}]}", https_gateway).is_empty());
    }

    #[test]
    fn what_is_not() {
        for (policy, code) in [
            ("{rules: [{to: [{operation: {methods: [GET], ports: ['5432', '8080']}}]}]}", "MSH0305"),
            ("{rules: [{to: [{operation: {ports: ['5432']}}, {operation: {ports: ['8080'], methods: [GET]}}]}]}", "MSH0305"),
            ("{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['5432']}}]}]}", "MSH0305"),
            ("{action: DENY, rules: [{from: [{source: {namespaces: [x], requestPrincipals: ['*']}}]}]}", "MSH0305"),
            ("{rules: [{to: [{operation: {ports: ['80']}}]}]}", "MSH0307"),
            ("{rules: [{when: [{key: destination.port, values: ['80']}]}]}", "MSH0307"),
        ] {
            assert_eq!(codes(policy, APP), [code], "{policy}");
        }
    }
}
