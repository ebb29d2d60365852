//! JSON of the API as YAML text, so that findings in a cluster show a source line as those in files do. Only the fields
//! that [`Keep`] names are read; the rest is skipped without being kept.

use super::fields::{self, Keep};
use mesh_model::yaml::push_string;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// An object as a YAML document: `apiVersion` and `kind` as given (items of a list lack them), then what is kept.
pub fn object(json: &str, api_version: &str, kind: &str, keep: &Keep) -> Result<String, serde_json::Error> {
    let mut out = String::with_capacity(json.len() / 4 + 128);
    out.push_str("apiVersion: ");
    push_string(&mut out, api_version);
    out.push_str("\nkind: ");
    push_string(&mut out, kind);
    out.push('\n');
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Emit { keep, out: &mut out, indent: 0, at: At::Root }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    out.push('\n');
    Ok(out)
}

/// Where a value begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the start of the document, behind `kind`.
    Root,
    /// Behind `key:`.
    Key,
    /// Behind `- `.
    Dash,
}

struct Emit<'o> {
    keep: &'o Keep,
    out: &'o mut String,
    /// Of the entries that the value has.
    indent: usize,
    at: At,
}

impl Emit<'_> {
    fn scalar(self, text: fmt::Arguments<'_>) {
        use fmt::Write;
        if self.at == At::Key {
            self.out.push(' ');
        }
        // Writing to a String does not fail.
        let _ = self.out.write_fmt(text);
    }
    fn text(self, text: &str) {
        if self.at == At::Key {
            self.out.push(' ');
        }
        push_string(self.out, text);
    }
    /// Goes to where the entry number `n` stands.
    fn entry(&mut self, n: usize) {
        let inline = n == 0 && self.at != At::Key;
        if !inline {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', self.indent));
        }
    }
    fn empty(&mut self, text: &str) {
        match self.at {
            At::Key => self.out.push(' '),
            At::Dash => {}
            At::Root => return,
        }
        self.out.push_str(text);
    }
    /// `key:` of the entry number `n`.
    fn key(&mut self, n: usize, key: &str) {
        self.entry(n);
        push_string(self.out, key);
        self.out.push(':');
    }
}

impl<'de> DeserializeSeed<'de> for Emit<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Emit<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(format_args!("null"));
        Ok(())
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(format_args!("{value}"));
        Ok(())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        // `{:?}` keeps a point or an exponent, so that it stays a number with a fraction.
        self.scalar(format_args!("{value:?}"));
        Ok(())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.text(value);
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let keep = self.keep.item();
        if matches!(keep, Keep::Nothing) {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            self.empty("[]");
            return Ok(());
        }
        let mut n = 0;
        // The dash is written before it is known whether an item follows.
        loop {
            let before = self.out.len();
            self.entry(n);
            self.out.push_str("- ");
            let item = Emit { keep, out: self.out, indent: self.indent + 2, at: At::Dash };
            if items.next_element_seed(item)?.is_none() {
                self.out.truncate(before);
                break;
            }
            n += 1;
        }
        if n == 0 {
            self.empty("[]");
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if matches!(self.keep, Keep::Environment) {
            return self.environment(map);
        }
        let mut n = 0;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let key = key.0;
            if self.at == At::Root && matches!(&*key, "apiVersion" | "kind") {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let is_shown = match self.keep {
                Keep::SecretData => Some(fields::is_certificate(&key)),
                Keep::ConfigData => Some(fields::is_mesh_setting(&key)),
                _ => None,
            };
            match is_shown {
                Some(false) => {
                    // That it is there, and whether it is empty, is all that checks ask.
                    let length = map.next_value::<Key<'de>>()?.0.len();
                    self.key(n, &key);
                    self.out.push_str(if length == 0 { " \"\"" } else { " aGlkZGVu" });
                }
                Some(true) => {
                    self.key(n, &key);
                    map.next_value_seed(Emit { keep: &Keep::All, out: self.out, indent: self.indent + 2, at: At::Key })?;
                }
                None => {
                    let keep = self.keep.field(&key);
                    if matches!(keep, Keep::Nothing) {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    self.key(n, &key);
                    map.next_value_seed(Emit { keep, out: self.out, indent: self.indent + 2, at: At::Key })?;
                }
            }
            n += 1;
        }
        if n == 0 {
            self.empty("{}");
        }
        Ok(())
    }
}

impl Emit<'_> {
    fn environment<'de, A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let (mut name, mut value) = (None, None);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match &*key.0 {
                "name" => name = Some(map.next_value::<Key<'de>>()?.0),
                "value" => value = Some(map.next_value::<Key<'de>>()?.0),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let name = name.unwrap_or_default();
        self.key(0, "name");
        self.out.push(' ');
        push_string(self.out, &name);
        if let Some(value) = value.filter(|_| fields::is_setting(&name)) {
            self.key(1, "value");
            self.out.push(' ');
            push_string(self.out, &value);
        }
        Ok(())
    }
}

