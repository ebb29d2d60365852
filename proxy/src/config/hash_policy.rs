//! What requests are hashed by, for clusters that send like requests to the same host (`RouteAction.HashPolicy`).

use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::request::Request;
use std::net::IpAddr;
use twox_hash::XxHash64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPolicy {
    by: By,
    is_terminal: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Header(Box<str>),
    Query(Box<str>),
    SourceAddress,
}

impl HashPolicy {
    pub fn read(m: &Message<'_, '_>) -> Read<HashPolicy> {
        let by = if let Some(header) = m.message("header")? {
            By::Header(header.text("header_name")?.to_ascii_lowercase().into())
        } else if let Some(query) = m.message("query_parameter")? {
            By::Query(query.text("name")?.into())
        } else if m.message_or_empty("connection_properties")?.flag("source_ip")? {
            By::SourceAddress
        } else {
            return Err(m.unknown("a way to hash that is not known to mesh-proxy"));
        };
        Ok(HashPolicy { by, is_terminal: m.flag("terminal")? })
    }
    fn hash(&self, request: &Request<'_>, remote: IpAddr) -> Option<u64> {
        match &self.by {
            By::Header(name) => {
                let mut values: Vec<&str> = (0..).map_while(|i| request.header(name, i)).collect();
                // In any order the same.
                values.sort_unstable();
                (!values.is_empty()).then(|| values.iter().fold(0, |seed, value| XxHash64::oneshot(seed, value.as_bytes())))
            }
            By::Query(name) => {
                let query = request.path.split_once('?')?.1.split('#').next()?;
                let value = query.split('&').map(|p| p.split_once('=').unwrap_or((p, ""))).find(|(k, _)| k == &&**name)?.1;
                Some(XxHash64::oneshot(0, value.as_bytes()))
            }
            By::SourceAddress => Some(XxHash64::oneshot(0, remote.to_string().as_bytes())),
        }
    }
}

/// The hash of a request; `None` where no policy finds anything: then chance decides.
pub fn hash(policies: &[HashPolicy], request: &Request<'_>, remote: IpAddr) -> Option<u64> {
    let mut out: Option<u64> = None;
    for policy in policies {
        if let Some(new) = policy.hash(request, remote) {
            // Turned, so that a policy that stands twice does not cancel itself out.
            out = Some(out.map_or(0, |old| old.rotate_left(1)) ^ new);
        }
        if out.is_some() && policy.is_terminal {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_envoy::engine::field::Path;
    use serde_json::json;

    #[test]
    fn policies_are_combined_and_ends_are_kept() {
        let policy = |value: serde_json::Value| HashPolicy::read(&Message::new(&value, Path::root("p")).expect("a message"));
        let header = policy(json!({"header": {"headerName": "X-User"}})).expect("a header");
        let query = policy(json!({"queryParameter": {"name": "q"}, "terminal": true})).expect("a parameter");
        let source = policy(json!({"connectionProperties": {"sourceIp": true}})).expect("an address");
        assert!(policy(json!({"cookie": {"name": "c", "ttl": "0s"}})).is_err());
        let headers = vec![("x-user", "jason")];
        let remote = IpAddr::from([10, 0, 0, 1]);
        let request = |path: &'static str| Request { method: "GET", scheme: "http", authority: "a", path, headers: &headers };
        let xx = |text: &str| XxHash64::oneshot(0, text.as_bytes());
        assert_eq!(hash(std::slice::from_ref(&header), &request("/"), remote), Some(xx("jason")));
        assert_eq!(hash(&[header.clone(), header.clone()], &request("/"), remote), Some(xx("jason").rotate_left(1) ^ xx("jason")));
        assert_eq!(hash(&[query.clone(), source.clone()], &request("/?a=1&q=2"), remote), Some(xx("2")));
        assert_eq!(hash(&[query.clone(), source], &request("/"), remote), Some(xx("10.0.0.1")));
        assert_eq!(hash(&[query], &request("/"), remote), None);
    }
}
