//! A resource on its way in: its bytes become JSON, every field of it is looked up, and what can't be honoured is told with
//! its path, its value and the configuration object that it came from.

use super::kind::Kind;
use super::table::Need;
use crate::config::findings;
use mesh_envoy::api::Any;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Path};
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};

/// One reason why a resource is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From the resource on: `filter_chains[0].filters[1].typed_config.request_timeout`; "" for the resource as a whole.
    pub path: String,
    /// Its value, short; "" where the path says it all.
    pub value: String,
    pub what: String,
    /// The object that the control plane made it from, as it names it; "" where it names none.
    pub object: String,
}

impl Problem {
    pub fn whole(what: impl Into<String>) -> Problem {
        Problem { path: String::new(), value: String::new(), what: what.into(), object: String::new() }
    }
    /// What compiling found, in a resource that was called `root`.
    pub fn of(unknown: &Unknown, root: &str, resource: &Value) -> Problem {
        let path = unknown.path.strip_prefix(root).unwrap_or(&unknown.path).trim_start_matches('.').to_owned();
        Problem { value: String::new(), what: unknown.what.clone(), object: object_at(resource, &path), path }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), self.value.as_str()) {
            ("", _) => {}
            (path, "") => write!(f, "{path}: ")?,
            (path, value) => write!(f, "{path} = {value}: ")?,
        }
        f.write_str(&self.what)?;
        if !self.object.is_empty() {
            write!(f, " (of {})", self.object)?;
        }
        Ok(())
    }
}

/// A resource that was refused: what is held of its name stays in use.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub kind: Kind,
    pub name: String,
    pub version: String,
    pub at: SystemTime,
    pub problems: Vec<Problem>,
    pub body: Any,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        for (i, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if i > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

/// The JSON of a resource of which every field is honoured, or may be ignored.
///
/// # Errors
/// Everything that is not.
pub fn read(kind: Kind, body: &Any) -> Result<Value, Vec<Problem>> {
    if body.type_name() != kind.message() {
        return Err(vec![Problem::whole(format!("{} where {} belongs", body.type_name(), kind.message()))]);
    }
    let value = body.to_json().map_err(|e| vec![Problem::whole(format!("it can't be read: {e}"))])?;
    let refused = findings(&value, kind.in_table(), "").into_iter().filter(|f| f.harmless.is_none());
    let problems: Vec<Problem> = refused.map(|f| Problem { object: object_at(&value, &f.path), path: f.path, value: f.value, what: f.what }).collect();
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

/// Secrets that a resource asks others for, at any depth.
pub fn secrets(value: &Value) -> Vec<Need> {
    let mut out = Vec::new();
    collect_secrets(value, &mut out);
    out
}

fn collect_secrets(value: &Value, out: &mut Vec<Need>) {
    match value {
        Value::Object(fields) => {
            if let (Some(name), Some(source)) = (fields.get("name").and_then(Value::as_str), fields.get("sdsConfig")) {
                let timeout = Message::new(source, Path::root("sds")).and_then(|m| m.duration("initial_fetch_timeout")).ok().flatten();
                let timeout = Some(timeout.unwrap_or(Duration::from_secs(15))).filter(|t| !t.is_zero());
                out.push(Need { name: name.to_owned(), timeout });
            }
            fields.values().for_each(|v| collect_secrets(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| collect_secrets(v, out)),
        _ => {}
    }
}

/// The object that metadata on the way to `path` names last: `filter_metadata.istio.config`, which means nothing here.
pub fn object_at(resource: &Value, path: &str) -> String {
    let mut found = object(resource);
    let mut at = resource;
    for step in path.split(['.', '[', ']']).filter(|s| !s.is_empty()) {
        let next = match at {
            Value::Object(fields) => fields.get(step).or_else(|| fields.iter().find(|(k, _)| is_same(k, step)).map(|(_, v)| v)),
            Value::Array(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
            _ => None,
        };
        let Some(next) = next else { break };
        found = object(next).or(found);
        at = next;
    }
    found.unwrap_or("").to_owned()
}

fn object(value: &Value) -> Option<&str> {
    let metadata = value.get("metadata")?;
    let filters = metadata.get("filterMetadata").or_else(|| metadata.get("filter_metadata"))?;
    filters.get("istio")?.get("config")?.as_str()
}

/// `lbPolicy` is `lb_policy`.
fn is_same(key: &str, step: &str) -> bool {
    let letters = |text: &str| text.bytes().filter(|b| *b != b'_').map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>();
    letters(key) == letters(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(kind: Kind, mut value: Value) -> Any {
        value["@type"] = kind.url().into();
        serde_json::from_value(value).expect("a message")
    }

    #[test]
    fn what_is_refused_is_told_with_its_object() {
        let routes = json!({"name": "80", "metadata": {"filterMetadata": {"istio": {"config": "/outer"}}}, "virtualHosts": [
            {"name": "a", "domains": ["a"], "routes": [{"match": {"prefix": "/"}, "metadata": {"filterMetadata": {"istio": {"config": "/vs/a"}}},
                "route": {"cluster": "c", "internalRedirectPolicy": {"maxInternalRedirects": 3}}}]}]});
        let body = body(Kind::Routes, routes);
        let problems = read(Kind::Routes, &body).expect_err("such redirects are not honoured");
        let refusal = Refusal { kind: Kind::Routes, name: "80".into(), version: "1".into(), at: SystemTime::now(), problems, body };
        let told = refusal.to_string();
        assert!(told.starts_with("80: virtualHosts[0].routes[0].route.internalRedirectPolicy = {\u{2026}}: not supported by mesh-proxy (of /vs/a)"), "{told}");
    }

    #[test]
    fn fields_of_the_wire_that_have_no_name_here_are_refused_by_number() {
        let mut cluster = body(Kind::Cluster, json!({"name": "c"}));
        // Field 2999, a string.
        cluster.value.extend([0xba, 0xbb, 0x01, 0x01, b'x']);
        let problems = read(Kind::Cluster, &cluster).expect_err("an unknown field");
        assert_eq!(problems.iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["#2999"]);
    }

    #[test]
    fn secrets_are_found_wherever_they_are_asked_for() {
        let config = |name: &str, timeout: &str| json!({"name": name, "sdsConfig": {"ads": {}, "initialFetchTimeout": timeout}});
        let value = json!({"transportSocketMatches": [{"name": "m", "transportSocket": {"typedConfig": {"commonTlsContext": {
            "tlsCertificateSdsSecretConfigs": [config("default", "0s")],
            "combinedValidationContext": {"validationContextSdsSecretConfig": config("ROOTCA", "2s")}}}}}]});
        let found: Vec<_> = secrets(&value).into_iter().map(|n| (n.name, n.timeout.map(|t| t.as_secs()))).collect();
        assert_eq!(found, [("default".to_owned(), None), ("ROOTCA".to_owned(), Some(2))]);
    }

    #[test]
    fn objects_are_found_in_either_spelling() {
        let value = json!({"filterChains": [{"metadata": {"filter_metadata": {"istio": {"config": "x"}}}, "filters": []}]});
        assert_eq!((object_at(&value, "filter_chains[0].filters[3].y").as_str(), object_at(&value, "name").as_str()), ("x", ""));
    }
}
