//! What may stand in a recording: of objects the fields that a cluster's are read with ([`crate::kube`]), of everything nothing
//! that [`mesh_envoy::redact`] holds for secret, and of Istio's own kinds no value of a header that carries credentials.

use crate::kube::{fields, render};
use mesh_envoy::identify::Content;
use mesh_envoy::redact::{Mark, is_secret_header, placeholder, redact, text};
use mesh_model::{Kind, Node, NodeKind, Object, Scalar, Source, Span};
use serde_json::{Map, Value};

/// An object as a YAML document, without what may be secret. The error says why it can't be kept.
pub fn object(object: &Object) -> Result<String, String> {
    let mut root = value(object.root());
    if let Value::Object(map) = &mut root {
        // Of an item of a list they stand in the list.
        map.shift_remove("apiVersion");
        map.shift_remove("kind");
    }
    document(root, object.api_version(), object.kind_name(), object.kind)
}

fn document(mut root: Value, api_version: &str, kind_name: &str, kind: Kind) -> Result<String, String> {
    headers(&mut root, "");
    if kind == Kind::ConfigMap {
        settings(&mut root);
    }
    let clean = redact(root, Mark::LengthAndHash).into_value();
    render::object(&clean.to_string(), api_version, kind_name, fields::of(kind)).map_err(|e| e.to_string())
}

/// A page of a proxy or of a control plane.
pub fn page(page: &str, content: Content) -> String {
    let trimmed = page.trim_start_matches('\u{feff}').trim_start();
    let is_json = trimmed.starts_with(['{', '[']);
    if let (true, Ok(value)) = (is_json, serde_json::from_str::<Value>(trimmed)) {
        return redact(value, Mark::LengthAndHash).into_value().to_string();
    }
    // What should be JSON and is not may hold anything.
    if is_json || matches!(content, Content::Binary) {
        return placeholder(page.as_bytes());
    }
    lines(page)
}

/// Lines of an access log, each text or a JSON object.
pub fn log(page: &str) -> String {
    let clean = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(value) if value.is_object() => redact(value, Mark::LengthAndHash).into_value().to_string(),
        _ => lines(line),
    };
    let mut out = String::with_capacity(page.len());
    for line in page.lines() {
        out.push_str(clean(line).trim_end_matches('\n'));
        out.push('\n');
    }
    out
}

/// Text line by line.
fn lines(page: &str) -> String {
    if page.contains("PRIVATE KEY-----") {
        return placeholder(page.as_bytes());
    }
    page.split_inclusive('\n').map(text).collect()
}

/// A file of series: the objects in it.
pub fn series(file: &str) -> Result<String, String> {
    let mut root: Value = serde_json::from_str(file).map_err(|e| e.to_string())?;
    for object in root.get_mut("objects").and_then(Value::as_array_mut).into_iter().flatten() {
        let source = Source::new("object", object.to_string());
        let manifest = mesh_model::snapshot::read_manifest(&source, mesh_model::Role::Judged, 0, mesh_model::yaml::Limits::default());
        let clean = manifest.objects.first().and_then(|o| self::object(o).ok()).and_then(|yaml| as_json(&yaml));
        *object = clean.unwrap_or(Value::Null);
    }
    if let Some(list) = root.get_mut("objects").and_then(Value::as_array_mut) {
        list.retain(|o| !o.is_null());
    }
    Ok(redact(root, Mark::LengthAndHash).into_value().to_string())
}

/// The name of a source, as it was typed.
pub fn source(word: &str) -> String {
    text(word).into_owned()
}

fn as_json(yaml: &str) -> Option<Value> {
    let source = Source::new("object", yaml);
    let parsed = mesh_model::yaml::parse_document(&source, Span::new(0, yaml.len()), mesh_model::yaml::Limits::default());
    Some(value(parsed.tree?.root()))
}

fn value(node: Node<'_>) -> Value {
    match node.kind() {
        NodeKind::Mapping => Value::Object(node.entries().map(|(k, v)| (k.text().to_owned(), value(v))).collect()),
        NodeKind::Sequence => Value::Array(node.items().map(value).collect()),
        _ => match node.value() {
            Scalar::Null => Value::Null,
            Scalar::Bool(b) => b.into(),
            Scalar::Int(i) => i.into(),
            Scalar::Float(f) => f.into(),
            Scalar::Str(s) => s.into(),
        },
    }
}

/// Mappings whose keys are names of headers.
const HEADERS: &[&str] = &["headers", "withoutHeaders", "without_headers", "set", "add"];

fn headers(at: &mut Value, below: &str) {
    match at {
        Value::Array(items) => items.iter_mut().for_each(|item| headers(item, below)),
        Value::Object(map) => {
            condition(map);
            for (key, value) in map.iter_mut() {
                let is_header = HEADERS.contains(&below) && is_secret_header(key);
                match key.as_str() {
                    _ if is_header => hide(value),
                    "environmentVariables" | "environment_variables" => hide(value),
                    "env" => variables(value),
                    key => headers(value, key),
                }
            }
        }
        _ => {}
    }
}

