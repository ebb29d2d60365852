//! Tokens: what a real Envoy makes of the same requests, and keys that are fetched.
//!
//! Needs the Envoy that `.ci/install-components` installs for a part, and skips that without it.

// It says when it is skipped.
#![allow(clippy::print_stderr)]

use crate::{envoy, support};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
use aws_lc_rs::{hmac, rsa::KeySize};
use data_encoding::BASE64URL_NOPAD as B64;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Upstream, answer, cluster, manager, nobody, socket, start};

const FILTERS: &str = "type.googleapis.com/envoy.extensions.filters.http";

enum Key {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
    Symmetric(Vec<u8>),
}

impl Key {
    fn ec(algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Key {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).expect("a key");
        Key::Ec(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).expect("a key"), curve)
    }
    fn public(&self, id: &str) -> Value {
        match self {
            Key::Rsa(key) => {
                let public = key.public_key();
                json!({"kty": "RSA", "kid": id, "n": B64.encode(public.modulus().big_endian_without_leading_zero()), "e": B64.encode(public.exponent().big_endian_without_leading_zero())})
            }
            Key::Ec(key, curve) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "kid": id, "x": B64.encode(x), "y": B64.encode(y)})
            }
            Key::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": id, "x": B64.encode(key.public_key().as_ref())}),
            Key::Symmetric(key) => json!({"kty": "oct", "kid": id, "k": B64.encode(key)}),
        }
    }
    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Key::Rsa(key) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; key.public_modulus_len()];
                key.sign(encoding, &SystemRandom::new(), message, &mut out).expect("a signature");
                out
            }
            Key::Ec(key, _) => key.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
            Key::Symmetric(key) => {
                let hash = if algorithm == "HS512" { hmac::HMAC_SHA512 } else { hmac::HMAC_SHA256 };
                hmac::sign(&hmac::Key::new(hash, key), message).as_ref().to_vec()
            }
        }
    }
    fn token(&self, header: Value, claims: &Value) -> String {
        let algorithm = header["alg"].as_str().unwrap_or("").to_owned();
        let signed = format!("{}.{}", B64.encode(header.to_string().as_bytes()), B64.encode(claims.to_string().as_bytes()));
        let signature = self.sign(&algorithm, signed.as_bytes());
        format!("{signed}.{}", B64.encode(&signature))
    }
}

struct World {
    rsa: Key,
    p256: Key,
    p384: Key,
    p521: Key,
    ed: Key,
    symmetric: Key,
    stranger: Key,
}

impl World {
    fn new() -> World {
        World {
            rsa: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
            p256: Key::ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            p384: Key::ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            p521: Key::ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
            ed: Key::Ed(Ed25519KeyPair::generate().expect("a key")),
            symmetric: Key::Symmetric(b"0123456789abcdef0123456789abcdef".to_vec()),
            stranger: Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        }
    }
    fn jwks(&self) -> Value {
        json!({"keys": [self.rsa.public("rsa"), self.p256.public("p256"), self.p384.public("p384"), self.p521.public("p521"), self.ed.public("ed"),
            self.symmetric.public("oct"), {"kty": "who knows"}]})
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs()
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "sub": "me", "aud": ["http://aud", "x"], "exp": now() + 3600, "name": "n", "age": 7, "half": 0.5, "yes": true, "list": [1], "deep": {"er": "d"},
        "groups": ["user", "admin"], "scope": "read write"})
}

fn changed(issuer: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut out = claims(issuer);
    change(&mut out);
    out
}

