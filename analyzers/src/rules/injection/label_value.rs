//! ## MSH0513 InjectionLabel (Warning)
//!
//! **What it checks.** A namespace's label `istio-injection` is `enabled` or `disabled`, and its label
//! `istio.io/dataplane-mode` is `ambient` or `none`.
//!
//! **Why it matters.** Istio compares them to the letter: with any other value the namespace stays outside the mesh.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enable}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: shop, labels: {istio-injection: enabled}}
//! ```

use crate::codes::MSH0513;
use crate::rule::{Context, Sink};
use crate::spelling;
use mesh_model::{Kind, Role};
use mesh_resolver::injection::{DATAPLANE_LABEL, NAMESPACE_LABEL};

const VALUES: &[(&str, [&str; 2])] = &[(NAMESPACE_LABEL, ["enabled", "disabled"]), (DATAPLANE_LABEL, ["ambient", "none"])];

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for namespace in cx.mesh.objects(Kind::Namespace).iter().copied().filter(|n| n.role == Role::Judged) {
        for (key, value) in namespace.labels().filter(|(_, v)| !v.text().is_empty()) {
            let Some((name, [on, off])) = VALUES.iter().find(|(name, _)| *name == key.text()) else { continue };
            if [*on, *off].contains(&value.text()) {
                continue;
            }
            let message = format!("label `{name}` is `{}`, neither `{on}` nor `{off}`: the namespace is not part of the mesh by it", value.text());
            let finding = sink.report(&MSH0513, namespace, value, message);
            match spelling::nearest(value.text(), [*on, *off]) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help(format!("write `{on}` or `{off}`")),
            };
        }
    }
}
