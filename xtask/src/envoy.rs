//! `cargo xtask envoy FILE`: the table of Envoy's messages that EnvoyFilters are judged by, from a FileDescriptorSet
//! of Envoy's API (`buf build buf.build/envoyproxy/envoy -o FILE`, or `protoc --descriptor_set_out=FILE`).
//!
//! The table keeps names and types of what a patch can hold: the configuration messages and the extensions of the v3
//! API, and what they are made of. The format is described in `analyzers/src/envoy_api/table.rs`. `cargo xtask
//! envoy-types` makes Rust types of the same descriptors (`envoy_types.rs`).

use crate::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

pub fn run(args: &[String]) -> Outcome {
    let api = Api::read(args)?;
    let out = crate::root().join("analyzers/src/envoy_api/messages.txt");
    std::fs::write(&out, api.print()).map_err(|e| format!("{}: {e}", out.display()))?;
    println!("{}", out.display());
    Ok(())
}

enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message on the wire; those of fixed width are skipped.
fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, String> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        match tag & 7 {
            0 => out.push((tag >> 3, Value::Number(varint(&mut bytes)?))),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).map_err(|e| e.to_string())?;
                out.push((tag >> 3, Value::Bytes(take(&mut bytes, length)?)));
            }
            1 => drop(take(&mut bytes, 8)?),
            5 => drop(take(&mut bytes, 4)?),
            other => return Err(format!("no descriptor set: wire type {other}")),
        }
    }
    Ok(out)
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Result<&'b [u8], String> {
    let (head, rest) = bytes.split_at_checked(length).ok_or("no descriptor set: it ends in the middle of a field")?;
    *bytes = rest;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("no descriptor set: a number does not end".into())
}

fn text(value: &Value<'_>) -> String {
    match value {
        Value::Bytes(b) => String::from_utf8_lossy(b).into_owned(),
        Value::Number(n) => n.to_string(),
    }
}

/// A descriptor's fields by number; of a repeated one the last.
fn by_number<'b>(bytes: &'b [u8]) -> Result<BTreeMap<u64, Value<'b>>, String> {
    Ok(fields(bytes)?.into_iter().collect())
}

pub struct Field {
    pub name: String,
    pub number: u64,
    /// `FieldDescriptorProto.Type`.
    pub kind: u64,
    pub repeated: bool,
    /// One of several of which one is set, or marked `optional`: absent differs from the default.
    pub has_presence: bool,
    /// Full name of the message or enum.
    pub target: String,
}

#[derive(Default)]
pub struct Message {
    package: String,
    pub fields: Vec<Field>,
    pub is_map_entry: bool,
    is_nested: bool,
}

/// An enum's package, and its values with their numbers.
pub type Enum = (String, Vec<(String, i32)>);

#[derive(Default)]
pub struct Api {
    pub messages: BTreeMap<String, Message>,
    pub enums: BTreeMap<String, Enum>,
    frozen: BTreeSet<String>,
}

/// `udpa.annotations.file_status`, and its value for versions that are not worked on any more.
const FILE_STATUS: u64 = 222_707_719;
const FROZEN: u64 = 1;

impl Api {
    /// The descriptors of the one file that the arguments name.
    pub fn read(args: &[String]) -> Result<Api, String> {
        let [file] = args else { return Err("one FileDescriptorSet is needed".into()) };
        let bytes = std::fs::read(file).map_err(|e| format!("{file}: {e}"))?;
        let mut api = Api::default();
        for (number, value) in fields(&bytes)? {
            if let (1, Value::Bytes(content)) = (number, value) {
                api.add_file(content)?;
            }
        }
        Ok(api)
    }

