//! Gateways and ListenerSets of the Gateway API: each of their listeners is a Gateway with one server.

use super::{GENERATED, domain};
use crate::labels::Selector;
use crate::mesh::Mesh;
use crate::protocol::Protocol;
use crate::translate::gateway::{GatewayConfig, Selects, Server, ServerTls};
use crate::translate::tls::ServerSettings;
use mesh_model::{Kind, Node, Object};

/// A listener that routes may name as their parent.
pub struct Listener<'a> {
    /// The Gateway or ListenerSet that it is written in.
    pub object: &'a Object,
    pub section: &'a str,
    /// `namespace/name` of the Gateway that stands for it.
    pub name: String,
    pub port: u16,
    pub protocol: &'a str,
    /// `namespace/hostname`, `hostname` for all namespaces.
    pub hosts: Vec<String>,
    /// As it is written; "" where it is not.
    pub hostname: &'a str,
    /// The kinds of routes that may attach.
    pub kinds: Vec<Kind>,
}

/// All listeners of Istio's Gateways; those that istiod would program have a Gateway.
pub fn all<'a>(mesh: &Mesh<'a>, gateways: &mut Vec<GatewayConfig<'a>>) -> Vec<Listener<'a>> {
    let mut out = Vec::new();
    for parent in mesh.objects(Kind::K8sGateway).iter().filter(|o| is_istios(mesh, o)) {
        let services = services_of(mesh, parent);
        let mut sets: Vec<&'a Object> = mesh.objects(Kind::ListenerSet).iter().copied().filter(|s| is_set_of(mesh, s, parent)).collect();
        sets.sort_by_key(|s| (s.creation(), s.namespace(), s.name()));
        let mut accepted: Vec<Node<'a>> = Vec::new();
        for object in std::iter::once(*parent).chain(sets) {
            for node in object.spec().into_iter().flat_map(|s| s.list("listeners")) {
                if accepted.iter().any(|a| conflict(*a, node)) {
                    continue;
                }
                accepted.push(node);
                add(mesh, parent, object, node, &services, &mut out, gateways);
            }
        }
    }
    out
}

fn add<'a>(
    mesh: &Mesh<'a>,
    parent: &'a Object,
    object: &'a Object,
    node: Node<'a>,
    services: &[String],
    out: &mut Vec<Listener<'a>>,
    gateways: &mut Vec<GatewayConfig<'a>>,
) {
    let protocol = node.text_of("protocol");
    // A listener that takes TLS and does not say how is a place for those of ListenerSets.
    if matches!(protocol, "HTTPS" | "TLS") && node.get("tls").is_none() {
        return;
    }
    let Some(port) = port_of(node) else { return };
    let hostname = node.text_of("hostname");
    let any = if hostname.is_empty() { "*" } else { hostname };
    let mut hosts: Vec<String> =
        allowed_namespaces(mesh, object, node).into_iter().map(|ns| if ns == "*" { any.to_owned() } else { format!("{ns}/{any}") }).collect();
    if hosts.is_empty() {
        // Nothing is let in, but the server name is taken all the same.
        hosts.push(format!("~/{any}"));
    }
    let section = node.text_of("name");
    let name = format!("{}~{GENERATED}~{section}", object.name());
    let settings = node.get("tls").map(|t| settings(mesh, parent, object, node, t));
    if let (Some(kind), Ok(settings)) = (protocol_of(protocol), settings.transpose()) {
        let server = Server {
            node,
            number: port,
            port_name: "default".to_owned(),
            protocol: kind,
            protocol_text: protocol.to_owned(),
            name: "",
            hosts: hosts.clone(),
            bind: "",
            tls: settings.map(|settings| ServerTls { https_redirect: false, settings }),
        };
        gateways.push(GatewayConfig {
            object,
            namespace: object.namespace(),
            name: name.clone(),
            creation: object.creation(),
            selects: Selects::Services { hosts: services.to_vec(), namespace: parent.namespace() },
            servers: vec![server],
        });
    }
    let kinds = kinds_of(node);
    out.push(Listener { object, section, name: format!("{}/{name}", object.namespace()), port, protocol, hosts, hostname, kinds });
}

