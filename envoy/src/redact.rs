//! What may be shown of a dump: everything but secrets, which are replaced by their length and a hash.
//!
//! Replaced are private keys, passwords and tokens, values of the headers that carry credentials, user information and
//! query values of URLs, the code of Lua and Wasm filters, and values of environment variables. Certificates, names and
//! references to secrets stay. The hash tells whether two proxies hold the same; it is cut to 8 digits, so that it is of
//! little use to one who guesses.

use crate::proto_json::snake_case;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// A value without its secrets; made by [`redact`] alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Redacted(Value);

impl Redacted {
    pub fn value(&self) -> &Value {
        &self.0
    }
    pub fn into_value(self) -> Value {
        self.0
    }
}

/// How a replaced value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// `[redacted: 1704 bytes, sha256 8f3a09b2]`.
    LengthAndHash,
    /// As Envoy itself writes it: `[redacted]`, in base64 where bytes stand.
    Envoy,
}

/// Replaces the secrets of a value, at any depth; keys in either spelling, `private_key` or `privateKey`.
pub fn redact(value: Value, mark: Mark) -> Redacted {
    Redacted(Redactor { mark }.value(value, Zone::Plain))
}

/// `[redacted: 12 bytes, sha256 8f3a09b2]`.
pub fn placeholder(secret: &[u8]) -> String {
    let digits: String = Sha256::digest(secret).iter().take(4).map(|b| format!("{b:02x}")).collect();
    format!("[redacted: {} bytes, sha256 {digits}]", secret.len())
}

/// The value of a header, or its place holder where the header carries credentials.
pub fn header_value<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    if is_secret_header(name) && !value.is_empty() && !is_placeholder(value) { Cow::Owned(placeholder(value.as_bytes())) } else { text(value) }
}

/// Whether a header carries credentials: authorization, cookies, keys, tokens and secrets.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = || name.split(['-', '_']);
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "set-cookie" | "x-forwarded-client-cert" | "apikey" | "x-apikey")
        || words().any(|w| matches!(w, "token" | "secret" | "password" | "passwd" | "credential" | "credentials" | "jwt" | "signature" | "auth" | "authorization"))
        // `x-api-key`, not `x-key-count` nor the WebSocket's nonce.
        || (words().next_back() == Some("key") && name != "sec-websocket-key")
}

/// Free text without private keys, web tokens, user information and query values of URLs.
pub fn text(text: &str) -> Cow<'_, str> {
    if text.contains("PRIVATE KEY-----") {
        return Cow::Owned(placeholder(text.as_bytes()));
    }
    let without_tokens = replace_words(text, is_web_token);
    if !without_tokens.contains("://") && !looks_like_path_with_query(&without_tokens) {
        return without_tokens;
    }
    Cow::Owned(url(&without_tokens))
}

struct Redactor {
    mark: Mark,
}

/// What a value stands below.
#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Plain,
    /// A secret: every text below it is replaced but for names of files and variables.
    Secret,
    /// Environment variables by name. Those of Istio's own metadata are no secrets: they go into every node's description.
    Environment,
    /// A regular expression: it looks like a URL with a query and is none.
    Regex,
}

/// Fields whose value is secret, in snake_case. References such as `token_secret` hold names of secrets, and stay.
const SECRETS: &[&str] = &[
    "access_token",
    "api_key",
    "auth_password",
    "auth_passwords",
    "bearer_token",
    "client_secret",
    "downstream_auth_password",
    "downstream_auth_passwords",
    "generic_secret",
    "id_token",
    "inline_code",
    "json_key",
    "kubectl.kubernetes.io/last-applied-configuration",
    "password",
    "pkcs12",
    "private_key",
    "private_key_provider",
    "refresh_token",
    "secret_access_key",
    "secret_key",
    "session_ticket_keys",
    "session_token",
    "token",
];
/// Fields that hold code, or secrets in a `DataSource`, where the value is an object.
const DATA: &[&str] = &["code", "credentials", "default_source_code", "hmac_secret", "source_codes", "users"];
/// Below a secret these say where it is, not what it is.
const REFERENCES: &[&str] =
    &["@type", "environment_variable", "filename", "http_uri", "name", "path", "provider_name", "sds_config", "sha256", "watched_directory"];
