//! A translation as lists of xDS resources in protobuf JSON, the form that the matching engine compiles.

use super::{Piece, Translation};
use serde::Serialize;
use serde_json::{Value, json};

impl Translation<'_> {
    /// `{"listeners": […], "clusters": […], "routes": […], "endpoints": […]}`. Clusters whose endpoints the input does
    /// not hold are not among the endpoints: they are unknown, not empty.
    pub fn resources(&self) -> Value {
        json!({
            "listeners": list(&self.listeners),
            "clusters": list(&self.clusters),
            "routes": list(&self.routes),
            "endpoints": list(&self.endpoints),
        })
    }
}

impl Translation<'_> {
    /// The same in the form of a proxy's config dump, without its bootstrap.
    pub fn dump(&self) -> Value {
        let section = |name: &str, key: &str, list: Vec<Value>| json!({"@type": format!("type.googleapis.com/envoy.admin.v3.{name}"), key: list});
        let each = |key: &str, list: Vec<Value>| list.into_iter().map(|v| json!({key: v})).collect::<Vec<_>>();
        let named = |l: Value| json!({"name": l["name"].clone(), "activeState": {"listener": l}});
        json!({"configs": [
            section("ClustersConfigDump", "dynamicActiveClusters", each("cluster", list(&self.clusters))),
            section("ListenersConfigDump", "dynamicListeners", list(&self.listeners).into_iter().map(named).collect()),
            section("RoutesConfigDump", "dynamicRouteConfigs", each("routeConfig", list(&self.routes))),
            section("EndpointsConfigDump", "dynamicEndpointConfigs", each("endpointConfig", list(&self.endpoints))),
        ]})
    }
}

fn list<M: Serialize>(pieces: &[Piece<'_, M>]) -> Vec<Value> {
    // Our own messages are JSON always.
    pieces.iter().map(|p| serde_json::to_value(&p.message).unwrap_or_default()).collect()
}
