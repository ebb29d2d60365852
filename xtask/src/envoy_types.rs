//! `cargo xtask envoy-types FILE`: Rust types of Envoy's messages for `envoy/src/api/messages/`, from the
//! FileDescriptorSet of Envoy's API, with Istio's ALPN filter (`envoy/config/filter/http/alpn/v2alpha1` of istio/api).
//!
//! `envoy_types.txt` lists the messages and fields that are wanted. Members of a `oneof` become optional fields: the
//! wire format and the JSON are the same, and reading them needs no second type.

use crate::Outcome;
use crate::envoy::{Api, Field, Message};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const TABLE: &str = include_str!("envoy_types.txt");

struct Wanted<'t> {
    module: &'t str,
    fields: Vec<&'t str>,
    is_any: bool,
    /// Flat: `Cluster.EdsClusterConfig` is `ClusterEdsClusterConfig`.
    rust: String,
}

pub fn run(args: &[String]) -> Outcome {
    let api = Api::read(args)?;
    let wanted = wanted(&api)?;
    let types = Types { api: &api, wanted: &wanted };
    let out = crate::root().join("envoy/src/api/messages");
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    let write = |name: &str, text: String| {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
    };
    let modules: BTreeSet<&str> = wanted.values().map(|w| w.module).collect();
    for module in &modules {
        write(&format!("{module}.rs"), types.module(module)?)?;
    }
    write("mod.rs", types.root(&modules))?;
    println!("{}", out.display());
    Ok(())
}

/// The lines of the table by the full name of their message.
fn wanted(api: &Api) -> Result<BTreeMap<String, Wanted<'static>>, String> {
    let mut out = BTreeMap::new();
    let (mut module, mut packages) = ("", Vec::new());
    for line in TABLE.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let mut words = line.split(' ');
        let first = words.next().unwrap_or_default();
        if first == "module" {
            module = words.next().unwrap_or_default();
            packages = words.collect();
            continue;
        }
        let name = first.trim_start_matches('@');
        let full = packages.iter().map(|p| format!("{p}.{name}")).find(|f| api.messages.contains_key(f));
        let full = full.ok_or_else(|| format!("no message {name} in {packages:?}"))?;
        out.insert(full, Wanted { module, fields: words.collect(), is_any: first.starts_with('@'), rust: name.replace('.', "") });
    }
    Ok(out)
}

struct Types<'t> {
    api: &'t Api,
    wanted: &'t BTreeMap<String, Wanted<'t>>,
}

/// How a field is written: its Rust type, its prost attribute without the tag, and what serde needs beyond the default.
struct Shape {
    rust: String,
    prost: String,
    serde: Option<String>,
}

