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

/// Which way the traffic of a cluster goes, as Istio names clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the workload of the proxy itself.
    Inbound,
    /// To a service.
    Outbound,
    /// To the address that the client asked for, which no service has: `PassthroughCluster`.
    Passthrough,
    /// To a port of the workload that no service has: `InboundPassthroughCluster`.
    InboundPassthrough,
    /// Nowhere: `BlackHoleCluster`.
    BlackHole,
    /// A cluster of another name: of an EnvoyFilter, the bootstrap, another control plane.
    Other,
    /// No cluster was chosen.
    None,
}

impl Direction {
    pub fn of(cluster: &str) -> Direction {
        match cluster {
            "" | "-" => Direction::None,
            "BlackHoleCluster" => Direction::BlackHole,
            "PassthroughCluster" => Direction::Passthrough,
            c if c.starts_with("InboundPassthroughCluster") => Direction::InboundPassthrough,
            c => match ClusterName::parse_any(c).map(|n| n.direction) {
                Some(d) if d.starts_with("inbound") => Direction::Inbound,
                Some("outbound") => Direction::Outbound,
                _ => Direction::Other,
            },
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Passthrough => "passthrough",
            Direction::InboundPassthrough => "inbound passthrough",
            Direction::BlackHole => "black hole",
            Direction::Other => "other",
            Direction::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_directions() {
        for (name, want) in [
            ("inbound|9080||", Direction::Inbound),
            ("inbound-vip|80|http|a.b", Direction::Inbound),
            ("outbound|9080|v1|a.b", Direction::Outbound),
            ("outbound_.9080_._.a.b", Direction::Outbound),
            ("InboundPassthroughClusterIpv4", Direction::InboundPassthrough),
            ("BlackHoleCluster", Direction::BlackHole),
            ("xds-grpc", Direction::Other),
            ("-", Direction::None),
        ] {
            assert_eq!(Direction::of(name), want, "{name}");
        }
    }

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
