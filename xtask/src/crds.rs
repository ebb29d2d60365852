//! `cargo xtask crds DIR`: the schema tables of `analyzers/src/schema/tables/`, from published CRDs.
//!
//! DIR holds `istio-1.N.yaml` and `gateway-api-1.N.yaml`, one a minor version, and `istio-annotations.yaml` and
//! `istio-labels.yaml`. The tables keep names, types, enums and bounds, CEL rules by the hash of their expression,
//! and the minors in which each of them is there. The format is described in `analyzers/src/schema/table.rs`.

use crate::Outcome;
use mesh_model::yaml::{Limits, documents, parse_document};
use mesh_model::{Node, Source, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

pub fn run(args: &[String]) -> Outcome {
    let [dir] = args else { return Err("one folder with CRDs is needed".into()) };
    let out = crate::root().join("analyzers/src/schema/tables");
    std::fs::create_dir_all(&out).map_err(|e| format!("{}: {e}", out.display()))?;
    for (name, text) in tables(Path::new(dir))? {
        let path = out.join(&name);
        std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Every table, by file name.
fn tables(dir: &Path) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for family in ["istio-1.", "gateway-api-1."] {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        let mut files = minors(dir, family)?;
        let coming = parse("istio-1.32.yaml", include_str!("istio-1.32.yaml").to_owned())?;
        let coming = coming.iter().map(Tree::root).find(|c| family == "istio-1." && c.get("minor").is_some());
        let coming_minor = coming.and_then(|c| c.get("minor")?.int()).and_then(|m| u16::try_from(m).ok()).unwrap_or(0);
        if let Some((newest, path)) = files.last().cloned()
            && newest < coming_minor
        {
            files.push((coming_minor, path));
        }
        for (minor, path) in files {
            for tree in read(&path)? {
                let crd = tree.root();
                if crd.text_of("kind") == "CustomResourceDefinition" {
                    let spec = crd.get("spec").ok_or_else(|| format!("{}: a CRD without spec", path.display()))?;
                    groups.entry(spec.text_of("group").to_owned()).or_default().add(minor, spec)?;
                }
            }
        }
        for (group, mut content) in groups {
            for addition in coming.into_iter().flat_map(|c| c.list("add")) {
                for ((kind, _), (_, schema)) in &mut content.kinds {
                    if kind == addition.text_of("kind")
                        && let Some(more) = addition.get("schema")
                    {
                        schema.extend_fields(addition.text_of("in"), more, coming_minor);
                    }
                }
            }
            out.insert(format!("{group}.txt"), content.print());
        }
    }
    for (file, key) in [("istio-annotations", "annotations"), ("istio-labels", "labels")] {
        out.insert(format!("{key}.txt"), names(&dir.join(format!("{file}.yaml")), key)?);
    }
    Ok(out)
}

/// Files `PREFIX N .yaml`, by N.
fn minors(dir: &Path, prefix: &str) -> Result<Vec<(u16, std::path::PathBuf)>, String> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let minor = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(prefix)?.strip_suffix(".yaml")?.parse().ok());
        out.extend(minor.map(|m| (m, path.clone())));
    }
    out.sort();
    if out.is_empty() { Err(format!("{}: no {prefix}N.yaml", dir.display())) } else { Ok(out) }
}

fn read(path: &Path) -> Result<Vec<Tree>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&path.display().to_string(), text)
}

fn parse(name: &str, text: String) -> Result<Vec<Tree>, String> {
    let source = Source::new(name, text);
    let mut out = Vec::new();
    for chunk in documents(source.text()) {
        let parsed = parse_document(&source, chunk.span, Limits::default());
        if let Some(e) = parsed.error {
            return Err(format!("{name}: {}", e.message));
        }
        out.extend(parsed.tree);
    }
    Ok(out)
}

