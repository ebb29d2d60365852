//! What makes a value valid: pure functions over text and nodes, shared by the rules of the `schema` area.
//!
//! A function that judges a text returns `Err(sentence)`: one sentence that names the value, ready to be a
//! message. A value of another type than its field's counts as absent here; that it has the wrong type is
//! reported once, elsewhere.

pub mod base64;
pub mod domain;
pub mod duration;
pub mod fields;
pub mod http;
pub mod labels;
pub mod names;
pub mod net;
pub mod protocol;
pub mod regex;
pub mod report;
pub mod server_tls;
pub mod target;
pub mod traffic_policy;
pub mod url;
pub mod visibility;

pub use fields::{flag, float, given, has, has_text, int, lacks_text, message, messages, strings, text};
pub use protocol::Protocol;
pub use report::{Checks, Said, each, each_text};