fn filter(world: &World) -> Value {
    let local = json!({"inline_string": world.jwks().to_string()});
    let remote = |cluster: &str| json!({"http_uri": {"uri": "http://keys.example/jwks?a=b", "cluster": cluster, "timeout": "2s"}, "cache_duration": "300s"});
    let name = |n: &str| json!({"provider_name": n});
    let any = |list: Value| json!({"requires_any": {"requirements": list}});
    let rule = |path: &str, requires: Value| json!({"match": {"prefix": path}, "requires": requires});
    json!({"@type": format!("{FILTERS}.jwt_authn.v3.JwtAuthentication"),
    "providers": {
        "main": {"issuer": "main", "audiences": ["https://aud/"], "local_jwks": local, "forward_payload_header": "x-payload", "pad_forward_payload_header": true,
            "payload_in_metadata": "payload", "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
            "claim_to_headers": [{"header_name": "x-name", "claim_name": "name"}, {"header_name": "x-age", "claim_name": "age"}, {"header_name": "x-half", "claim_name": "half"},
                {"header_name": "x-yes", "claim_name": "yes"}, {"header_name": "x-list", "claim_name": "list"}, {"header_name": "x-deep", "claim_name": "deep.er"}]},
        "other": {"issuer": "other", "local_jwks": local, "forward": true, "from_headers": [{"name": "X-Token", "value_prefix": "T:"}, {"name": "x-raw"}],
            "from_params": ["tok"], "from_cookies": ["ck"], "forward_payload_header": "x-other"},
        "params": {"issuer": "params", "local_jwks": local, "from_params": ["p"]},
        "remote": {"issuer": "remote", "remote_jwks": remote("keys"), "clock_skew_seconds": 5},
        "broken": {"issuer": "broken", "remote_jwks": remote("away")},
        "nobody": {"local_jwks": local, "from_headers": [{"name": "x-nobody"}]},
        "expires": {"issuer": "expires", "local_jwks": local, "require_expiration": true, "max_lifetime": "1000s"},
        "subject": {"issuer": "subject", "local_jwks": local, "subjects": {"prefix": "spiffe://"}},
        "cookies": {"issuer": "cookies", "local_jwks": local, "from_cookies": ["one", "two"]},
    },
    "bypass_cors_preflight": true,
    "requirement_map": {"both": any(json!([name("main"), name("other")]))},
    "rules": [
        rule("/one", name("main")), rule("/rbac", name("main")), rule("/params", name("params")), rule("/any", any(json!([name("main"), name("other")]))),
        rule("/all", json!({"requires_all": {"requirements": [name("main"), name("other")]}})),
        rule("/all-or-missing", json!({"requires_all": {"requirements": [name("main"), {"allow_missing": {}}]}})),
        rule("/any-or-missing", any(json!([name("main"), name("other"), {"allow_missing": {}}]))),
        rule("/any-or-failed", any(json!([name("main"), name("other"), {"allow_missing_or_failed": {}}]))),
        rule("/nested", any(json!([{"requires_all": {"requirements": [name("main"), name("other")]}}, name("params")]))),
        rule("/expires", name("expires")), rule("/subject", name("subject")), rule("/cookies", name("cookies")),
        rule("/optional", any(json!([name("main"), {"allow_missing": {}}]))), rule("/lenient", json!({"allow_missing": {}})),
        rule("/failing", json!({"allow_missing_or_failed": {}})), rule("/audiences", json!({"provider_and_audiences": {"provider_name": "main", "audiences": ["x"]}})),
        rule("/elsewhere", json!({"provider_and_audiences": {"provider_name": "main", "audiences": ["y"]}})),
        {"match": {"prefix": "/named"}, "requirement_name": "both"}, rule("/remote", name("remote")), rule("/broken", name("broken")), rule("/nobody", name("nobody")),
    ]})
}

