//! Istio's filter `istio.alpn` (`istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig`): what connections over TLS offer in
//! ALPN, by the protocol that is spoken inside. A sidecar that guesses a port's protocol tells HTTP from bytes by it.

use crate::tls::context::offer;
use mesh_envoy::engine::field::{Message, Read};
use std::sync::Arc;

/// Protocols to offer, the dearest first, in place of the TLS context's.
pub type Offer = Arc<[Vec<u8>]>;

pub const TYPE: &str = "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig";

/// The offers of a filter; `None` leaves the context's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    http1: Option<Offer>,
    http2: Option<Offer>,
}

impl Offers {
    /// # Errors
    /// A name that ALPN can't hold.
    pub fn read(m: &Message<'_, '_>) -> Read<Offers> {
        let mut out = Offers::default();
        for entry in m.messages("alpn_override")? {
            let names = entry.texts("alpn_override")?;
            if names.iter().any(|n| n.is_empty() || n.len() > 255) {
                return Err(entry.unknown_field("alpn_override", "names of protocols have 1 to 255 bytes"));
            }
            let place = match entry.enumeration("upstream_protocol", &["HTTP10", "HTTP11", "HTTP2"])? {
                "HTTP2" => &mut out.http2,
                "HTTP11" => &mut out.http1,
                // No request goes out over HTTP/1.0, as with Envoy.
                _ => continue,
            };
            // The first entry of a protocol holds.
            if place.is_none() {
                *place = Some(offer(names).into()).filter(|o: &Offer| !o.is_empty());
            }
        }
        Ok(out)
    }
    pub fn http1(&self) -> Option<Offer> {
        self.http1.clone()
    }
    pub fn http2(&self) -> Option<Offer> {
        self.http2.clone()
    }
}

/// The filter in a manager's chain.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Its place among the manager's filters.
    pub index: usize,
    pub offers: Arc<Offers>,
}

impl Filter {
    /// The one of a manager that has one.
    ///
    /// # Errors
    /// Those of [`Offers::read`].
    pub fn find(manager: &Message<'_, '_>) -> Read<Option<Filter>> {
        for (index, filter) in manager.messages("http_filters")?.iter().enumerate() {
            if let Some((TYPE, config)) = filter.any("typed_config")? {
                return Ok(Some(Filter { index, offers: Arc::new(Offers::read(&config)?) }));
            }
        }
        Ok(None)
    }
}

/// Whether a cluster's metadata says that its own ALPN stays: `istio.alpn_override` is "false".
///
/// # Errors
/// Metadata that is no message.
pub fn stays(cluster: &Message<'_, '_>) -> Read<bool> {
    let metadata = cluster.message_or_empty("metadata")?;
    let filters = metadata.message_or_empty("filter_metadata")?;
    let istio = filters.message_or_empty("istio")?;
    Ok(istio.value("alpn_override").and_then(serde_json::Value::as_str) == Some("false"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::field::Path;
    use serde_json::{Value, json};

    fn read(config: &Value) -> Read<Offers> {
        Offers::read(&Message::new(config, Path::root("f"))?)
    }
    fn names(offer: Option<Offer>) -> String {
        offer.map_or("none".to_owned(), |o| o.iter().map(|n| String::from_utf8_lossy(n).into_owned()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn offers_go_by_the_protocol_of_the_upstream() {
        let got = read(&json!({"alpn_override": [
            {"alpn_override": ["istio-http/1.0"]},
            {"upstream_protocol": "HTTP11", "alpn_override": ["istio-http/1.1", "istio-peer-exchange", "istio"]},
            {"upstream_protocol": "HTTP11", "alpn_override": ["other"]},
            {"upstreamProtocol": "HTTP2", "alpnOverride": ["istio-h2"]}]}))
        .expect("offers");
        assert_eq!((names(got.http1()).as_str(), names(got.http2()).as_str()), ("istio-http/1.1 istio", "istio-h2"));
        // What is not named or empty is the context's.
        let got = read(&json!({"alpn_override": [{"upstream_protocol": "HTTP2"}]})).expect("offers");
        assert_eq!(got, Offers::default());
        for wrong in ["", &"x".repeat(256)] {
            let refused = read(&json!({"alpn_override": [{"upstream_protocol": "HTTP2", "alpn_override": [wrong]}]})).expect_err("refused");
            assert!(refused.to_string().contains("alpn_override"), "{refused}");
        }
    }

    #[test]
    fn a_cluster_may_keep_its_own() {
        for (metadata, want) in [
            (json!({"filter_metadata": {"istio": {"alpn_override": "false"}}}), true),
            (json!({"filterMetadata": {"istio": {"alpn_override": "true"}}}), false),
            (json!({"filter_metadata": {"istio": {"alpn_override": false}}}), false),
            (json!({}), false),
        ] {
            let cluster = json!({ "metadata": metadata });
            assert_eq!(stays(&Message::new(&cluster, Path::root("c")).expect("a message")).expect("a word"), want, "{metadata}");
        }
    }
}