fn protocol_of(text: &str) -> Option<Protocol> {
    Some(match text {
        "HTTP" => Protocol::Http,
        "HTTPS" => Protocol::Https,
        "TLS" => Protocol::Tls,
        "TCP" => Protocol::Tcp,
        _ => return None,
    })
}

/// The port of a listener; of a ListenerSet's it may be left to the protocol.
fn port_of(node: Node<'_>) -> Option<u16> {
    node.get("port").and_then(Node::int).and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0).or_else(|| match node.text_of("protocol") {
        "HTTP" => Some(80),
        "HTTPS" => Some(443),
        _ => None,
    })
}

/// Two listeners of one port that cannot both stand: the second is left out.
fn conflict(a: Node<'_>, b: Node<'_>) -> bool {
    if port_of(a) != port_of(b) {
        return false;
    }
    let is_bytes = |n: Node<'_>| matches!(n.text_of("protocol"), "TCP" | "UDP");
    let is_http = |n: Node<'_>| matches!(n.text_of("protocol"), "HTTP" | "HTTPS" | "TLS");
    let host = |n: Node<'_>| Some(n.get("hostname").map_or("", Node::text).to_owned()).filter(|h| !h.is_empty()).unwrap_or_else(|| "*".to_owned());
    match (is_http(a), is_http(b)) {
        (true, true) => host(a) == host(b),
        (true, false) => is_bytes(b),
        (false, true) => is_bytes(a),
        (false, false) => (is_bytes(a) && is_bytes(b)) || a.text_of("protocol") == b.text_of("protocol"),
    }
}

/// Classes that Istio serves; without the class object its own names are.
fn is_istios(mesh: &Mesh<'_>, object: &Object) -> bool {
    let class = object.spec().map_or("", |s| s.text_of("gatewayClassName"));
    match mesh.find(Kind::GatewayClass, "", class).and_then(|c| c.spec()) {
        Some(spec) => spec.text_of("controllerName") == "istio.io/gateway-controller",
        None => class == "istio",
    }
}

/// Whether a ListenerSet is one of a Gateway, which lets its namespace in.
fn is_set_of(mesh: &Mesh<'_>, set: &Object, gateway: &Object) -> bool {
    let Some(r) = set.spec().and_then(|s| s.get("parentRef")) else { return false };
    let namespace = Some(r.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(set.namespace());
    if !matches!(r.text_of("kind"), "" | "Gateway") || r.text_of("name") != gateway.name() || namespace != gateway.namespace() {
        return false;
    }
    let Some(allowed) = gateway.spec_at(&["allowedListeners", "namespaces"]) else { return false };
    match allowed.text_of("from") {
        "All" => true,
        "Same" => set.namespace() == gateway.namespace(),
        "" | "Selector" => allowed.get("selector").is_some() && selects_namespace(mesh, allowed.get("selector"), set.namespace()),
        _ => false,
    }
}

fn selects_namespace<'a>(mesh: &Mesh<'a>, selector: Option<Node<'a>>, namespace: &str) -> bool {
    let Some(object) = mesh.find(Kind::Namespace, "", namespace) else { return false };
    Selector::from_label_selector(selector).matches(|k| if k == "kubernetes.io/metadata.name" { Some(object.name()) } else { object.label(k) })
}

/// The services by which a Gateway is reached: those of its addresses, else the one made for it.
fn services_of(mesh: &Mesh<'_>, object: &Object) -> Vec<String> {
    let namespace = object.namespace();
    let expand = |name: &str| match name.contains('.') {
        true => name.to_owned(),
        false => format!("{name}.{namespace}.svc.{}", domain(mesh)),
    };
    let addresses: Vec<Node<'_>> = object.spec().into_iter().flat_map(|s| s.list("addresses")).collect();
    let is_made = match addresses.as_slice() {
        [] => true,
        [one] => matches!(one.text_of("type"), "" | "IPAddress"),
        _ => false,
    };
    if !is_made {
        return addresses.into_iter().filter(|a| matches!(a.text_of("type"), "" | "Hostname")).map(|a| expand(a.text_of("value"))).collect();
    }
    let class = object.spec().map_or("", |s| s.text_of("gatewayClassName"));
    let own = object.annotation("gateway.istio.io/name-override");
    let name = own.map_or_else(|| format!("{}-{class}", object.name()), str::to_owned);
    vec![format!("{name}.{namespace}.svc.{}", domain(mesh))]
}

