//! Host names: expansion and matching (istio pkg/config/host).

use std::borrow::Cow;

/// The default cluster domain.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// What a host in an object of `namespace` stands for: a name without a dot and without a leading `*` is a
/// service of that namespace, everything else is a full name already. Without a domain there is no cluster, and the
/// name of a service ends in its namespace.
pub fn expand<'h>(host: &'h str, namespace: &str, domain: &str) -> Cow<'h, str> {
    if host.is_empty() || host.contains('.') || host.starts_with('*') {
        Cow::Borrowed(host)
    } else if domain.is_empty() {
        Cow::Owned(format!("{host}.{namespace}"))
    } else {
        Cow::Owned(format!("{host}.{namespace}.svc.{domain}"))
    }
}

/// `name.ns.svc.domain` taken apart.
pub fn split_service<'h>(fqdn: &'h str, domain: &str) -> Option<(&'h str, &'h str)> {
    let rest = fqdn.strip_suffix(domain)?.strip_suffix(".svc.")?;
    let (name, ns) = rest.split_once('.')?;
    (!name.is_empty() && !ns.is_empty() && !ns.contains('.')).then_some((name, ns))
}

/// Whether two host patterns have a name in common, as Istio's `Name.Matches`: `*` and `*.suffix` are wildcards.
pub fn overlaps(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (None, None) => a == b,
        (Some(suffix), None) => b.ends_with(suffix),
        (None, Some(suffix)) => a.ends_with(suffix),
        (Some(x), Some(y)) => x.ends_with(y) || y.ends_with(x),
    }
}

/// Whether every name of `inner` is a name of `outer`.
pub fn covers(outer: &str, inner: &str) -> bool {
    match (outer.strip_prefix('*'), inner.strip_prefix('*')) {
        (None, None) => outer == inner,
        (None, Some(_)) => false,
        (Some(suffix), None) => inner.ends_with(suffix),
        (Some(x), Some(y)) => y.ends_with(x),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_overlap_and_cover() {
        assert!(overlaps("*.com", "a.com") && overlaps("a.com", "*") && overlaps("*.a.com", "*.com"));
        assert!(!overlaps("*.a.com", "*.b.com") && !overlaps("a.com", "b.com"));
        assert!(covers("*.com", "*.a.com") && !covers("*.a.com", "*.com") && !covers("a.com", "*.a.com"));
    }

    #[test]
    fn short_names_expand_in_their_namespace() {
        assert_eq!(expand("a", "ns", "cluster.local"), "a.ns.svc.cluster.local");
        assert_eq!(expand("a.ns", "x", "cluster.local"), "a.ns");
        assert_eq!(split_service("a.ns.svc.cluster.local", "cluster.local"), Some(("a", "ns")));
        assert_eq!(split_service("a.example.com", "cluster.local"), None);
    }
}
