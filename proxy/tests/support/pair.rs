//! A real Envoy and mesh-proxy with the same configuration, each with an admin port.

use super::envoy;
use super::support;
use mesh_proxy::server::Proxy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub struct Pair {
    /// It stops when it is dropped, before its folder goes.
    _real: envoy::Envoy,
    pub proxy: Proxy,
    ports: Vec<u16>,
    pub admin: u16,
    pub theirs: PathBuf,
    pub ours: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Pair {
    /// `bootstrap` is asked for each of them: with the ports of its listeners, called `l0`, `l1`, …, and its log. `None` without an
    /// Envoy.
    pub fn start(listeners: usize, bootstrap: impl Fn(&[u16], &Path) -> Value) -> Option<Pair> {
        let program = envoy::find()?;
        let (folder, scratch) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (theirs, ours) = (folder.path().join("access.log"), scratch.path().join("ours.log"));
        let mut ports = mesh_testserver::ports::free(listeners + 1);
        let admin = ports.pop().expect("a port");
        let with_admin = |ports: &[u16], admin: u16, log: &Path| {
            let mut value = bootstrap(ports, log);
            value["admin"] = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}});
            value
        };
        let real = envoy::Envoy::start(&program, folder, &with_admin(&ports, admin, &theirs), &ports);
        let proxy = support::start(with_admin(&vec![0; listeners], 0, &ours));
        Some(Pair { _real: real, proxy, ports, admin, theirs, ours, _scratch: scratch })
    }
    /// Where a listener is, of Envoy and of mesh-proxy.
    pub fn at(&self, listener: usize) -> (SocketAddr, SocketAddr) {
        let ours = self.proxy.address(&format!("l{listener}")).expect("a listener");
        (SocketAddr::from(([127, 0, 0, 1], self.ports[listener])), ours)
    }
    /// A page of the admin port of each.
    pub fn pages(&self, path: &str) -> (String, String) {
        let ours = self.proxy.admin.expect("an admin port");
        (support::get(SocketAddr::from(([127, 0, 0, 1], self.admin)), path).text(), support::get(ours, path).text())
    }
    /// Statistics of each whose names a pattern matches and that are not 0. Names of listeners have their numbers for ports.
    pub fn stats(&self, pattern: &str) -> (BTreeMap<String, u64>, BTreeMap<String, u64>) {
        let (theirs, ours) = self.pages(&format!("/stats?filter={pattern}"));
        let read = |text: &str| -> BTreeMap<String, u64> {
            let values = text.lines().filter_map(|l| l.rsplit_once(": ")).filter_map(|(k, v)| Some((k.to_owned(), v.parse().ok()?)));
            values.filter(|(_, v)| *v > 0).collect()
        };
        (read(&theirs), read(&ours))
    }
}
