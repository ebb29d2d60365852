//! `exportTo`.

use super::domain::is_label;
use super::fields::strings;
use super::report::Checks;
use mesh_model::{Kind, Node};
use rustc_hash::FxHashSet;

/// All of `exportTo`; `selects` says whether a DestinationRule has a workload selector.
pub fn check_export_to<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>, selects: Option<Node<'a>>) {
    let Some(list) = spec.get("exportTo").filter(|l| l.is_sequence() && !l.is_empty()) else { return };
    let namespace = checks.object.namespace();
    let is_service_entry = checks.object.kind == Kind::ServiceEntry;
    let mut exported: FxHashSet<&str> = FxHashSet::default();
    for (at, entry) in strings(spec, "exportTo") {
        let key = if entry == "." { namespace } else { entry };
        if exported.contains(key) {
            if key == entry {
                checks.error(at, format!("`exportTo` names `{entry}` twice"));
            } else {
                checks.error(at, format!("`exportTo` names both `.` and `{namespace}`, which is the object's own namespace"));
            }
        } else if key == "~" && !is_service_entry {
            checks.error(at, "`exportTo: ~` (nobody) is only for ServiceEntries").help("use `.` to export to the object's own namespace only");
        } else if matches!(key, "~" | "*") || is_label(key) {
            exported.insert(key);
        } else {
            checks.error_once("exportTo entry", at, format!("`{entry}` is no namespace, `.` or `*`"));
        }
    }
    if selects.is_some() && !exported.is_empty() {
        if !exported.contains(namespace) {
            checks.error(list, "a DestinationRule with a workload selector is exported beyond its namespace").help("export it to `.` only");
        } else if exported.len() > 1 {
            checks.error(list, "a DestinationRule with a workload selector is exported to several namespaces").help("export it to `.` only");
        }
    }
    if list.len() > 1 {
        if exported.contains("*") {
            checks.error(list, "`exportTo` names `*` (everyone) beside other namespaces").help("leave only `*`, or remove it");
        }
        if exported.contains("~") {
            checks.error(list, "`exportTo` names `~` (nobody) beside somebody").help("leave only `~`, or remove it");
        }
    }
}
