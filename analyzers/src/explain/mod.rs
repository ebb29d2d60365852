//! What proxies print, explained: causes of log lines, and topics by name.

pub mod authorization;
pub mod causes;
mod find;
pub mod log;
mod messages;
mod metrics;
mod ports;
pub mod proxy;
pub mod responsible;
mod terms;
mod topic;

pub use find::{Listed, find, list};
pub use topic::{Kind, Topic};
