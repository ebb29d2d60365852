//! Kinds whose CustomResourceDefinition is in the input: judged by its own schema, its rules by an interpreter of CEL.
//! Kinds that have a table are judged by that.

use super::expression::{Cost, cost};
use super::fault::{Fault, What};
use super::table::{self, Check, Field, Group, Item, Range, Shape, Type, TypeId, Version};
use super::{check, json, metadata};
use kube_cel::{CompiledSchema, ErrorKind, Validator};
use mesh_model::{Kind, Node, Object, Role};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::borrow::Cow;

/// One version of a kind that the input defines.
struct Definition<'a> {
    group: Group<'a>,
    ty: TypeId,
    rules: Option<Rules>,
}

/// A schema as the interpreter takes it.
struct Rules {
    schema: Value,
    compiled: CompiledSchema,
    /// At least what each of the rules costs.
    most: Cost,
    count: u64,
    /// Some rule is left out for what it may cost.
    some_left_out: bool,
}

/// Steps that the rules of one object may take, and those of all objects. The API server has a budget too.
const BUDGET: u64 = 20_000_000;
const WHOLE_BUDGET: u64 = 400_000_000;

/// Parser and interpreter recurse by the depth of an expression, which is bounded; this is enough for it, and only what is
/// used of it costs memory.
const STACK: usize = 256 << 20;

/// Adds the faults of objects whose kinds the input defines.
pub fn faults<'a>(objects: &'a [Object], out: &mut Vec<Fault<'a>>) {
    let crds: Vec<&Object> = objects.iter().filter(|o| o.kind == Kind::CustomResourceDefinition).collect();
    if crds.is_empty() {
        return;
    }
    let judge = || {
        let mut found = Vec::new();
        judge(objects, &crds, &mut found);
        found
    };
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| stacker::grow(STACK, judge)));
    match found {
        Ok(found) => out.extend(found),
        Err(_) => out.extend(crds.iter().map(|crd| Fault { object: crd, at: crd.root(), what: What::RuleNotJudged })),
    }
}

fn judge<'a>(objects: &'a [Object], crds: &[&'a Object], out: &mut Vec<Fault<'a>>) {
    let mut definitions = definitions(objects, crds);
    if definitions.is_empty() {
        return;
    }
    let validator = Validator::new();
    let mut budget = WHOLE_BUDGET;
    for object in objects.iter().filter(|o| o.role == Role::Judged) {
        let Some(d) = definitions.get_mut(&(object.api_version(), object.kind_name())) else { continue };
        if object.kind == Kind::Other {
            metadata::check(object, out);
        }
        if !check::walk(object, &d.group, 0, "", d.ty, out) {
            continue;
        }
        if let Some(rules) = &d.rules {
            evaluate(object, rules, &validator, &mut budget, out);
        }
    }
}