/// Environment variables: of a Wasm machine, and of the proxy.
const ENVIRONMENTS: &[&str] = &["key_values", "proxy_metadata"];
const REGEX: &[&str] = &["regex", "safe_regex"];

impl Redactor {
    fn value(&self, value: Value, zone: Zone) -> Value {
        match value {
            Value::Object(map) => Value::Object(self.object(map, zone)),
            Value::Array(items) => Value::Array(items.into_iter().map(|v| self.value(v, zone)).collect()),
            Value::String(s) => Value::String(match zone {
                Zone::Secret | Zone::Environment => self.mark(&s, Bytes::No),
                Zone::Plain => self.text(s),
                Zone::Regex if s.contains("PRIVATE KEY-----") => self.mark(&s, Bytes::No),
                Zone::Regex => s,
            }),
            other => other,
        }
    }

    fn object(&self, mut map: Map<String, Value>, zone: Zone) -> Map<String, Value> {
        if zone == Zone::Plain {
            self.header(&mut map);
        }
        map.into_iter()
            .map(|(key, value)| {
                let snake = snake_case(&key);
                let name = snake.as_ref();
                if zone == Zone::Secret && matches!(name, "inline_bytes") {
                    let text = value.as_str().unwrap_or("");
                    return (key, Value::String(self.mark(text, Bytes::Yes)));
                }
                let below = if zone == Zone::Environment {
                    if key.starts_with("ISTIO_META_") { Zone::Plain } else { Zone::Secret }
                } else if zone == Zone::Secret {
                    if REFERENCES.contains(&name) { Zone::Plain } else { Zone::Secret }
                } else if SECRETS.contains(&name)
                    || (DATA.contains(&name) && !value.is_string())
                    || (name == "inline_string" && value.as_str().is_some_and(is_private_key_set))
                {
                    Zone::Secret
                } else if ENVIRONMENTS.contains(&name) {
                    Zone::Environment
                } else if zone == Zone::Regex || REGEX.contains(&name) {
                    Zone::Regex
                } else {
                    Zone::Plain
                };
                (key, self.value(value, below))
            })
            .collect()
    }

    /// `{header: {key, value}}`, `{name, string_match}` and the other forms in which a header's value stands beside its name.
    fn header(&self, map: &mut Map<String, Value>) {
        const NAMES: &[&str] = &["key", "name", "header_name", "headerName", "header"];
        let is_secret = NAMES.iter().filter_map(|k| map.get(*k)?.as_str()).any(is_secret_header);
        if !is_secret {
            return;
        }
        const VALUES: &[&str] =
            &["contains_match", "exact_match", "prefix_match", "raw_value", "safe_regex_match", "string_match", "string_value", "suffix_match", "value"];
        for (key, value) in map.iter_mut().filter(|(k, _)| VALUES.contains(&snake_case(k).as_ref())) {
            let taken = std::mem::take(value);
            *value = match taken {
                // Bytes are in base64.
                Value::String(s) if snake_case(key) == "raw_value" => Value::String(self.mark(&s, Bytes::Yes)),
                other => self.value(other, Zone::Secret),
            };
        }
    }

    fn text(&self, s: String) -> String {
        match text(&s) {
            Cow::Borrowed(_) => s,
            Cow::Owned(_) if self.mark == Mark::Envoy && s.contains("PRIVATE KEY-----") => self.mark(&s, Bytes::No),
            Cow::Owned(changed) => changed,
        }
    }

    fn mark(&self, secret: &str, bytes: Bytes) -> String {
        if secret.is_empty() || is_placeholder(secret) {
            return secret.to_owned();
        }
        match (self.mark, bytes) {
            (Mark::Envoy, Bytes::Yes) => ENVOY_BYTES.to_owned(),
            (Mark::Envoy, Bytes::No) => ENVOY.to_owned(),
            (Mark::LengthAndHash, Bytes::Yes) => match data_encoding::BASE64.decode(secret.as_bytes()) {
                Ok(decoded) => placeholder(&decoded),
                Err(_) => placeholder(secret.as_bytes()),
            },
            (Mark::LengthAndHash, Bytes::No) => placeholder(secret.as_bytes()),
        }
    }
}