/// Names of annotations or labels: `name status flags resources`.
fn names(path: &Path, key: &str) -> Result<String, String> {
    let mut lines = BTreeSet::new();
    for tree in read(path)? {
        for item in tree.root().list(key) {
            let mut flags = Vec::new();
            for flag in ["deprecated", "hidden"] {
                if item.get(flag).and_then(Node::bool) == Some(true) {
                    flags.push(flag);
                }
            }
            let flags = if flags.is_empty() { "-".to_owned() } else { flags.join(",") };
            let resources: Vec<_> = item.list("resources").map(Node::text).collect();
            lines.insert(format!("{} {} {flags} {}", item.text_of("name"), item.text_of("featureStatus"), resources.join(",")));
        }
    }
    Ok(lines.into_iter().map(|l| l + "\n").collect())
}

type Minors = BTreeSet<u16>;

/// One schema as it stands in one or more minors.
#[derive(Clone, Default)]
struct Schema {
    /// `str`, `int`, `num`, `bool`, `intstr`, `any`, `object`, `list`, `map`.
    shape: &'static str,
    /// Attributes as they are printed, each with the minors it stands in.
    items: BTreeMap<String, Minors>,
    /// Fields by name; a field whose shape changed has one schema a shape.
    fields: BTreeMap<String, Vec<(Minors, Schema)>>,
    inner: Option<Box<Schema>>,
}

impl Schema {
    fn read(node: Node<'_>, minor: u16) -> Schema {
        let mut s = Schema { shape: shape(node), ..Schema::default() };
        if node.get("x-kubernetes-preserve-unknown-fields").and_then(Node::bool) == Some(true) && s.shape != "any" {
            s.item("open".into(), minor);
        }
        for (key, short) in [
            ("minimum", "min"),
            ("maximum", "max"),
            ("minLength", "minlen"),
            ("maxLength", "maxlen"),
            ("minItems", "minitems"),
            ("maxItems", "maxitems"),
            ("minProperties", "minkeys"),
            ("maxProperties", "maxkeys"),
            ("format", "format"),
        ] {
            if let Some(v) = node.get(key) {
                s.item(format!("{short}={}", v.text()), minor);
            }
        }
        if let Some(p) = node.get("pattern") {
            s.item(format!("pattern={}", quote(p.text())), minor);
        }
        for v in node.list("enum") {
            s.item(format!("enum={}", quote(v.text())), minor);
        }
        for name in node.list("required") {
            // What has a default is never missing.
            if node.at(&["properties", name.text(), "default"]).is_none() {
                s.item(format!("required={}", name.text()), minor);
            }
        }
        match node.text_of("x-kubernetes-list-type") {
            "set" => s.item("set".into(), minor),
            "map" => {
                let keys: Vec<_> = node
                    .list("x-kubernetes-list-map-keys")
                    .map(|k| {
                        let default = node.at(&["items", "properties", k.text(), "default"]);
                        format!("{}{}", k.text(), default.map_or(String::new(), |d| format!(":{}", d.text())))
                    })
                    .collect();
                s.item(format!("unique={}", keys.join(",")), minor);
            }
            _ => {}
        }
        for rule in node.list("x-kubernetes-validations") {
            s.item(format!("cel={:08x}", hash(rule.text_of("rule"))), minor);
        }
        s.combinations(node, minor);
        for (name, field) in node.map("properties") {
            s.fields.insert(name.text().to_owned(), vec![([minor].into(), Schema::read(field, minor))]);
        }
        let inner = if s.shape == "map" { node.get("additionalProperties") } else { node.get("items") };
        s.inner = inner.filter(|_| matches!(s.shape, "map" | "list")).map(|n| Box::new(Schema::read(n, minor)));
        s
    }

    fn item(&mut self, item: String, minor: u16) {
        self.items.entry(item).or_default().insert(minor);
    }