impl Types<'_> {
    fn module(&self, module: &str) -> Result<String, String> {
        let mut out = "//! Made by `cargo xtask envoy-types`.\n\nuse crate::api::json;\n".to_owned();
        let mut enums = BTreeSet::new();
        for (full, w) in self.wanted.iter().filter(|(_, w)| w.module == module) {
            let Some(message) = self.api.messages.get(full) else { return Err(format!("{full} is not in the descriptor set")) };
            let _ = write!(
                out,
                "\n/// `{full}`\n#[derive(Clone, PartialEq, prost::Message, serde::Serialize, serde::Deserialize)]\n#[serde(default, rename_all = \"camelCase\")]\npub struct {} {{\n",
                w.rust
            );
            for name in &w.fields {
                let field = message.fields.iter().find(|f| f.name == *name).ok_or_else(|| format!("{full} has no field {name}"))?;
                if self.api.enums.contains_key(&field.target) {
                    enums.insert(field.target.as_str());
                }
                out.push_str(&self.field(full, field)?);
            }
            out.push_str("}\n");
            if w.is_any {
                let (package, name) = full.rsplit_once('.').unwrap_or_default();
                let _ = write!(
                    out,
                    "\nimpl prost::Name for {} {{\n    const NAME: &'static str = \"{name}\";\n    const PACKAGE: &'static str = \"{package}\";\n    fn type_url() -> String {{\n        \"type.googleapis.com/{full}\".into()\n    }}\n}}\n",
                    w.rust
                );
            }
        }
        for full in enums.iter().filter(|e| self.enum_module(e) == Some(module)) {
            out.push_str(&self.enumeration(full));
        }
        // Enums of this module's packages that only other modules use.
        let mine: BTreeSet<&str> = self.foreign_enums(module).into_iter().filter(|e| !enums.contains(e)).collect();
        for full in mine {
            out.push_str(&self.enumeration(full));
        }
        Ok(out)
    }

    fn foreign_enums(&self, module: &str) -> Vec<&str> {
        let fields = self.wanted.iter().filter(|(_, w)| w.module != module).flat_map(|(full, w)| {
            let message = self.api.messages.get(full);
            message.into_iter().flat_map(move |m| m.fields.iter().filter(move |f| w.fields.contains(&f.name.as_str())))
        });
        fields.map(|f| f.target.as_str()).filter(|t| self.api.enums.contains_key(*t) && self.enum_module(t) == Some(module)).collect()
    }

    /// The module that an enum stands in: that of a message of its package.
    fn enum_module(&self, full: &str) -> Option<&str> {
        let package = &self.api.enums.get(full)?.0;
        let of_package = |(name, _): &(&String, &Wanted<'_>)| name.strip_prefix(package.as_str()).is_some_and(|rest| rest.starts_with('.'));
        // The shortest list of candidates is ordered by name, so this is stable.
        self.wanted.iter().find(of_package).map(|(_, w)| w.module)
    }

    fn enum_path(&self, full: &str) -> Result<String, String> {
        let package = &self.api.enums[full].0;
        let module = self.enum_module(full).ok_or_else(|| format!("no module has the package of {full}"))?;
        Ok(format!("super::{module}::{}", full[package.len() + 1..].replace('.', "")))
    }

    fn enumeration(&self, full: &str) -> String {
        let (package, values) = &self.api.enums[full];
        let rust = full[package.len() + 1..].replace('.', "");
        let mut out = format!(
            "\n/// `{full}`\n#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]\n#[repr(i32)]\npub enum {rust} {{\n"
        );
        for (name, number) in values {
            let _ = writeln!(out, "    {} = {number},", camel(name));
        }
        let _ = write!(out, "}}\n\nimpl json::Names for {rust} {{\n    const NAMES: &'static [(&'static str, i32)] = &[\n");
        for (name, number) in values {
            let _ = writeln!(out, "        (\"{name}\", {number}),");
        }
        out.push_str("    ];\n}\n");
        out
    }

    fn field(&self, owner: &str, field: &Field) -> Result<String, String> {
        let shape = self.shape(owner, field)?;
        let mut serde = vec!["skip_serializing_if = \"json::is_default\"".to_owned()];
        if field.name.contains('_') {
            serde.push(format!("alias = \"{}\"", field.name));
        }
        serde.extend(shape.serde);
        let name = if matches!(field.name.as_str(), "type" | "match") { format!("r#{}", field.name) } else { field.name.clone() };
        Ok(format!("    #[prost({}, tag = \"{}\")]\n    #[serde({})]\n    pub {name}: {},\n", shape.prost, field.number, serde.join(", "), shape.rust))
    }

    fn shape(&self, owner: &str, field: &Field) -> Result<Shape, String> {
        if let Some(entry) = self.api.messages.get(&field.target).filter(|m| m.is_map_entry) {
            let value = entry.fields.iter().find(|f| f.name == "value").ok_or("a map without values")?;
            let rust = self.message(&value.target)?;
            return Ok(Shape { rust: format!("std::collections::BTreeMap<String, {rust}>"), prost: "btree_map = \"string, message\"".into(), serde: None });
        }
        let (rust, prost, with) = match field.kind {
            1 => ("f64".to_owned(), "double".to_owned(), Some("float")),
            2 => ("f32".to_owned(), "float".to_owned(), Some("float")),
            3 => ("i64".to_owned(), "int64".to_owned(), Some("int64")),
            4 => ("u64".to_owned(), "uint64".to_owned(), Some("int64")),
            5 => ("i32".to_owned(), "int32".to_owned(), None),
            8 => ("bool".to_owned(), "bool".to_owned(), None),
            9 => ("String".to_owned(), "string".to_owned(), None),
            12 => ("Vec<u8>".to_owned(), "bytes = \"vec\"".to_owned(), Some("base64")),
            13 => ("u32".to_owned(), "uint32".to_owned(), None),
            14 => return self.enum_shape(field),
            11 => return self.message_shape(owner, field),
            other => return Err(format!("{owner}.{}: type {other} is not known", field.name)),
        };
        Ok(if field.repeated {
            Shape { rust: format!("Vec<{rust}>"), prost: format!("{prost}, repeated"), serde: with.map(|w| format!("with = \"json::repeated::{w}\"")) }
        } else if field.has_presence {
            Shape { rust: format!("Option<{rust}>"), prost: format!("{prost}, optional"), serde: with.map(|w| format!("with = \"json::optional::{w}\"")) }
        } else {
            Shape { rust, prost, serde: with.map(|w| format!("with = \"json::{w}\"")) }
        })
    }

    fn enum_shape(&self, field: &Field) -> Result<Shape, String> {
        let path = self.enum_path(&field.target)?;
        let serde = |module: &str| {
            Some(format!("serialize_with = \"json::{module}::serialize::<{path}, _>\", deserialize_with = \"json::{module}::deserialize::<{path}, _>\""))
        };
        Ok(if field.repeated {
            Shape { rust: "Vec<i32>".into(), prost: format!("enumeration = \"{path}\", repeated"), serde: serde("repeated::enumeration") }
        } else if field.has_presence {
            Shape { rust: "Option<i32>".into(), prost: format!("enumeration = \"{path}\", optional"), serde: serde("optional::enumeration") }
        } else {
            Shape { rust: "i32".into(), prost: format!("enumeration = \"{path}\""), serde: serde("enumeration") }
        })
    }

    fn message_shape(&self, owner: &str, field: &Field) -> Result<Shape, String> {
        let target = field.target.as_str();
        let wrapper = match target {
            "google.protobuf.BoolValue" => Some(("bool", None)),
            "google.protobuf.StringValue" => Some(("String", None)),
            "google.protobuf.UInt32Value" => Some(("u32", None)),
            "google.protobuf.UInt64Value" => Some(("u64", Some("int64"))),
            "google.protobuf.Int64Value" => Some(("i64", Some("int64"))),
            "google.protobuf.DoubleValue" => Some(("f64", Some("float"))),
            _ => None,
        };
        if let Some((rust, with)) = wrapper.filter(|_| !field.repeated) {
            let serde = with.map(|w| format!("with = \"json::optional::{w}\""));
            return Ok(Shape { rust: format!("Option<{rust}>"), prost: "message, optional".into(), serde });
        }
        let rust = self.message(target)?;
        Ok(if field.repeated {
            Shape { rust: format!("Vec<{rust}>"), prost: "message, repeated".into(), serde: None }
        } else if self.reaches(target, owner) {
            Shape { rust: format!("Option<Box<{rust}>>"), prost: "message, optional, boxed".into(), serde: None }
        } else {
            Shape { rust: format!("Option<{rust}>"), prost: "message, optional".into(), serde: None }
        })
    }

    /// Whether a message holds another, or itself, through single messages: such a field must be boxed.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut todo, mut seen) = (vec![from], BTreeSet::new());
        while let Some(at) = todo.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at)
                && let (Some(w), Some(m)) = (self.wanted.get(at), self.api.messages.get(at))
            {
                todo.extend(singles(m, &w.fields));
            }
        }
        false
    }

    fn message(&self, target: &str) -> Result<String, String> {
        Ok(match target {
            "google.protobuf.Any" => "crate::api::Any".into(),
            "google.protobuf.Duration" => "crate::api::Duration".into(),
            "google.protobuf.Empty" => "crate::api::Empty".into(),
            "google.protobuf.Struct" => "crate::api::Struct".into(),
            "google.protobuf.Value" => "crate::api::Value".into(),
            "google.protobuf.StringValue" => "String".into(),
            "google.protobuf.UInt32Value" => "u32".into(),
            _ => {
                let w = self.wanted.get(target).ok_or_else(|| format!("{target} is not in envoy_types.txt"))?;
                format!("super::{}::{}", w.module, w.rust)
            }
        })
    }

    fn root(&self, modules: &BTreeSet<&str>) -> String {
        let mut out = "//! Envoy's messages as istiod sends them. Made by `cargo xtask envoy-types` of the facts in `envoy_types.txt`.\n\n".to_owned();
        for module in modules {
            let _ = writeln!(out, "pub mod {module};");
        }
        out.push_str("\nuse crate::api::any::{Codec, codec};\n\n/// The types that an `Any` can hold, by name.\npub const CODECS: &[(&str, Codec)] = &[\n");
        for (full, w) in self.wanted.iter().filter(|(_, w)| w.is_any) {
            let _ = writeln!(out, "    (\"{full}\", codec::<{}::{}>()),", w.module, w.rust);
        }
        out.push_str("];\n");
        out
    }
}

fn singles<'m>(message: &'m Message, fields: &[&str]) -> Vec<&'m str> {
    message.fields.iter().filter(|f| f.kind == 11 && !f.repeated && fields.contains(&f.name.as_str())).map(|f| f.target.as_str()).collect()
}

/// `STRICT_DNS` is `StrictDns`.
fn camel(name: &str) -> String {
    let word = |w: &str| {
        let mut chars = w.chars();
        chars.next().map(|c| c.to_ascii_uppercase().to_string() + &chars.as_str().to_ascii_lowercase()).unwrap_or_default()
    };
    let out: String = name.split('_').map(word).collect();
    if out.starts_with(|c: char| c.is_ascii_digit()) { format!("N{out}") } else { out }
}
