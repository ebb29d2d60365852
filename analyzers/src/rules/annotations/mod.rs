//! Annotations of Kubernetes objects that Istio reads.

use crate::codes::{IST0107, IST0108, IST0125, IST0135};
use crate::rule::Rule;

mod placement;
mod values;

pub const RULES: &[Rule] =
    &[Rule { name: "annotations", codes: &[&IST0107, &IST0108, &IST0125, &IST0135], analyzer: "annotations.K8sAnalyzer", run: placement::run }];
