//! What differs between two config dumps: by resource and field, whatever their order, spelling and versions.
//!
//! Either side may be istiod's view of a proxy (`/debug/config_dump`): then only what istiod sends is compared. Values are
//! shown without their secrets; secrets that differ have different hashes.

use crate::dump::{DumpError, SectionKind, Sections, Unread, read};
use crate::node::is_control_planes_view;
use crate::proto_json::{camel_case, field, items};
use crate::redact::{Mark, redact};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// By section and name.
    pub differences: Vec<Difference>,
    /// Resources that are the same, by section; a section of this list was compared.
    pub same: Vec<(SectionKind, usize)>,
    /// Sections that one side lacks.
    pub missing: Vec<(SectionKind, Side)>,
    /// Entries that could not be read, and were not compared.
    pub unread: Vec<(Side, Unread)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    pub kind: SectionKind,
    pub name: String,
    pub change: Change,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    OnlyIn(Side),
    Fields(Vec<Field>),
}

/// A field that differs; a side that lacks it is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// `filterChains[0].filters[envoy.filters.network.tcp_proxy].typedConfig.cluster`.
    pub path: String,
    pub left: Option<Value>,
    pub right: Option<Value>,
}

/// Compares two dumps; the error says which is none.
pub fn diff(left: &str, right: &str) -> Result<Report, (Side, DumpError)> {
    // istiod knows neither what stands in the bootstrap nor what SDS delivers.
    let scope = if is_control_planes_view(left) || is_control_planes_view(right) { Scope::Sent } else { Scope::All };
    let (left, mut unread) = Resources::of(left, scope, Side::Left)?;
    let (right, more) = Resources::of(right, scope, Side::Right)?;
    unread.extend(more);
    let mut report = Report { unread, ..Report::default() };
    for kind in scope.kinds() {
        let (l, r) = match (left.sections.get(kind), right.sections.get(kind)) {
            (Some(l), Some(r)) => (l, r),
            (None, Some(_)) => {
                report.missing.push((*kind, Side::Left));
                continue;
            }
            (Some(_), None) => {
                report.missing.push((*kind, Side::Right));
                continue;
            }
            (None, None) => continue,
        };
        let mut same = 0;
        for name in l.keys().chain(r.keys()).collect::<BTreeSet<_>>() {
            let change = match (l.get(name), r.get(name)) {
                (Some(a), Some(b)) => {
                    let mut fields = Vec::new();
                    compare("", a, b, &mut fields);
                    if fields.is_empty() {
                        same += 1;
                        continue;
                    }
                    Change::Fields(fields)
                }
                (Some(_), None) => Change::OnlyIn(Side::Left),
                _ => Change::OnlyIn(Side::Right),
            };
            report.differences.push(Difference { kind: *kind, name: name.clone(), change });
        }
        report.same.push((*kind, same));
    }
    Ok(report)
}

#[derive(Clone, Copy, PartialEq)]
enum Scope {
    All,
    /// What a control plane sends by CDS, LDS and RDS.
    Sent,
}

impl Scope {
    fn kinds(self) -> &'static [SectionKind] {
        use SectionKind::{Bootstrap, Clusters, Ecds, Endpoints, Listeners, Routes, Secrets};
        match self {
            Scope::All => &[Bootstrap, Clusters, Listeners, Routes, Endpoints, Secrets, Ecds],
            Scope::Sent => &[Clusters, Listeners, Routes],
        }
    }
}

struct Resources {
    scope: Scope,
    sections: BTreeMap<SectionKind, BTreeMap<String, Value>>,
}

/// What a side holds, and what of it can't be read.
type OfSide = (Resources, Vec<(Side, Unread)>);

impl Resources {
    fn of(text: &str, scope: Scope, side: Side) -> Result<OfSide, (Side, DumpError)> {
        let mut out = Resources { scope, sections: BTreeMap::new() };
        let found = read(text, &mut out).map_err(|e| (side, e))?;
        Ok((out, found.unread.into_iter().map(|u| (side, u)).collect()))
    }
}