/// A condition of an AuthorizationPolicy on such a header.
fn condition(map: &mut Map<String, Value>) {
    let name = map.get("key").and_then(Value::as_str).and_then(|k| k.strip_prefix("request.headers[")?.strip_suffix(']'));
    if name.is_some_and(is_secret_header) {
        ["values", "notValues"].iter().for_each(|k| map.get_mut(*k).into_iter().for_each(hide));
    }
}

/// Environment variables of a WasmPlugin; those of containers are left to the fields that are kept.
fn variables(list: &mut Value) {
    for item in list.as_array_mut().into_iter().flatten() {
        let is_setting = item.get("name").and_then(Value::as_str).is_some_and(fields::is_setting);
        if let Some(value) = item.get_mut("value").filter(|_| !is_setting) {
            hide(value);
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::String(s) if !s.is_empty() && !s.starts_with("[redacted") => *s = placeholder(s.as_bytes()),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Object(map) => map.values_mut().for_each(hide),
        _ => {}
    }
}

/// The settings of a control plane, which are text in a ConfigMap.
fn settings(root: &mut Value) {
    let Some(data) = root.get_mut("data").and_then(Value::as_object_mut) else { return };
    for key in ["mesh", "meshNetworks"] {
        let Some(Value::String(text)) = data.get_mut(key) else { continue };
        // What can't be read may hold anything.
        let clean = as_json(text).map(|mut value| {
            headers(&mut value, "");
            redact(value, Mark::LengthAndHash).into_value().to_string()
        });
        *text = clean.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::snapshot::read_manifest;

    fn kept(yaml: &str) -> String {
        let source = Source::new("t", yaml);
        let manifest = read_manifest(&source, mesh_model::Role::Judged, 0, mesh_model::yaml::Limits::default());
        manifest.objects.iter().map(|o| object(o).expect("a document")).collect()
    }

    #[test]
    fn nothing_secret_of_an_object_is_kept() {
        for yaml in [
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {tls.key: hunter2}\nstringData: {a: hunter2}",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2}}\nspec: {containers: [{name: c, args: [hunter2], env: [{name: A, value: hunter2}]}]}",
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: [a], http: [{match: [{headers: {authorization: {exact: hunter2}}}, {withoutHeaders: {cookie: {regex: hunter2}}}], headers: {request: {set: {Authorization: hunter2}}}, route: [{destination: {host: a}, headers: {response: {add: {set-cookie: hunter2}}}}]}]}",
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {rules: [{when: [{key: 'request.headers[x-api-key]', values: [hunter2]}]}]}",
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: e}\nspec: {configPatches: [{patch: {value: {typed_config: {inline_code: hunter2}}}}]}",
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {name: w}\nspec: {url: 'https://u:hunter2@x/y', pluginConfig: {password: hunter2}, vmConfig: {env: [{name: A, value: hunter2}]}}",
            "apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: p}\nspec: {environmentVariables: {A: hunter2}}",
            "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: h}\nspec: {rules: [{filters: [{requestHeaderModifier: {set: [{name: Authorization, value: hunter2}]}}]}]}",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: '{defaultConfig: {proxyMetadata: {A: hunter2}}, x: {headers: [{name: authorization, value: hunter2}]}}', other: hunter2}",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: 'a: [hunter2'}",
        ] {
            let out = kept(yaml);
            assert!(!out.contains("hunter2") && out.contains("kind: "), "{out}");
        }
    }

    #[test]
    fn what_is_no_secret_is_kept() {
        let yaml = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: n}\nspec: {hosts: [a], http: [{match: [{headers: {end-user: {exact: jason}}}], route: [{destination: {host: a}, weight: 80}]}]}";
        let out = kept(yaml);
        assert!(out.contains("jason") && out.contains("weight: 80") && out.starts_with("apiVersion: networking.istio.io/v1\nkind: VirtualService\n"), "{out}");
        assert_eq!(page("# TYPE a counter\na{u=\"http://u:hunter2@h/\"} 1\n", Content::Stats).matches("hunter2").count(), 0);
        assert!(page("{\"configs\": [{\"private_key\": \"hunter2\"", Content::ConfigDump).starts_with("[redacted"));
        assert_eq!(page("{\"a\": 1}", Content::Certs), "{\"a\":1}");
    }

    #[test]
    fn objects_of_a_series_file_are_cleaned() {
        let file = r#"{"series": [{"metric": "m", "rate": 1.5}], "objects": [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aHVudGVyMg=="}}, 7]}"#;
        let out = series(file).expect("a file");
        assert!(!out.contains("aHVudGVyMg") && out.contains("\"rate\":1.5") && out.contains("Secret"), "{out}");
    }
}
