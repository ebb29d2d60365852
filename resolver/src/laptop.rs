//! A mesh on one machine: its proxies listen at addresses of the machine, and each such address says in metadata for which
//! address of the mesh it stands. A dump is put back to the mesh's addresses before it is asked anything.

use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

/// The namespace of the metadata on listeners and endpoints.
pub const METADATA: &str = "meshctl";
/// The field that has the address, `10.0.0.7:9080`.
pub const STANDS_FOR: &str = "stands_for";

/// The dump with the mesh's addresses, and those at which the proxy takes what others send to its workload. `None` where nothing
/// in it stands for something else.
pub fn put_back(dump: &Value) -> Option<(Value, Vec<IpAddr>)> {
    if !any(dump) {
        return None;
    }
    let mut out = dump.clone();
    let mut own = Vec::new();
    replace(&mut out, &mut own);
    own.dedup();
    Some((out, own))
}

fn key<'v>(value: &'v Value, snake: &str, camel: &str) -> Option<&'v Value> {
    value.get(snake).or_else(|| value.get(camel))
}

fn stands_for(value: &Value) -> Option<SocketAddr> {
    let metadata = key(value.get("metadata")?, "filter_metadata", "filterMetadata")?;
    metadata.get(METADATA)?.get(STANDS_FOR)?.as_str()?.parse().ok()
}

fn any(value: &Value) -> bool {
    match value {
        Value::Object(fields) => stands_for(value).is_some() || fields.values().any(any),
        Value::Array(items) => items.iter().any(any),
        _ => false,
    }
}

fn replace(value: &mut Value, own: &mut Vec<IpAddr>) {
    if let Some(address) = stands_for(value) {
        let is_inbound = key(value, "traffic_direction", "trafficDirection").is_some_and(|d| d == "INBOUND" || d == 1);
        if is_inbound && !address.ip().is_unspecified() {
            own.push(address.ip());
        }
        let place = if value.get("endpoint").is_some() { value.get_mut("endpoint").and_then(|e| e.get_mut("address")) } else { value.get_mut("address") };
        let socket = place.and_then(|p| if p.get("socket_address").is_some() { p.get_mut("socket_address") } else { p.get_mut("socketAddress") });
        if let Some(Value::Object(socket)) = socket {
            socket.insert("address".to_owned(), address.ip().to_string().into());
            let name = if socket.contains_key("port_value") { "port_value" } else { "portValue" };
            socket.insert(name.to_owned(), address.port().into());
        }
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|v| replace(v, own)),
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, own)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_that_stand_for_others_are_put_back() {
        let metadata = |a: &str| json!({"filter_metadata": {"meshctl": {"stands_for": a}}});
        let dump = json!({"configs": [
            {"listener": {"address": {"socket_address": {"address": "127.20.0.3", "port_value": 9080}}, "metadata": metadata("198.18.0.3:9080"), "traffic_direction": "INBOUND"}},
            {"listener": {"address": {"socketAddress": {"address": "127.22.0.3", "portValue": 9080}}, "metadata": {"filterMetadata": {"meshctl": {"stands_for": "0.0.0.0:9080"}}}}},
            {"endpoint": {"address": {"socket_address": {"address": "127.20.0.4", "port_value": 10080}}}, "metadata": metadata("198.18.0.4:80")},
            {"listener": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}}}},
        ]});
        let (back, own) = put_back(&dump).expect("something is put back");
        let c = &back["configs"];
        assert_eq!(c[0]["listener"]["address"]["socket_address"], json!({"address": "198.18.0.3", "port_value": 9080}));
        assert_eq!(c[1]["listener"]["address"]["socketAddress"], json!({"address": "0.0.0.0", "portValue": 9080}));
        assert_eq!(c[2]["endpoint"]["address"]["socket_address"], json!({"address": "198.18.0.4", "port_value": 80}));
        assert_eq!((&c[3], own), (&dump["configs"][3], vec!["198.18.0.3".parse().expect("an address")]));
        assert!(put_back(&json!({"configs": [{"metadata": {}}]})).is_none());
    }
}
