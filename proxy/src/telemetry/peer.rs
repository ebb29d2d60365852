//! Who a workload is: from its node, from what it says of itself in headers, from what a control plane says of an endpoint.

use crate::bootstrap::get;
use http::HeaderValue;
use mesh_envoy::api::{Struct, Value as Field};
use prost::Message;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

/// "" for what is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Peer {
    pub workload: Box<str>,
    pub namespace: Box<str>,
    pub canonical_name: Box<str>,
    pub canonical_revision: Box<str>,
    pub app: Box<str>,
    pub version: Box<str>,
    pub cluster: Box<str>,
}

/// This proxy, and what it tells peers of itself.
#[derive(Clone, Debug)]
pub struct Own {
    pub peer: Arc<Peer>,
    /// `node.cluster`: the name in traces.
    pub service: Box<str>,
    pub zone: Box<str>,
    /// Of Istio, where the bootstrap tells it.
    pub version: Box<str>,
    /// As the bootstrap has it, for expressions.
    pub node: Value,
    /// Its address, as far as Istio's node id tells it.
    pub ip: Option<IpAddr>,
    /// `x-envoy-peer-metadata-id`
    pub id: HeaderValue,
    /// `x-envoy-peer-metadata`
    pub metadata: HeaderValue,
    /// The same, as it is.
    pub fields: Struct,
}

/// A header that is longer tells nothing.
pub const LONGEST: usize = 8 * 1024;
/// A name that is longer is cut: peers choose what they say.
const LONGEST_NAME: usize = 256;

fn short(text: &str) -> Box<str> {
    text.chars().take(LONGEST_NAME).collect::<String>().into()
}

fn text<'s>(fields: &'s Struct, key: &str) -> &'s str {
    fields.get(key).and_then(|v| v.text()).unwrap_or("")
}

impl Peer {
    /// From labels and names; canonical names as Istio finds them.
    fn new<'s>(label: impl Fn(&str) -> Option<&'s str>, workload: &str, namespace: &str, cluster: &str) -> Peer {
        let first = |keys: [&str; 3]| keys.into_iter().find_map(&label).unwrap_or("");
        let name = match first(["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]) {
            "" => workload,
            name => name,
        };
        Peer {
            workload: short(workload),
            namespace: short(namespace),
            canonical_name: short(name),
            canonical_revision: short(first(["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"])),
            app: short(label("app").unwrap_or("")),
            version: short(label("version").unwrap_or("")),
            cluster: short(cluster),
        }
    }
    /// From the `node` of a bootstrap. The workload is `WORKLOAD_NAME`, or the last part of `OWNER`, or `NAME`.
    fn of_node(node: &Value) -> Peer {
        let metadata = get(node, "metadata").unwrap_or(&Value::Null);
        let of = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or("");
        let labels = metadata.get("LABELS");
        let workload = [of("WORKLOAD_NAME"), of("OWNER").rsplit('/').next().unwrap_or(""), of("NAME")].into_iter().find(|n| !n.is_empty()).unwrap_or("");
        Peer::new(|key| labels?.get(key)?.as_str(), workload, of("NAMESPACE"), of("CLUSTER_ID"))
    }
    /// From `x-envoy-peer-metadata`: a `google.protobuf.Struct` in base64. `None` for anything else.
    pub fn of_header(value: &HeaderValue) -> Option<Peer> {
        let bytes = value.as_bytes();
        if bytes.len() > LONGEST {
            return None;
        }
        let bytes = data_encoding::BASE64.decode(bytes).ok()?;
        let fields = Struct::decode(bytes.as_slice()).ok()?;
        Some(Peer::of_fields(&fields))
    }
    /// From what stands in it.
    pub fn of_fields(fields: &Struct) -> Peer {
        let labels = fields.get("LABELS").and_then(|v| v.object());
        Peer::new(|key| labels?.get(key)?.text(), text(fields, "WORKLOAD_NAME"), text(fields, "NAMESPACE"), text(fields, "CLUSTER_ID"))
    }
    /// From `workload` of an endpoint's metadata: `name;namespace;canonical name;canonical revision;cluster`.
    pub fn of_endpoint(text: &str) -> Option<Peer> {
        let mut parts = text.split(';').map(short);
        let (workload, namespace) = (parts.next().filter(|w| !w.is_empty())?, parts.next()?);
        let mut rest = || parts.next().unwrap_or_default();
        Some(Peer { workload, namespace, canonical_name: rest(), canonical_revision: rest(), cluster: rest(), ..Peer::default() })
    }
}

