//! What DestinationRules say for a service, a port of it and a subset.

use super::proxy::Proxy;
use super::registry::RegisteredService;
use super::{Model, Origin};
use crate::destination_rule;
use crate::mesh_config::MeshConfig;
use mesh_model::{Node, Object};

/// The parts of a traffic policy that are in force.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrafficPolicy<'a> {
    pub connection_pool: Option<Node<'a>>,
    pub load_balancer: Option<Node<'a>>,
    pub outlier_detection: Option<Node<'a>>,
    pub tls: Option<Node<'a>>,
    pub proxy_protocol: Option<Node<'a>>,
    pub retry_budget: Option<Node<'a>>,
}

impl<'a> TrafficPolicy<'a> {
    fn of(node: Node<'a>) -> TrafficPolicy<'a> {
        TrafficPolicy {
            connection_pool: node.get("connectionPool"),
            load_balancer: node.get("loadBalancer"),
            outlier_detection: node.get("outlierDetection"),
            tls: node.get("tls"),
            proxy_protocol: node.get("proxyProtocol"),
            retry_budget: node.get("retryBudget"),
        }
    }
    /// The policy for a port: settings of the port replace those of the policy, even by nothing. The second says
    /// whether there were any.
    fn for_port(node: Node<'a>, port: u16) -> (TrafficPolicy<'a>, bool) {
        let own = node.list("portLevelSettings").find(|p| p.at(&["port", "number"]).and_then(Node::int) == Some(i64::from(port)));
        (TrafficPolicy::of(own.unwrap_or(node)), own.is_some())
    }
    /// A subset's policy over the rule's.
    fn overlaid(self, subset: Node<'a>, port: u16) -> TrafficPolicy<'a> {
        let (own, is_of_port) = TrafficPolicy::for_port(subset, port);
        if is_of_port {
            // Ports have none of these (pilot/pkg/model/destination_rule.go, `MergeTrafficPolicy`).
            return TrafficPolicy { proxy_protocol: self.proxy_protocol, retry_budget: self.retry_budget, ..own };
        }
        TrafficPolicy {
            connection_pool: own.connection_pool.or(self.connection_pool),
            load_balancer: own.load_balancer.or(self.load_balancer),
            outlier_detection: own.outlier_detection.or(self.outlier_detection),
            tls: own.tls.or(self.tls),
            proxy_protocol: own.proxy_protocol.or(self.proxy_protocol),
            retry_budget: own.retry_budget.or(self.retry_budget),
        }
    }
    /// What the mesh sets for all (`defaultTrafficPolicy`), block by block, where the rules set none.
    pub fn or_of_mesh(self, config: &MeshConfig<'a>) -> TrafficPolicy<'a> {
        let of = |key: &str| config.at(&["defaultTrafficPolicy", key]);
        TrafficPolicy {
            connection_pool: self.connection_pool.or_else(|| of("connectionPool")),
            outlier_detection: self.outlier_detection.or_else(|| of("outlierDetection")),
            ..self
        }
    }
    pub fn consistent_hash(&self) -> Option<Node<'a>> {
        self.load_balancer?.get("consistentHash")
    }
}

/// The rules of a host that a proxy goes by, united.
#[derive(Clone, Debug, Default)]
pub struct Rules<'a>(pub Vec<&'a Object>);

impl<'a> Rules<'a> {
    pub fn of(model: &Model<'_, 'a>, proxy: &Proxy, service: &RegisteredService<'a>) -> Rules<'a> {
        let label = |k: &str| proxy.label(k).map(str::to_owned);
        Rules(model.mesh.destination_rules.of_workload(&proxy.namespace, label, &service.host, service.namespace))
    }
    /// The same for what a proxy takes in: rules for some workloads alone do not count there.
    pub fn inbound(model: &Model<'_, 'a>, proxy: &Proxy, service: &RegisteredService<'a>) -> Rules<'a> {
        Rules(model.mesh.destination_rules.effective(&proxy.namespace, &service.host, service.namespace))
    }
    /// Whether anything is set for a port.
    pub fn has_policy(&self, port: u16) -> bool {
        let policy = destination_rule::traffic_policy(&self.0).map(|(_, n)| n);
        policy.is_some_and(|n| TrafficPolicy::for_port(n, port).1 || !n.is_empty())
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The rule that gives its name to what they make.
    pub fn first(&self) -> Option<&'a Object> {
        self.0.first().copied()
    }
    pub fn is_for_some_workloads(&self) -> bool {
        self.first().is_some_and(|o| o.spec_at(&["workloadSelector"]).is_some())
    }
    pub fn policy(&self, port: u16) -> TrafficPolicy<'a> {
        destination_rule::traffic_policy(&self.0).map(|(_, n)| TrafficPolicy::for_port(n, port).0).unwrap_or_default()
    }
    /// Subsets by their names, the first of each.
    pub fn subsets(&self) -> Vec<Subset<'a>> {
        let mut out: Vec<Subset<'a>> = Vec::new();
        for object in &self.0 {
            for node in object.spec().into_iter().flat_map(|s| s.list("subsets")) {
                let name = node.text_of("name");
                if !name.is_empty() && out.iter().all(|s| s.name != name) {
                    out.push(Subset { name, node, object });
                }
            }
        }
        out
    }
    pub fn subset_policy(&self, subset: &Subset<'a>, port: u16) -> TrafficPolicy<'a> {
        Rules::subset_policy_over(self.policy(port), subset, port)
    }
    /// The same over another policy than the rules'.
    pub fn subset_policy_over(policy: TrafficPolicy<'a>, subset: &Subset<'a>, port: u16) -> TrafficPolicy<'a> {
        match subset.node.get("trafficPolicy") {
            Some(own) => policy.overlaid(own, port),
            None => policy,
        }
    }
    /// How connections of bytes to the service, or to a subset, are wrapped in requests for a tunnel. Ports have no setting of their own,
    /// and a subset does not have the rule's.
    pub fn tunnel(&self, subset: &str) -> Option<Node<'a>> {
        if subset.is_empty() {
            return destination_rule::traffic_policy(&self.0)?.1.get("tunnel");
        }
        destination_rule::subset(&self.0, subset)?.1.at(&["trafficPolicy", "tunnel"])
    }
    pub fn config(&self) -> Option<String> {
        let first = self.first()?;
        Some(format!("/apis/networking.istio.io/v1/namespaces/{}/destination-rule/{}", first.namespace(), first.name()))
    }
    pub fn origins(&self) -> impl Iterator<Item = Origin<'a>> {
        self.0.iter().map(|o| Origin::whole(o))
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Subset<'a> {
    pub name: &'a str,
    pub node: Node<'a>,
    pub object: &'a Object,
}

/// Metadata of clusters by rules: the mode of TLS when it is no mutual TLS of the mesh.
pub fn tls_mode<'a>(policy: &TrafficPolicy<'a>) -> &'a str {
    policy.tls.map_or("", |t| t.text_of("mode"))
}