    /// `oneOf` and its kin, where they say how many of some fields there may be.
    fn combinations(&mut self, node: Node<'_>, minor: u16) {
        for part in std::iter::once(node).chain(node.list("allOf")) {
            let mut names = Vec::new();
            let mut none = false;
            for option in part.list("oneOf") {
                let required: Vec<_> = option.list("required").map(Node::text).collect();
                if let [one] = required[..] {
                    names.push(one);
                } else if option.at(&["not", "anyOf"]).is_some() {
                    none = true;
                } else if option.at(&["properties", "type", "enum"]).is_some() {
                    self.item("address".into(), minor);
                }
            }
            if names.len() > 1 || !(none || names.is_empty()) {
                self.item(format!("{}={}", if none { "atmostone" } else { "exactlyone" }, names.join(",")), minor);
            }
        }
    }

    /// What must be equal for two to be one line.
    fn key(&self) -> String {
        match &self.inner {
            Some(inner) => format!("{}[{}]", self.shape, inner.key()),
            None => self.shape.to_owned(),
        }
    }

    /// Adds what `more` has to every field called `name`, from `minor` on.
    fn extend_fields(&mut self, name: &str, more: Node<'_>, minor: u16) {
        for (field, variants) in &mut self.fields {
            for (_, schema) in variants {
                schema.extend_fields(name, more, minor);
                if field == name {
                    let target = if schema.shape == "list" { schema.inner.as_deref_mut() } else { Some(schema) };
                    if let Some(target) = target.filter(|t| t.shape == "object") {
                        target.extend(more, minor);
                    }
                }
            }
        }
        if let Some(inner) = &mut self.inner {
            inner.extend_fields(name, more, minor);
        }
    }

    fn extend(&mut self, more: Node<'_>, minor: u16) {
        let more = Schema::read(more, minor);
        if more.items.keys().any(|i| i.starts_with("atmostone=")) {
            for (_, minors) in self.items.iter_mut().filter(|(i, _)| i.starts_with("atmostone=")) {
                minors.remove(&minor);
            }
        }
        self.merge(more);
    }

    fn merge(&mut self, other: Schema) {
        for (item, minors) in other.items {
            self.items.entry(item).or_default().extend(minors);
        }
        for (name, variants) in other.fields {
            let mine = self.fields.entry(name).or_default();
            for (minors, schema) in variants {
                match mine.iter_mut().find(|(_, s)| s.key() == schema.key()) {
                    Some((m, s)) => {
                        m.extend(minors);
                        s.merge(schema);
                    }
                    None => mine.push((minors, schema)),
                }
            }
        }
        if let (Some(mine), Some(other)) = (&mut self.inner, other.inner) {
            mine.merge(*other);
        }
    }
}

