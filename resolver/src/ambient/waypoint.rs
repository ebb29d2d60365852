//! Which waypoint stands before a service or a workload: the label `istio.io/use-waypoint` of it or of its namespace, and the
//! Gateway of that name, which says by `istio.io/waypoint-for` what it is for.

use crate::labels::Selector;
use crate::mesh::Mesh;
use crate::workload::Workload;
use mesh_envoy::matcher::Truth;
use mesh_model::{Kind, Node, Object};

pub const USE: &str = "istio.io/use-waypoint";
pub const USE_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
pub const FOR: &str = "istio.io/waypoint-for";
pub const CLASS: &str = "istio-waypoint";
/// The label by which a Pod is known to be a Gateway's.
pub const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";
/// The label that every Namespace is given with its name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Who made a Deployment or a Service for a Gateway.
const MANAGED: &str = "gateway.istio.io/managed";
/// For a gateway to send requests to a service through its waypoint.
pub const FROM_INGRESS: &str = "istio.io/ingress-use-waypoint";

/// Whether labels are those of a waypoint's own Pod or Service.
pub fn is_own<'l>(label: impl Fn(&str) -> Option<&'l str>) -> bool {
    label(MANAGED) == Some("istio.io-mesh-controller")
}

/// Whether a Gateway is a waypoint.
pub fn is_waypoint(gateway: &Object) -> bool {
    gateway.spec().is_some_and(|s| s.text_of("gatewayClassName") == CLASS)
}

/// Whether gateways send what is for a service to its waypoint: by the label of it, else of its namespace.
pub fn is_used_from_ingress(mesh: &Mesh<'_>, service: &Object) -> bool {
    let said = service.label(FROM_INGRESS).or_else(|| mesh.namespace_label(service.namespace(), FROM_INGRESS));
    said.is_some_and(|v| matches!(v, "true" | "TRUE" | "True" | "t" | "T" | "1"))
}

/// The label that asks for a waypoint, and what it names.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    pub name: &'a str,
    pub namespace: &'a str,
    /// The namespace of what is bound.
    of: &'a str,
    /// Where the label is written.
    pub object: &'a Object,
    pub node: Node<'a>,
}

