//! The form of single objects: what the API server refuses by the schema of their kind. One walk over every object
//! finds all of it (see [`crate::schema`]); each rule reports the faults of its kind.

use crate::codes;
use crate::finding::Finding;
use crate::rule::Rule;
use mesh_model::Node;

mod api_version;
mod crd_rule;
mod exclusive_fields;
mod invalid_name;
mod missing_field;
mod other_version;
mod out_of_bounds;
mod repeated_item;
mod unknown_field;
mod unknown_value;
mod wrong_type;

pub const RULES: &[Rule] = &[
    Rule { name: "schema-unknown-field", codes: &[&codes::MSH0501], analyzer: "", run: unknown_field::run },
    Rule { name: "schema-wrong-type", codes: &[&codes::MSH0502], analyzer: "", run: wrong_type::run },
    Rule { name: "schema-unknown-value", codes: &[&codes::MSH0503], analyzer: "", run: unknown_value::run },
    Rule { name: "schema-out-of-bounds", codes: &[&codes::MSH0504], analyzer: "", run: out_of_bounds::run },
    Rule { name: "schema-missing-field", codes: &[&codes::MSH0505], analyzer: "", run: missing_field::run },
    Rule { name: "schema-crd-rule", codes: &[&codes::MSH0506], analyzer: "", run: crd_rule::run },
    Rule { name: "schema-exclusive-fields", codes: &[&codes::MSH0507], analyzer: "", run: exclusive_fields::run },
    Rule { name: "schema-other-version", codes: &[&codes::MSH0508], analyzer: "", run: other_version::run },
    Rule { name: "schema-api-version", codes: &[&codes::MSH0509], analyzer: "", run: api_version::run },
    Rule { name: "schema-repeated-item", codes: &[&codes::MSH0510], analyzer: "", run: repeated_item::run },
    Rule { name: "invalid-name", codes: &[&codes::MSH0511], analyzer: "", run: invalid_name::run },
];

/// Offers to put `text` in place of a scalar, where it stands in the source as it is.
fn replace<'a>(finding: &mut Finding<'a>, at: Node<'a>, text: &str) {
    if at.is_scalar() && !at.text().is_empty() && at.source().slice(at.span()) == at.text() {
        finding.fix(format!("replace with `{text}`"), at.span(), text);
    }
}