/// The namespaces whose routes a listener takes; `*` for all.
pub fn allowed_namespaces<'a>(mesh: &Mesh<'a>, object: &'a Object, listener: Node<'a>) -> Vec<&'a str> {
    let namespaces = listener.at(&["allowedRoutes", "namespaces"]);
    match namespaces.map_or("", |n| n.text_of("from")) {
        "" | "Same" => vec![object.namespace()],
        "All" => vec!["*"],
        _ => {
            let Some(selector) = namespaces.and_then(|n| n.get("selector")) else { return vec!["*"] };
            let all = mesh.objects(Kind::Namespace).iter().map(|n| n.name());
            let mut out: Vec<&'a str> = all.filter(|n| selects_namespace(mesh, Some(selector), n)).collect();
            out.sort_unstable();
            out
        }
    }
}

/// The kinds of routes that a listener takes, by its protocol and by what it says.
fn kinds_of(listener: Node<'_>) -> Vec<Kind> {
    let mut out = match listener.text_of("protocol") {
        "HTTP" | "HTTPS" => vec![Kind::HttpRoute, Kind::GrpcRoute],
        "TCP" => vec![Kind::TcpRoute],
        "TLS" if listener.at(&["tls", "mode"]).map(Node::text) == Some("Terminate") => vec![Kind::TlsRoute, Kind::TcpRoute],
        "TLS" => vec![Kind::TlsRoute],
        _ => Vec::new(),
    };
    let named: Vec<Node<'_>> = listener.get("allowedRoutes").into_iter().flat_map(|a| a.list("kinds")).collect();
    if !named.is_empty() {
        let is_own = |n: &Node<'_>| matches!(n.text_of("group"), "" | "gateway.networking.k8s.io");
        out.retain(|kind| named.iter().filter(|n| is_own(n)).any(|n| n.text_of("kind") == kind.name()));
    }
    out
}

/// A listener that istiod would not program.
struct Refused;

fn settings(mesh: &Mesh<'_>, parent: &Object, object: &Object, listener: Node<'_>, tls: Node<'_>) -> Result<ServerSettings, Refused> {
    let option = |key: &str| tls.get("options").and_then(|o| o.get_entry(key)).map_or("", |(_, v)| v.text());
    let ciphers: Vec<String> = option("gateway.istio.io/tls-cipher-suites").split(',').map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect();
    let mut out = ServerSettings { ciphers, ..ServerSettings::default() }.with_known_ciphers();
    if tls.text_of("mode") == "Passthrough" {
        out.mode = if is_auto_passthrough(object, listener, tls) { "AUTO_PASSTHROUGH" } else { "PASSTHROUGH" }.to_owned();
        return Ok(out);
    }
    let mode = option("gateway.istio.io/tls-terminate-mode");
    match mode {
        "ISTIO_SIMPLE" => return Ok(ServerSettings::of_secrets(vec!["builtin://".to_owned()])),
        "ISTIO_MUTUAL" => return Ok(ServerSettings { mode: mode.to_owned(), ..ServerSettings::default() }),
        _ => {}
    }
    out.mode = if matches!(mode, "MUTUAL" | "OPTIONAL_MUTUAL") { mode } else { "SIMPLE" }.to_owned();
    let secrets: Vec<Node<'_>> = tls.list("certificateRefs").collect();
    if secrets.len() > 2 {
        return Err(Refused);
    }
    let found: Vec<Option<String>> = secrets.iter().map(|r| certificate(mesh, object, *r)).collect();
    out.credentials = match found.iter().flatten().count() {
        0 if !secrets.is_empty() => return Err(Refused),
        // istiod takes the first of them, be it the one that can't be had: the server then shows the proxy's own certificate.
        1 => found.into_iter().next().flatten().into_iter().collect(),
        _ => found.into_iter().flatten().collect(),
    };
    let validation = frontend(parent, listener).and_then(|f| f.get("validation"));
    let authorities: Vec<Node<'_>> = validation.into_iter().flat_map(|v| v.list("caCertificateRefs")).collect();
    match authorities.as_slice() {
        [] => {}
        [one] => {
            out.ca_credential = authority(mesh, object, *one).ok_or(Refused)?;
            let falls_back = validation.is_some_and(|v| v.text_of("mode") == "AllowInsecureFallback");
            if !matches!(mode, "MUTUAL" | "OPTIONAL_MUTUAL") {
                out.mode = if falls_back { "OPTIONAL_MUTUAL" } else { "MUTUAL" }.to_owned();
                out.skips_verification = falls_back;
            }
        }
        _ => return Err(Refused),
    }
    Ok(out)
}

