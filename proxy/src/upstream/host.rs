//! An endpoint at work: its address, its load, its health.

use super::outlier::Record;
use crate::telemetry::peer::Peer;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// Where a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Socket(SocketAddr),
    Unix(PathBuf),
    /// A name that is not resolved, or an internal listener: nothing that can be connected to.
    Nowhere,
}

impl Address {
    /// From the engine's text: `10.0.0.1:80`, `[::1]:80` or a path.
    pub fn parse(text: &str) -> Address {
        if text.starts_with(['/', '.', '@']) {
            return Address::Unix(PathBuf::from(text));
        }
        text.parse().map_or(Address::Nowhere, Address::Socket)
    }
    pub fn socket(&self) -> Option<SocketAddr> {
        if let Address::Socket(a) = self { Some(*a) } else { None }
    }
}

/// Counters that all workers add to.
#[derive(Debug, Default)]
pub struct HostStats {
    pub connections: AtomicU64,
    pub connect_failures: AtomicU64,
    pub requests: AtomicU64,
    pub errors: AtomicU64,
    pub successes: AtomicU64,
    pub timeouts: AtomicU64,
}

#[derive(Debug)]
pub struct Host {
    pub address: Address,
    /// As configuration spells the address.
    pub label: Box<str>,
    pub hostname: Box<str>,
    /// Its workload, as the control plane tells it.
    pub workload: Option<Arc<Peer>>,
    /// Which of its cluster's `transport_socket_matches` it is reached by; `None` for the cluster's own.
    pub transport: Option<usize>,
    pub active_requests: AtomicU32,
    pub active_connections: AtomicU32,
    pub ejected: AtomicBool,
    pub stats: HostStats,
    pub outlier: Record,
}

impl Host {
    pub fn new(label: &str, hostname: &str, workload: &str, transport: Option<usize>) -> Host {
        Host {
            address: Address::parse(label),
            label: label.into(),
            hostname: hostname.into(),
            workload: Peer::of_endpoint(workload).map(Arc::new),
            transport,
            active_requests: AtomicU32::new(0),
            active_connections: AtomicU32::new(0),
            ejected: AtomicBool::new(false),
            stats: HostStats::default(),
            outlier: Record::default(),
        }
    }
}
