//! istiod's debug pages, as values: what it sent to whom, and what it knows.

mod config_dump;
mod registry;
mod status;

pub use config_dump::config_dump;
pub use registry::{configz, endpointz, registryz};
pub use status::{Seen, connections, syncz};