/// The versions that the input's definitions serve, by apiVersion and kind.
fn definitions<'a>(objects: &'a [Object], crds: &[&'a Object]) -> FxHashMap<(&'a str, &'a str), Definition<'a>> {
    let mut used: FxHashMap<(&str, &str, &str), &str> = FxHashMap::default();
    // Definitions without objects are many (every chart brings its own), and cost nothing.
    for object in objects {
        if let Some((group, version)) = object.api_version().rsplit_once('/') {
            used.insert((group, version, object.kind_name()), object.api_version());
        }
    }
    let mut out = FxHashMap::default();
    for spec in crds.iter().filter_map(|c| c.spec()) {
        let (group, kind) = (spec.text_of("group"), spec.at(&["names", "kind"]).map_or("", Node::text));
        if table::group(group).is_some() {
            continue;
        }
        for version in spec.list("versions").filter(|v| v.get("served").and_then(Node::bool) != Some(false)) {
            let name = version.text_of("name");
            let Some(api) = used.get(&(group, name, kind)) else { continue };
            let Some(schema) = version.at(&["schema", "openAPIV3Schema"]) else { continue };
            let mut compiled = Group::default();
            let ty = compile(schema, &mut compiled);
            compiled.versions.push(Version { kind, version: name, ty, range: Range::ALL });
            out.insert((*api, kind), Definition { group: compiled, ty, rules: rules(schema) });
        }
    }
    out
}

/// The compiled form of a structural schema.
fn compile<'a>(node: Node<'a>, group: &mut Group<'a>) -> TypeId {
    let yes = |key: &str| node.get(key).and_then(Node::bool) == Some(true);
    let inner = |key: &str| node.get(key).filter(|n| n.is_mapping());
    let shape = match node.text_of("type") {
        _ if yes("x-kubernetes-int-or-string") => Shape::IntOrStr,
        "string" => Shape::Str,
        "integer" => Shape::Int,
        "number" => Shape::Num,
        "boolean" => Shape::Bool,
        "array" => match inner("items") {
            Some(items) => Shape::List(compile(items, group)),
            None => Shape::Any,
        },
        "object" => match inner("additionalProperties") {
            Some(values) => Shape::Map(compile(values, group)),
            None => Shape::Object,
        },
        _ => Shape::Any,
    };
    let mut ty = Type::new(shape);
    ty.nullable = yes("nullable");
    ty.open = yes("x-kubernetes-preserve-unknown-fields")
        || yes("x-kubernetes-embedded-resource")
        || node.get("additionalProperties").and_then(Node::bool) == Some(true)
        || node.get("properties").is_none() && node.get("additionalProperties").is_none();
    if shape == Shape::Object {
        for (name, field) in node.map("properties") {
            let id = compile(field, group);
            ty.fields.push(Field { name: name.text(), ty: id, range: Range::ALL });
        }
        ty.sort_fields();
    }
    ty.enums = node.list("enum").map(|v| (v.text(), Range::ALL)).collect();
    let count = |key: &str| node.get(key).and_then(Node::int).and_then(|v| usize::try_from(v).ok());
    let number = |key: &str| node.get(key).and_then(Node::float);
    let mut checks = Vec::new();
    checks.extend(number("minimum").map(Check::Min));
    checks.extend(number("maximum").map(Check::Max));
    checks.extend(count("minLength").map(Check::MinLength));
    checks.extend(count("maxLength").map(Check::MaxLength));
    checks.extend(count("minItems").or(count("minProperties")).map(Check::MinItems));
    checks.extend(count("maxItems").or(count("maxProperties")).map(Check::MaxItems));
    checks.extend(node.get("pattern").and_then(|p| group.add_pattern(Cow::Borrowed(p.text()))).map(Check::Pattern));
    checks.extend(node.get("format").map(|f| Check::Format(f.text())));
    for name in node.list("required").map(Node::text) {
        let given = matches!(name, "apiVersion" | "kind" | "metadata" | "status");
        if !given && node.at(&["properties", name, "default"]).is_none() {
            checks.push(Check::Required(name));
        }
    }
    match node.text_of("x-kubernetes-list-type") {
        "set" => checks.push(Check::Set),
        "map" => {
            let default = |key: &'a str| node.at(&["items", "properties", key, "default"]).map_or("", Node::text);
            checks.push(Check::Unique(node.list("x-kubernetes-list-map-keys").map(|k| (k.text(), default(k.text()))).collect()));
        }
        _ => {}
    }
    ty.items = checks.into_iter().map(|check| Item { check, range: Range::ALL }).collect();
    group.add_type(ty)
}

/// The schema's rules, if it has any.
fn rules(schema: Node<'_>) -> Option<Rules> {
    let mut schema = json::value(schema);
    let mut names = Vec::new();
    underscored(&schema, &mut names);
    let mut kept = Kept::default();
    keep_rules(&mut schema, &names, &mut kept);
    let compiled = if kept.count > 0 { kube_cel::compile_schema(&schema) } else { kube_cel::compile_schema(&Value::Null) };
    let any = kept.count > 0 || kept.some_left_out;
    any.then_some(Rules { schema, compiled, most: kept.most, count: kept.count, some_left_out: kept.some_left_out })
}

/// Property names with a single underscore: the interpreter spells them in its own way, so rules that use them are
/// left out.
fn underscored(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if let ("properties", Value::Object(fields)) = (key.as_str(), value) {
                    out.extend(fields.keys().filter(|k| k.contains('_')).cloned());
                }
                underscored(value, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|i| underscored(i, out)),
        _ => {}
    }
}

