//! `istio.v1.auth.IstioCertificateService`: certificates for callers that make their own keys.

use super::caller::Caller;
use super::shared::{Shared, now};
use crate::ca::Error;
use mesh_envoy::api::Struct;
use std::time::Duration;
use tonic::Status;

pub const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";

#[derive(Clone, PartialEq, prost::Message)]
pub struct IstioCertificateRequest {
    /// In PEM.
    #[prost(string, tag = "1")]
    pub csr: String,
    /// In seconds.
    #[prost(int64, tag = "3")]
    pub validity_duration: i64,
    #[prost(message, optional, tag = "4")]
    pub metadata: Option<Struct>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct IstioCertificateResponse {
    /// In PEM, the certificate first and the root last.
    #[prost(string, repeated, tag = "1")]
    pub cert_chain: Vec<String>,
}

pub fn create(shared: &Shared, caller: &Caller, request: &IstioCertificateRequest) -> Result<IstioCertificateResponse, Status> {
    shared.metrics.csr();
    let Some(identity) = &caller.identity else {
        shared.metrics.csr_refused(true);
        let why = caller.rejected.as_deref().unwrap_or("show a token (authorization: Bearer …) or an earlier certificate");
        return Err(Status::unauthenticated(format!("nobody unknown is given a certificate: {why}")));
    };
    let asked = Duration::from_secs(u64::try_from(request.validity_duration).unwrap_or(0));
    match shared.authority.sign(&request.csr, identity, asked, now()) {
        Ok(cert_chain) => {
            shared.metrics.issued();
            Ok(IstioCertificateResponse { cert_chain })
        }
        Err(Error::Refused(why)) => {
            shared.metrics.csr_refused(false);
            shared.say(&format!("{} ({identity}) gets no certificate: {why}", caller.address));
            Err(Status::permission_denied(why))
        }
        Err(e) => Err(Status::internal(e.to_string())),
    }
}