/// Whether a text is base64 of what is meant.
#[derive(Clone, Copy, PartialEq)]
enum Bytes {
    Yes,
    No,
}

/// What Envoy writes in place of a key, and its base64.
const ENVOY: &str = "[redacted]";
const ENVOY_BYTES: &str = "W3JlZGFjdGVkXQ==";
/// How a place holder of ours begins; in a URL its blanks end the word.
const BEGIN: &str = "[redacted:";

fn is_placeholder(text: &str) -> bool {
    text == ENVOY || text == ENVOY_BYTES || (text.starts_with("[redacted: ") && text.ends_with(']') && text.len() < 60)
}

/// A JSON Web Key Set with a symmetric or a private key in it; the usual sets hold public keys and are shown.
fn is_private_key_set(text: &str) -> bool {
    text.contains("\"keys\"") && (text.contains("\"oct\"") || text.contains("\"d\":") || text.contains("\"d\" :"))
}

/// Three parts of base64url of which the first begins as `{"`.
fn is_web_token(word: &str) -> bool {
    let mut parts = word.split('.');
    let is_part = |p: &str| p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    matches!((parts.next(), parts.next(), parts.next(), parts.next()), (Some(a), Some(b), Some(c), None)
        if a.starts_with("eyJ") && b.len() > 8 && is_part(a) && is_part(b) && is_part(c))
}

