//! What is asked for and not done is refused at start, by its path.

use crate::support;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::{Proxy, Settings};
use serde_json::{Value, json};
use support::{bootstrap, cluster, manager};

fn refusal(value: Value) -> String {
    let bootstrap = match Bootstrap::new(value) {
        Ok(bootstrap) => bootstrap,
        Err(e) => return e.to_string(),
    };
    Proxy::start(bootstrap, &Settings::default()).err().map(|e| e.to_string()).unwrap_or_default()
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = bootstrap(&manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None), &[cluster("c", &[support::nobody()])]);
    change(&mut value);
    value
}

const CONNECTIONS: &str = "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit";
const HCM: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";

#[test]
fn each_is_named_with_its_path_and_value() {
    let manager = |key: &str, v: Value| {
        let key = key.to_owned();
        with(move |b| b.pointer_mut(HCM).expect("a manager")[&key] = v)
    };
    let route = |key: &str, v: Value| {
        let key = key.to_owned();
        with(move |b| b.pointer_mut(&format!("{HCM}/route_config/virtual_hosts/0/routes/0/route")).expect("a route")[&key] = v)
    };
    let of_cluster = |key: &str, v: Value| {
        let key = key.to_owned();
        with(move |b| b.pointer_mut("/static_resources/clusters/0").expect("a cluster")[&key] = v)
    };
    let network = |config: Value| {
        with(move |b| {
            let filters = b.pointer_mut("/static_resources/listeners/0/filter_chains/0/filters").and_then(Value::as_array_mut).expect("filters");
            filters.insert(0, json!({"name": "n", "typed_config": config}));
        })
    };
    let limit = |mut config: Value| {
        config["@type"] = json!("type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit");
        with(move |b| {
            let filters = b.pointer_mut(&format!("{HCM}/http_filters")).and_then(Value::as_array_mut).expect("filters");
            filters.insert(0, json!({"name": "l", "typed_config": config}));
        })
    };
    let listener_filters = |filters: &[(&str, Value)]| {
        let one = |(name, config): &(&str, Value)| {
            let mut config = config.clone();
            config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.listener.{name}"));
            json!({"name": name, "typed_config": config})
        };
        let filters: Vec<Value> = filters.iter().map(one).collect();
        with(move |b| b["static_resources"]["listeners"][0]["listener_filters"] = json!(filters))
    };
    const PROXY: &str = "proxy_protocol.v3.ProxyProtocol";
    let told = |config: Value| {
        of_cluster(
            "transport_socket",
            json!({"name": "p", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                "config": config}}),
        )
    };
    for (value, wanted) in [
        (
            manager("http2_protocol_options", json!({"initial_connection_window_size": 4_294_967_295u32})),
            "initial_connection_window_size: no number from 65535",
        ),
        (manager("http2_protocol_options", json!({"initial_stream_window_size": 100})), "initial_stream_window_size: no number from 65535"),
        (manager("http2_protocol_options", json!({"max_concurrent_streams": 0})), "max_concurrent_streams: no number from 1"),
        (listener_filters(&[(PROXY, json!({"rules": [{"tlv_type": 1}]}))]), "listener_filters[0].typed_config.rules = […]: not supported"),
        (listener_filters(&[(PROXY, json!({"pass_through_tlvs": {"match_type": "INCLUDE"}}))]), "typed_config.pass_through_tlvs"),
        (listener_filters(&[(PROXY, json!({"disallowed_versions": ["V1", "V2"]}))]), "typed_config.disallowed_versions: no version is left"),
        (listener_filters(&[("tls_inspector.v3.TlsInspector", json!({})), (PROXY, json!({}))]), "listener_filters[1]: proxy_protocol belongs before"),
        (listener_filters(&[(PROXY, json!({})), (PROXY, json!({}))]), "listener_filters[1]: a second proxy_protocol filter"),
        (told(json!({"version": "V2", "added_tlvs": [{"type": 1}]})), "transport_socket.typed_config.config.added_tlvs = […]"),
        (told(json!({})), "typed_config.transport_socket: the transport that the head"),
        (of_cluster("lb_policy", json!("MAGLEV")), "static_resources.clusters[0].lb_policy = \"MAGLEV\""),
        (of_cluster("health_checks", json!([{}])), "static_resources.clusters[0].health_checks = […]"),
        (of_cluster("type", json!("LOGICAL_DNS")), "clusters[0].type = \"LOGICAL_DNS\""),
        (manager("local_reply_config", json!({"mappers": []})), "typed_config.local_reply_config = {…}"),
        (
            manager("http_protocol_options", json!({"header_key_format": {"stateful_formatter": {"name": "preserve_case"}}})),
            "header_key_format.stateful_formatter: the formatter is not known",
        ),
        (manager("scoped_routes", json!({"name": "x"})), "typed_config.scoped_routes = {…}"),
        (route("hash_policy", json!([{"cookie": {"name": "c"}}])), "routes[0].route.hash_policy[0].cookie"),
        (route("retry_policy", json!({"retry_on": "5xx,whenever"})), "retry_on: the condition `whenever`"),
        (manager("http_filters", json!([{"name": "x", "typed_config": {"@type": "type.googleapis.com/a.B"}}])), "http_filters[0].typed_config = a.B"),
        (
            manager(
                "route_config",
                json!({"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"safe_regex": {"regex": "("}}, "redirect": {}}]}]}),
            ),
            "routes[0].match.safe_regex.regex",
        ),
        (manager("http_filters", json!([])), "http_filters: the router belongs at the end"),
        (network(json!({"@type": CONNECTIONS, "stat_prefix": "x"})), "filters[0].typed_config.max_connections: a limit of one connection"),
        (
            with(|b| b["stats_config"] = json!({"stats_tags": [{"tag_name": "x", "regex": "(?<=a)b"}]})),
            "stats_config.stats_tags[0].regex: a regular expression that mesh-proxy can't read",
        ),
        (route("rate_limits", json!([{"actions": [{"remote_address": {}}, {"extension": {"name": "x"}}]}])), "route.rate_limits[0].actions[1].extension = {…}"),
        (
            route("rate_limits", json!([{"actions": [{"generic_key": {"descriptor_value": "%REQ(x)%"}}]}])),
            "rate_limits[0].actions[0].generic_key.descriptor_value",
        ),
        (route("rate_limits", json!([{"hits_addend": {"number": 2}, "actions": [{"remote_address": {}}]}])), "rate_limits[0].hits_addend"),
        (limit(json!({"token_bucket": {"max_tokens": 1, "fill_interval": "0.01s"}})), "http_filters[0].typed_config.token_bucket.fill_interval"),
        (limit(json!({"local_cluster_rate_limit": {}})), "http_filters[0].typed_config.local_cluster_rate_limit"),
        (
            limit(json!({"descriptors": [{"entries": [{"key": "k", "value": "v"}]}]})),
            "http_filters[0].typed_config.descriptors[0].token_bucket: a descriptor needs one",
        ),
        (limit(json!({"rate_limits": [{"stage": 1, "actions": []}]})), "http_filters[0].typed_config.rate_limits: a filter's own have neither"),
        (limit(json!({"response_headers_to_add": [{"header": {"key": "x", "value": "%PROTOCOL%"}}]})), "response_headers_to_add[0].header.value"),
        (with(|b| b["dynamic_resources"] = json!({"cds_config": {"path": "/x"}})), "dynamic_resources.cds_config.path = \"/x\""),
        (with(|b| b["dynamic_resources"] = json!({"cds_config": {"ads": {}}})), "dynamic_resources: it asks for ads"),
        (with(|b| b["dynamic_resources"] = json!({"ads_config": {"api_type": "REST"}})), "ads_config.api_type = \"REST\""),
        (
            with(|b| {
                b.pointer_mut("/static_resources/listeners/0/filter_chains/0").expect("a chain")["transport_socket"] = json!({"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"}})
            }),
            "transport_socket.typed_config.common_tls_context: a server needs a certificate",
        ),
        (
            with(|b| {
                b.pointer_mut("/static_resources/clusters/0").expect("a cluster")["transport_socket"] = json!({"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": {"validation_context_sds_secret_config": {"name": "ROOTCA"}}}})
            }),
            "validation_context_sds_secret_config.name: there is no secret ROOTCA",
        ),
        (
            with(|b| {
                b.pointer_mut("/static_resources/clusters/0").expect("a cluster")["transport_socket"] = json!({"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": {"validation_context": {"match_subject_alt_names": [{"exact": "a"}]}}}})
            }),
            "names are asked for without a trusted_ca",
        ),
    ] {
        let told = refusal(value);
        assert!(told.contains(wanted), "{wanted} is not in:\n{told}");
    }
}

#[test]
fn all_of_them_are_named_at_once() {
    let told = refusal(with(|b| {
        b["hds_config"] = json!({});
        b["static_resources"]["clusters"][0]["lb_policy"] = json!("MAGLEV");
    }));
    assert!(told.contains("hds_config") && told.contains("MAGLEV"), "{told}");
}

#[test]
fn formats_are_read_at_start() {
    let value = with(|b| {
        b.pointer_mut(HCM).expect("a manager")["access_log"] = json!([{"name": "f", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/null", "log_format": {"text_format": "%NOPE%\n"}}}]);
    });
    let told = refusal(value);
    assert!(told.contains("log_format.text_format") && told.contains("%NOPE%"), "{told}");
}
