//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A RequestAuthentication that Istio refuses: no issuer, keys that can't be read, locations
//! without a name, headers that no claim can be copied to.
//!
//! **Why it matters.** The object never takes effect: tokens are not checked.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec:
//!   jwtRules:
//!   - issuer: https://issuer.example.com
//!     jwksUri: ftp://issuer.example.com/keys
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: security.istio.io/v1
//! kind: RequestAuthentication
//! metadata: {name: jwt, namespace: shop}
//! spec:
//!   jwtRules:
//!   - issuer: https://issuer.example.com
//!     jwksUri: https://issuer.example.com/keys
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, duration, each, fields, has_text, http, strings, target, text, url};
use mesh_model::{Kind, Node};
use serde_json::Value;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::RequestAuthentication, |checks, spec| {
        target::check_attachment(checks, spec);
        for rule in spec.list("jwtRules") {
            if rule.is_null() {
                checks.error(rule, "a JWT rule has neither `issuer` nor `jwksUri`");
            } else if rule.is_mapping() {
                check_rule(checks, rule);
            }
        }
    });
}

fn check_rule<'a>(checks: &mut Checks<'a, '_>, rule: Node<'a>) {
    for (at, audience) in strings(rule, "audiences") {
        if audience.is_empty() {
            checks.error(at, "an audience is empty");
        }
    }
    // The schema knows both spellings.
    let uri = if rule.get("jwksUri").is_some() { "jwksUri" } else { "jwks_uri" };
    if fields::lacks_text(rule, "issuer") && fields::lacks_text(rule, uri) {
        checks.error(rule, "a JWT rule has neither `issuer` nor `jwksUri`");
    }
    if has_text(rule, uri) {
        let at = rule.get(uri).unwrap_or(rule);
        match url::parse(at.text()) {
            Ok(parts) => {
                if let Err(message) = url::check_http(at.text()) {
                    checks.error_once(&format!("scheme {}", parts.scheme), at, message);
                }
            }
            Err(message) => {
                checks.error(at, message);
            }
        }
    }
    if has_text(rule, "jwks") {
        check_keys(checks, rule.get("jwks").unwrap_or(rule));
    }
    for header in rule.list("fromHeaders") {
        if header.is_null() {
            checks.error(header, "a location in `fromHeaders` is null");
        } else if header.is_mapping() && fields::lacks_text(header, "name") {
            checks.error(header, "a location in `fromHeaders` has no `name`");
        }
    }
    for (field, what) in [("fromParams", "query parameter"), ("fromCookies", "cookie")] {
        for (at, _) in strings(rule, field).filter(|(_, s)| s.is_empty()) {
            checks.error(at, format!("a {what} in `{field}` has no name"));
        }
    }
    for output in rule.list("outputClaimToHeaders") {
        if output.is_null() {
            checks.error(output, "an entry of `outputClaimToHeaders` is null");
        } else if output.is_mapping() {
            if fields::lacks_text(output, "claim") || fields::lacks_text(output, "header") {
                checks.error(output, "an entry of `outputClaimToHeaders` lacks `claim` or `header`");
            } else if has_text(output, "header") {
                let at = output.get("header").unwrap_or(output);
                checks.valid(at, http::strict_header_name(text(output, "header")));
            }
        }
    }
    duration::check(checks, rule, "timeout");
}

/// A key set, or a single key.
fn check_keys<'a>(checks: &mut Checks<'a, '_>, at: Node<'a>) {
    let parsed: Option<Value> = serde_json::from_str(at.text()).ok();
    let Some(set) = parsed.as_ref().and_then(Value::as_object) else {
        checks.error(at, "`jwks` is not JSON").help("it holds a JSON Web Key Set: `{\"keys\": [...]}`");
        return;
    };
    let keys: Vec<&Value> = match set.get("keys") {
        Some(Value::Array(keys)) => keys.iter().collect(),
        Some(_) => {
            checks.error(at, "`keys` of `jwks` is no list");
            return;
        }
        None => parsed.iter().collect(),
    };
    let judged: Vec<Key> = keys.into_iter().map(judge_key).collect();
    // One bad key spoils the set: nothing else is said of it.
    for (i, key) in judged.iter().enumerate() {
        if let Key::Bad(why) = key {
            checks.error(at, format!("key #{i} of `jwks` {why}"));
            return;
        }
    }
    for i in (0..judged.len()).filter(|i| matches!(judged[*i], Key::Private)) {
        checks
            .warn(at, format!("key #{i} of `jwks` is a private key; only public keys are needed to verify tokens"))
            .help("remove it from the manifest, and replace the key pair: it has been written down");
    }
}

enum Key {
    Public,
    Private,
    Bad(String),
}

/// What a key must have, by its type (RFC 7518 §6, RFC 8037).
fn judge_key(key: &Value) -> Key {
    let has = |name: &str| key.get(name).and_then(Value::as_str).is_some_and(is_base64url);
    let need = |names: &[&str]| names.iter().find(|n| !has(n)).map(|n| Key::Bad(format!("has no valid `{n}`")));
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => need(&["n", "e"]).unwrap_or(if key.get("d").is_some() { Key::Private } else { Key::Public }),
        Some("EC") => {
            if !matches!(key.get("crv").and_then(Value::as_str), Some("P-256" | "P-384" | "P-521" | "secp256k1")) {
                return Key::Bad("has no known curve in `crv`".to_owned());
            }
            need(&["x", "y"]).unwrap_or(if key.get("d").is_some() { Key::Private } else { Key::Public })
        }
        Some("OKP") => need(&["x"]).unwrap_or(if key.get("d").is_some() { Key::Private } else { Key::Public }),
        Some("oct") => need(&["k"]).unwrap_or(Key::Private),
        Some(other) => Key::Bad(format!("is of the unknown type `{other}`")),
        None => Key::Bad("has no `kty`".to_owned()),
    }
}

fn is_base64url(text: &str) -> bool {
    !text.is_empty() && text.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+' | b'/'))
}
