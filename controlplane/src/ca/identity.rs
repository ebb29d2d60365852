//! SPIFFE identities of workloads: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub trust_domain: String,
    pub namespace: String,
    pub account: String,
}

impl Identity {
    pub fn new(trust_domain: &str, namespace: &str, account: &str) -> Identity {
        Identity { trust_domain: trust_domain.to_owned(), namespace: namespace.to_owned(), account: account.to_owned() }
    }

    pub fn parse(uri: &str) -> Option<Identity> {
        let parts: Vec<&str> = uri.strip_prefix("spiffe://")?.split('/').collect();
        match parts.as_slice() {
            [domain, "ns", namespace, "sa", account] if [domain, namespace, account].iter().all(|p| is_plain(p)) => {
                Some(Identity::new(domain, namespace, account))
            }
            _ => None,
        }
    }
}

/// What names of Kubernetes and trust domains are made of: nothing that ends a path or a header.
fn is_plain(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && part.len() <= 253 && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/ns/{}/sa/{}", self.trust_domain, self.namespace, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_identities_are_read() {
        let id = Identity::new("cluster.local", "shop", "cart");
        assert_eq!(Identity::parse(&id.to_string()), Some(id));
        for bad in [
            "",
            "spiffe://a",
            "spiffe://a/ns/b/sa/",
            "spiffe://a/ns/b/sa/c/d",
            "spiffe:///ns/b/sa/c",
            "https://a/ns/b/sa/c",
            "spiffe://a/ns/b c/sa/d",
            "spiffe://a/sa/b/ns/c",
            "spiffe://a/ns/../sa/b",
        ] {
            assert_eq!(Identity::parse(bad), None, "{bad}");
        }
    }
}
