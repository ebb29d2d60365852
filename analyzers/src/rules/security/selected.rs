//! The workloads that a policy's selector picks, as far as that can be known.

use crate::rule::{Context, NotJudged};
use mesh_model::Object;
use mesh_resolver::{InMesh, Selector, Workload};

/// More are not looked at: they would say the same again.
const ENOUGH: usize = 1000;

/// The workloads with a sidecar, and the gateways, that a policy applies to. `Err` where that is not known: in ambient
/// mode, where the namespace's labels are not in the input, and (`None`) where the policy names targets.
pub fn selected<'a>(cx: &Context<'a>, policy: &'a Object) -> Result<Vec<&'a Workload<'a>>, Option<NotJudged>> {
    if ["targetRef", "targetRefs"].iter().any(|f| policy.spec_at(&[f]).is_some_and(|t| !t.is_empty())) {
        return Err(None);
    }
    let selector = Selector::from_map(policy.spec_at(&["selector", "matchLabels"]));
    let namespace = (policy.namespace() != cx.mesh.config.root_namespace()).then(|| policy.namespace());
    let mut out = Vec::new();
    for w in cx.mesh.workloads.matching(namespace, &selector).take(ENOUGH) {
        match cx.mesh.in_mesh(w) {
            InMesh::Sidecar | InMesh::Gateway => out.push(w),
            InMesh::Ambient => return Err(Some(NotJudged::Ambient)),
            InMesh::Unknown => return Err(Some(NotJudged::WorkloadOutside)),
            InMesh::No => {}
        }
    }
    Ok(out)
}
