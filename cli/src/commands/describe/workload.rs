//! A workload and its Services: ports, labels, policies.

use super::{Facts, gateway, policies, routes};
use mesh_model::{Kind, Node, Object};
use mesh_resolver::ambient::ztunnel;
use mesh_resolver::{InMesh, Mesh, Selector, Service, Workload, destination_rule};

/// The user of istio-proxy, whose traffic is not captured.
const PROXY_USER: i64 = 1337;

pub fn of_workload(mesh: &Mesh<'_>, w: &Workload<'_>, facts: &mut Facts) {
    const ABOUT: &str = "workload";
    facts.say(
        ABOUT,
        match mesh.in_mesh(w) {
            InMesh::Sidecar => "has a sidecar, or will be given one",
            InMesh::Ambient => "is captured by its node's ztunnel",
            InMesh::Gateway => "is a gateway: its proxy is the workload",
            InMesh::No => "is not in the mesh",
            InMesh::Unknown => "in the mesh or not: its Namespace is not in the input",
        },
    );
    facts.say(ABOUT, format!("runs as service account {}", w.service_account()));
    let ports: Vec<String> = w
        .container_ports()
        .filter_map(|p| {
            p.get("containerPort").map(|n| format!("{}/{}", n.text(), if p.text_of("protocol").is_empty() { "TCP" } else { p.text_of("protocol") }))
        })
        .collect();
    facts.say(ABOUT, if ports.is_empty() { "declares no ports".to_owned() } else { format!("declares ports {}", ports.join(", ")) });
    if let Some(phase) = w.object.at(&["status", "phase"]).map(Node::text).filter(|p| *p != "Running") {
        facts.warn(ABOUT, format!("it is {phase}, not Running"));
    }
    let user = |node: Option<Node<'_>>| node.and_then(|n| n.at(&["securityContext", "runAsUser"])).and_then(Node::int);
    let containers = w.spec().into_iter().flat_map(|s| s.list("containers")).filter(|c| c.text_of("name") != "istio-proxy");
    if user(w.spec()) == Some(PROXY_USER) || containers.into_iter().any(|c| user(Some(c)) == Some(PROXY_USER)) {
        facts.warn(ABOUT, format!("the app runs as user {PROXY_USER}, which is the proxy's: its traffic is not captured"));
    }
    for (label, of) in [("app", "service.istio.io/canonical-name"), ("version", "service.istio.io/canonical-revision")] {
        if w.label(label).is_none() && w.label(of).is_none() {
            facts.warn(ABOUT, format!("has no label {label}: metrics and the graph do not tell it apart"));
        }
    }
    let mut services = mesh.services.selecting(w);
    services.sort_by_key(|s| (s.namespace, s.object.name()));
    if services.is_empty() {
        facts.warn(ABOUT, "no Service selects it");
    }
    for service in services {
        of_service(mesh, service, Some(w), facts);
    }
    if let Some(waypoint) = gateway::waypoint(mesh, w.namespace, &|key| w.label(key)) {
        waypoint.tell(ABOUT, facts);
    }
    gateways(mesh, w, facts);
    policies(mesh, w, facts);
}

/// The gateways that this workload serves.
fn gateways(mesh: &Mesh<'_>, w: &Workload<'_>, facts: &mut Facts) {
    const ABOUT: &str = "serves gateways";
    for object in mesh.objects_everywhere(Kind::Gateway) {
        let selector = Selector::from_map(object.spec_at(&["selector"]));
        if !selector.is_empty() && selector.matches(|key| w.label(key)) {
            facts.of(ABOUT, object, "selects it");
        }
    }
    if let Some(object) = w.label(gateway::OF_GATEWAY).and_then(|name| mesh.find(Kind::K8sGateway, w.namespace, name)) {
        facts.of(ABOUT, object, "is served by it");
    }
}

