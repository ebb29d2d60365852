//! The control plane: the resolver's answer served over xDS, a certificate authority, and istiod's debug pages.
//!
//! What decides is pure: [`pushes`] is a stream's state without its socket, [`translate`] makes resources of a model,
//! [`bind`] gives a mesh on one machine its addresses, [`ca`] takes the clock as an argument, [`pages`] are values.
//! [`serve`] puts sockets to them, [`input`] and [`translator`] threads.

pub mod bind;
pub mod bootstrap;
pub mod ca;
pub mod client;
pub mod input;
mod json;
pub mod metrics;
pub mod pages;
pub mod places;
pub mod pushes;
pub mod resource;
pub mod secrets;
pub mod serve;
pub mod translate;
pub mod translator;

pub use input::{Cluster, Input, Manifests, Reading};
pub use serve::{Options, Running, StartError};
pub use translator::Settings;
