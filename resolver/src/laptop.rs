//! A mesh on one machine: its proxies listen at addresses of the machine, and each such address says in metadata for which
//! address of the mesh it stands. A dump is put back to the mesh's addresses before it is asked anything.

use serde_json::Value;
use std::net::{IpAddr, SocketAddr};

/// The namespace of the metadata on listeners and endpoints.
pub const METADATA: &str = "meshctl";
/// The field that has the address, `10.0.0.7:9080`.
pub const STANDS_FOR: &str = "stands_for";

/// The field of an endpoint outside of the mesh that is played on the machine: its host or address, and its port.
pub const PLAYS: &str = "plays";

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

/// The JSON of resources without the places that one machine gives: listeners and endpoints at the addresses that they stand for, and
/// the application's own as `application`. Two translations of the same mesh are the same then, whatever places they were given.
pub fn without_places(value: Value) -> Value {
    let is_inbound = value.get("name").and_then(Value::as_str).is_some_and(|n| n.starts_with("inbound|"));
    strip(value, is_inbound)
}

fn strip(mut value: Value, is_inbound: bool) -> Value {
    let stands = stands_for(&value).map(|a| (a.ip().to_string(), a.port()));
    let plays = || {
        let metadata = key(value.get("metadata")?, "filter_metadata", "filterMetadata")?;
        let (host, port) = metadata.get(METADATA)?.get(PLAYS)?.as_str()?.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    let is_endpoint = value.get("endpoint").is_some();
    let meant = stands.or_else(plays).or_else(|| (is_endpoint && is_inbound).then(|| ("application".to_owned(), 0)));
    if let Some((host, port)) = meant {
        let place = if is_endpoint { value.get_mut("endpoint").and_then(|e| e.get_mut("address")) } else { value.get_mut("address") };
        let old = place.and_then(|p| put(p, &host, port));
        // Listeners of inbound ports are called by their places.
        if let (Some(old), Some(Value::String(name))) = (old, value.get_mut("name"))
            && *name == old
        {
            *name = format!("{host}_{port}");
        }
    }
    match value {
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, strip(v, is_inbound))).collect(),
        Value::Array(items) => items.into_iter().map(|v| strip(v, is_inbound)).collect(),
        other => other,
    }
}

/// Puts an address in place of another, and tells that one as a listener of it is called.
fn put(place: &mut Value, host: &str, port: u16) -> Option<String> {
    let name = if place.get("socket_address").is_some() { "socket_address" } else { "socketAddress" };
    let Some(Value::Object(socket)) = place.get_mut(name) else { return None };
    let key = if socket.contains_key("port_value") { "port_value" } else { "portValue" };
    let old = format!("{}_{}", socket.get("address").and_then(Value::as_str).unwrap_or(""), socket.get(key).and_then(Value::as_u64).unwrap_or(0));
    socket.insert("address".to_owned(), host.into());
    socket.insert(key.to_owned(), port.into());
    Some(old)
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
        place.and_then(|p| put(p, &address.ip().to_string(), address.port()));
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

    #[test]
    fn places_make_no_difference() {
        let at = |a: &str, p: u16| json!({"socketAddress": {"address": a, "portValue": p}});
        let says = |key: &str, what: &str| json!({"filterMetadata": {"meshctl": {key: what}, "istio": {"a": 1}}});
        let of = |network: u8| {
            let place = |port| at(&format!("127.{network}.0.3"), port);
            [
                json!({"name": format!("127.{network}.0.3_9080"), "address": place(9080), "metadata": says("stands_for", "198.18.0.3:9080")}),
                json!({"name": "0.0.0.0_9080", "address": place(9080), "metadata": says("stands_for", "0.0.0.0:9080")}),
                json!({"name": "inbound|9080||", "loadAssignment": {"endpoints": [{"lbEndpoints": [{"endpoint": {"address": place(u16::from(network))}}]}]}}),
                json!({"name": "outbound|80||x", "loadAssignment": {"endpoints": [{"lbEndpoints": [{"endpoint": {"address": place(1)}, "metadata": says("plays", "x.example:80")}]}]}}),
            ]
            .map(without_places)
        };
        assert_eq!(of(20), of(40));
        assert_eq!(of(20)[0]["name"], "198.18.0.3_9080");
        assert_eq!(of(20)[3]["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"], at("x.example", 80));
        let other = json!({"name": "outbound|80||x", "endpoint": {"address": at("127.0.0.1", 7)}});
        assert_eq!(without_places(other.clone()), other);
    }
}