/// A Service: its ports, and what shapes the traffic to it; with a workload, to that one.
pub fn of_service<'a>(mesh: &Mesh<'a>, service: &Service<'a>, workload: Option<&Workload<'a>>, facts: &mut Facts) {
    let about = format!("Service {}/{}", service.namespace, service.object.name());
    for port in &service.ports {
        let target = match workload {
            Some(w) => port.of_workload(w).map_or_else(|| "no port of this workload".to_owned(), |p| format!("port {p}")),
            None => format!("target port {}", if port.target.is_empty() { port.number.to_string() } else { port.target.to_owned() }),
        };
        let name = if port.name.is_empty() { String::new() } else { format!("{} ", port.name) };
        let protocol = service.protocol(port).spelling().unwrap_or("what its bytes look like");
        let says = format!("port {name}{} as {protocol} to {target}", port.number);
        if workload.is_some_and(|w| port.of_workload(w).is_none()) { facts.warn(&about, says) } else { facts.say(&about, says) }
    }
    let mut seen: Vec<&Object> = Vec::new();
    for host in &service.hosts {
        let rules = mesh.destination_rules.effective(service.namespace, host, service.namespace);
        for rule in rules.iter().filter(|r| !seen.iter().any(|s| std::ptr::eq(*s, **r))) {
            destination(&about, rule, workload, facts);
        }
        seen.extend(&rules);
        if let Some((rule, policy)) = destination_rule::traffic_policy(&rules) {
            let parts: Vec<&str> = policy.entries().map(|(k, _)| k.text()).collect();
            facts.of(&about, rule, format!("sets {}", parts.join(", ")));
        }
        routes::to_host(mesh, &about, host, service, workload, &rules, facts);
    }
    let name = service.object.name();
    let waypoint = gateway::waypoint(mesh, service.namespace, &|key| service.object.label(key));
    if let Some(waypoint) = &waypoint {
        waypoint.tell(&about, facts);
    }
    if service.object.kind == Kind::Service && policies::targeting(mesh, "Service", service.namespace, name, facts) && waypoint.is_none() {
        facts.warn(&about, "policies name it, and it has no waypoint that would enforce them");
    }
}

fn destination(about: &str, rule: &Object, workload: Option<&Workload<'_>>, facts: &mut Facts) {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for subset in rule.spec().into_iter().flat_map(|s| s.list("subsets")) {
        let selector = Selector::from_map(subset.get("labels"));
        let is_in = workload.is_none_or(|w| selector.matches(|key| w.label(key)));
        if is_in { inside.push(subset.text_of("name")) } else { outside.push(subset.text_of("name")) }
    }
    let list = |names: &[&str]| names.join(", ");
    match (workload.is_some(), inside.is_empty(), outside.is_empty()) {
        (_, true, true) => facts.of(about, rule, "has no subsets"),
        (false, ..) => facts.of(about, rule, format!("has subsets {}", list(&inside))),
        (true, true, false) => facts.warn(about, format!("{}: this workload is in none of its subsets ({})", rule.origin(), list(&outside))),
        (true, false, true) => facts.of(about, rule, format!("this workload is in subset {}", list(&inside))),
        (true, false, false) => facts.of(about, rule, format!("this workload is in subset {}, and not in {}", list(&inside), list(&outside))),
    }
}

/// What is said of a workload by policies: those that select it, and those that name the gateway that it serves.
pub fn policies<'a>(mesh: &Mesh<'a>, w: &Workload<'a>, facts: &mut Facts) {
    let namespace = w.namespace;
    let label = |key: &str| w.label(key);
    const MTLS: &str = "mutual TLS that it takes";
    let effective = mesh.peer_authentications.of_labels(namespace, label, None);
    let of = |port: Option<u16>| mesh.peer_authentications.of_labels(namespace, label, port);
    match effective.policy {
        Some(policy) => facts.of(MTLS, policy, effective.mode.to_string()),
        None => facts.say(MTLS, format!("{}: the default, no PeerAuthentication says otherwise", effective.mode)),
    }
    for port in mesh.peer_authentications.ports_of(namespace, label) {
        let is_ambient = mesh.in_mesh(w) == InMesh::Ambient;
        match ztunnel::left_out(mesh, w, port).filter(|_| is_ambient) {
            Some(why) => facts.warn(MTLS, format!("port {port}: {}, {why}", ztunnel::mode(mesh, w, port).mode)),
            None if is_ambient => facts.say(MTLS, format!("port {port}: {}", ztunnel::mode(mesh, w, port).mode)),
            None => facts.say(MTLS, format!("port {port}: {}", of(Some(port)).mode)),
        }
    }
    for kind in policies::KINDS {
        let root = mesh.config.root_namespace();
        for object in mesh.objects_everywhere(*kind).iter().filter(|o| o.namespace() == namespace || o.namespace() == root) {
            let of_path = |path: &[&str]| object.spec_at(path);
            let map = of_path(&["selector", "matchLabels"]).or_else(|| of_path(&["workloadSelector", "labels"]));
            if !policies::targets(object).is_empty() {
                continue;
            }
            let selector = Selector::from_map(map);
            if selector.matches(label) {
                let scope = if object.namespace() == root && namespace != root {
                    "of the whole mesh"
                } else if selector.is_empty() {
                    "of the namespace"
                } else {
                    "selects it"
                };
                facts.of(policies::ABOUT, object, format!("{}{scope}", policies::action(object)));
            }
        }
    }
    if let Some(name) = w.label(gateway::OF_GATEWAY) {
        policies::targeting(mesh, "Gateway", namespace, name, facts);
    }
}