/// What the Gateway says of clients' certificates on a listener's port.
fn frontend<'a>(gateway: &'a Object, listener: Node<'a>) -> Option<Node<'a>> {
    let frontend = gateway.spec_at(&["tls", "frontend"])?;
    let port = port_of(listener).map(i64::from);
    let own = frontend.list("perPort").find(|p| p.get("port").and_then(Node::int) == port);
    own.map_or_else(|| frontend.get("default"), |p| p.get("tls"))
}

fn is_auto_passthrough(object: &Object, listener: Node<'_>, tls: Node<'_>) -> bool {
    let option = tls.get("options").and_then(|o| o.get_entry("gateway.istio.io/listener-protocol"));
    if option.is_some_and(|(_, v)| v.text() == "auto-passthrough") {
        return true;
    }
    let port = object.label("networking.istio.io/gatewayPort").unwrap_or("15443");
    object.label("topology.istio.io/network").is_some() && listener.text_of("port") == port
}

/// The namespace of a reference, if the object may refer to it.
fn granted<'n>(mesh: &Mesh<'_>, object: &'n Object, r: Node<'n>, kind: &str) -> Option<&'n str> {
    let namespace = Some(r.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(object.namespace());
    (namespace == object.namespace() || super::is_granted(mesh, object, namespace, kind, r.text_of("name"))).then_some(namespace)
}

/// A Secret that is in the input without what is asked of it does not count; one that is not there may be: what holds
/// secrets is seldom among manifests.
fn holds(mesh: &Mesh<'_>, kind: Kind, namespace: &str, name: &str, keys: &[&str]) -> bool {
    mesh.find(kind, namespace, name).is_none_or(|o| {
        let has = |key: &str| ["data", "stringData"].iter().any(|d| o.root().get(d).and_then(|d| d.get_entry(key)).is_some());
        keys.iter().all(|k| has(k))
    })
}

fn certificate(mesh: &Mesh<'_>, object: &Object, r: Node<'_>) -> Option<String> {
    if !matches!(r.text_of("kind"), "" | "Secret") || !r.text_of("group").is_empty() {
        return None;
    }
    let (namespace, name) = (granted(mesh, object, r, "Secret")?, r.text_of("name"));
    let is_pair = holds(mesh, Kind::Secret, namespace, name, &["tls.crt", "tls.key"]) || holds(mesh, Kind::Secret, namespace, name, &["cert", "key"]);
    is_pair.then(|| format!("kubernetes-gateway://{namespace}/{name}"))
}

fn authority(mesh: &Mesh<'_>, object: &Object, r: Node<'_>) -> Option<String> {
    let (kind, scheme) = match r.text_of("kind") {
        "ConfigMap" => (Kind::ConfigMap, "configmap"),
        "Secret" => (Kind::Secret, "kubernetes-gateway"),
        _ => return None,
    };
    let (namespace, name) = (granted(mesh, object, r, kind.name())?, r.text_of("name"));
    let has_root = ["ca.crt", "cacert"].iter().any(|k| holds(mesh, kind, namespace, name, &[k]));
    has_root.then(|| format!("{scheme}://{namespace}/{name}-cacert"))
}
