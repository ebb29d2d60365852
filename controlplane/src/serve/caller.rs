//! Who is at the other end of a connection: the owner of a token, or of a certificate of the mesh.

use super::shared::{Shared, lock};
use crate::ca::Identity;
use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub struct Caller {
    pub address: SocketAddr,
    /// `None` for one that showed nothing.
    pub identity: Option<Identity>,
    /// Why what it showed does not count.
    pub rejected: Option<String>,
}

impl Caller {
    /// By the certificate of the connection, or else by a token of the request. One that shows both must be one.
    pub fn of(shared: &Shared, address: SocketAddr, certificate: Option<&Identity>, headers: &http::HeaderMap) -> Caller {
        let shown = headers.get(http::header::AUTHORIZATION).map(|v| v.to_str().unwrap_or(""));
        let token = shown.map(|v| v.strip_prefix("Bearer ").unwrap_or("").trim());
        let owner = token.and_then(|t| lock(&shared.tokens).whose(t).cloned());
        let rejected = match (token, &owner, certificate) {
            (Some(_), None, _) => Some("its token is none that was issued here".to_owned()),
            (Some(_), Some(owner), Some(c)) if owner != c => Some(format!("its token is of {owner}, its certificate of {c}")),
            _ => None,
        };
        let identity = if rejected.is_some() { None } else { certificate.cloned().or(owner) };
        Caller { address, identity, rejected }
    }
}
