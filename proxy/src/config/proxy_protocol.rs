//! The listener filter `envoy.filters.listener.proxy_protocol`.

use crate::proxy_protocol::read::Rules;
use mesh_envoy::engine::field::{Message, Read};

#[derive(Debug)]
pub struct ProxyProtocol {
    pub rules: Rules,
    /// Below `proxy_proto.`; "" for none.
    pub stat_prefix: Box<str>,
    /// Whether the addresses of a head stand in the place of where a connection was redirected from: filters run in their order.
    pub overrides_redirection: bool,
}

/// Which of a listener's filters one is, by its type or, in older configuration, by its name.
fn kind<'v>(filter: &Message<'v, '_>) -> Read<&'v str> {
    let of_type = filter.any("typed_config")?.map(|(name, _)| name.rsplit('.').next().unwrap_or(name));
    let by_name = || match filter.text("name") {
        Ok("envoy.filters.listener.proxy_protocol") => "ProxyProtocol",
        Ok("envoy.filters.listener.original_dst") => "OriginalDst",
        Ok("envoy.filters.listener.tls_inspector") => "TlsInspector",
        Ok("envoy.filters.listener.http_inspector") => "HttpInspector",
        _ => "",
    };
    Ok(of_type.unwrap_or_else(by_name))
}

impl ProxyProtocol {
    /// Of a listener.
    ///
    /// # Errors
    /// What can't be honoured: two of them, or one behind a filter that looks at the bytes which it takes away.
    pub fn read(listener: &Message<'_, '_>) -> Read<Option<ProxyProtocol>> {
        let (mut found, mut inspects, mut overrides_redirection) = (None, false, false);
        for filter in listener.messages("listener_filters")? {
            match kind(&filter)? {
                "OriginalDst" => overrides_redirection = true,
                "TlsInspector" | "HttpInspector" => inspects = true,
                "ProxyProtocol" if found.is_some() => return Err(filter.unknown("a second proxy_protocol filter is not supported by mesh-proxy")),
                "ProxyProtocol" if inspects => {
                    return Err(filter.unknown("proxy_protocol belongs before the inspectors: these would look at its head, not at what the client says"));
                }
                "ProxyProtocol" => {
                    let config = filter.any("typed_config")?.map(|(_, config)| ProxyProtocol::of(&config, overrides_redirection));
                    let plain = || ProxyProtocol { rules: Rules::default(), stat_prefix: "".into(), overrides_redirection };
                    found = Some(config.transpose()?.unwrap_or_else(plain));
                }
                _ => {}
            }
        }
        Ok(found)
    }
    fn of(m: &Message<'_, '_>, overrides_redirection: bool) -> Read<ProxyProtocol> {
        let disallowed = m.values("disallowed_versions")?;
        let names = |name: &str, number: u64| disallowed.iter().any(|v| *v == name || *v == number);
        let rules = Rules { may_be_absent: m.flag("allow_requests_without_proxy_protocol")?, without_v1: names("V1", 0), without_v2: names("V2", 1) };
        if rules.without_v1 && rules.without_v2 {
            return Err(m.unknown_field("disallowed_versions", "no version is left"));
        }
        Ok(ProxyProtocol { rules, stat_prefix: m.text("stat_prefix")?.into(), overrides_redirection })
    }
}
