//! The matching engine: what a proxy does with a connection and a request, from its configuration alone.
//!
//! A set of pure steps over *compiled* configuration: [`listeners`], [`inspect`], [`chain`], [`domain`] and [`route`],
//! [`action`], [`gate`] (one filter: continue, reply, or ask an outside party), [`pick`] (cluster, subset, endpoint). Dice and
//! live state are arguments. A proxy calls each step when its input exists; [`walk`] composes the same steps with assumed
//! answers. A [`recorder`] hears which candidate was passed over and why; it costs nothing when it is off.
//!
//! What the engine does not know (a filter, a field of a match) ends a verdict with its path: never a confident answer.
//!
//! Rules are those of Envoy 1.40, from its API documentation and from what it was measured to do.

pub mod action;
pub mod chain;
mod configuration;
pub mod domain;
pub mod field;
pub mod gate;
pub mod header;
pub mod http;
pub mod inspect;
pub mod listener;
pub mod listeners;
mod matcher_tree;
pub mod network;
pub mod pick;
pub mod recorder;
pub mod request;
pub mod route;
mod text;
pub mod transport;
pub mod walk;

pub use configuration::{Configuration, ReadError};
pub use field::Unknown;

/// The configuration object that made something, as Istio's metadata spells it; "" where it names none.
fn source_of(m: &field::Message<'_, '_>) -> Box<str> {
    let config = m.value("metadata").and_then(|v| v.get("filter_metadata").or_else(|| v.get("filterMetadata"))?.get("istio")?.get("config")?.as_str());
    config.unwrap_or("").into()
}