fn shape(node: Node<'_>) -> &'static str {
    if node.get("x-kubernetes-int-or-string").and_then(Node::bool) == Some(true) {
        return "intstr";
    }
    match node.text_of("type") {
        "string" => "str",
        "integer" => "int",
        "number" => "num",
        "boolean" => "bool",
        "array" => "list",
        "object" if node.get("additionalProperties").is_some_and(Node::is_mapping) => "map",
        "object" => "object",
        _ => "any",
    }
}

/// A string without spaces.
fn quote(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20").replace(')', "%29").replace('\t', "%09").replace('@', "%40").replace('\n', "%0a")
}

/// FNV-1a: the name of a CEL expression.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[derive(Default)]
struct Group {
    /// By kind and version.
    kinds: BTreeMap<(String, String), (Minors, Schema)>,
    minors: Minors,
    namespaced: BTreeMap<String, bool>,
}

impl Group {
    fn add(&mut self, minor: u16, crd: Node<'_>) -> Result<(), String> {
        let kind = crd.at(&["names", "kind"]).map_or("", Node::text);
        self.minors.insert(minor);
        self.namespaced.insert(kind.to_owned(), crd.text_of("scope") == "Namespaced");
        for version in crd.list("versions").filter(|v| v.get("served").and_then(Node::bool) == Some(true)) {
            let schema = version.at(&["schema", "openAPIV3Schema"]).ok_or_else(|| format!("{kind}: a version without schema"))?;
            let schema = Schema::read(schema, minor);
            match self.kinds.entry((kind.to_owned(), version.text_of("name").to_owned())) {
                std::collections::btree_map::Entry::Vacant(e) => {
                    e.insert(([minor].into(), schema));
                }
                std::collections::btree_map::Entry::Occupied(mut e) => {
                    e.get_mut().0.insert(minor);
                    e.get_mut().1.merge(schema);
                }
            }
        }
        Ok(())
    }

    fn print(&self) -> String {
        let mut types = Types::default();
        let mut head = String::new();
        let (first, last) = (self.minors.first().copied().unwrap_or(0), self.minors.last().copied().unwrap_or(0));
        let _ = writeln!(head, "minors {first} {last}");
        for ((kind, version), (minors, schema)) in &self.kinds {
            // Status is written by controllers and dropped when an object is created.
            let mut root = schema.clone();
            root.fields.retain(|name, _| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            let name = types.object(&root, minors, kind);
            let scope = if self.namespaced[kind] { "namespaced" } else { "cluster" };
            let _ = writeln!(head, "kind {kind} {version} {scope} {name}{}", range(minors, &self.minors));
        }
        head + &types.out
    }
}

/// Object types, each printed once.
#[derive(Default)]
struct Types {
    out: String,
    /// Name by content.
    known: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Types {
    fn object(&mut self, s: &Schema, minors: &Minors, path: &str) -> String {
        let mut body = String::new();
        let items = items(s, minors);
        if !items.is_empty() {
            let _ = writeln!(body, " ({items})");
        }
        for (name, variants) in &s.fields {
            for (there, schema) in variants {
                let ty = self.ty(schema, there, &format!("{path}.{name}"));
                let _ = writeln!(body, " {name} {ty}{}", range(there, minors));
            }
        }
        if let Some(name) = self.known.get(&body) {
            return name.clone();
        }
        let mut name = path.to_owned();
        let mut n = 1;
        while !self.used.insert(name.clone()) {
            n += 1;
            name = format!("{path}.{n}");
        }
        let _ = write!(self.out, "type {name}\n{body}");
        self.known.insert(body, name.clone());
        name
    }

    fn ty(&mut self, s: &Schema, minors: &Minors, path: &str) -> String {
        let base = match (s.shape, &s.inner) {
            // Named types carry their own attributes.
            ("object", _) if s.fields.is_empty() && s.items.contains_key("open") => "{any}".to_owned(),
            ("object", _) => return format!("#{}", self.object(s, minors, path)),
            ("list", Some(inner)) => format!("[{}]", self.ty(inner, minors, path)),
            ("map", Some(inner)) => format!("{{{}}}", self.ty(inner, minors, path)),
            (shape, _) => shape.to_owned(),
        };
        let items = items(s, minors);
        if items.is_empty() { base } else { format!("{base}({items})") }
    }
}

fn items(s: &Schema, minors: &Minors) -> String {
    let list: Vec<_> = s.items.iter().map(|(item, there)| format!("{item}{}", range(there, minors))).collect();
    list.join(" ")
}

/// `@since-until`, where that is less than all of `whole`; either side is left out where it is open.
fn range(minors: &Minors, whole: &Minors) -> String {
    let since = minors.first().filter(|m| Some(*m) != whole.first());
    let until = minors.last().filter(|m| Some(*m) != whole.last());
    if since.is_none() && until.is_none() {
        return String::new();
    }
    let text = |m: Option<&u16>| m.map_or(String::new(), u16::to_string);
    format!("@{}-{}", text(since), text(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_tables_are_those_of_the_published_crds() {
        let dir = crate::root().join("../shared/crds");
        if !dir.exists() {
            eprintln!("SKIPPED: {} is not there, the committed schema tables are not compared", dir.display());
            return;
        }
        for (name, text) in tables(&dir).expect("tables") {
            let path = crate::root().join("analyzers/src/schema/tables").join(&name);
            assert!(std::fs::read_to_string(&path).is_ok_and(|t| t == text), "{name} is stale: cargo xtask crds ../shared/crds");
        }
    }
}