impl Own {
    /// From a bootstrap.
    pub fn of(bootstrap: &Value) -> Own {
        let node = get(bootstrap, "node").unwrap_or(&Value::Null);
        let id = get(node, "id").and_then(Value::as_str).unwrap_or("");
        let peer = Peer::of_node(node);
        let labels: Struct = [
            ("app", &peer.app),
            ("service.istio.io/canonical-name", &peer.canonical_name),
            ("service.istio.io/canonical-revision", &peer.canonical_revision),
            ("version", &peer.version),
        ]
        .into_iter()
        .filter(|(_, v)| !v.is_empty())
        .map(|(k, v)| (k, Field::from(&**v)))
        .collect();
        let fields: Struct = [
            ("CLUSTER_ID", Field::from(&*peer.cluster)),
            ("LABELS", Field::from(labels)),
            ("NAMESPACE", Field::from(&*peer.namespace)),
            ("WORKLOAD_NAME", Field::from(&*peer.workload)),
        ]
        .into_iter()
        .collect();
        let header = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("").into();
        let (service, zone) = (text(get(node, "cluster")), text(get(node, "locality").and_then(|l| get(l, "zone"))));
        // `sidecar~IP~POD.NAMESPACE~DOMAIN`
        let ip = id.split('~').nth(1).and_then(|ip| ip.parse().ok());
        let version = match get(node, "metadata").and_then(|m| m.get("ISTIO_VERSION")).and_then(Value::as_str) {
            Some(version) if !version.is_empty() => version.into(),
            _ => "unknown".into(),
        };
        Own {
            peer: Arc::new(peer),
            service,
            zone,
            version,
            node: node.clone(),
            ip,
            id: header(id),
            metadata: header(&data_encoding::BASE64.encode(&fields.encode_to_vec())),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn own() -> Own {
        Own::of(&json!({"node": {"id": "sidecar~1.2.3.4~cart-1.shop~x", "metadata": {
            "NAME": "cart-1", "OWNER": "kubernetes://apis/apps/v1/namespaces/shop/deployments/cart", "NAMESPACE": "shop", "CLUSTER_ID": "c",
            "LABELS": {"app": "cart", "version": "v2"}}}}))
    }

    #[test]
    fn what_a_proxy_tells_is_what_a_peer_hears() {
        let own = own();
        assert_eq!(Peer::of_header(&own.metadata).as_ref(), Some(&*own.peer));
        assert_eq!((&*own.peer.workload, &*own.peer.canonical_name, &*own.peer.canonical_revision), ("cart", "cart", "v2"));
        assert_eq!(own.id, "sidecar~1.2.3.4~cart-1.shop~x");
    }

    #[test]
    fn rubbish_is_nobody_and_long_names_are_cut() {
        for bad in ["", "no base64!", "AAAA"] {
            assert!(Peer::of_header(&HeaderValue::from_static(bad)).is_none_or(|p| p == Peer::default()), "{bad}");
        }
        let long: Struct = std::iter::once(("WORKLOAD_NAME", Field::from("x".repeat(1000).as_str()))).collect();
        let header = HeaderValue::from_str(&data_encoding::BASE64.encode(&long.encode_to_vec())).expect("a value");
        assert_eq!(Peer::of_header(&header).map(|p| p.workload.len()), Some(LONGEST_NAME));
        let huge = HeaderValue::from_str(&"A".repeat(LONGEST + 4)).expect("a value");
        assert_eq!(Peer::of_header(&huge), None);
    }

    #[test]
    fn endpoints_tell_in_five_parts() {
        let p = Peer::of_endpoint("cart;shop;cart;v2;c").expect("a workload");
        assert_eq!((&*p.workload, &*p.namespace, &*p.canonical_revision, &*p.cluster, &*p.app), ("cart", "shop", "v2", "c", ""));
        assert_eq!(Peer::of_endpoint(""), None);
    }
}
