//! Why a handshake failed, in Envoy's words, as `%UPSTREAM_TRANSPORT_FAILURE_REASON%` and its kin tell it: BoringSSL's code,
//! library and name of an error. A code is 16 (the library of TLS) in the top byte, and the number of the reason.

use super::validation::Refusal;
use std::io;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// What kind of failure it is, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The peer showed no certificate.
    NoCertificate,
    /// Nobody who is trusted vouches for the certificate.
    Chain,
    /// Its names are none that are asked for.
    Names,
    Hash,
    Other,
}

/// The error of TLS in an error of a socket, wherever it is wrapped.
pub fn error<'e>(e: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let mut source = Some(e);
    while let Some(inner) = source {
        if let Some(tls) = inner.downcast_ref::<Error>() {
            return Some(tls);
        }
        if let Some(tls) = inner.downcast_ref::<io::Error>().and_then(|io| io.get_ref()).and_then(|i| i.downcast_ref::<Error>()) {
            return Some(tls);
        }
        source = inner.source();
    }
    None
}

pub fn kind(e: &Error) -> Kind {
    match e {
        Error::NoCertificatesPresented => Kind::NoCertificate,
        Error::InvalidCertificate(c) => match Refusal::of(c) {
            Some(Refusal::Names(_)) => Kind::Names,
            Some(Refusal::Hash) => Kind::Hash,
            None => Kind::Chain,
        },
        _ => Kind::Other,
    }
}

const LIBRARY: u32 = 16 << 24;

/// `TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end`
pub fn words(e: &Error) -> String {
    let (number, name, more) = match e {
        Error::AlertReceived(alert) => match alert_name(*alert) {
            Some(name) => (1000 + u32::from(u8::from(*alert)), name, String::new()),
            None => (1000 + u32::from(u8::from(*alert)), "unknown_error", String::new()),
        },
        Error::NoCertificatesPresented => (192, "PEER_DID_NOT_RETURN_A_CERTIFICATE", ":peer_did_not_provide_required_client_certificate".to_owned()),
        Error::InvalidCertificate(c) => (125, "CERTIFICATE_VERIFY_FAILED", certificate(c)),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon) => (184, "NO_SHARED_CIPHER", String::new()),
        Error::PeerIncompatible(_) => (240, "UNSUPPORTED_PROTOCOL", String::new()),
        Error::InvalidMessage(_) => (247, "WRONG_VERSION_NUMBER", String::new()),
        other => return format!("TLS_error:_{}", other.to_string().replace(' ', "_")),
    };
    format!("TLS_error:|{}:SSL_routines:OPENSSL_internal:{name}{more}:TLS_error_end", LIBRARY + number)
}

/// What Envoy adds to a certificate that it refused.
fn certificate(e: &CertificateError) -> String {
    let why = match Refusal::of(e) {
        Some(Refusal::Names(names)) => format!("SAN_matcher,_certificate_SANs_are_[{}]", names.join(",_")),
        Some(Refusal::Hash) => "cert_hash_and_spki".to_owned(),
        None => {
            let why = match e {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => "certificate_has_expired",
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "certificate_is_not_yet_valid",
                CertificateError::UnknownIssuer => "unable_to_get_local_issuer_certificate",
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "unsuitable_certificate_purpose",
                CertificateError::BadSignature => "certificate_signature_failure",
                _ => "certificate_rejected",
            };
            format!("X509_verify_cert:_certificate_verification_error_at_depth_0:_{why}")
        }
    };
    format!(":verify_cert_failed:_{}", why.replace(' ', "_"))
}

/// A client that speaks HTTP where TLS is asked for, by its first bytes; `None` for other bytes.
pub fn plaintext(early: &[u8]) -> Option<String> {
    let (number, name) = match early {
        [b'G', b'E', b'T', b' ', ..] | [b'P', b'O', b'S', b'T', b' ', ..] | [b'H', b'E', b'A', b'D', b' ', ..] | [b'P', b'U', b'T', b' ', ..] => {
            (156, "HTTP_REQUEST")
        }
        [b'C', b'O', b'N', b'N', b'E', ..] => (157, "HTTPS_PROXY_REQUEST"),
        _ => return None,
    };
    Some(format!("TLS_error:|{}:SSL_routines:OPENSSL_internal:{name}:TLS_error_end", LIBRARY + number))
}

fn alert_name(alert: AlertDescription) -> Option<&'static str> {
    Some(match u8::from(alert) {
        10 => "SSLV3_ALERT_UNEXPECTED_MESSAGE",
        20 => "SSLV3_ALERT_BAD_RECORD_MAC",
        21 => "TLSV1_ALERT_DECRYPTION_FAILED",
        22 => "TLSV1_ALERT_RECORD_OVERFLOW",
        30 => "SSLV3_ALERT_DECOMPRESSION_FAILURE",
        40 => "SSLV3_ALERT_HANDSHAKE_FAILURE",
        41 => "SSLV3_ALERT_NO_CERTIFICATE",
        42 => "SSLV3_ALERT_BAD_CERTIFICATE",
        43 => "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        44 => "SSLV3_ALERT_CERTIFICATE_REVOKED",
        45 => "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        46 => "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        47 => "SSLV3_ALERT_ILLEGAL_PARAMETER",
        48 => "TLSV1_ALERT_UNKNOWN_CA",
        49 => "TLSV1_ALERT_ACCESS_DENIED",
        50 => "TLSV1_ALERT_DECODE_ERROR",
        51 => "TLSV1_ALERT_DECRYPT_ERROR",
        60 => "TLSV1_ALERT_EXPORT_RESTRICTION",
        70 => "TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "TLSV1_ALERT_INSUFFICIENT_SECURITY",
        80 => "TLSV1_ALERT_INTERNAL_ERROR",
        86 => "TLSV1_ALERT_INAPPROPRIATE_FALLBACK",
        90 => "TLSV1_ALERT_USER_CANCELLED",
        100 => "TLSV1_ALERT_NO_RENEGOTIATION",
        110 => "TLSV1_ALERT_UNSUPPORTED_EXTENSION",
        111 => "TLSV1_ALERT_CERTIFICATE_UNOBTAINABLE",
        112 => "TLSV1_ALERT_UNRECOGNIZED_NAME",
        113 => "TLSV1_ALERT_BAD_CERTIFICATE_STATUS_RESPONSE",
        114 => "TLSV1_ALERT_BAD_CERTIFICATE_HASH_VALUE",
        115 => "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY",
        116 => "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        120 => "TLSV1_ALERT_NO_APPLICATION_PROTOCOL",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_boringssls_numbers() {
        let got = words(&Error::AlertReceived(AlertDescription::UnknownCA));
        assert_eq!(got, "TLS_error:|268436504:SSL_routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA:TLS_error_end");
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, Error::NoCertificatesPresented);
        assert_eq!(error(&wrapped).map(kind), Some(Kind::NoCertificate));
    }
}
