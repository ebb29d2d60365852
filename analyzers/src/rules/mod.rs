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
