//! Versions, suites and groups of TLS (`TlsParameters`).

use crate::config::Compiler;
use mesh_envoy::engine::field::{Message, Read};
use std::sync::Arc;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{CipherSuite, NamedGroup, SupportedProtocolVersion};

/// What is used where configuration says nothing. Of suites that are alike, those with AES of 128 bits come first, as with Envoy, on
/// both sides of it: with 256 bits keys are derived by SHA-384, for which processors have no instructions. Of groups the hybrid one comes
/// first, as with Envoy of today: what is recorded now stays secret from quantum computers.
pub fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups.sort_by_key(|g| g.name() != NamedGroup::X25519MLKEM768);
    let rank = |suite: CipherSuite| match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384 => 1,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => 2,
        // Envoy's `DEFAULT_CIPHER_SUITES`.
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => 3,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => 4,
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 5,
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => 6,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => 7,
        _ => 8,
    };
    provider.cipher_suites.sort_by_key(|s| rank(s.suite()));
    provider
}

pub type Parameters = (Arc<CryptoProvider>, Vec<&'static SupportedProtocolVersion>);

/// `TlsParameters`. TLS 1.2 is the oldest version; what only older ones have is left out.
///
/// # Errors
/// What is not known, or leaves nothing.
pub fn parameters(m: &Message<'_, '_>, compiler: &Compiler, newest: &'static SupportedProtocolVersion) -> Read<Parameters> {
    const VERSIONS: &[&str] = &["TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"];
    let oldest = m.enumeration("tls_minimum_protocol_version", VERSIONS)?;
    let newest = match m.enumeration("tls_maximum_protocol_version", VERSIONS)? {
        "TLS_AUTO" | "" => newest,
        "TLSv1_3" => &TLS13,
        "TLSv1_2" => &TLS12,
        _ => return Err(m.unknown_field("tls_maximum_protocol_version", "TLS 1.2 is the oldest version that mesh-proxy speaks")),
    };
    let versions: Vec<&'static SupportedProtocolVersion> =
        [&TLS13, &TLS12].into_iter().filter(|v| **v == TLS12 || *newest == TLS13).filter(|v| oldest != "TLSv1_3" || **v == TLS13).collect();
    if versions.is_empty() {
        return Err(m.unknown_field("tls_minimum_protocol_version", "newer than the maximum"));
    }
    let (suites, groups) = (m.texts("cipher_suites")?, m.texts("ecdh_curves")?);
    if suites.is_empty() && groups.is_empty() {
        return Ok((compiler.crypto.clone(), versions));
    }
    let mut provider = provider();
    if !suites.is_empty() {
        // `[A|B]` are suites of the same rank.
        let names = suites.iter().flat_map(|s| s.split(['[', ']', '|'])).filter(|n| !n.is_empty());
        let wanted: Vec<CipherSuite> = names.filter_map(suite).collect();
        // Those of TLS 1.3 are not chosen by this list.
        let is_wanted = |s: &tokio_rustls::rustls::SupportedCipherSuite| s.version() == &TLS13 || wanted.contains(&s.suite());
        provider.cipher_suites.retain(is_wanted);
        // In the list's order, and as they were where it says nothing.
        provider.cipher_suites.sort_by_key(|s| wanted.iter().position(|w| *w == s.suite()));
        if wanted.is_empty() && versions.iter().all(|v| **v == TLS12) {
            return Err(m.unknown_field("cipher_suites", "none of them is one that mesh-proxy has: they need forward secrecy and AEAD"));
        }
    }
    if !groups.is_empty() {
        let wanted: Vec<NamedGroup> = groups.iter().flat_map(|g| g.split(':')).filter_map(group).collect();
        provider.kx_groups.retain(|g| wanted.contains(&g.name()));
        provider.kx_groups.sort_by_key(|g| wanted.iter().position(|w| *w == g.name()));
        if provider.kx_groups.is_empty() {
            return Err(m.unknown_field("ecdh_curves", "mesh-proxy has X25519, P-256, P-384 and X25519MLKEM768"));
        }
    }
    Ok((Arc::new(provider), versions))
}

/// A cipher suite of TLS 1.2 by OpenSSL's name or the standard's. Those without forward secrecy or AEAD have none here.
fn suite(name: &str) -> Option<CipherSuite> {
    Some(match name {
        "ECDHE-ECDSA-AES256-GCM-SHA384" | "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES128-GCM-SHA256" | "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305" | "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-AES256-GCM-SHA384" | "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES128-GCM-SHA256" | "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305" | "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        _ => return None,
    })
}

/// The name that OpenSSL, and so Envoy's log, gives a suite of TLS 1.2; `None` for those of TLS 1.3, which have one name.
pub fn openssl_name(suite: CipherSuite) -> Option<&'static str> {
    Some(match suite {
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        _ => return None,
    })
}

fn group(name: &str) -> Option<NamedGroup> {
    Some(match name {
        "X25519" => NamedGroup::X25519,
        "P-256" | "prime256v1" => NamedGroup::secp256r1,
        "P-384" | "secp384r1" => NamedGroup::secp384r1,
        "X25519MLKEM768" => NamedGroup::X25519MLKEM768,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::field::Path;
    use serde_json::{Value, json};

    fn provider_of(params: &Value) -> Arc<CryptoProvider> {
        let m = Message::new(params, Path::root("tls_params")).expect("a message");
        parameters(&m, &Compiler::default(), &TLS13).expect("parameters").0
    }
    fn suites(params: &Value) -> Vec<CipherSuite> {
        provider_of(params).cipher_suites.iter().map(|s| s.suite()).collect()
    }
    fn groups(params: &Value) -> Vec<NamedGroup> {
        provider_of(params).kx_groups.iter().map(|g| g.name()).collect()
    }

    #[test]
    fn groups_are_offered_in_envoys_order_or_in_that_of_the_list() {
        assert_eq!(groups(&json!({}))[..3], [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1]);
        assert_eq!(groups(&json!({"ecdh_curves": ["P-256", "X25519"]})), [NamedGroup::secp256r1, NamedGroup::X25519]);
    }

    #[test]
    fn suites_are_offered_in_envoys_order() {
        let all = suites(&json!({}));
        assert_eq!(all[..2], [CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS13_AES_256_GCM_SHA384]);
        assert_eq!(all[3], CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    }

    #[test]
    fn a_list_of_suites_is_kept_in_its_order_behind_those_of_tls_13() {
        let some =
            suites(&json!({"cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384", "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-ECDSA-AES128-GCM-SHA256]", "AES128-SHA"]}));
        let of_tls12 = [
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ];
        assert_eq!((some[0], &some[3..]), (CipherSuite::TLS13_AES_128_GCM_SHA256, &of_tls12[..]));
    }
}
