//! Schemas: what fields, types and values an object may have, from tables made by `cargo xtask crds`.
//!
//! [`faults`] walks every object once; the rules of the schema area each report the faults of their kind.

pub mod cel;
mod check;
mod custom;
mod expression;
mod fault;
pub mod json;
mod metadata;
pub mod names;
pub mod table;

pub use fault::{Belongs, Bound, Expected, Fault, What};

use crate::rule::Options;
use mesh_model::{Object, Role};
use rayon::prelude::*;

/// The minor versions of Istio that the tables can tell apart; the newest is the one in development.
pub const ISTIO_MINORS: std::ops::RangeInclusive<u16> = 27..=32;

/// Every fault of form in the objects that are judged.
pub fn faults<'a>(objects: &'a [Object], options: &Options) -> Vec<Fault<'a>> {
    let mut out = by_tables(objects, options);
    custom::faults(objects, &mut out);
    out
}

fn by_tables<'a>(objects: &'a [Object], options: &Options) -> Vec<Fault<'a>> {
    let per_object = |object: &'a Object, out: &mut Vec<Fault<'a>>| {
        if object.role == Role::Judged {
            check::object(object, options, out);
        }
    };
    if objects.len() < 256 {
        let mut out = Vec::new();
        objects.iter().for_each(|o| per_object(o, &mut out));
        return out;
    }
    objects
        .par_chunks(256)
        .map(|chunk| {
            let mut out = Vec::new();
            chunk.iter().for_each(|o| per_object(o, &mut out));
            out
        })
        .collect::<Vec<_>>()
        .concat()
}

/// The table of an object's group and the minor version that is judged by.
fn group_of(object: &Object, options: &Options) -> Option<(&'static table::Group<'static>, u16)> {
    let group = object.group();
    let table = table::group(group)?;
    // The Gateway API has versions of its own; which one a cluster has is not known: the newest counts.
    let minor = if is_istio(object) { options.istio_minor.min(table.minors.1) } else { table.minors.1 };
    Some((table, minor.max(table.minors.0)))
}

/// Whether an object is of one of Istio's API groups.
fn is_istio(object: &Object) -> bool {
    object.api_version().split('/').next().is_some_and(|g| g.ends_with(".istio.io"))
}
