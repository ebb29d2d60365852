//! ## MSH0003 DuplicateObject (Warning)
//!
//! **What it checks.** The same kind, namespace and name stands in the input more than once.
//!
//! **Why it matters.** Only one of them is applied, the last one; which one that is depends on the order of files.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: reviews, namespace: shop}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: reviews, namespace: shop}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: reviews, namespace: shop}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: reviews, namespace: test}
//! ```

use crate::codes::MSH0003;
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Object, Role};
use rustc_hash::FxHashMap;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    if !cx.mesh.repeats {
        return;
    }
    let mut seen: FxHashMap<(Kind, u16, &str, &str), &'a Object> = FxHashMap::default();
    for object in cx.mesh.snapshot.objects.iter().filter(|o| o.role == Role::Judged && o.kind != Kind::Other && !o.name().is_empty()) {
        if let Some(first) = seen.insert((object.kind, object.cluster, object.namespace(), object.name()), object) {
            sink.report(&MSH0003, object, object.name_node(), format!("{} is in the input twice", object.origin()))
                .help("remove one of them; only the last one is applied")
                .related(first, first.name_node(), "first here");
        }
    }
}
