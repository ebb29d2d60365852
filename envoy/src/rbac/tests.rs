use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::net::IpAddr;

fn request(method: &str, path: &str) -> Request {
    let headers = [(":method", method), (":path", path), (":authority", "shop")];
    Request {
        headers: headers.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        destination_port: Fact::Is(9080),
        destination_ip: Fact::Is(IpAddr::from([10, 0, 0, 1])),
        source_ip: Fact::Is(IpAddr::from([10, 0, 0, 2])),
        peer: Fact::Is(vec!["spiffe://cluster.local/ns/a/sa/b".to_owned()]),
        server_name: Fact::Absent,
        other_metadata: Fact::Absent,
        ..Request::default()
    }
}

fn rules(action: &str, permission: Value, principal: Value) -> Rules {
    Rules::compile(&json!({"action": action, "policies": {"p": {"permissions": [permission], "principals": [principal]}}}))
}

#[test]
fn a_policy_without_rules_says_so_once() {
    let mut trace = Trace::default();
    rules("ALLOW", json!({"not_rule": {"any": true}}), json!({"not_id": {"any": true}})).decide(&request("GET", "/"), &mut trace);
    let failures = trace.steps[0].failures();
    assert!(matches!(failures.as_slice(), [one] if one.wanted.starts_with("nothing") && one.found == "a request"), "{failures:?}");
}

#[test]
fn each_condition_decides_both_ways() {
    let any = json!({"any": true});
    let mut asked = request("GET", "/admin/x?debug=1");
    asked.metadata.insert("jwt".to_owned(), json!({"payload": {"iss": "me"}}));
    asked.filter_state.insert("peer".to_owned(), "spiffe://x".to_owned());
    asked.server_name = Fact::Is("outbound_.80_._.shop".to_owned());
    for (yes, no) in [
        (json!({"header": {"name": ":method", "string_match": {"exact": "GET"}}}), json!({"header": {"name": ":method", "stringMatch": {"exact": "POST"}}})),
        (json!({"url_path": {"path": {"exact": "/admin/x"}}}), json!({"urlPath": {"path": {"suffix": "debug=1"}}})),
        (json!({"uri_template": {"typed_config": {"path_template": "/admin/*"}}}), json!({"uriTemplate": {"typedConfig": {"pathTemplate": "/shop/**"}}})),
        (json!({"destination_port": 9080}), json!({"destinationPort": 80})),
        (json!({"destination_port_range": {"start": 9080, "end": 9081}}), json!({"destination_port_range": {"start": 1, "end": 9080}})),
        (
            json!({"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}),
            json!({"destination_ip": {"address_prefix": "11.0.0.0", "prefix_len": 8}}),
        ),
        (json!({"requested_server_name": {"suffix": ".shop"}}), json!({"requested_server_name": {"exact": ""}})),
        (json!({"not_rule": {"destination_port": 1}}), json!({"not_rule": {"any": true}})),
        (json!({"and_rules": {"rules": [any, any]}}), json!({"or_rules": {"rules": []}})),
        (
            json!({"metadata": {"filter": "jwt", "path": [{"key": "payload"}, {"key": "iss"}], "value": {"string_match": {"exact": "me"}}}}),
            json!({"metadata": {"filter": "jwt", "path": [{"key": "payload"}, {"key": "sub"}], "value": {"string_match": {"prefix": ""}}}}),
        ),
    ] {
        assert_eq!(rules("ALLOW", yes.clone(), any.clone()).decide(&asked, &mut ()).allowed, Truth::Yes, "{yes}");
        assert_eq!(rules("ALLOW", no.clone(), any.clone()).decide(&asked, &mut ()).allowed, Truth::No, "{no}");
    }
    for (yes, no) in [
        (
            json!({"authenticated": {"principal_name": {"suffix": "/sa/b"}}}),
            json!({"authenticated": {"principalName": {"safeRegex": {"regex": ".*/ns/other/.*"}}}}),
        ),
        (json!({"authenticated": {}}), json!({"not_id": {"authenticated": {}}})),
        (json!({"direct_remote_ip": {"address_prefix": "10.0.0.2", "prefix_len": 32}}), json!({"remote_ip": {"address_prefix": "10.0.0.3", "prefix_len": 32}})),
        (json!({"source_ip": {"address_prefix": "10.0.0.0", "prefix_len": 30}}), json!({"sourceIp": {"addressPrefix": "10.0.1.0", "prefixLen": 24}})),
        (
            json!({"filter_state": {"key": "peer", "string_match": {"prefix": "spiffe"}}}),
            json!({"filterState": {"key": "peer", "stringMatch": {"exact": "a"}}}),
        ),
        (json!({"and_ids": {"ids": [any]}}), json!({"or_ids": {"ids": []}})),
    ] {
        assert_eq!(rules("DENY", any.clone(), yes.clone()).decide(&asked, &mut ()).allowed, Truth::No, "{yes}");
        assert_eq!(rules("DENY", any.clone(), no.clone()).decide(&asked, &mut ()).allowed, Truth::Yes, "{no}");
    }
}

#[test]
fn rules_without_policies_let_nobody_or_everybody_pass() {
    let r = request("GET", "/");
    assert_eq!(Rules::compile(&json!({})).decide(&r, &mut ()).allowed, Truth::No);
    assert_eq!(Rules::compile(&json!({"action": "DENY"})).decide(&r, &mut ()).allowed, Truth::Yes);
    assert_eq!(Rules::compile(&json!({"action": 2})).decide(&r, &mut ()).allowed, Truth::Yes);
    assert!(matches!(Filter::compile(&json!({})).rules, Ruling::None));
    assert!(matches!(Filter::compile(&json!({"matcher": {}})).rules, Ruling::Unknown(_)));
}

#[test]
fn what_is_not_known_is_not_judged_unless_something_else_decides() {
    let mut r = request("GET", "/");
    r.peer = Fact::Unknown;
    let principal = json!({"authenticated": {"principal_name": {"exact": "spiffe://a"}}});
    let get = json!({"header": {"name": ":method", "string_match": {"exact": "GET"}}});
    let post = json!({"header": {"name": ":method", "string_match": {"exact": "POST"}}});
    assert_eq!(rules("ALLOW", get, principal.clone()).decide(&r, &mut ()).allowed, Truth::Unknown);
    assert_eq!(rules("ALLOW", post, principal.clone()).decide(&r, &mut ()).allowed, Truth::No);
    assert_eq!(rules("ALLOW", json!({"future": {}}), json!({"any": true})).decide(&r, &mut ()).allowed, Truth::Unknown);
    r.peer = Fact::Absent;
    assert_eq!(rules("ALLOW", json!({"any": true}), principal).decide(&r, &mut ()).allowed, Truth::No);
}

#[test]
fn a_trace_names_what_failed() {
    let rules = Rules::compile(&json!({"policies": {
        "ns[b]-policy[get]-rule[0]": {
            "permissions": [{"and_rules": {"rules": [
                {"or_rules": {"rules": [{"url_path": {"path": {"prefix": "/a"}}}, {"url_path": {"path": {"prefix": "/b"}}}]}},
                {"or_rules": {"rules": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}]}}]}}],
            "principals": [{"and_ids": {"ids": [{"any": true}]}}]},
        "ns[a]-policy[port]-rule[0]": {
            "permissions": [{"and_rules": {"rules": [{"not_rule": {"destination_port": 9080}}]}}],
            "principals": [{"any": true}]}}}));
    let mut trace = Trace::default();
    let decision = rules.decide(&request("POST", "/c"), &mut trace);
    assert_eq!((decision.allowed, decision.details()), (Truth::No, "rbac_access_denied_matched_policy[none]".to_owned()));
    let told: Vec<(&str, Vec<String>)> =
        trace.steps.iter().map(|s| (s.policy(), s.failures().into_iter().map(|f| format!("{} ({})", f.wanted, f.found)).collect())).collect();
    assert_eq!(
        told,
        [
            ("ns[a]-policy[port]-rule[0]", vec!["not: destination port is 9080 (`9080`)".to_owned()]),
            ("ns[b]-policy[get]-rule[0]", vec!["path starts with `/a` or path starts with `/b` (`/c`)".to_owned(), "method is `GET` (`POST`)".to_owned()]),
        ]
    );
}

