//! MeshConfig: the defaults of Istio where none is given.

use mesh_model::Node;

/// A view of the mesh configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct MeshConfig<'a> {
    root: Option<Node<'a>>,
}

impl<'a> MeshConfig<'a> {
    pub fn new(root: Option<Node<'a>>) -> Self {
        MeshConfig { root }
    }
    /// Whether a mesh configuration was in the input.
    pub fn is_known(&self) -> bool {
        self.root.is_some()
    }
    pub fn root(&self) -> Option<Node<'a>> {
        self.root
    }
    pub fn at(&self, path: &[&str]) -> Option<Node<'a>> {
        self.root?.at(path)
    }
    fn text_or(&self, key: &str, default: &'static str) -> &'a str {
        self.at(&[key]).map(Node::text).filter(|t| !t.is_empty()).unwrap_or(default)
    }
    pub fn root_namespace(&self) -> &'a str {
        self.text_or("rootNamespace", "istio-system")
    }
    pub fn trust_domain(&self) -> &'a str {
        self.text_or("trustDomain", "cluster.local")
    }
    pub fn trust_domain_aliases(&self) -> impl Iterator<Item = &'a str> {
        self.root.into_iter().flat_map(|r| r.list("trustDomainAliases")).map(Node::text)
    }
    pub fn auto_mtls(&self) -> bool {
        self.at(&["enableAutoMtls"]).and_then(Node::bool).unwrap_or(true)
    }
    /// `ALLOW_ANY` unless set.
    pub fn outbound_traffic_policy(&self) -> &'a str {
        self.at(&["outboundTrafficPolicy", "mode"]).map_or("ALLOW_ANY", Node::text)
    }
    /// `defaultServiceExportTo`, `defaultVirtualServiceExportTo`, `defaultDestinationRuleExportTo`; `*` when unset.
    pub fn default_export_to(&self, key: &str) -> Vec<&'a str> {
        let list: Vec<_> = self.root.map(|r| r.list(key).map(Node::text).collect()).unwrap_or_default();
        if list.is_empty() { vec!["*"] } else { list }
    }
}
