//! Which proxy a page is of: the node id that Istio gives it.

use serde_json::Value;

/// How far a page is looked into for the node: it stands in its first section.
const LOOK: usize = 1024 * 1024;

/// `cart-1.shop` of a node id such as `sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local`.
pub fn name_of_id(id: &str) -> Option<&str> {
    let mut parts = id.split('~');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("sidecar" | "router" | "waypoint" | "ztunnel" | "agentgateway"), Some(_), Some(name), Some(_), None) if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// The proxy's name in a config dump or in server information, by the node id that stands at its beginning.
pub fn name_in(text: &str) -> Option<String> {
    let mut end = text.len().min(LOOK);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    for (at, _) in head.match_indices('~') {
        let start = head[..at].rfind('"')? + 1;
        let id = head[start..].split('"').next().unwrap_or("");
        if let Some(name) = name_of_id(id) {
            return Some(name.to_owned());
        }
    }
    None
}

/// Whether a config dump is what istiod would send, not what a proxy holds: its bootstrap is empty.
pub fn is_control_planes_view(text: &str) -> bool {
    // istiod writes the sections in Envoy's order, the bootstrap first and without anything in it.
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).take(200).collect();
    let bootstrap = "\"@type\":\"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\"}";
    compact.contains(bootstrap)
}

/// The name of a node of a message, in either spelling of its JSON.
pub fn name_of(node: &Value) -> Option<&str> {
    let id = node.get("id")?.as_str()?;
    Some(name_of_id(id).unwrap_or(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_its_node_id() {
        assert_eq!(name_of_id("sidecar~10.0.0.7~cart-1.shop~shop.svc.cluster.local"), Some("cart-1.shop"));
        assert_eq!(name_of_id("a~b~c~d"), None);
        let dump = r#"{"configs": [{"@type": "x", "x": "a~b", "bootstrap": {"node": {"id": "router~10.0.0.7~gw-1.infra~x"}}}]}"#;
        assert_eq!(name_in(dump).as_deref(), Some("gw-1.infra"));
        assert_eq!(name_in("~"), None);
        let istiod = "{\"configs\": [{\"@type\": \"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\"}, {}]}";
        assert!(is_control_planes_view(istiod) && !is_control_planes_view(dump));
    }
}