/// What [`keep_rules`] left in a schema.
struct Kept {
    most: Cost,
    count: u64,
    some_left_out: bool,
}

impl Default for Kept {
    fn default() -> Kept {
        Kept { most: Cost { loops: 0, growths: 0, length: 0 }, count: 0, some_left_out: false }
    }
}

impl Kept {
    /// Whether an expression is kept.
    fn keep(&mut self, text: &str) -> bool {
        let Some(Cost { loops, growths, length }) = cost(text) else {
            self.some_left_out |= !text.is_empty();
            return false;
        };
        let most = &mut self.most;
        *most = Cost { loops: most.loops.max(loops), growths: most.growths.max(growths), length: most.length.max(length) };
        true
    }
}

/// Removes the rules that use one of `names` and those that no interpreter should be given.
fn keep_rules(schema: &mut Value, names: &[String], kept: &mut Kept) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(rules)) = map.get_mut("x-kubernetes-validations") {
                rules.retain_mut(|rule| {
                    let text = rule.get("rule").and_then(Value::as_str).unwrap_or("");
                    if names.iter().any(|n| text.contains(n.as_str())) || !kept.keep(text) {
                        return false;
                    }
                    kept.count += 1;
                    // It only words the message, and is no reason to leave the rule out.
                    let wording = rule.get("messageExpression").and_then(Value::as_str).map(|text| cost(text).is_some_and(|c| c.loops + c.growths == 0));
                    if wording == Some(false)
                        && let Value::Object(fields) = rule
                    {
                        fields.remove("messageExpression");
                    }
                    true
                });
            }
            for (key, value) in map {
                if key != "x-kubernetes-validations" {
                    keep_rules(value, names, kept);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| keep_rules(item, names, kept)),
        _ => {}
    }
}

impl Rules {
    /// The most steps that the rules take on an object of so many values and bytes; `None` beyond all measure.
    fn steps(&self, values: u64, bytes: u64) -> Option<u64> {
        let length = self.most.length as u64;
        let looping = (values + length).checked_pow(self.most.loops)?;
        let growing = (bytes + length).checked_pow(self.most.growths)?;
        looping.checked_mul(growing)?.checked_mul(self.count)?.checked_add(values)
    }
}

fn evaluate<'a>(object: &'a Object, rules: &Rules, validator: &Validator, budget: &mut u64, out: &mut Vec<Fault<'a>>) {
    let not_judged = Fault { object, at: object.root(), what: What::RuleNotJudged };
    if rules.some_left_out {
        out.push(not_judged.clone());
    }
    if rules.count == 0 {
        return;
    }
    let values = u64::from(object.root().end_id() - object.root().id());
    let steps = rules.steps(values, object.root().span().len() as u64).filter(|steps| *steps <= BUDGET.min(*budget));
    let Some(steps) = steps else {
        out.push(not_judged);
        return;
    };
    *budget -= steps;
    let mut value = json::value(object.root());
    if let Value::Object(fields) = &mut value {
        fields.remove("status");
    }
    without_nulls(&mut value);
    let value = kube_cel::apply_defaults(&rules.schema, &value);
    let Err(errors) = validator.validate_compiled(&rules.compiled, &value, None) else { return };
    for error in errors.into_vec() {
        // What could not be evaluated is not judged.
        if error.kind != ErrorKind::ValidationFailure {
            continue;
        }
        let at = locate(object.root(), &error.field_path);
        let message = if error.field_path.is_empty() { error.message } else { format!("`{}`: {}", error.field_path, error.message) };
        out.push(Fault { object, at, what: What::Rule { message } });
    }
}

