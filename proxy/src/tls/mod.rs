//! TLS, both ways: secrets by name, contexts as configuration describes them, what handshakes find out, and why they fail.

pub mod context;
pub mod facts;
pub mod files;
pub mod hello;
pub mod known;
pub mod material;
pub mod parameters;
pub mod reason;
pub mod secrets;
pub mod session;
pub mod validation;

/// As with Envoy, a peer that closes without taking leave of TLS has finished: many do. Who needs to know whether all came has
/// lengths in the protocol inside.
pub(crate) fn without_leave(read: std::io::Result<()>) -> std::io::Result<()> {
    match read {
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        other => other,
    }
}
