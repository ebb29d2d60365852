//! Envoy's configuration messages: for protobuf JSON (serde) and the wire format (prost) alike.
//!
//! What is here is what istiod sends. Members of a `oneof` are optional fields of which one is set.

pub mod any;
pub mod discovery;
pub mod json;
pub mod messages;
pub mod unread;
pub mod well_known;
pub mod wire;

pub use any::{Any, is_known, plain};
pub use messages::*;
pub use unread::unread;
pub use well_known::{Duration, Empty, StringValue, Struct, Value};
