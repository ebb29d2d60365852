//! ## MSH0001 SyntaxError (Error)
//!
//! **What it checks.** A document is not valid YAML or JSON: a tab in the indentation, a quote that is never closed, a
//! control character, bytes that are no UTF-8, a template that was never rendered. The documents around it are read.
//!
//! **Why it matters.** Nothing can apply it, and nothing in it was judged.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Service
//! metadata: {name: reviews}
//! ```
//!
//! ## MSH0006 IgnoredContent (Warning)
//!
//! **What it checks.** A second value follows a document without a line `---` between the two, as in JSON values that
//! are written one behind the other, or a line `---` carries a value of its own.
//!
//! **Why it matters.** Kubernetes' reader takes the first value and drops the rest in silence.
//!
//! **Bad**
//!
//! ```yaml
//! {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
//! {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "b"}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
//! ---
//! {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "b"}}
//! ```

use crate::codes::{Code, MSH0001, MSH0006};
use crate::rule::{Context, Sink};
use mesh_model::ProblemKind;

/// A broken document holds no object to report on: its findings are the snapshot's problems, and [`code`] names them.
pub fn run<'a>(_: &Context<'a>, _: &mut Sink<'a>) {}

/// The code of a problem that is a finding. Other problems are said beside the findings.
pub fn code(kind: ProblemKind) -> Option<&'static Code> {
    match kind {
        ProblemKind::Syntax => Some(&MSH0001),
        ProblemKind::Ignored => Some(&MSH0006),
        ProblemKind::HelmTemplate | ProblemKind::Kustomize | ProblemKind::Unreadable | ProblemKind::Unseen => None,
    }
}
