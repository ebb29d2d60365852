//! Merging of messages as istiod does it: protobuf's merge, in which durations and entries of maps are replaced, lists grow,
//! and messages merge field by field. On JSON in the spelling of our types, where a field that is not set is not there.
//!
//! Facts: `proto.Merge` and istio/istio, pkg/proto/merge.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What becomes of lists.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lists {
    /// `MERGE`
    Append,
    /// `MERGE_AND_REPLACE_LIST`
    Replace,
}

/// Fields that are maps: an entry is replaced as a whole.
const MAPS: &[&str] =
    &["typedPerFilterConfig", "typedExtensionProtocolOptions", "filterMetadata", "typedFilterMetadata", "providers", "requirementMap", "policies"];

/// Members of a `oneof`, of which setting one unsets the others. With the field that holds the message where the names mean
/// something else in others; "" for any.
const ONE_OF: &[(&str, &[&str])] = &[
    ("", &["route", "redirect", "directResponse", "filterAction", "nonForwardingAction"]),
    ("match", &["prefix", "path", "safeRegex", "connectMatcher", "pathSeparatedPrefix", "pathMatchPolicy"]),
    ("", &["cluster", "clusterHeader", "weightedClusters", "clusterSpecifierPlugin", "inlineClusterSpecifierPlugin"]),
    ("", &["hostRewriteLiteral", "autoHostRewrite", "hostRewriteHeader", "hostRewritePathRegex", "hostRewritePath"]),
    ("redirect", &["httpsRedirect", "schemeRedirect"]),
    ("redirect", &["pathRedirect", "prefixRewrite", "regexRewrite"]),
    ("", &["filename", "inlineBytes", "inlineString", "environmentVariable"]),
    ("", &["rds", "routeConfig", "scopedRoutes"]),
    ("", &["typedConfig", "configDiscovery"]),
    ("", &["type", "clusterType"]),
    ("", &["ringHashLbConfig", "maglevLbConfig", "originalDstLbConfig", "leastRequestLbConfig", "roundRobinLbConfig"]),
    ("", &["zoneAwareLbConfig", "localityWeightedLbConfig"]),
    ("", &["ads", "apiConfigSource", "pathConfigSource", "self"]),
    ("address", &["socketAddress", "pipe", "envoyInternalAddress"]),
    ("", &["portValue", "namedPort"]),
    ("", &["explicitHttpConfig", "useDownstreamProtocolConfig", "autoConfig"]),
    ("explicitHttpConfig", &["httpProtocolOptions", "http2ProtocolOptions", "http3ProtocolOptions"]),
    ("", &["validationContext", "validationContextSdsSecretConfig", "combinedValidationContext"]),
    ("", &["fixedDelay", "headerDelay"]),
    ("abort", &["httpStatus", "grpcStatus", "headerAbort"]),
    ("", &["envoyGrpc", "googleGrpc"]),
    ("", &["grpcService", "httpService"]),
];

/// A message with a patch merged into it; `None` where the outcome is no such message.
pub(super) fn merged<M: Serialize + DeserializeOwned>(message: &M, patch: &Value, lists: Lists) -> Option<M> {
    let mut value = serde_json::to_value(message).ok()?;
    into(&mut value, patch, "", lists);
    serde_json::from_value(value).ok()
}

/// Merges one `Any` into another, as istiod does with the configuration of filters: by their messages. `None` where
/// they are of different types, for which istiod gives up.
pub(super) fn any(target: &Value, patch: &Value) -> Option<Value> {
    if target.get("@type")? != patch.get("@type")? {
        return None;
    }
    let mut out = target.clone();
    let is_struct = target["@type"].as_str().is_some_and(|t| t.ends_with(".TypedStruct"));
    for (key, value) in patch.as_object()? {
        match (is_struct && key == "value", &mut out[key.as_str()], value) {
            // A Struct is a map.
            (true, Value::Object(fields), Value::Object(new)) => fields.extend(new.iter().map(|(k, v)| (k.clone(), v.clone()))),
            _ => field(out.as_object_mut()?, key, value, "", Lists::Append),
        }
    }
    Some(out)
}