/// A string, borrowed where it holds no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_model::yaml::{Limits, parse_document};
    use mesh_model::{Kind, Node, NodeKind, Scalar, Source, Span};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn read_back(yaml: &str) -> Value {
        let source = Source::new("t", yaml);
        let parsed = parse_document(&source, Span::new(0, yaml.len()), Limits::default());
        assert!(parsed.error.is_none(), "{:?}\n{yaml}", parsed.error);
        let tree = parsed.tree.unwrap_or_else(|| panic!("no tree: {yaml}"));
        value(tree.root())
    }

    fn value(node: Node<'_>) -> Value {
        match node.kind() {
            NodeKind::Mapping => Value::Object(node.entries().map(|(k, v)| (k.text().to_owned(), value(v))).collect()),
            NodeKind::Sequence => Value::Array(node.items().map(value).collect()),
            _ => match node.value() {
                Scalar::Null => Value::Null,
                Scalar::Bool(b) => json!(b),
                Scalar::Int(i) => json!(i),
                Scalar::Float(f) => json!(f),
                Scalar::Str(s) => json!(s),
            },
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|n| Value::from(f64::from(n) + 0.125)),
            "[ -~]{0,12}".prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
            prop_oneof![Just("yes"), Just("null"), Just("~"), Just("0x1f"), Just("1:30"), Just("- a"), Just("a: b"), Just("\u{85}\n\t"), Just("#")]
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-zA-Z0-9./ _:-]{1,8}", inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().map(|(k, v)| (format!("k{k}"), v)).collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_kept_reads_back_as_it_was(spec in any_json()) {
            let yaml = object(&json!({"metadata": {"name": "a"}, "spec": spec}).to_string(), "v1", "Thing", &Keep::All).unwrap();
            prop_assert_eq!(read_back(&yaml), json!({"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}), "{}", yaml);
        }
    }

    #[test]
    fn a_pod_loses_its_environment_and_what_was_last_applied() {
        let pod = json!({
            "metadata": {"name": "p", "managedFields": [{"manager": "x"}], "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": "s3cret"}},
            "spec": {"volumes": [{"secret": {"secretName": "s3cret"}}], "containers": [
                {"name": "c", "image": "i:1", "command": ["--password=s3cret"], "env": [{"name": "PASSWORD", "value": "s3cret"}, {"name": "PILOT_X", "value": "1"}, {"name": "N", "valueFrom": {"a": {}}}]},
                {"name": "d", "env": []}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": []},
        });
        let yaml = object(&pod.to_string(), "v1", "Pod", fields::of(Kind::Pod)).unwrap();
        assert!(!yaml.contains("s3cret") && !yaml.contains("manager"), "{yaml}");
        assert_eq!(
            read_back(&yaml),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "annotations": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i:1", "env": [{"name": "PASSWORD"}, {"name": "PILOT_X", "value": "1"}, {"name": "N"}]}, {"name": "d", "env": []}]},
                "status": {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": []}})
        );
    }

    #[test]
    fn of_who_changed_an_object_the_fields_are_not_kept() {
        let managed = json!({"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1", "time": "2026-11-22T11:38:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:s3cret": {}}}});
        let service = json!({"metadata": {"name": "s", "managedFields": [managed]}, "spec": {}});
        let yaml = object(&service.to_string(), "v1", "Service", fields::of(Kind::Service)).unwrap();
        assert!(!yaml.contains("s3cret"), "{yaml}");
        let kept = json!([{"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-22T11:38:00Z"}]);
        assert_eq!(read_back(&yaml)["metadata"]["managedFields"], kept);
    }

    #[test]
    fn of_a_secret_only_certificates_are_kept() {
        let secret = json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "Q0VSVA==", "tls.key": "S0VZ", "empty": ""}, "stringData": {"a": "S0VZ"}});
        let yaml = object(&secret.to_string(), "v1", "Secret", fields::of(Kind::Secret)).unwrap();
        assert!(!yaml.contains("S0VZ"), "{yaml}");
        assert_eq!(read_back(&yaml)["data"], json!({"tls.crt": "Q0VSVA==", "tls.key": "aGlkZGVu", "empty": ""}));
    }

    #[test]
    fn wrong_shapes_are_kept_as_they_are() {
        let odd = json!({"metadata": {"name": "p", "labels": null}, "spec": [], "status": {"phase": {}}});
        assert_eq!(read_back(&object(&odd.to_string(), "v1", "Pod", fields::of(Kind::Pod)).unwrap())["status"], json!({"phase": {}}));
        assert!(object("{\"metadata\": {", "v1", "Pod", fields::of(Kind::Pod)).is_err());
    }
}