/// Null fields are absent.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// The node at a path like `spec.list[2].field`; the nearest that there is.
fn locate<'a>(root: Node<'a>, path: &str) -> Node<'a> {
    let mut at = root;
    for part in path.split(['.', '[']).filter(|p| !p.is_empty()) {
        let next = match part.strip_suffix(']') {
            Some(index) => index.parse::<usize>().ok().and_then(|i| at.items().nth(i)),
            None => at.get(part),
        };
        let Some(next) = next else { return at };
        at = next;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Options;
    use mesh_model::snapshot::read_manifest;
    use mesh_model::yaml::Limits;
    use mesh_model::{Snapshot, Source};

    const CRD: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          apiVersion: {type: string}
          kind: {type: string}
          metadata: {type: object}
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1}
              limit: {type: integer, default: 5}
              colour: {type: string, enum: [red, blue]}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              list: {type: array, required: [name], items: {type: object, properties: {name: {type: string}}}}
            x-kubernetes-validations:
            - {rule: 'self.size <= self.limit', message: size is above the limit}
";

    fn found(spec: &str) -> Vec<String> {
        let source = Source::new("m.yaml", format!("{CRD}---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: a}}\nspec: {spec}\n"));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        let faults = crate::schema::faults(&snapshot.objects, &Options::default());
        faults.iter().map(|f| format!("{} {:?}", f.at.path_from(f.object.root()), f.what)).collect()
    }

    /// What is found of a rule, and how long it may be nested without a fault of the interpreter's own.
    fn with_rule(rule: &str) -> Vec<String> {
        let crd = CRD.replace("{rule: 'self.size <= self.limit', message: size is above the limit}", &format!("{{rule: {rule:?}, message: it fails}}"));
        let source = Source::new("m.yaml", format!("{crd}---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: a}}\nspec: {{size: 3}}\n"));
        let mut snapshot = Snapshot::new();
        snapshot.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
        assert_eq!((snapshot.objects.len(), snapshot.problems.len()), (2, 0));
        let faults = crate::schema::faults(&snapshot.objects, &Options::default());
        faults.iter().map(|f| format!("{:?}", f.what)).collect()
    }

    #[test]
    fn rules_at_the_limit_are_evaluated_and_those_beyond_are_not_judged() {
        for n in [2, 20, 60, 70, 100, 140, 145, 149, 200, 2000] {
            for rule in [
                format!("{}true{}", "(".repeat(n), ")".repeat(n)),
                format!("{}true{}", "!(!(".repeat(n / 2), "))".repeat(n / 2)),
                format!("0 < {}1", "1 + ".repeat(n)),
                format!("{}true", "false ? false : ".repeat(n / 2)),
                format!("{}true", "true && ".repeat(n)),
                format!("{}true", "false || ".repeat(n)),
                format!("self.size < 9 || self{}", ".size".repeat(n)),
                format!("{}1{} == {}1{}", "[".repeat(n), "]".repeat(n), "[".repeat(n), "]".repeat(n)),
                format!("{}1{} == {{}} || true", "{1: ".repeat(n), "}".repeat(n)),
            ] {
                let said = with_rule(&rule);
                assert!(said.is_empty() || said == ["RuleNotJudged"], "{n} {}: {said:?}", &rule[..20.min(rule.len())]);
                assert!(n < 150 || said == ["RuleNotJudged"], "{n} {}", &rule[..20]);
                assert!(n > 60 || said.is_empty() || rule.starts_with("!("), "{n} {}", &rule[..20.min(rule.len())]);
            }
        }
        // These grow beyond all measure.
        for rule in
            [format!("'a'{} == ''", ".replace('a', 'aaaaaaaaaa')".repeat(40)), "[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))".to_owned()]
        {
            assert_eq!(with_rule(&rule), ["RuleNotJudged"]);
        }
        assert!(with_rule("self.size > 5")[0].contains("it fails"));
    }

    #[test]
    fn objects_are_judged_by_the_definition_beside_them() {
        assert_eq!(found("{size: 3, colour: red, free: {any: thing}, list: [{name: a}, {}]}"), Vec::<String>::new());
        assert!(found("{size: 9}")[0].contains("size is above the limit"), "{:?}", found("{size: 9}"));
        assert!(found("{size: 9, color: red}")[0].contains("UnknownField { near: Some(\"colour\")"));
        assert!(found("{size: 0, limit: 1}")[0].contains("spec.size OutOfBounds(Min(1.0))"));
        assert!(found("{colour: green}").iter().any(|f| f.contains("Missing")));
    }
}
