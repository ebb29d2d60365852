//! Connections whose bytes are forwarded as they come.

pub mod copy;
pub mod session;