    fn add_file(&mut self, bytes: &[u8]) -> Outcome {
        let all = fields(bytes)?;
        let package = all.iter().find(|(n, _)| *n == 2).map(|(_, v)| text(v)).unwrap_or_default();
        for (number, value) in &all {
            let Value::Bytes(content) = value else { continue };
            match number {
                4 => self.add_message(&package, &package, content, false)?,
                5 => self.add_enum(&package, &package, content)?,
                8 => {
                    if let Some(Value::Bytes(status)) = by_number(content)?.get(&FILE_STATUS)
                        && matches!(by_number(status)?.get(&2), Some(Value::Number(FROZEN)))
                    {
                        self.frozen.insert(package.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_message(&mut self, package: &str, scope: &str, bytes: &[u8], is_nested: bool) -> Outcome {
        let all = fields(bytes)?;
        let name = all.iter().find(|(n, _)| *n == 1).map(|(_, v)| text(v)).unwrap_or_default();
        let full = format!("{scope}.{name}");
        let mut message = Message { package: package.to_owned(), is_nested, ..Message::default() };
        for (number, value) in &all {
            let Value::Bytes(content) = value else { continue };
            match number {
                2 => message.fields.push(field(content)?),
                3 => self.add_message(package, &full, content, true)?,
                4 => self.add_enum(package, &full, content)?,
                7 => message.is_map_entry = matches!(by_number(content)?.get(&7), Some(Value::Number(1))),
                _ => {}
            }
        }
        self.messages.insert(full, message);
        Ok(())
    }

    fn add_enum(&mut self, package: &str, scope: &str, bytes: &[u8]) -> Outcome {
        let (mut name, mut values) = (String::new(), Vec::new());
        for (number, value) in fields(bytes)? {
            match (number, value) {
                (1, value) => name = text(&value),
                (2, Value::Bytes(content)) => {
                    let value = by_number(content)?;
                    let number = value.get(&2).map_or(0, |v| if let Value::Number(n) = v { *n as i32 } else { 0 });
                    values.extend(value.get(&1).map(|v| (text(v), number)));
                }
                _ => {}
            }
        }
        self.enums.insert(format!("{scope}.{name}"), (package.to_owned(), values));
        Ok(())
    }

    /// What a patch can hold: configuration and extensions, and all that they are made of.
    fn wanted(&self) -> BTreeSet<&str> {
        let is_root = |m: &Message| {
            let roots = ["envoy.config.", "envoy.extensions.", "envoy.tcp.", "io.istio.", "istio.", "stats", "udpa.type.", "xds.type."];
            !m.is_nested && !m.is_map_entry && roots.iter().any(|r| m.package.starts_with(r)) && !is_old(&m.package)
        };
        let mut todo: Vec<&str> = self.messages.iter().filter(|(_, m)| is_root(m)).map(|(n, _)| n.as_str()).collect();
        let mut out = BTreeSet::new();
        while let Some(name) = todo.pop() {
            let Some((name, message)) = self.messages.get_key_value(name) else { continue };
            if out.insert(name.as_str()) {
                todo.extend(message.fields.iter().map(|f| f.target.as_str()));
            }
        }
        let enums: Vec<&str> = out
            .iter()
            .filter_map(|n| self.messages.get(*n))
            .flat_map(|m| &m.fields)
            .map(|f| f.target.as_str())
            .filter(|t| self.enums.contains_key(*t))
            .collect();
        out.extend(enums);
        out
    }

    fn print(&self) -> String {
        let mut packages: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for name in self.wanted() {
            if let Some((package, values)) = self.enums.get(name) {
                packages.entry(package).or_default().push(format!(
                    "enum {} {}",
                    short(name, package),
                    values.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ")
                ));
            } else if let Some(message) = self.messages.get(name).filter(|m| !m.is_map_entry) {
                let mut line = format!("message {}", short(name, &message.package));
                for f in &message.fields {
                    let _ = write!(line, " {}:{}", f.name, self.kind(f, &message.package));
                }
                packages.entry(&message.package).or_default().push(line);
            }
        }
        let mut out = String::new();
        for (package, lines) in packages {
            let frozen = if self.frozen.contains(package) { " frozen" } else { "" };
            let _ = writeln!(out, "package {package}{frozen}\n{}", lines.join("\n"));
        }
        out
    }

    fn kind(&self, field: &Field, package: &str) -> String {
        let entry = self.messages.get(&field.target).filter(|m| m.is_map_entry);
        if let Some(value) = entry.and_then(|m| m.fields.iter().find(|f| f.name == "value")) {
            return format!("{{{}}}", self.kind(value, package));
        }
        let one = match field.kind {
            1 | 2 => "num".to_owned(),
            3 | 16 | 18 => "i64".to_owned(),
            5 | 15 | 17 => "i32".to_owned(),
            4 | 6 => "u64".to_owned(),
            7 | 13 => "u32".to_owned(),
            8 => "bool".to_owned(),
            9 => "str".to_owned(),
            12 => "bytes".to_owned(),
            _ => match field.target.as_str() {
                "google.protobuf.Any" => "any".to_owned(),
                "google.protobuf.Duration" => "duration".to_owned(),
                "google.protobuf.Struct" => "struct".to_owned(),
                "google.protobuf.ListValue" => "list".to_owned(),
                "google.protobuf.Empty" => "empty".to_owned(),
                "google.protobuf.BoolValue" => "bool".to_owned(),
                "google.protobuf.StringValue" => "str".to_owned(),
                "google.protobuf.BytesValue" => "bytes".to_owned(),
                "google.protobuf.Int32Value" => "i32".to_owned(),
                "google.protobuf.Int64Value" => "i64".to_owned(),
                "google.protobuf.UInt32Value" => "u32".to_owned(),
                "google.protobuf.UInt64Value" => "u64".to_owned(),
                "google.protobuf.FloatValue" | "google.protobuf.DoubleValue" => "num".to_owned(),
                // Not judged: messages of others, and what may hold anything.
                target if !self.messages.contains_key(target) && !self.enums.contains_key(target) => "*".to_owned(),
                target => match target.strip_prefix(package).and_then(|t| t.strip_prefix('.')) {
                    Some(local) if local.starts_with(|c: char| c.is_ascii_uppercase()) => local.to_owned(),
                    _ => format!(".{target}"),
                },
            },
        };
        if field.repeated { format!("[{one}]") } else { one }
    }
}

fn short<'n>(name: &'n str, package: &str) -> &'n str {
    name.strip_prefix(package).and_then(|n| n.strip_prefix('.')).unwrap_or(name)
}

/// Packages of Envoy's versions before v3.
fn is_old(package: &str) -> bool {
    package.split('.').any(|part| part.strip_prefix('v').is_some_and(|v| v.starts_with(['1', '2'])))
}

fn field(bytes: &[u8]) -> Result<Field, String> {
    let all = by_number(bytes)?;
    let number = |n: u64| match all.get(&n) {
        Some(Value::Number(v)) => *v,
        _ => 0,
    };
    let string = |n: u64| all.get(&n).map(text).unwrap_or_default();
    Ok(Field {
        name: string(1),
        number: number(3),
        kind: number(5),
        repeated: number(4) == 3,
        has_presence: all.contains_key(&9),
        target: string(6).trim_start_matches('.').to_owned(),
    })
}
