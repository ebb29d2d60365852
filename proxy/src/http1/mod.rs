//! HTTP/1.1 of the proxy's own: one read, one decision, one write each way. What is unusual is hyper's.

pub mod chunks;
pub mod client;
pub mod head;
pub mod lines;
pub mod output;
pub mod room;
pub mod server;