fn bootstrap(world: &World, port: u16, log: &Path, clusters: &[Value]) -> Value {
    let mut m = manager(
        json!([{"match": {"prefix": "/off"}, "route": {"cluster": "c"}, "typed_per_filter_config": {"jwt": {"@type": format!("{FILTERS}.jwt_authn.v3.PerRouteConfig"), "disabled": true}}},
        {"match": {"prefix": "/route"}, "route": {"cluster": "c"}, "typed_per_filter_config": {"jwt": {"@type": format!("{FILTERS}.jwt_authn.v3.PerRouteConfig"), "requirement_name": "both"}}},
        {"match": {"prefix": "/"}, "route": {"cluster": "c"}}]),
        Some(log),
    );
    let router = m["http_filters"][0].take();
    let claim = |path: Value, value: Value| json!({"metadata": {"filter": "envoy.filters.http.jwt_authn", "path": path, "value": value}});
    let rbac = json!({"@type": format!("{FILTERS}.rbac.v3.RBAC"), "rules": {"action": "DENY", "policies": {
        "admins": {"permissions": [{"url_path": {"path": {"prefix": "/rbac/admin"}}}],
            "principals": [{"not_id": claim(json!([{"key": "payload"}, {"key": "groups"}]), json!({"list_match": {"one_of": {"string_match": {"exact": "admin"}}}}))}]},
        "readers": {"permissions": [{"url_path": {"path": {"prefix": "/rbac/read"}}}],
            "principals": [{"not_id": claim(json!([{"key": "payload"}, {"key": "scope"}]), json!({"list_match": {"one_of": {"string_match": {"exact": "read"}}}}))}]},
        "named": {"permissions": [{"url_path": {"path": {"prefix": "/rbac/name"}}}], "principals": [{"header": {"name": "x-name", "string_match": {"exact": "n"}}}]}}}});
    m["http_filters"] = json!([{"name": "jwt", "typed_config": filter(world)}, {"name": "rbac", "typed_config": rbac}, router]);
    let listener =
        json!({"name": "l", "address": socket(SocketAddr::from(([127, 0, 0, 1], port))), "filter_chains": [{"filters": [{"name": "h", "typed_config": m}]}]});
    json!({"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}, "static_resources": {"listeners": [listener], "clusters": clusters}})
}

/// Requests by a name: a path, and headers.
fn requests(world: &World) -> Vec<(String, String, String)> {
    let head = |alg: &str, kid: &str| if kid.is_empty() { json!({"alg": alg}) } else { json!({"alg": alg, "kid": kid}) };
    let main = world.rsa.token(head("RS256", "rsa"), &claims("main"));
    let other = world.p256.token(head("ES256", "p256"), &claims("other"));
    let mut tokens: Vec<(&str, String)> = vec![("good", main.clone())];
    for (alg, key, kid) in [
        ("RS384", &world.rsa, "rsa"),
        ("RS512", &world.rsa, "rsa"),
        ("PS256", &world.rsa, "rsa"),
        ("PS384", &world.rsa, "rsa"),
        ("PS512", &world.rsa, "rsa"),
        ("ES256", &world.p256, "p256"),
        ("ES384", &world.p384, "p384"),
        ("ES512", &world.p521, "p521"),
        ("EdDSA", &world.ed, "ed"),
        ("HS256", &world.symmetric, "oct"),
        ("HS512", &world.symmetric, "oct"),
    ] {
        tokens.push((alg, key.token(head(alg, kid), &claims("main"))));
    }
    tokens.push(("without kid", world.rsa.token(head("RS256", ""), &claims("main"))));
    tokens.push(("other kid", world.rsa.token(head("RS256", "who"), &claims("main"))));
    tokens.push(("stranger", world.stranger.token(head("RS256", "rsa"), &claims("main"))));
    tokens.push(("none", world.rsa.token(head("none", ""), &claims("main"))));
    tokens.push(("no alg", world.rsa.token(json!({}), &claims("main"))));
    tokens.push(("bad kid", world.rsa.token(json!({"alg": "RS256", "kid": 1}), &claims("main"))));
    let odd: Vec<(&str, Value)> = vec![
        ("expired", changed("main", |c| c["exp"] = (now() - 100).into())),
        ("just expired", changed("main", |c| c["exp"] = (now() - 1).into())),
        ("not yet", changed("main", |c| c["nbf"] = (now() + 1000).into())),
        ("no expiry", changed("main", |c| drop(c.as_object_mut().expect("an object").remove("exp")))),
        ("no audience", changed("main", |c| drop(c.as_object_mut().expect("an object").remove("aud")))),
        ("one audience", changed("main", |c| c["aud"] = "https://aud".into())),
        ("another audience", changed("main", |c| c["aud"] = "z".into())),
        ("another issuer", claims("else")),
        ("no issuer", changed("main", |c| drop(c.as_object_mut().expect("an object").remove("iss")))),
        ("issuer is a number", changed("main", |c| c["iss"] = 1.into())),
        ("subject is a number", changed("main", |c| c["sub"] = 1.into())),
        ("exp is a text", changed("main", |c| c["exp"] = "1".into())),
        ("nbf is no integer", changed("main", |c| c["nbf"] = 1.5.into())),
        ("iat is a text", changed("main", |c| c["iat"] = "1".into())),
        ("jti is a number", changed("main", |c| c["jti"] = 1.into())),
        ("aud is a number", changed("main", |c| c["aud"] = 1.into())),
        ("no admin", changed("main", |c| c["groups"] = json!(["user"]))),
        ("no reader", changed("main", |c| c["scope"] = "write".into())),
        ("another name", changed("main", |c| c["name"] = "m".into())),
    ];
    odd.iter().for_each(|(name, c)| tokens.push((name, world.rsa.token(head("RS256", "rsa"), c))));
    // As bytes, of which JSON libraries make different things.
    let raw = |header: &str, payload: String| {
        let signed = format!("{}.{}", B64.encode(header.as_bytes()), B64.encode(payload.as_bytes()));
        format!("{signed}.{}", B64.encode(&world.rsa.sign("RS256", signed.as_bytes())))
    };
    let rs256 = r#"{"alg":"RS256","kid":"rsa"}"#;
    let end = now() + 3600;
    tokens.push(("an issuer twice", raw(rs256, format!(r#"{{"iss":"else","iss":"main","aud":"x","exp":{end}}}"#))));
    tokens.push(("a name twice within", raw(rs256, format!(r#"{{"iss":"main","aud":"https://aud","exp":{end},"deep":{{"er":1,"er":2}}}}"#))));
    tokens.push(("an algorithm twice", raw(r#"{"alg":"none","alg":"RS256"}"#, claims("main").to_string())));
    tokens.push(("null", raw(rs256, "null".to_owned())));
    tokens.push(("nothing", raw(rs256, "{}".to_owned())));
    tokens.push(("white space around", raw(rs256, format!(" {} ", claims("main")))));
    tokens.push(("expires before 1970", world.rsa.token(head("RS256", "rsa"), &changed("main", |c| c["exp"] = (-5).into()))));
    tokens.push(("expires late", world.rsa.token(head("RS256", "rsa"), &changed("main", |c| c["exp"] = (1u64 << 63).into()))));
    tokens.push(("expires too late", world.rsa.token(head("RS256", "rsa"), &changed("main", |c| c["exp"] = 1e30.into()))));
    tokens.push(("not before 1970", world.rsa.token(head("RS256", "rsa"), &changed("main", |c| c["nbf"] = (-1).into()))));
    tokens.push(("a large age", world.rsa.token(head("RS256", "rsa"), &changed("main", |c| c["age"] = ((1u64 << 53) + 1).into()))));
    tokens.push(("white space within", format!("{} {}", &main[..20], &main[20..])));
    let mut broken = main.clone();
    broken.pop();
    for (name, text) in [
        ("not three", "a.b".to_owned()),
        ("empty", String::new()),
        ("rubbish", "x.y.z".to_owned()),
        ("cut", broken),
        ("with rubbish", format!("{main}!")),
        ("four", format!("{main}.a")),
    ] {
        tokens.push((name, text));
    }
    let mut out: Vec<(String, String, String)> = Vec::new();
    let bearer = |t: &str| format!("authorization: Bearer {t}\r\n");
    for path in
        ["/one", "/optional", "/lenient", "/failing", "/rbac/admin", "/rbac/read", "/rbac/name", "/any", "/audiences", "/elsewhere", "/off", "/free", "/route"]
    {
        out.push((format!("{path} nothing"), path.to_owned(), String::new()));
        tokens.iter().for_each(|(name, t)| out.push((format!("{path} {name}"), path.to_owned(), bearer(t))));
    }
    let mut more = |name: &str, path: &str, headers: String| out.push((name.to_owned(), path.to_owned(), headers));
    more("basic", "/one", "authorization: Basic abc\r\n".to_owned());
    more("forged headers", "/one", format!("{}x-payload: forged\r\nx-name: forged\r\n", bearer(&main)));
    more("forged without a rule", "/free", "x-payload: forged\r\nx-name: forged\r\n".to_owned());
    more("forged and missing", "/optional", "x-payload: forged\r\nx-name: forged\r\n".to_owned());
    more("two of which one is bad", "/one", format!("{}{}", bearer(&main), bearer("a.b.c")));
    more("two good ones", "/one", bearer(&main).repeat(2));
    more("in a parameter", &format!("/one?a=1&access_token={main}&b=2"), String::new());
    more("in its own parameter", &format!("/params?p={}", world.rsa.token(head("RS256", "rsa"), &claims("params"))), String::new());
    for (name, path, headers) in [
        ("token header", "/any", format!("x-token: T:{other}\r\n")),
        ("raw", "/any", format!("x-raw: {other}\r\n")),
        ("no prefix", "/any", format!("x-token: {other}\r\n")),
        ("cookie", "/any", format!("cookie: a=b; ck={other}\r\n")),
        ("both", "/any", format!("x-raw: {other}\r\n{}", bearer(&main))),
        ("wrong place", "/any", bearer(&other)),
    ] {
        more(name, path, headers);
    }
    more("a parameter of another", &format!("/any?tok={other}"), String::new());
    more("named", "/named", format!("x-raw: {other}\r\n"));
    more("all of them", "/all", format!("x-raw: {other}\r\n{}", bearer(&main)));
    more("one of all", "/all", bearer(&main));
    more("lenient other", "/lenient", format!("x-raw: {other}\r\n"));
    more("remote", "/remote", bearer(&world.rsa.token(head("RS256", "rsa"), &claims("remote"))));
    more("remote late", "/remote", bearer(&world.rsa.token(head("RS256", "rsa"), &changed("remote", |c| c["exp"] = (now() - 30).into()))));
    more("broken", "/broken", bearer(&world.rsa.token(head("RS256", "rsa"), &claims("broken"))));
    more("broken with another", "/broken", bearer(&main));
    more("any issuer", "/nobody", format!("x-nobody: {main}\r\n"));
    let bad = world.stranger.token(head("RS256", "rsa"), &claims("other"));
    let strange = world.stranger.token(head("RS256", "rsa"), &claims("main"));
    for path in ["/all", "/all-or-missing", "/any-or-missing", "/any-or-failed", "/nested", "/any", "/lenient"] {
        for (a, authorization) in [("none", ""), ("good", main.as_str()), ("bad", strange.as_str()), ("malformed", "a.b.c"), ("another's", other.as_str())] {
            for (b, raw) in [("none", ""), ("good", other.as_str()), ("bad", bad.as_str()), ("malformed", "a.b"), ("another's", main.as_str())] {
                let first = if authorization.is_empty() { String::new() } else { bearer(authorization) };
                let second = if raw.is_empty() { String::new() } else { format!("x-raw: {raw}\r\n") };
                more(&format!("{path} {a} and {b}"), path, format!("{first}{second}"));
            }
        }
    }
    let until = |span: u64| changed("expires", |c| c["exp"] = (now() + span).into());
    let mut expires = vec![("soon", until(900)), ("late", until(90_000))];
    expires.push(("never", changed("expires", |c| drop(c.as_object_mut().expect("an object").remove("exp")))));
    expires.push(("at 0", changed("expires", |c| c["exp"] = 0.into())));
    expires.push(("within a second", changed("expires", |c| c["exp"] = ((now() + 800) as f64 + 0.5).into())));
    for (name, claims) in expires {
        more(&format!("expires {name}"), "/expires", bearer(&world.rsa.token(head("RS256", "rsa"), &claims)));
    }
    for (name, claims) in [
        ("another", claims("subject")),
        ("right", changed("subject", |c| c["sub"] = "spiffe://a".into())),
        ("expired", changed("subject", |c| c["exp"] = 1.into())),
        ("none", changed("subject", |c| drop(c.as_object_mut().expect("an object").remove("sub")))),
    ] {
        more(&format!("subject {name}"), "/subject", bearer(&world.rsa.token(head("RS256", "rsa"), &claims)));
    }
    let baked = world.rsa.token(head("RS256", "rsa"), &claims("cookies"));
    for text in ["one={}", "two={}", "a=b; two={}; c=d", "one=\"{}\"", "one=x; two={}", "one={}; one=x", "One={}", "one = {}", "one={};"] {
        more(&format!("cookie {text}"), "/cookies", format!("cookie: {}\r\n", text.replace("{}", &baked)));
    }
    let own = world.rsa.token(head("RS256", "rsa"), &claims("params"));
    for text in ["p={}&", "a=b&p={}&c=d", "p={}&p=x", "p=x&p={}", "p=%20{}", "P={}"] {
        more(&format!("parameter {text}"), &format!("/params?{}", text.replace("{}", &own)), String::new());
    }
    for text in ["bearer {}", "Bearer  {}", "Bearer", "x Bearer {}", "Bearer \"{}\"", "{}"] {
        more(&format!("as {text}"), "/one", format!("authorization: {}\r\n", text.replace("{}", &main)));
    }
    more("a long path", &format!("/one/{}", "x".repeat(400)), String::new());
    out
}

type Seen = BTreeMap<String, String>;

fn seen(port: u16, log: &Path, upstream: &Upstream, list: &[(String, String, String)]) -> BTreeMap<String, Seen> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut out = BTreeMap::new();
    for (name, path, headers) in list {
        upstream.take();
        let got = support::ask(address, &format!("GET {path} HTTP/1.1\r\nhost: a.com\r\n{headers}connection: close"), "");
        let mut words = Seen::from([("status".to_owned(), got.status().to_string()), ("body".to_owned(), got.text())]);
        words.insert("challenge".to_owned(), got.header("www-authenticate").unwrap_or("").to_owned());
        if let Some(request) = upstream.take().first() {
            let about = ["authorization", "x-payload", "x-other", "x-name", "x-age", "x-half", "x-yes", "x-list", "x-deep", "x-token", "x-raw", "cookie"];
            request.headers.iter().filter(|(k, _)| about.contains(&k.as_str())).for_each(|(k, v)| drop(words.insert(format!("upstream {k}"), v.clone())));
            words.insert("upstream path".to_owned(), request.path().to_owned());
        }
        out.insert(name.clone(), words);
    }
    let lines = support::log_lines(log, list.len());
    for ((name, ..), line) in list.iter().zip(&lines) {
        let words = out.get_mut(name).expect("a request");
        words.insert("details".to_owned(), line["details"].to_string());
        words.insert("flags".to_owned(), line["flags"].to_string());
    }
    out
}

#[test]
fn tokens_are_judged_as_envoy_judges_them() {
    let Some(program) = envoy::find() else {
        return eprintln!("SKIPPED: no Envoy; .ci/install-components installs one");
    };
    let world = World::new();
    let jwks = world.jwks().to_string();
    let (upstream, keys) = (Upstream::named("ok"), Upstream::new(move |_| answer(200, "", &jwks)));
    let clusters = [cluster("c", &[upstream.address]), cluster("keys", &[keys.address]), cluster("away", &[nobody()])];
    let list = requests(&world);
    let theirs = {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, log) = (mesh_testserver::ports::free(1)[0], folder.path().join("log"));
        let config = bootstrap(&world, port, &log, &clusters);
        let _envoy = envoy::Envoy::start(&program, folder, &config, &[port]);
        seen(port, &log, &upstream, &list)
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (port, log) = (mesh_testserver::ports::free(1)[0], folder.path().join("log"));
    let _proxy = start(bootstrap(&world, port, &log, &clusters));
    let ours = seen(port, &log, &upstream, &list);
    let mut different = Vec::new();
    for (name, theirs) in &theirs {
        let ours = &ours[name];
        let keys: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for key in keys.into_iter().filter(|k| theirs.get(*k) != ours.get(*k)) {
            different.push(format!("{name}, {key}: Envoy {:?}, here {:?}", theirs.get(key), ours.get(key)));
        }
    }
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
    assert!(theirs.len() > 500, "{}", theirs.len());
    assert!(theirs.values().filter(|s| s["status"] == "200").count() > 150);
}

#[test]
fn keys_are_fetched_once_and_again_when_they_are_old() {
    let world = World::new();
    let (jwks, asked) = (world.jwks().to_string(), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    // The first answer is no good.
    let keys = Upstream::new(move |_| if counted.fetch_add(1, Ordering::SeqCst) == 0 { answer(500, "", "") } else { answer(200, "", &jwks) });
    let upstream = Upstream::named("ok");
    let remote = json!({"http_uri": {"uri": "http://keys.example/jwks", "cluster": "keys", "timeout": "2s"}, "cache_duration": "1s",
        "retry_policy": {"num_retries": 1, "retry_back_off": {"base_interval": "0.05s"}}});
    let mut m = manager(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c"}}]), None);
    let router = m["http_filters"][0].take();
    let jwt = json!({"@type": format!("{FILTERS}.jwt_authn.v3.JwtAuthentication"), "providers": {"p": {"issuer": "i", "remote_jwks": remote}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]});
    m["http_filters"] = json!([{"name": "jwt", "typed_config": jwt}, router]);
    let proxy = start(support::bootstrap(&m, &[cluster("c", &[upstream.address]), cluster("keys", &[keys.address])]));
    let address = proxy.address("l").expect("a listener");
    let token = world.rsa.token(json!({"alg": "RS256"}), &claims("i"));
    let ask = || support::ask(address, &format!("GET / HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}"), "").status();
    assert_eq!(support::get(address, "/").status(), 401);
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody showed a token");
    let together: Vec<u16> =
        std::thread::scope(|s| (0..8).map(|_| s.spawn(ask)).collect::<Vec<_>>().into_iter().map(|t| t.join().expect("an answer")).collect());
    assert_eq!((together, asked.load(Ordering::SeqCst)), (vec![200; 8], 2));
    assert_eq!((ask(), asked.load(Ordering::SeqCst)), (200, 2));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!((ask(), asked.load(Ordering::SeqCst)), (200, 3));
}