impl<'a> Sections<'a> for Resources {
    fn fresh(&self) -> Self {
        Resources { scope: self.scope, sections: BTreeMap::new() }
    }
    fn wants(&self, kind: SectionKind) -> bool {
        self.scope.kinds().contains(&kind)
    }
    fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        let section = redact(Value::deserialize(section)?, Mark::LengthAndHash).into_value();
        let mut named: BTreeMap<String, Value> = BTreeMap::new();
        for mut resource in resources(&section, kind, self.scope) {
            if let Some(map) = resource.as_object_mut() {
                map.shift_remove("@type");
            }
            let name = ["name", "cluster_name"].iter().find_map(|k| field(&resource, k)?.as_str()).unwrap_or("").to_owned();
            let resource = camel_case(resource);
            // Names are unique in a proxy but for static route configurations, which have none.
            let name = (0..).map(|i| if i == 0 { name.clone() } else { format!("{name} ({})", i + 1) }).find(|n| !named.contains_key(n)).unwrap_or(name);
            named.insert(name, resource);
        }
        self.sections.insert(kind, named);
        Ok(())
    }
}

/// The resources of a section that Envoy uses or is about to.
fn resources(section: &Value, kind: SectionKind, scope: Scope) -> Vec<Value> {
    let some = |list: &str, key: &str| items(section, list).filter_map(|e| field(e, key).cloned()).collect::<Vec<_>>();
    let mut out = match kind {
        SectionKind::Bootstrap => field(section, "bootstrap").cloned().into_iter().collect(),
        SectionKind::Clusters => some("dynamic_active_clusters", "cluster"),
        SectionKind::Listeners => items(section, "dynamic_listeners").filter_map(|d| field(field(d, "active_state")?, "listener").cloned()).collect(),
        SectionKind::Routes => some("dynamic_route_configs", "route_config"),
        SectionKind::Endpoints => some("dynamic_endpoint_configs", "endpoint_config"),
        SectionKind::Secrets => some("dynamic_active_secrets", "secret"),
        SectionKind::Ecds => some("ecds_filters", "ecds_filter"),
        SectionKind::ScopedRoutes => Vec::new(),
    };
    if scope == Scope::All {
        out.extend(match kind {
            SectionKind::Clusters => some("static_clusters", "cluster"),
            SectionKind::Listeners => some("static_listeners", "listener"),
            SectionKind::Routes => some("static_route_configs", "route_config"),
            SectionKind::Endpoints => some("static_endpoint_configs", "endpoint_config"),
            SectionKind::Secrets => some("static_secrets", "secret"),
            _ => Vec::new(),
        });
    }
    out
}

fn compare(path: &str, left: &Value, right: &Value, out: &mut Vec<Field>) {
    match (left, right) {
        (Value::Object(l), Value::Object(r)) => objects(path, l, r, out),
        (Value::Array(l), Value::Array(r)) => match (by_name(l), by_name(r)) {
            (Some(ln), Some(rn)) => named_lists(path, &ln, &rn, out),
            _ => lists(path, l, r, out),
        },
        (l, r) if same_scalar(l, r) => {}
        (l, r) => out.push(Field { path: path.to_owned(), left: Some(l.clone()), right: Some(r.clone()) }),
    }
}

/// 64-bit numbers are strings in protobuf's JSON, and numbers in what some tools make of it.
fn same_scalar(l: &Value, r: &Value) -> bool {
    l == r
        || matches!((l, r), (Value::String(s), Value::Number(n)) | (Value::Number(n), Value::String(s)) if *s == n.to_string())
        || matches!((l, r), (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64())
}

fn objects(path: &str, l: &Map<String, Value>, r: &Map<String, Value>, out: &mut Vec<Field>) {
    for key in l.keys().chain(r.keys()).collect::<BTreeSet<_>>() {
        let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (l.get(key), r.get(key)) {
            (Some(a), Some(b)) => compare(&below, a, b, out),
            (a, b) => out.push(Field { path: below, left: a.cloned(), right: b.cloned() }),
        }
    }
}

/// The items by their names, where every item has its own.
fn by_name(list: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let named: Vec<(&str, &Value)> = list.iter().map(|v| Some((v.get("name")?.as_str()?, v))).collect::<Option<_>>()?;
    let names: BTreeSet<&str> = named.iter().map(|(n, _)| *n).collect();
    (names.len() == list.len()).then_some(named)
}

fn named_lists(path: &str, l: &[(&str, &Value)], r: &[(&str, &Value)], out: &mut Vec<Field>) {
    let find = |list: &[(&str, &Value)], name: &str| list.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).clone());
    let before = out.len();
    for name in l.iter().chain(r).map(|(n, _)| *n).collect::<BTreeSet<_>>() {
        let below = format!("{path}[{name}]");
        match (find(l, name), find(r, name)) {
            (Some(a), Some(b)) => compare(&below, &a, &b, out),
            (a, b) => out.push(Field { path: below, left: a, right: b }),
        }
    }
    // Filters run in their order; virtual hosts are looked up.
    let order = |list: &[(&str, &Value)]| Value::Array(list.iter().map(|(n, _)| Value::from(*n)).collect());
    if out.len() == before && order(l) != order(r) && !path.ends_with("virtualHosts") {
        out.push(Field { path: format!("{path} (order)"), left: Some(order(l)), right: Some(order(r)) });
    }
}

