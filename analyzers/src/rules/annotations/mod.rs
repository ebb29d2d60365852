//! Annotations of Kubernetes objects that Istio reads.

use crate::codes::{IST0107, IST0108, IST0125, IST0135, MSH0512};
use crate::rule::Rule;

mod placement;
mod pod_template;
mod values;

pub const RULES: &[Rule] = &[
    Rule { name: "annotations", codes: &[&IST0107, &IST0108, &IST0125, &IST0135], analyzer: "annotations.K8sAnalyzer", run: placement::run },
    Rule { name: "pod-annotations", codes: &[&MSH0512], analyzer: "", run: pod_template::run },
];
