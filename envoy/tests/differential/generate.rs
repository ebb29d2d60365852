//! Configurations and requests by lot, from a seed.

use serde_json::{Map, Value, json};

/// A small generator of numbers (SplitMix64).
pub struct Lot(pub u64);

impl Lot {
    pub fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
    pub fn one<'t, T: ?Sized>(&mut self, list: &[&'t T]) -> &'t T {
        list[self.number(list.len())]
    }
    pub fn yes(&mut self, percent: usize) -> bool {
        self.number(100) < percent
    }
}

const PATHS: &[&str] = &["/", "/a", "/a/b", "/A/b", "/ab", "/a/b/c", "/c.d/1", "/c.d/12x", "/x;p=1", "/a%2Fb", "/a//b", "/a/../c.d/7"];
const HOSTS: &[&str] = &["a.test", "b.a.test", "c.b.a.test", "A.Test", "x.other", "pre.fix", "nobody", "a.test:8080"];
const CLUSTERS: &[&str] = &["up", "up2", "up", "empty", "nowhere", "full"];

fn string_match(lot: &mut Lot) -> Value {
    let mut m = match lot.number(6) {
        0 => json!({"exact": "v"}),
        1 => json!({"prefix": "v"}),
        2 => json!({"suffix": "w"}),
        3 => json!({"contains": "v"}),
        4 => return json!({"safe_regex": {"regex": lot.one(&["v+", "v|w", "[vw]{2}", "\\w"])}}),
        _ => json!({"exact": "VW"}),
    };
    if lot.yes(30) {
        m["ignore_case"] = json!(true);
    }
    m
}

fn header(lot: &mut Lot) -> Value {
    let name = lot.one(&["x-a", "x-b"]);
    let mut m = match lot.number(5) {
        0 => json!({"name": name, "present_match": lot.yes(50)}),
        1 => json!({"name": name, "range_match": {"start": 1, "end": 10}}),
        2 => json!({"name": ":method", "string_match": {"exact": lot.one(&["GET", "POST"])}}),
        _ => json!({"name": name, "string_match": string_match(lot)}),
    };
    if lot.yes(25) {
        m["invert_match"] = json!(true);
    }
    if lot.yes(25) {
        m["treat_missing_header_as_empty"] = json!(true);
    }
    m
}

fn route_match(lot: &mut Lot) -> Value {
    let mut m = match lot.number(5) {
        0 => json!({"path": lot.one(&["/a", "/a/b", "/c.d/1"])}),
        1 => json!({"path_separated_prefix": lot.one(&["/a", "/a/b"])}),
        2 => json!({"safe_regex": {"regex": lot.one(&["/c.d/[0-9]+", "/a(/.*)?", "/.*b", "/c\\.d/\\d+"])}}),
        _ => json!({"prefix": lot.one(&["/a", "/a/", "/c", "/", "/x"])}),
    };
    if lot.yes(25) && m.get("safe_regex").is_none() {
        m["case_sensitive"] = json!(false);
    }
    if lot.yes(50) {
        m["headers"] = json!([header(lot)]);
    }
    if lot.yes(25) {
        m["query_parameters"] = match lot.number(2) {
            0 => json!([{"name": "q", "present_match": true}]),
            _ => json!([{"name": "q", "string_match": string_match(lot)}]),
        };
    }
    if lot.yes(15) {
        m["grpc"] = json!({});
    }
    if lot.yes(15) {
        m["runtime_fraction"] = json!({"default_value": {"numerator": lot.one(&[&0, &100])}});
    }
    m
}

fn fault(lot: &mut Lot) -> Value {
    let mut f = json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"});
    if lot.yes(60) {
        f["abort"] = json!({"http_status": 555, "percentage": {"numerator": lot.one(&[&0, &100])}});
    }
    if lot.yes(40) {
        f["delay"] = json!({"fixed_delay": "0.005s", "percentage": {"numerator": lot.one(&[&0, &100])}});
    }
    if lot.yes(40) {
        f["headers"] = json!([header(lot)]);
    }
    f
}