fn condition() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"any": true})),
        "(GET|POST)".prop_map(|m| json!({"header": {"name": ":method", "string_match": {"exact": m}}})),
        "/[ab]?".prop_map(|p| json!({"url_path": {"path": {"prefix": p}}})),
        (9079u16..9082).prop_map(|p| json!({"destination_port": p})),
        Just(json!({"future": {}})),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|l| json!({"and_rules": {"rules": l}})),
            prop::collection::vec(inner.clone(), 0..3).prop_map(|l| json!({"or_rules": {"rules": l}})),
            inner.prop_map(|c| json!({"not_rule": c})),
        ]
    })
}

proptest! {
    /// A recorder changes no answer, and whatever failed has a reason.
    #[test]
    fn an_explanation_is_the_decision(
        list in prop::collection::vec(condition(), 0..4), action in "(ALLOW|DENY)", method in "(GET|POST)", path in "/[abc]",
    ) {
        let policies: serde_json::Map<String, Value> =
            list.iter().enumerate().map(|(i, p)| (format!("p{i}"), json!({"permissions": [p], "principals": [{"any": true}]}))).collect();
        let rules = Rules::compile(&json!({"action": action, "policies": policies}));
        let request = request(&method, &path);
        let mut trace = Trace::default();
        let (quick, told) = (rules.decide(&request, &mut ()), rules.decide(&request, &mut trace));
        prop_assert_eq!(quick.allowed, told.allowed);
        prop_assert_eq!(quick.policy.map(|p| &p.name), told.policy.map(|p| &p.name));
        prop_assert_eq!(trace.steps.len(), list.len());
        for step in &trace.steps {
            prop_assert_eq!(step.truth != Truth::Yes, !step.truth.is_yes());
            prop_assert!(step.truth.is_yes() || !step.failures().is_empty());
        }
    }
}
