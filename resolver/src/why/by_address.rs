//! Whose an address is. Pods of a node's own network share the node's, and networks of several clusters may overlap.

use crate::translate::Model;
use crate::workload::Workload;
use mesh_model::Node;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};

/// The workloads that answer at an address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    Nobody,
    One(u32),
    /// Which of them is not told by the address.
    Several(Vec<u32>),
}

impl At {
    pub fn one(&self) -> Option<u32> {
        if let At::One(id) = self { Some(*id) } else { None }
    }
    pub fn all(&self) -> &[u32] {
        match self {
            At::Nobody => &[],
            At::One(id) => std::slice::from_ref(id),
            At::Several(ids) => ids,
        }
    }
}

/// Workloads by their addresses.
pub(super) struct ByAddress {
    ids: FxHashMap<IpAddr, Vec<u32>>,
}

impl ByAddress {
    pub fn of(model: &Model<'_, '_>) -> ByAddress {
        let mut ids: FxHashMap<IpAddr, Vec<u32>> = FxHashMap::default();
        for (id, w) in (0u32..).zip(model.mesh.workloads.all()) {
            if is_over(w) {
                continue;
            }
            for address in model.proxy_of(id).addresses.iter().filter_map(|a| a.parse().ok()) {
                let list = ids.entry(address).or_default();
                if !list.contains(&id) {
                    list.push(id);
                }
            }
        }
        ByAddress { ids }
    }

    /// Of several the one that declares the port: in a node's own network a port is one Pod's.
    pub fn at(&self, model: &Model<'_, '_>, address: SocketAddr) -> At {
        let all = self.ids.get(&address.ip()).map_or(&[][..], Vec::as_slice);
        let declares =
            |id: &&u32| model.mesh.workloads.get(**id).container_ports().any(|p| p.get("containerPort").and_then(Node::int) == Some(i64::from(address.port())));
        match all {
            [] => At::Nobody,
            [one] => At::One(*one),
            several => match several.iter().filter(declares).copied().collect::<Vec<u32>>().as_slice() {
                [one] => At::One(*one),
                [] => At::Several(several.to_vec()),
                declaring => At::Several(declaring.to_vec()),
            },
        }
    }
}

/// Whether it is a Pod that has ended: its address may be another one's by now.
fn is_over(w: &Workload<'_>) -> bool {
    w.object.at(&["status", "phase"]).is_some_and(|p| matches!(p.text(), "Succeeded" | "Failed"))
}

/// What is said of an address that several have.
pub(super) fn shared(address: impl std::fmt::Display, names: &[String]) -> String {
    let shown = if names.len() > 5 { format!("{} and {} more", names[..5].join(", "), names.len() - 5) } else { names.join(", ") };
    format!("{address} is the address of {shown}: which of them answers is not told by it")
}
