//! Istio's cluster names: `outbound|9080|v1|reviews.default.svc.cluster.local` and their SNI spelling
//! `outbound_.9080_.v1_.reviews.default.svc.cluster.local`.

/// A cluster name taken apart. Numbers that are no port make the name a plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterName<'a> {
    pub direction: &'a str,
    pub port: u16,
    /// "" for no subset.
    pub subset: &'a str,
    /// "" for inbound clusters of today.
    pub host: &'a str,
}

impl<'a> ClusterName<'a> {
    /// The parts of a name in the form with bars; `None` for plain names such as `BlackHoleCluster`.
    pub fn parse(name: &'a str) -> Option<ClusterName<'a>> {
        let mut parts = name.splitn(4, '|');
        let (direction, port, subset, host) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(ClusterName { direction, port: port.parse().ok()?, subset, host })
    }
    /// The same for the SNI form, as east-west gateways use it.
    pub fn parse_sni(name: &'a str) -> Option<ClusterName<'a>> {
        let mut parts = name.splitn(4, "_.");
        let (direction, port, subset, host) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(ClusterName { direction, port: port.parse().ok()?, subset, host })
    }
    /// Either form.
    pub fn parse_any(name: &'a str) -> Option<ClusterName<'a>> {
        ClusterName::parse(name).or_else(|| ClusterName::parse_sni(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart() {
        let n = ClusterName::parse("outbound|9080|v1|reviews.default.svc.cluster.local");
        assert_eq!(n, Some(ClusterName { direction: "outbound", port: 9080, subset: "v1", host: "reviews.default.svc.cluster.local" }));
        assert_eq!(ClusterName::parse("inbound|9080||").map(|n| n.host), Some(""));
        assert_eq!(ClusterName::parse("BlackHoleCluster"), None);
        assert_eq!(ClusterName::parse("outbound|x||a"), None);
        assert_eq!(ClusterName::parse_any("outbound_.80_._.a.b").map(|n| (n.port, n.subset, n.host)), Some((80, "", "a.b")));
    }
}
