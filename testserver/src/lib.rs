//! Servers for tests, on loopback, that stop when they are dropped. They answer as the real ones do, so that other
//! clients can be pointed at them as well.

pub mod admin;
pub mod apiserver;
pub mod counting;
mod loopback;
pub mod mutate;
pub mod ports;
pub mod prometheus;
