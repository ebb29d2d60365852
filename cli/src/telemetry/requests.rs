//! Requests as access logs tell them: which workload served them at which port, method and path, and whose they were.

use crate::commands::explain::logs;
use crate::commands::generate::maker;
use crate::telemetry::observed::Name;
use mesh_envoy::access_log::{Entry, Field};
use mesh_envoy::cluster_name::ClusterName;
use mesh_model::Kind;
use mesh_resolver::{Mesh, Service, Workload};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Identities, without their scheme, whose requests they were; `None` where lines do not tell.
pub type Whose = BTreeSet<Option<String>>;

/// Methods and paths, without queries, by those who asked for them. A method without a path is a CONNECT.
pub type Asked = BTreeMap<(String, String), Whose>;

/// What logs tell, by the workload's name in metrics and its port.
#[derive(Debug, Default)]
pub struct Requests {
    pub by_port: BTreeMap<(Name, u16), Asked>,
    /// Lines that count, and those of requests of which the server is not known.
    pub lines: usize,
    pub nowhere: usize,
    pub problems: Vec<String>,
}

/// What answers a request that a policy forbids.
const REFUSED: &str = "rbac_access_denied";
const FORBIDDEN: u16 = 403;
const PERMISSION_DENIED: &str = "7";

/// Reads the logs.
pub fn read(files: &[String], mesh: &Mesh<'_>) -> Requests {
    let mut out = Requests::default();
    let places = Places::new(mesh);
    let reading = logs::entries(files, &mut |entry| out.add(entry, &places));
    out.problems.extend(reading.problems);
    out
}

/// Where addresses and hosts lead.
struct Places<'m, 'a> {
    mesh: &'m Mesh<'a>,
    by_address: BTreeMap<IpAddr, u32>,
}

impl<'m, 'a> Places<'m, 'a> {
    fn new(mesh: &'m Mesh<'a>) -> Places<'m, 'a> {
        let mut by_address = BTreeMap::new();
        for (id, w) in (0..).zip(mesh.workloads.all()).filter(|(_, w)| w.object.kind == Kind::Pod) {
            // Pods in their node's network have no address of their own.
            let is_of_node = w.spec().and_then(|s| s.get("hostNetwork")).and_then(|h| h.bool()) == Some(true);
            let status = w.object.root().get("status");
            let more = status.into_iter().flat_map(|s| s.list("podIPs")).map(|ip| ip.text_of("ip"));
            let all = status.map(|s| s.text_of("podIP")).into_iter().chain(more);
            by_address.extend(all.filter(|_| !is_of_node).filter_map(|ip| Some((ip.parse().ok()?, id))));
        }
        Places { mesh, by_address }
    }

    /// The workload with an address, by `address:port`.
    fn at(&self, text: &str) -> Option<u32> {
        let ip = text.parse::<SocketAddr>().map(|a| a.ip()).or_else(|_| text.parse()).ok()?;
        self.by_address.get(&ip).copied()
    }

    /// The workloads of a service's port, with their own ports.
    fn behind(&self, host: &str, port: u16) -> Vec<(u32, u16)> {
        let services: Vec<&Service<'a>> = self.mesh.services.by_host(host).collect();
        let of = |(id, w): (u32, &Workload<'a>)| {
            let selecting = self.mesh.services.selecting(w);
            let found = selecting.into_iter().find(|s| services.iter().any(|o| std::ptr::eq(*o, *s)))?;
            found.ports.iter().find(|p| p.number == port)?.of_workload(w).map(|own| (id, own))
        };
        (0..).zip(self.mesh.workloads.all()).filter_map(of).collect()
    }
}

impl Requests {
    fn add(&mut self, entry: &Entry<'_>, places: &Places<'_, '_>) {
        let method = entry.text(Field::Method);
        let is_method = is_method(method);
        let cluster = ClusterName::parse_any(entry.text(Field::UpstreamCluster));
        // Bytes have no method, and what no cluster was chosen for reached nobody.
        let (true, Some(cluster)) = (is_method, cluster) else { return };
        let (servers, whose) = match cluster.direction {
            "inbound" => (at_server(entry, cluster.port, places), caller(entry)),
            _ => (at_client(entry, &cluster, places), None),
        };
        let Some(servers) = servers else { return };
        if servers.is_empty() {
            self.nowhere += 1;
            return;
        }
        self.lines += 1;
        let path = entry.text(Field::Path);
        let path = path.split(['?', '#']).next().unwrap_or("").to_owned();
        let name = |id: u32| {
            let w = places.mesh.workloads.get(id);
            (w.namespace.to_owned(), maker(w).to_owned())
        };
        for (id, port) in servers {
            self.by_port.entry((name(id), port)).or_default().entry((method.to_owned(), path.clone())).or_default().insert(whose.clone());
        }
    }
}

/// Whether a text is a method (a token of RFC 9110) that a policy can name: `*` stands for anything there, and `-` for none in a log.
fn is_method(text: &str) -> bool {
    let is_sign = |b: u8| b"!#$%&'+-.^_`|~".contains(&b);
    !matches!(text, "" | "-") && text.bytes().all(|b| b.is_ascii_alphanumeric() || is_sign(b))
}

/// Of a server's own line: what it was asked, but for what a policy refused.
fn at_server(entry: &Entry<'_>, port: u16, places: &Places<'_, '_>) -> Option<Vec<(u32, u16)>> {
    if entry.text(Field::ResponseCodeDetails).starts_with(REFUSED) {
        return None;
    }
    if let Some(id) = places.at(entry.text(Field::DownstreamLocalAddress)) {
        return Some(vec![(id, port)]);
    }
    // Manifests have no addresses: the name that the client's proxy asked for tells the service.
    let asked = ClusterName::parse_any(entry.text(Field::RequestedServerName));
    Some(asked.map_or_else(Vec::new, |a| places.behind(a.host, a.port)))
}

/// Of a client's line: what arrived, and was not refused.
fn at_client(entry: &Entry<'_>, cluster: &ClusterName<'_>, places: &Places<'_, '_>) -> Option<Vec<(u32, u16)>> {
    let is_refused = entry.code() == FORBIDDEN || entry.text(Field::GrpcStatus) == PERMISSION_DENIED;
    if is_refused || entry.text(Field::UpstreamHost).is_empty() || entry.flags().next().is_some_and(|f| f != "-") {
        return None;
    }
    let all = places.behind(cluster.host, cluster.port);
    match places.at(entry.text(Field::UpstreamHost)) {
        Some(id) => Some(all.into_iter().filter(|(own, _)| *own == id).collect()),
        None => Some(all),
    }
}

/// Whose a request at a server is, by its certificate. Addresses are given to others in time, and with `x-forwarded-for` are another's.
fn caller(entry: &Entry<'_>) -> Option<String> {
    entry.text(Field::PeerUriSan).split(',').find_map(|u| u.trim().strip_prefix("spiffe://")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::is_method;

    #[test]
    fn methods_are_tokens_in_whatever_case() {
        assert!(["GET", "get", "M-SEARCH", "VERSION-CONTROL"].into_iter().all(is_method));
        assert!(!["", "-", "*", "G T", "P\u{e9}"].into_iter().any(is_method));
    }
}
