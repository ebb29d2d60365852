//! What a filter chain does to the bytes below its filters: nothing, or TLS.

use super::field::{Message, Read, Unknown};

/// A chain's transport socket.
#[derive(Clone, Debug)]
pub enum Transport {
    Plaintext,
    Tls(ServerTls),
    Unknown(Unknown),
}

/// `DownstreamTlsContext`, as far as it decides who gets through.
#[derive(Clone, Debug, Default)]
pub struct ServerTls {
    pub requires_client_certificate: bool,
    /// The secret that the server shows; "" for one written in place.
    pub secret: Box<str>,
    pub alpn: Vec<Box<str>>,
    /// Names that a client's certificate must have, as the configuration spells them; empty for any that the roots vouch for.
    pub client_names: Vec<crate::matcher::StringMatcher>,
}

impl Transport {
    pub(super) fn read(socket: Option<&Message<'_, '_>>) -> Transport {
        socket.map_or(Transport::Plaintext, |m| Transport::try_read(m).unwrap_or_else(Transport::Unknown))
    }
    fn try_read(m: &Message<'_, '_>) -> Read<Transport> {
        let Some((name, config)) = m.any("typed_config")? else {
            return match m.text("name")? {
                "envoy.transport_sockets.raw_buffer" | "raw_buffer" => Ok(Transport::Plaintext),
                other => Err(m.unknown(format!("the transport socket {other} without configuration"))),
            };
        };
        match name.rsplit('.').next().unwrap_or(name) {
            "RawBuffer" => Ok(Transport::Plaintext),
            "DownstreamTlsContext" => {
                let common = config.message_or_empty("common_tls_context")?;
                let secrets = common.messages("tls_certificate_sds_secret_configs")?;
                let combined = common.message_or_empty("combined_validation_context")?;
                let validation = match common.message("validation_context")? {
                    Some(direct) => direct,
                    None => combined.message_or_empty("default_validation_context")?,
                };
                let mut client_names = Vec::new();
                for san in validation.messages("match_typed_subject_alt_names")? {
                    client_names.push(super::text::string(&san.message_or_empty("matcher")?)?);
                }
                for san in validation.messages("match_subject_alt_names")? {
                    client_names.push(super::text::string(&san)?);
                }
                Ok(Transport::Tls(ServerTls {
                    requires_client_certificate: config.flag("require_client_certificate")?,
                    secret: secrets.first().map_or(Ok(""), |s| s.text("name"))?.into(),
                    alpn: common.texts("alpn_protocols")?.into_iter().map(Into::into).collect(),
                    client_names,
                }))
            }
            "InternalUpstreamTransport" => Ok(Transport::Plaintext),
            other => Err(config.unknown(format!("the transport socket {other} is not known to meshctl"))),
        }
    }
}
