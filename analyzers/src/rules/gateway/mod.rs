//! Istio's Gateways.

use crate::codes;
use crate::rule::Rule;

mod certificate;
mod conflict;
pub(crate) mod credential;
mod picked;
mod port;
mod protocol_conflict;
#[cfg(test)]
mod tests;

pub const RULES: &[Rule] = &[
    Rule { name: "gateway-port", codes: &[&codes::IST0101, &codes::IST0162, &codes::MSH0002], analyzer: "gateway.IngressGatewayPortAnalyzer", run: port::run },
    Rule { name: "gateway-certificate", codes: &[&codes::IST0138], analyzer: "gateway.CertificateAnalyzer", run: certificate::run },
    Rule { name: "gateway-credential", codes: &[&codes::IST0101, &codes::IST0161, &codes::MSH0002], analyzer: "gateway.SecretAnalyzer", run: credential::run },
    Rule { name: "gateway-conflict", codes: &[&codes::IST0145, &codes::KIA0301], analyzer: "gateway.ConflictingGatewayAnalyzer", run: conflict::run },
    Rule { name: "gateway-protocol-conflict", codes: &[&codes::MSH0411], analyzer: "", run: protocol_conflict::run },
];
