//! References of the Gateway API: what they name, and which of them a ReferenceGrant allows.

use crate::codes::MSH0405;
use crate::rule::{Context, NotJudged, Sink};
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;
use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// The API group of the Gateway API.
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The kinds of routes.
pub const ROUTES: [Kind; 5] = [Kind::HttpRoute, Kind::GrpcRoute, Kind::TcpRoute, Kind::TlsRoute, Kind::UdpRoute];

/// All judged routes.
pub fn routes<'a>(cx: &Context<'a>) -> impl Iterator<Item = &'a Object> {
    ROUTES.iter().flat_map(|kind| cx.mesh.objects(*kind)).copied().filter(|r| r.role == Role::Judged)
}

/// What an object refers to: `group`, `kind`, `namespace` and `name`, with what counts where they are absent.
#[derive(Clone, Copy)]
pub struct Ref<'a> {
    pub node: Node<'a>,
    pub group: &'a str,
    pub kind: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
}

impl<'a> Ref<'a> {
    /// `None` without a name.
    pub fn new(node: Node<'a>, group: &'static str, kind: &'static str, own: &'a Object) -> Option<Ref<'a>> {
        let field = |key, default| node.get(key).map_or(default, Node::text);
        let name = Some(node.text_of("name")).filter(|n| !n.is_empty())?;
        let namespace = Some(node.text_of("namespace")).filter(|n| !n.is_empty()).unwrap_or(own.namespace());
        Some(Ref { node, group: field("group", group), kind: field("kind", kind), namespace, name })
    }
    /// The node of a field, else the reference's own.
    pub fn at(&self, field: &str) -> Node<'a> {
        self.node.get(field).unwrap_or(self.node)
    }
    /// The referred kind, of those that are known.
    pub fn known_kind(&self) -> Kind {
        Kind::find(self.group, self.kind)
    }
    /// The kind, with its group where that is not Kubernetes' own: `Secret`, `example.com/Secret`.
    pub fn kind_of_group(&self) -> Cow<'a, str> {
        if self.group.is_empty() { Cow::Borrowed(self.kind) } else { Cow::Owned(format!("{}/{}", self.group, self.kind)) }
    }
    /// `Kind name`, with the namespace where it is another.
    pub fn display(&self, own: &Object) -> String {
        if self.namespace == own.namespace() { format!("{} `{}`", self.kind, self.name) } else { format!("{} `{}/{}`", self.kind, self.namespace, self.name) }
    }
}

#[derive(PartialEq, Eq, Hash)]
struct Grant<'a> {
    namespace: &'a str,
    from: (&'a str, &'a str, &'a str),
    to: (&'a str, &'a str),
    /// "" for any.
    name: &'a str,
}

/// The references across namespaces that are allowed.
#[derive(Default)]
pub struct Grants<'a>(FxHashSet<Grant<'a>>);

impl<'a> Grants<'a> {
    pub fn new(cx: &Context<'a>) -> Grants<'a> {
        let mut grants = FxHashSet::default();
        for grant in cx.mesh.objects(Kind::ReferenceGrant) {
            let Some(spec) = grant.spec() else { continue };
            for from in spec.list("from") {
                for to in spec.list("to") {
                    grants.insert(Grant {
                        namespace: grant.namespace(),
                        from: (from.text_of("group"), from.text_of("kind"), from.text_of("namespace")),
                        to: (to.text_of("group"), to.text_of("kind")),
                        name: to.text_of("name"),
                    });
                }
            }
        }
        Grants(grants)
    }

    fn allow(&self, object: &Object, r: &Ref<'_>) -> bool {
        let group = object.group();
        let from = (group, object.kind_name(), object.namespace());
        ["", r.name].iter().any(|name| self.0.contains(&Grant { namespace: r.namespace, from, to: (r.group, r.kind), name }))
    }

    /// Whether a reference is known not to be allowed; then it is reported.
    pub fn denied(&self, cx: &Context<'a>, sink: &mut Sink<'a>, object: &'a Object, r: &Ref<'a>, effect: &str) -> bool {
        if r.namespace == object.namespace() || self.allow(object, r) {
            return false;
        }
        if !cx.mesh.owns(object, Place::Objects(Kind::ReferenceGrant, r.namespace)) {
            sink.not_judged(NotJudged::ObjectOutside);
            return false;
        }
        let finding = sink.report(
            &MSH0405,
            object,
            r.at("namespace"),
            format!(
                "no ReferenceGrant in namespace `{}` lets {} of `{}` refer to {} `{}`: {effect}",
                r.namespace,
                plural(object),
                object.namespace(),
                r.kind,
                r.name
            ),
        );
        finding.help(format!(
            "add a ReferenceGrant in `{}`: `from: [{{group: {}, kind: {}, namespace: {}}}]`, `to: [{{group: \"{}\", kind: {}, name: {}}}]`",
            r.namespace,
            GROUP,
            object.kind_name(),
            object.namespace(),
            r.group,
            r.kind,
            r.name
        ));
        if let Some(grant) = cx.mesh.objects_in(Kind::ReferenceGrant, r.namespace).first() {
            finding.related(grant, grant.name_node(), "a grant of that namespace, for something else");
        }
        true
    }
}

fn plural(object: &Object) -> String {
    format!("{}s", object.kind_name())
}