fn action(lot: &mut Lot, route: &mut Value) {
    match lot.number(12) {
        0 => route["direct_response"] = json!({"status": lot.one(&[&418, &200, &503])}),
        1 => route["redirect"] = json!({"path_redirect": "/elsewhere", "response_code": lot.one(&["FOUND", "PERMANENT_REDIRECT"])}),
        2 => {
            let names = [lot.one(CLUSTERS), lot.one(CLUSTERS)];
            let weights = [json!({"name": names[0], "weight": lot.number(3)}), json!({"name": names[1], "weight": 1 + lot.number(5)})];
            route["route"] = json!({"weighted_clusters": {"clusters": weights, "header_name": "x-random"}});
        }
        3 => route["route"] = json!({"cluster_header": "x-cluster"}),
        _ => {
            let mut forward = json!({"cluster": lot.one(CLUSTERS)});
            match lot.number(6) {
                0 => forward["prefix_rewrite"] = json!("/rewritten"),
                1 => forward["request_mirror_policies"] = json!([{"cluster": "up2"}]),
                2 => forward["cluster_not_found_response_code"] = json!(lot.one(&["NOT_FOUND", "INTERNAL_SERVER_ERROR"])),
                3 => forward["retry_policy"] = json!({"retry_on": "5xx", "num_retries": 1}),
                _ => {}
            }
            route["route"] = forward;
        }
    }
}

fn overrides(lot: &mut Lot, filters: &Filters) -> Value {
    let mut map = Map::new();
    if filters.fault && lot.yes(70) {
        map.insert("fault".to_owned(), fault(lot));
    }
    if filters.rbac && lot.yes(12) {
        map.insert("rbac".to_owned(), json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute"}));
    }
    if filters.cors && lot.yes(60) {
        map.insert(
            "cors".to_owned(),
            json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
                "allow_origin_string_match": [{"exact": lot.one(&["http://o.test", "*"])}], "allow_methods": "GET",
                "forward_not_matching_preflights": lot.yes(50)}),
        );
    }
    if filters.authz && lot.yes(20) {
        map.insert("authz".to_owned(), json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": true}));
    }
    if filters.jwt && lot.yes(15) {
        map.insert("jwt".to_owned(), json!({"@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", "disabled": true}));
    }
    Value::Object(map)
}

/// Which filters a configuration has.
#[derive(Clone, Copy, Debug)]
pub struct Filters {
    pub fault: bool,
    pub rbac: bool,
    pub cors: bool,
    pub authz: bool,
    pub jwt: bool,
    pub limit: bool,
}

fn rule(lot: &mut Lot) -> Value {
    match lot.number(5) {
        0 => json!({"url_path": {"path": {"prefix": lot.one(&["/a", "/c"])}}}),
        1 => json!({"header": header(lot)}),
        2 => json!({"destination_port_range": {"start": 1, "end": lot.one(&[&2, &65536])}}),
        3 => json!({"not_rule": {"url_path": {"path": {"exact": "/a/b"}}}}),
        _ => {
            json!({"and_rules": {"rules": [{"any": true}, {"or_rules": {"rules": [{"url_path": {"path": {"safe_regex": {"regex": "/a.*"}}}}, {"requested_server_name": {"exact": "s"}}]}}]}})
        }
    }
}

fn principal(lot: &mut Lot) -> Value {
    let prefix = |a: &str, n: u8| json!({"address_prefix": a, "prefix_len": n});
    match lot.number(6) {
        0 => json!({"direct_remote_ip": prefix("127.0.0.0", 8)}),
        1 => json!({"source_ip": prefix("10.0.0.0", 8)}),
        2 => json!({"remote_ip": prefix("127.0.0.1", 32)}),
        3 => json!({"not_id": {"authenticated": {"principal_name": {"prefix": "spiffe://"}}}}),
        4 => {
            json!({"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": [{"key": "payload"}, {"key": "iss"}], "value": {"string_match": {"exact": "me"}}}})
        }
        _ => json!({"any": true}),
    }
}

fn policies(lot: &mut Lot) -> Value {
    let list: Map<String, Value> =
        (0..lot.number(3)).map(|i| (format!("p{i}"), json!({"permissions": [rule(lot), rule(lot)], "principals": [principal(lot)]}))).collect();
    json!({"action": lot.one(&["ALLOW", "DENY", "DENY"]), "policies": list})
}

