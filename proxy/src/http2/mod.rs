//! HTTP/2 by the crate `h2`: its connections are polled by those who wait for what comes of them, and no task stands between.

pub mod answer;
pub mod body;
pub mod client;
pub mod frames;
pub mod heads;
mod seats;
pub mod send;
pub mod server;
pub mod socket;