impl<'a> Bound<'a> {
    /// The namespace of what is bound.
    pub fn of(&self) -> &'a str {
        self.of
    }
    /// `namespace/name`
    pub fn shown(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Waypoint<'a> {
    /// No label asks for one, or one says `none`.
    None,
    /// The Gateway, and what its proxy is known by: the service account is called as the Gateway.
    Stands(Bound<'a>, &'a Object),
    /// It is there, and for other traffic than this: `istio.io/waypoint-for`, or another class of Gateway.
    OfOther(Bound<'a>, &'a Object, &'a str),
    /// It is there, and its listener does not let the namespace in (`allowedRoutes`).
    Closed(Bound<'a>, &'a Object),
    /// The input is complete, and does not hold it: the traffic goes without.
    Missing(Bound<'a>),
    /// The input does not hold it, and is a part.
    Unseen(Bound<'a>),
    /// It is there, and whether its listener lets the namespace in is not known: the input lacks the Namespace, whose labels it asks for.
    PerhapsClosed(Bound<'a>, &'a Object),
    /// Whether a label asks for one is not known: the input lacks the Namespace.
    Unasked(&'a str),
}

impl Waypoint<'_> {
    /// Whether what it does, or that it is none, can't be told of the input.
    pub fn is_open(&self) -> bool {
        matches!(self, Waypoint::Unseen(_) | Waypoint::PerhapsClosed(..) | Waypoint::Unasked(_))
    }
}

/// Before requests to a service. Waypoints and gateways between networks have none, nor has another name of a service.
pub fn of_service<'a>(mesh: &Mesh<'a>, service: &'a Object) -> Waypoint<'a> {
    let is_alias = service.kind == Kind::Service && service.spec().is_some_and(|s| s.text_of("type") == "ExternalName");
    if is_alias || matches!(service.label(MANAGED), Some("istio.io-mesh-controller" | "istio.io-eastwest-controller")) {
        return Waypoint::None;
    }
    let labels = service.metadata().and_then(|m| m.get("labels"));
    stands(mesh, bound(mesh, service, labels, service.namespace()), &["service", "all"])
}

/// Before connections to a workload's own address; a waypoint's own Pods have none.
pub fn of_workload<'a>(mesh: &Mesh<'a>, w: &Workload<'a>) -> Waypoint<'a> {
    if w.label(GATEWAY_NAME).and_then(|name| mesh.find(Kind::K8sGateway, w.namespace, name)).is_some_and(is_waypoint) {
        return Waypoint::None;
    }
    stands(mesh, bound(mesh, w.object, w.pod.at(&["metadata", "labels"]), w.namespace), &["workload", "all"])
}

/// Before connections to the address of a WorkloadEntry.
pub fn of_entry<'a>(mesh: &Mesh<'a>, entry: &'a Object) -> Waypoint<'a> {
    let labels = entry.metadata().and_then(|m| m.get("labels"));
    stands(mesh, bound(mesh, entry, labels, entry.namespace()), &["workload", "all"])
}

/// What the labels say.
enum Asked<'a> {
    Nothing,
    For(Bound<'a>),
    /// The Namespace of this name is not in the input, which is a part.
    Unknown(&'a str),
}

/// The object's own label goes before its namespace's.
fn bound<'a>(mesh: &Mesh<'a>, object: &'a Object, labels: Option<Node<'a>>, namespace: &'a str) -> Asked<'a> {
    let own = labels.and_then(|l| Some((object, l, l.get(USE)?)));
    let said = match (own, mesh.find(Kind::Namespace, "", namespace)) {
        (Some(own), _) => Some(own),
        (None, None) if !mesh.is_complete() => return Asked::Unknown(namespace),
        (None, of) => of.and_then(|o| o.metadata()?.get("labels").map(|l| (o, l))).and_then(|(o, l)| Some((o, l, l.get(USE)?))),
    };
    let Some((object, labels, node)) = said.filter(|(_, _, node)| !matches!(node.text(), "" | "none")) else { return Asked::Nothing };
    let elsewhere = Some(labels.text_of(USE_NAMESPACE)).filter(|n| !n.is_empty());
    Asked::For(Bound { name: node.text(), namespace: elsewhere.unwrap_or(namespace), of: namespace, object, node })
}

fn stands<'a>(mesh: &Mesh<'a>, asked: Asked<'a>, fits: &[&str]) -> Waypoint<'a> {
    let bound = match asked {
        Asked::Nothing => return Waypoint::None,
        Asked::Unknown(namespace) => return Waypoint::Unasked(namespace),
        Asked::For(bound) => bound,
    };
    let Some(gateway) = mesh.find(Kind::K8sGateway, bound.namespace, bound.name) else {
        return if mesh.is_complete() { Waypoint::Missing(bound) } else { Waypoint::Unseen(bound) };
    };
    let class = gateway.spec().map_or("", |s| s.text_of("gatewayClassName"));
    if class != CLASS {
        return Waypoint::OfOther(bound, gateway, class);
    }
    let lets_in = lets_in(mesh, gateway, bound.of);
    if lets_in == Truth::No {
        return Waypoint::Closed(bound, gateway);
    }
    let is_for = gateway.label(FOR).or_else(|| mesh.find(Kind::GatewayClass, "", class)?.label(FOR)).filter(|f| !f.is_empty()).unwrap_or("service");
    match (fits.contains(&is_for), lets_in) {
        (false, _) => Waypoint::OfOther(bound, gateway, is_for),
        (true, Truth::Unknown) => Waypoint::PerhapsClosed(bound, gateway),
        (true, _) => Waypoint::Stands(bound, gateway),
    }
}

/// Whether what is in a namespace may use a waypoint: `allowedRoutes` of its HBONE listener, without which it is for its own
/// namespace alone.
fn lets_in(mesh: &Mesh<'_>, gateway: &Object, namespace: &str) -> Truth {
    let is_hbone = |l: &Node<'_>| l.text_of("protocol") == "HBONE" && l.get("port").and_then(Node::int) == Some(i64::from(super::HBONE));
    let listener = gateway.spec().and_then(|s| s.list("listeners").find(is_hbone));
    let namespaces = listener.and_then(|l| l.at(&["allowedRoutes", "namespaces"]));
    match namespaces.map_or("", |n| n.text_of("from")) {
        "All" => Truth::Yes,
        "Selector" => {
            let object = mesh.find(Kind::Namespace, "", namespace);
            // Its name is a label of every Namespace.
            let label = |key: &str| match (key, object) {
                (NAME_LABEL, _) => Some(Some(namespace)),
                (_, None) if !mesh.is_complete() => None,
                (_, object) => Some(object.and_then(|o| o.label(key))),
            };
            Selector::from_label_selector(namespaces.and_then(|n| n.get("selector"))).truth(label)
        }
        _ => Truth::from(gateway.namespace() == namespace),
    }
}

/// The workload that serves a Gateway, by its id, where the input holds it: a controller makes it.
pub fn pod(mesh: &Mesh<'_>, gateway: &Object) -> Option<u32> {
    let own = Selector { pairs: vec![(GATEWAY_NAME, gateway.name())], expressions: None };
    mesh.workloads.matching_ids(Some(gateway.namespace()), &own).first().copied()
}

/// The service account of a waypoint, where its workload is in the input.
pub fn account<'a>(mesh: &Mesh<'a>, gateway: &Object) -> Option<&'a str> {
    pod(mesh, gateway).map(|id| mesh.workloads.get(id).service_account())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Completeness, Role, Snapshot, Source};

    fn found(namespace: Option<&str>, service: &str, pod: &str, gateway: &str, completeness: Completeness) -> (String, String) {
        let gateway = if gateway.is_empty() { String::new() } else { format!("---\n{{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, {gateway}}}\n") };
        let namespace =
            namespace.map_or_else(String::new, |l| format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: shop, labels: {{{l}}}}}}}\n---\n"));
        let text = format!(
            "{namespace}{{apiVersion: v1, kind: Service, metadata: {{name: cart, namespace: shop, labels: {{{service}}}}}, spec: {{ports: [{{port: 80}}]}}}}\n---\n\
             {{apiVersion: v1, kind: Pod, metadata: {{name: cart, namespace: shop, labels: {{{pod}}}}}, spec: {{}}}}\n{gateway}"
        );
        let source = Source::new("", text);
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
        snapshot.completeness = completeness;
        let mesh = Mesh::new(&snapshot);
        let shown = |w: Waypoint<'_>| match w {
            Waypoint::None => "none".to_owned(),
            Waypoint::Stands(b, _) => format!("{} by {}", b.shown(), b.object.kind.name()),
            Waypoint::OfOther(b, _, what) => format!("{} is for {what}", b.shown()),
            Waypoint::Closed(b, _) => format!("{} lets others in", b.shown()),
            Waypoint::Missing(b) => format!("{} missing", b.shown()),
            Waypoint::Unseen(b) => format!("{} not seen", b.shown()),
            Waypoint::PerhapsClosed(b, _) => format!("{} perhaps", b.shown()),
            Waypoint::Unasked(namespace) => format!("{namespace} not seen"),
        };
        let service = mesh.objects(Kind::Service)[0];
        (shown(of_service(&mesh, service)), shown(of_workload(&mesh, mesh.workloads.get(0))))
    }

    #[test]
    fn labels_choose_and_the_gateway_says_what_it_is_for() {
        const ASKS: &str = "istio.io/use-waypoint: wp";
        const WP: &str = "metadata: {name: wp, namespace: shop}, spec: {gatewayClassName: istio-waypoint}";
        const ALL: &str = "metadata: {name: wp, namespace: shop, labels: {istio.io/waypoint-for: all}}, spec: {gatewayClassName: istio-waypoint}";
        const WORKLOADS: &str = "metadata: {name: wp, namespace: shop, labels: {istio.io/waypoint-for: workload}}, spec: {gatewayClassName: istio-waypoint}";
        const INFRA: &str = "metadata: {name: wp, namespace: infra}, spec: {gatewayClassName: istio-waypoint}";
        const OPEN: &str = "metadata: {name: wp, namespace: infra}, spec: {gatewayClassName: istio-waypoint, listeners: [{port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: All}}}]}";
        const SOME: &str = "metadata: {name: wp, namespace: infra}, spec: {gatewayClassName: istio-waypoint, listeners: [{port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}}]}";
        const BY_NAME: &str = "metadata: {name: wp, namespace: infra}, spec: {gatewayClassName: istio-waypoint, listeners: [{port: 15008, protocol: HBONE, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}}]}";
        const THERE: &str = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
        const THERE_OF_A: &str = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra, team: a";
        const INGRESS: &str = "metadata: {name: wp, namespace: shop}, spec: {gatewayClassName: istio}";
        use Completeness::{Complete, Part};
        for (namespace, service, pod, gateway, completeness, to_service, to_workload) in [
            ("", "", "", WP, Complete, "none", "none"),
            (ASKS, "", "", WP, Complete, "shop/wp by Namespace", "shop/wp is for service"),
            (ASKS, "istio.io/use-waypoint: none", "", ALL, Complete, "none", "shop/wp by Namespace"),
            ("", ASKS, "", WP, Complete, "shop/wp by Service", "none"),
            ("", "", ASKS, WORKLOADS, Complete, "none", "shop/wp by Pod"),
            (ASKS, "", "", WORKLOADS, Complete, "shop/wp is for workload", "shop/wp by Namespace"),
            (THERE, "", "", INFRA, Complete, "infra/wp lets others in", "infra/wp lets others in"),
            (THERE, "", "", OPEN, Complete, "infra/wp by Namespace", "infra/wp is for service"),
            (THERE, "", "", SOME, Complete, "infra/wp lets others in", "infra/wp lets others in"),
            (THERE_OF_A, "", "", SOME, Complete, "infra/wp by Namespace", "infra/wp is for service"),
            (THERE, "", "", BY_NAME, Complete, "infra/wp by Namespace", "infra/wp is for service"),
            (ASKS, "gateway.istio.io/managed: istio.io-mesh-controller", "", WP, Complete, "none", "shop/wp is for service"),
            (ASKS, "", "", "", Complete, "shop/wp missing", "shop/wp missing"),
            (ASKS, "", "", "", Part, "shop/wp not seen", "shop/wp not seen"),
            (ASKS, "", "", INGRESS, Complete, "shop/wp is for istio", "shop/wp is for istio"),
        ] {
            let got = found(Some(namespace), service, pod, gateway, completeness);
            assert_eq!((got.0.as_str(), got.1.as_str()), (to_service, to_workload), "{namespace} | {service} | {pod} | {gateway}");
        }
    }
    /// Labels of a Namespace that was not seen are not taken for none.
    #[test]
    fn what_a_namespace_that_was_not_seen_says_is_left_open() {
        const THERE: &str = "istio.io/use-waypoint: wp, istio.io/use-waypoint-namespace: infra";
        let wp = |selector: &str| {
            format!(
                "metadata: {{name: wp, namespace: infra, labels: {{istio.io/waypoint-for: all}}}}, spec: {{gatewayClassName: istio-waypoint, listeners: [{{port: 15008, protocol: HBONE, allowedRoutes: {{namespaces: {{from: Selector, selector: {{{selector}}}}}}}}}]}}"
            )
        };
        use Completeness::{Complete, Part};
        for (labels, selector, completeness, expected) in [
            (THERE, "matchLabels: {team: a}", Part, "infra/wp perhaps"),
            (THERE, "matchLabels: {team: a}", Complete, "infra/wp lets others in"),
            (THERE, "matchExpressions: [{key: team, operator: Exists}]", Part, "infra/wp perhaps"),
            (THERE, "matchLabels: {kubernetes.io/metadata.name: shop}", Part, "infra/wp by"),
            (THERE, "matchLabels: {kubernetes.io/metadata.name: shop}", Complete, "infra/wp by"),
            (THERE, "matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop]}]", Part, "infra/wp by"),
            (THERE, "matchLabels: {kubernetes.io/metadata.name: bank, team: a}", Part, "infra/wp lets others in"),
            ("", "matchLabels: {team: a}", Part, "shop not seen"),
            ("", "matchLabels: {team: a}", Complete, "none"),
            ("istio.io/use-waypoint: none", "matchLabels: {team: a}", Part, "none"),
        ] {
            let got = found(None, labels, labels, &wp(selector), completeness);
            assert!(got.0.starts_with(expected) && got.1.starts_with(expected), "{got:?}: {labels} | {selector} | {expected}");
        }
    }
}