fn lists(path: &str, l: &[Value], r: &[Value], out: &mut Vec<Field>) {
    for i in 0..l.len().max(r.len()) {
        let below = format!("{path}[{i}]");
        match (l.get(i), r.get(i)) {
            (Some(a), Some(b)) => compare(&below, a, b, out),
            (a, b) => out.push(Field { path: below, left: a.cloned(), right: b.cloned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dump(clusters: Value) -> String {
        json!({"configs": [{"@type": "x.ClustersConfigDump", "version_info": "1", "dynamic_active_clusters": clusters}]}).to_string()
    }

    fn fields(left: &str, right: &str) -> Vec<String> {
        let report = diff(left, right).expect("two dumps");
        let show = |d: &Difference| match &d.change {
            Change::OnlyIn(side) => format!("{} only {side:?}", d.name),
            Change::Fields(f) => f.iter().map(|f| format!("{}.{}", d.name, f.path)).collect::<Vec<_>>().join(" "),
        };
        report.differences.iter().map(show).collect()
    }

    #[test]
    fn order_spelling_and_versions_make_no_difference() {
        let a = dump(json!([{"version_info": "1", "cluster": {"name": "a", "connect_timeout": "1s", "x": "4"}}, {"cluster": {"name": "b"}}]));
        let b = json!({"configs": [{"@type": "y.ClustersConfigDump", "dynamicActiveClusters":
            [{"cluster": {"name": "b"}}, {"versionInfo": "2", "cluster": {"@type": "c", "name": "a", "connectTimeout": "1s", "x": 4}}]}]})
        .to_string();
        assert_eq!(fields(&a, &b), [""; 0]);
    }

    #[test]
    fn fields_are_named_by_their_path() {
        let filters = |list: Value| dump(json!([{"cluster": {"name": "a", "filters": list, "n": [1, 2]}}]));
        let a = filters(json!([{"name": "x", "typed_config": {"a_b": 1}}, {"name": "y"}]));
        assert_eq!(fields(&a, &filters(json!([{"name": "x", "typed_config": {"a_b": 2}}, {"name": "y"}]))), ["a.filters[x].typedConfig.aB"]);
        assert_eq!(fields(&a, &filters(json!([{"name": "y"}, {"name": "x", "typed_config": {"a_b": 1}}]))), ["a.filters (order)"]);
        assert_eq!(fields(&a, &filters(json!([{"name": "x", "typed_config": {"a_b": 1}}]))), ["a.filters[y]"]);
        assert_eq!(fields(&a, &dump(json!([]))), ["a only Left"]);
    }

    #[test]
    fn a_section_that_one_side_lacks_is_not_compared() {
        let report = diff(&dump(json!([])), r#"{"configs": [{"@type": "x.ListenersConfigDump"}]}"#).expect("two dumps");
        assert_eq!(report.missing, [(SectionKind::Clusters, Side::Right), (SectionKind::Listeners, Side::Left)]);
        assert!(report.same.is_empty() && report.differences.is_empty());
        assert_eq!(diff("{", &dump(json!([]))).map_err(|(side, _)| side), Err(Side::Left));
    }

    #[test]
    fn secrets_differ_without_being_shown() {
        let with = |key: &str| dump(json!([{"cluster": {"name": "a", "private_key": {"inline_string": key}}}]));
        let report = diff(&with("hunter2"), &with("hunter3")).expect("two dumps");
        assert_eq!(report.differences.len(), 1);
        assert!(!format!("{report:?}").contains("hunter"));
    }
}
