//! The hot path of HTTP: a request comes, is decided, is forwarded or answered, and is logged.

pub mod alarm;
pub mod aside;
pub mod body;
pub mod bucket;
pub mod changes;
pub mod client;
pub mod cors;
pub mod exchange;
pub mod forward;
pub mod framing;
pub mod head;
pub mod incoming;
pub mod interim;
pub mod limit;
pub mod live;
pub mod messages;
pub mod mirror;
pub mod outgoing;
pub mod respond;
pub mod serve;
pub mod service;
pub mod timeouts;
pub mod tries;
pub mod upgrade;
pub mod upload;
pub mod wire;