/// Replaces the words for which it is asked; a word ends at a blank, a quote or a bracket, or at `=`, `:`, `,` and `;`.
fn replace_words(text: &str, is_secret: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !text.contains("eyJ") {
        return Cow::Borrowed(text);
    }
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '=' | ':' | ',' | ';' | '/' | '&' | '?');
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_end) {
        let word = piece.trim_end_matches(is_end);
        if is_secret(word) {
            out.push_str(&placeholder(word.as_bytes()));
            out.push_str(&piece[word.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

fn looks_like_path_with_query(text: &str) -> bool {
    text.starts_with('/') && text.split_once('?').is_some_and(|(path, query)| query.contains('=') && !path.contains(char::is_whitespace))
}

/// A URL, or text with URLs in it: `https://user:pass@host/p?a=b` becomes `https://[redacted: …]@host/p?a=[redacted: …]`.
fn url(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_end) {
        let word = piece.trim_end_matches(is_end);
        out.push_str(&one_url(word));
        out.push_str(&piece[word.len()..]);
    }
    out
}

fn one_url(word: &str) -> String {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None if looks_like_path_with_query(word) => (String::new(), word),
        None => return word.to_owned(),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        // `spiffe://…` and others without user information.
        Some((user, host)) if !user.is_empty() && !is_placeholder(user) => format!("{}@{host}", placeholder(user.as_bytes())),
        _ => authority.to_owned(),
    };
    let (path, fragment) = path.split_once('#').map_or((path, String::new()), |(p, f)| (p, format!("#{f}")));
    let Some((path, query)) = path.split_once('?') else { return format!("{scheme}{authority}{path}{fragment}") };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && !value.starts_with(BEGIN) && !value.starts_with('%') => {
                format!("{name}={}", placeholder(value.as_bytes()))
            }
            _ => pair.to_owned(),
        })
        .collect();
    format!("{scheme}{authority}{path}?{}{fragment}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(value: Value) -> Value {
        redact(value, Mark::LengthAndHash).into_value()
    }

    #[test]
    fn secrets_are_replaced_in_either_spelling_and_wherever_they_stand() {
        for secret in [
            json!({"private_key": {"inline_string": "hunter2"}}),
            json!({"tlsCertificate": {"privateKey": {"inlineBytes": "aHVudGVyMg=="}}}),
            json!({"tls_certificate": {"pkcs12": {"inline_bytes": "aHVudGVyMg=="}, "password": {"inline_string": "hunter2"}}}),
            json!({"session_ticket_keys": {"keys": [{"inline_string": "hunter2"}]}}),
            json!({"generic_secret": {"secret": {"inline_string": "hunter2"}}}),
            json!({"requestHeadersToAdd": [{"header": {"key": "Authorization", "value": "hunter2"}}]}),
            json!({"request_headers_to_add": [{"header": {"key": "x-api-key", "raw_value": "aHVudGVyMg=="}}]}),
            json!({"headers": [{"name": "cookie", "string_match": {"safe_regex": {"regex": "hunter2"}}}]}),
            json!({"principal": {"header": {"name": "authorization", "exact_match": "hunter2"}}}),
            json!({"inline_code": "hunter2"}),
            json!({"default_source_code": {"inline_string": "hunter2"}, "source_codes": {"a.lua": {"inline_string": "hunter2"}}}),
            json!({"vm_config": {"code": {"local": {"inline_bytes": "aHVudGVyMg=="}}, "environment_variables": {"key_values": {"A": "hunter2"}}}}),
            json!({"google_grpc": {"call_credentials": [{"access_token": "hunter2"}]}}),
            json!({"PROXY_CONFIG": {"proxyMetadata": {"A": "hunter2"}}}),
            json!({"uri": "https://u:hunter2@example.com/x"}),
            json!({"uri": "https://example.com/x?token=hunter2&a=hunter2#f"}),
            json!({"path": "/healthz?token=hunter2"}),
            json!({"any": ["-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----"]}),
            json!({"local_jwks": {"inline_string": "{\"keys\": [{\"kty\": \"oct\", \"k\": \"hunter2\"}]}"}}),
        ] {
            let out = shown(secret.clone()).to_string();
            assert!(!out.contains("hunter2") && !out.contains("aHVudGVyMg"), "{out}");
            assert!(out.contains("sha256 f52fbd32") || out.contains("bytes, sha256"), "{out}");
        }
        let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w";
        assert!(!shown(json!({"value": format!("Bearer {jwt}")})).to_string().contains("eyJ"));
    }

    #[test]
    fn the_same_secret_has_the_same_place_holder_in_text_and_in_base64() {
        let out = shown(json!([{"private_key": {"inline_string": "hunter2"}}, {"private_key": {"inline_bytes": "aHVudGVyMg=="}}]));
        assert_eq!(out[0]["private_key"]["inline_string"], "[redacted: 7 bytes, sha256 f52fbd32]");
        assert_eq!(out[1]["private_key"]["inline_bytes"], out[0]["private_key"]["inline_string"]);
        assert_eq!(shown(out.clone()), out);
    }

    #[test]
    fn what_is_no_secret_stays() {
        for value in [
            json!({"tls_certificate": {"certificate_chain": {"inline_bytes": "LS0tLS1CRUdJTg=="}, "private_key": {"filename": "/etc/key.pem"}}}),
            json!({"private_key": {"inline_bytes": "W3JlZGFjdGVkXQ=="}}),
            json!({"headers": [{"name": ":path", "string_match": {"exact": "/a"}}, {"name": "authorization", "present_match": true}]}),
            json!({"token_bucket": {"max_tokens": 4}, "regex": "https?://a?b=c", "safe_regex": {"regex": "/a(?P<x>=b)"}}),
            json!({"uri": "https://example.com/keys", "match": {"prefix": "/a?"}, "san": "spiffe://cluster.local/ns/a/sa/b"}),
            json!({"credentials": {"token_secret": {"name": "token", "sds_config": {"path_config_source": {"path": "/a"}}}}}),
            json!({"environment_variables": {"key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "1605"}}}),
            json!({"http_status": {"code": "ServiceUnavailable"}, "status": {"code": 14}}),
            json!({"local_jwks": {"inline_string": "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"x\"}]}"}}),
        ] {
            assert_eq!(shown(value.clone()), value);
        }
    }

    #[test]
    fn envoys_own_mark_keeps_the_shape() {
        let out = redact(json!({"privateKey": {"inlineBytes": "aHVudGVyMg=="}, "x": "-----BEGIN PRIVATE KEY-----"}), Mark::Envoy).into_value();
        assert_eq!(out, json!({"privateKey": {"inlineBytes": "W3JlZGFjdGVkXQ=="}, "x": "[redacted]"}));
    }

    #[test]
    fn headers_with_credentials_are_known_by_name() {
        for name in ["Authorization", "cookie", "x-api-key", "X-Auth-Token", "x-goog-iap-jwt-assertion", "x-amz-security-token"] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in ["x-user", "end-user", ":path", "sec-websocket-key", "x-key-count", "authority", "content-type", "monkey"] {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}
