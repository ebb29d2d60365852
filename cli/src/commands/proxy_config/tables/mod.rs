//! `proxy-config` as meshctl prints it: what istioctl's tables leave out, in Envoy's own order.

pub mod cluster;
pub mod endpoint;
pub mod listener;
pub mod route;
pub mod secret;

use mesh_envoy::dump::cluster::{Metadata, UpdateFailure};

/// Blanks between columns.
pub const PADDING: usize = 2;

/// How much of a table is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    Table,
    Wide,
}

/// A resource with the state it is in.
pub struct Stated<'d, T> {
    pub resource: &'d T,
    pub state: State<'d>,
}

/// What Envoy does with a resource.
#[derive(Clone, Copy, Debug)]
pub enum State<'d> {
    Static,
    Active,
    Warming,
    Draining,
    /// The last update was rejected; what is shown is what was rejected, or what is still active.
    Error(&'d UpdateFailure<'d>),
}

impl State<'_> {
    pub fn show(&self) -> String {
        match self {
            State::Static => "STATIC".to_owned(),
            State::Active => "ACTIVE".to_owned(),
            State::Warming => "WARMING".to_owned(),
            State::Draining => "DRAINING".to_owned(),
            State::Error(e) if e.details.is_empty() => "ERROR".to_owned(),
            State::Error(e) => format!("ERROR: {}", e.details),
        }
    }
    /// The state of an entry that Envoy uses, by whether its last update failed.
    pub fn of<'d>(used: State<'d>, error: Option<&'d UpdateFailure<'d>>) -> State<'d> {
        error.map_or(used, State::Error)
    }
}

/// `name.namespace` of the Istio object behind a resource; "-" where the dump names none.
pub fn origin(metadata: &Metadata<'_>) -> String {
    match metadata.config_ref() {
        Some(r) => format!("{}.{}", r.name, r.namespace),
        None if metadata.istio_config().is_empty() => "-".to_owned(),
        None => metadata.istio_config().to_owned(),
    }
}

/// `text`, or "-" for an empty cell: columns stay countable for `awk` and `cut`.
pub fn cell(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A percentage without needless digits.
pub fn percent(p: f64) -> String {
    format!("{}%", (p * 100.0).round() / 100.0)
}