fn into(target: &mut Value, patch: &Value, of: &str, lists: Lists) {
    match (target, patch) {
        (Value::Object(fields), Value::Object(new)) if !new.contains_key("@type") => {
            for (key, value) in new {
                field(fields, key, value, of, lists);
            }
        }
        (Value::Array(items), Value::Array(new)) if lists == Lists::Append => items.extend(new.iter().cloned()),
        (target, new) => *target = new.clone(),
    }
}

fn field(fields: &mut Map<String, Value>, key: &str, value: &Value, of: &str, lists: Lists) {
    for (_, members) in ONE_OF.iter().filter(|(holder, members)| (holder.is_empty() || *holder == of) && members.contains(&key)) {
        fields.retain(|k, _| k == key || !members.contains(&k.as_str()));
    }
    match (fields.get_mut(key), value) {
        (Some(Value::Object(entries)), Value::Object(new)) if MAPS.contains(&key) => entries.extend(new.iter().map(|(k, v)| (k.clone(), v.clone()))),
        (Some(target), value) => into(target, value, key, lists),
        (None, value) => drop(fields.insert(key.to_owned(), value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::api::{cluster::Cluster, route::Route};
    use serde_json::json;

    fn read<M: DeserializeOwned>(value: Value) -> M {
        serde_json::from_value(value).expect("a message")
    }
    fn after<M: Serialize + DeserializeOwned>(target: Value, patch: Value, lists: Lists) -> Value {
        let patch = serde_json::to_value(read::<M>(patch)).expect("JSON");
        serde_json::to_value(merged::<M>(&read(target), &patch, lists).expect("a message")).expect("JSON")
    }

    #[test]
    fn messages_merge_lists_grow_durations_and_entries_are_replaced() {
        let target = json!({"name": "c", "connectTimeout": "1.500s", "circuitBreakers": {"thresholds": [{"maxConnections": 1}]},
            "metadata": {"filterMetadata": {"istio": {"a": "1"}, "other": {}}}});
        let patch =
            json!({"connect_timeout": "2s", "circuit_breakers": {"thresholds": [{"max_retries": 3}]}, "metadata": {"filter_metadata": {"istio": {"b": "2"}}}});
        let got = after::<Cluster>(target.clone(), patch.clone(), Lists::Append);
        assert_eq!(got["connectTimeout"], "2s");
        assert_eq!(got["circuitBreakers"]["thresholds"], json!([{"maxConnections": 1}, {"maxRetries": 3}]));
        assert_eq!(got["metadata"]["filterMetadata"], json!({"istio": {"b": "2"}, "other": {}}));
        let got = after::<Cluster>(target, patch, Lists::Replace);
        assert_eq!(got["circuitBreakers"]["thresholds"], json!([{"maxRetries": 3}]));
    }

    #[test]
    fn one_member_of_a_oneof_unsets_the_others() {
        let got = after::<Route>(json!({"route": {"cluster": "a", "timeout": "3s"}}), json!({"route": {"cluster_header": "x"}}), Lists::Append);
        assert_eq!(got["route"], json!({"clusterHeader": "x", "timeout": "3s"}));
        let got = after::<Route>(json!({"match": {"prefix": "/"}, "route": {"prefixRewrite": "/a"}}), json!({"match": {"path": "/b"}}), Lists::Append);
        assert_eq!((&got["match"], &got["route"]["prefixRewrite"]), (&json!({"path": "/b"}), &json!("/a")));
    }

    #[test]
    fn any_merges_with_its_own_type_only() {
        let of = |value: Value| json!({"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "typeUrl": "t", "value": value});
        assert_eq!(any(&of(json!({"a": {"x": 1}, "b": 2})), &of(json!({"a": {"y": 1}}))), Some(of(json!({"a": {"y": 1}, "b": 2}))));
        assert_eq!(any(&of(json!({})), &json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"})), None);
    }
}
