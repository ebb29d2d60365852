//! The index of all rules. One rule = one file; each area's table lists its own.

pub use crate::rule::Rule;

pub mod annotations;
pub mod authorization;
pub mod control_plane;
pub mod destination_rule;
pub mod envoy_filter;
pub mod form;
pub mod gateway;
pub mod gateway_api;
pub mod injection;
pub mod input;
pub mod resilience;
pub mod routing;
pub mod schema;
pub mod security;
mod selectors;
pub mod service;
pub mod service_entry;
pub mod sidecar;
pub mod status;
pub mod telemetry;
pub mod virtual_service;

/// Whether a rule validates single objects, by their schema or as Istio's webhook does: what `validate` runs.
pub fn is_validation(rule: &Rule) -> bool {
    rule.name.starts_with("schema-")
}

/// Whether a rule is run once over all clusters: it judges single objects or the input itself, or it compares the clusters.
/// The others judge the configuration of one cluster.
pub(crate) fn spans_clusters(rule: &Rule) -> bool {
    const COMPARES: &str = "service-multi-cluster";
    const OF_SINGLE_OBJECTS: &str = "injection-not-watched";
    [COMPARES, OF_SINGLE_OBJECTS].contains(&rule.name) || [input::RULES, form::RULES, schema::RULES].iter().any(|area| area.iter().any(|r| r.name == rule.name))
}

/// Every rule, in the order of the tables.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    AREAS.iter().flat_map(|area| area.iter())
}

const AREAS: &[&[Rule]] = &[
    input::RULES,
    form::RULES,
    schema::RULES,
    virtual_service::RULES,
    destination_rule::RULES,
    gateway::RULES,
    service_entry::RULES,
    annotations::RULES,
    authorization::RULES,
    sidecar::RULES,
    telemetry::RULES,
    envoy_filter::RULES,
    injection::RULES,
    service::RULES,
    control_plane::RULES,
    status::RULES,
    routing::RULES,
    resilience::RULES,
    security::RULES,
    gateway_api::RULES,
];

/// Each of several objects with another one of them.
fn with_another<'o, 'a>(list: &'o [&'a mesh_model::Object]) -> impl Iterator<Item = (&'a mesh_model::Object, &'a mesh_model::Object)> + use<'o, 'a> {
    let others = |i: usize| if i == 0 { list.get(1) } else { list.first() };
    list.iter().enumerate().filter_map(move |(i, object)| Some((*object, *others(i)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_is_the_schema_area_and_the_form_of_objects() {
        assert!(schema::RULES.iter().all(is_validation));
        let others: Vec<_> = form::RULES.iter().filter(|r| !is_validation(r)).map(|r| r.name).collect();
        assert_eq!(others, ["invalid-name"]);
        assert!(all().filter(|r| is_validation(r)).all(|r| schema::RULES.iter().chain(form::RULES).any(|o| o.name == r.name)));
    }
}