fn http_filters(lot: &mut Lot, with: &Filters, authz: &str) -> Value {
    let mut list = Vec::new();
    let typed = |name: &str, kind: &str, mut config: Value| {
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}"));
        json!({"name": name, "typed_config": config})
    };
    if with.limit {
        let always = json!({"default_value": {"numerator": 100}});
        list.push(typed(
            "limit",
            "local_ratelimit.v3.LocalRateLimit",
            json!({"stat_prefix": "l", "token_bucket": {"max_tokens": 8, "fill_interval": "3600s"}, "filter_enabled": always, "filter_enforced": always}),
        ));
    }
    if with.jwt {
        let requires = match lot.number(3) {
            0 => json!({"provider_name": "p"}),
            1 => json!({"requires_any": {"requirements": [{"provider_name": "p"}, {"allow_missing": {}}]}}),
            _ => json!({"allow_missing_or_failed": {}}),
        };
        list.push(typed(
            "jwt",
            "jwt_authn.v3.JwtAuthentication",
            json!({"providers": {"p": {"issuer": "me", "payload_in_metadata": "payload", "local_jwks": {"inline_string": super::token::KEYS}}},
                "rules": [{"match": {"prefix": lot.one(&["/", "/a"])}, "requires": requires}]}),
        ));
    }
    if with.rbac {
        let mut config = json!({});
        if lot.yes(90) {
            config["rules"] = policies(lot);
        }
        if lot.yes(30) {
            config["shadow_rules"] = policies(lot);
        }
        list.push(typed("rbac", "rbac.v3.RBAC", config));
    }
    if with.authz {
        let uri = json!({"uri": "http://authz", "cluster": authz, "timeout": "5s"});
        let config = json!({"http_service": {"server_uri": uri, "path_prefix": "/authz"}, "failure_mode_allow": lot.yes(50)});
        list.push(typed("authz", "ext_authz.v3.ExtAuthz", config));
    }
    if with.fault {
        list.push(typed("fault", "fault.v3.HTTPFault", json!({})));
    }
    if with.cors {
        list.push(typed("cors", "cors.v3.Cors", json!({})));
    }
    list.push(typed("router", "router.v3.Router", json!({})));
    Value::Array(list)
}

/// A connection manager with its routes. `index` tells which filters it has.
pub fn manager(lot: &mut Lot, index: usize) -> (Value, Filters, &'static str) {
    let with = Filters {
        fault: index % 6 == 1,
        rbac: matches!(index % 6, 2 | 3),
        cors: index % 6 == 4,
        authz: index % 6 == 5,
        jwt: index % 6 == 3,
        limit: index % 12 == 6,
    };
    let authz = if lot.yes(30) { "empty" } else { "up" };
    let domains = [vec!["a.test"], vec!["*.a.test", "*.test"], vec!["pre.*"], vec!["*"], vec!["b.a.test"]];
    let kept = 2 + lot.number(4);
    let mut hosts = Vec::new();
    for (i, domains) in domains.iter().enumerate().take(kept) {
        let mut routes = Vec::new();
        for r in 0..2 + lot.number(4) {
            let mut route = json!({"name": format!("h{i}r{r}"), "match": route_match(lot), "typed_per_filter_config": overrides(lot, &with)});
            action(lot, &mut route);
            routes.push(route);
        }
        let require_tls = if lot.yes(6) { "ALL" } else { "NONE" };
        hosts.push(json!({"name": format!("h{i}"), "domains": domains, "routes": routes, "require_tls": require_tls, "typed_per_filter_config": overrides(lot, &with)}));
    }
    let config = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "delayed_close_timeout": "0s", "normalize_path": lot.yes(50), "merge_slashes": lot.yes(30),
        "path_with_escaped_slashes_action": lot.one(&["KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT"]),
        "strip_any_host_port": lot.yes(30),
        "route_config": {"name": "rc", "validate_clusters": false, "virtual_hosts": hosts, "ignore_port_in_host_matching": lot.yes(50), "ignore_path_parameters_in_path_matching": lot.yes(30)},
        "http_filters": http_filters(lot, &with, authz),
    });
    (config, with, authz)
}

/// A request: method, host, path with query, headers.
pub struct Asked {
    pub method: &'static str,
    pub host: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub token: super::token::Kind,
}

pub fn request(lot: &mut Lot, with: &Filters) -> Asked {
    let mut headers = Vec::new();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
    for name in ["x-a", "x-b"] {
        for _ in 0..lot.one(&[&0, &1, &1, &2]).to_owned() {
            add(name, lot.one(&["v", "vw", "w", "VW", "5", "10", "vv"]));
        }
    }
    add("x-random", &lot.number(12).to_string());
    if lot.yes(40) {
        add("x-cluster", lot.one(CLUSTERS));
    }
    if lot.yes(20) {
        add("content-type", "application/grpc");
    }
    let preflight = with.cors && lot.yes(60);
    if preflight {
        add("origin", lot.one(&["http://o.test", "http://p.test"]));
        add("access-control-request-method", "GET");
    }
    let token =
        if with.jwt { [super::token::Kind::None, super::token::Kind::Good, super::token::Kind::Forged][lot.number(3)] } else { super::token::Kind::None };
    let mut path = lot.one(PATHS).to_owned();
    if with.authz && lot.yes(30) {
        path.push_str("/deny");
    }
    path.push_str(lot.one(&["", "", "?q=v", "?q=w&q=v", "?q", "?x=1"]));
    let method = if preflight { "OPTIONS" } else { lot.one(&["GET", "GET", "POST"]) };
    Asked { method, host: lot.one(HOSTS), path, headers, token }
}
