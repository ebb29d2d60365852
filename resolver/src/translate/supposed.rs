//! Addresses of what manifests give none: Pods that a template will make, Services that no cluster has seen. They are of
//! the network that is set aside for benchmarks (RFC 2544), so that no real one is meant, and are told apart from real
//! ones wherever they are shown.

/// Whether things without an address count as if they had one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// What has no address is not there: what istiod sees.
    #[default]
    Given,
    /// Templates and Services are given one each: what a cluster will see when the manifests are applied to it.
    Supposed,
}

/// The address of a workload, by its place among all in the order of their names; none beyond the first 65,534.
pub fn of_workload(id: u32) -> Option<String> {
    within(18, id)
}

/// The address of a Service, by its place among all in the order of their names; none beyond the first 65,534.
pub fn of_service(id: u32) -> Option<String> {
    within(19, id)
}

fn within(network: u8, id: u32) -> Option<String> {
    let n = u16::try_from(id).ok()?.checked_add(1).filter(|n| *n != u16::MAX)?;
    Some(format!("198.{network}.{}.{}", n >> 8, n & 255))
}

#[cfg(test)]
mod tests {
    use super::{of_service, of_workload};

    #[test]
    fn each_has_its_own_and_there_is_an_end() {
        assert_eq!(of_workload(0).as_deref(), Some("198.18.0.1"));
        assert_eq!(of_workload(255).as_deref(), Some("198.18.1.0"));
        assert_eq!(of_service(65_533).as_deref(), Some("198.19.255.254"));
        assert_eq!((of_workload(65_534), of_workload(70_000)), (None, None));
    }
}
