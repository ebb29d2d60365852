//! ## MSH0005 DuplicateKey (Warning)
//!
//! **What it checks.** A mapping of an object holds the same key more than once. Keys that YAML reads as one value
//! (`y` and `yes`, `010` and `8`) are the same key.
//!
//! **Why it matters.** Only the last one counts; what stands under the first is dropped in silence, and a server that
//! checks strictly refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata:
//!   name: reviews
//!   namespace: shop
//!   labels: {app: reviews}
//!   labels: {team: web}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata:
//!   name: reviews
//!   namespace: shop
//!   labels: {app: reviews, team: web}
//! ```

use crate::codes::MSH0005;
use crate::rule::{Context, Sink};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.snapshot.objects.iter().filter(|o| o.kind != Kind::Other) {
        let root = object.root();
        for (last, first) in root.tree().duplicate_keys() {
            // The objects of a list share its tree.
            if (root.id()..root.end_id()).contains(&last.id()) {
                let line = first.position().line;
                // Two objects of which the second has no `---` before it have these twice, and nothing else has.
                let is_of_object = matches!(last.text(), "apiVersion" | "kind") && root.entries().any(|(key, _)| [first.id(), last.id()].contains(&key.id()));
                let help =
                    if is_of_object { "does an object of its own begin here? Then a line `---` is missing before it" } else { "merge the two, or remove one" };
                sink.report(&MSH0005, object, last, format!("`{}` stands twice in this mapping; the one on line {line} is dropped", last.text()))
                    .help(help)
                    .related(object, first, "dropped");
            }
        }
    }
}
