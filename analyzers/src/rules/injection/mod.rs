//! Which workloads join the mesh, and with which proxy.

use crate::codes::{IST0102, IST0103, IST0123, IST0146, IST0147, IST0148, IST0158, MSH0513, MSH0514};
use crate::rule::Rule;

mod image_auto;
mod label_value;
mod namespace_labels;
mod not_watched;
mod proxy_image;

pub const RULES: &[Rule] = &[
    Rule { name: "injection", codes: &[&IST0102, &IST0103, &IST0123, &IST0148], analyzer: "injection.Analyzer", run: namespace_labels::run },
    Rule { name: "injection-proxy-image", codes: &[&IST0158], analyzer: "injection.ImageAnalyzer", run: proxy_image::run },
    Rule { name: "injection-image-auto", codes: &[&IST0146, &IST0147], analyzer: "injection.ImageAutoAnalyzer", run: image_auto::run },
    Rule { name: "injection-label", codes: &[&MSH0513], analyzer: "", run: label_value::run },
    Rule { name: "injection-not-watched", codes: &[&MSH0514], analyzer: "", run: not_watched::run },
];
