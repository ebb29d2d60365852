//! `cargo xtask bench analyze`: cost and findings of `meshctl analyze --complete` on a generated mesh.
//!
//! The generator stands outside of this repository (`../shared/bench/gen_manifests.py`); without it there is
//! nothing to measure.

use crate::{Outcome, root};

pub fn run(_args: &[String]) -> Outcome {
    let generator = root().join("../shared/bench/gen_manifests.py");
    if !generator.is_file() {
        return Err(format!("{} is not there: this benchmark needs the generator of the benchmark meshes", generator.display()));
    }
    Err("not measured yet".into())
}
