//! The way of a request by the translated configuration alone: each proxy's dump, the matching engine, and who holds which
//! address. Nothing of `why` is used but the hello of mutual TLS.

use super::generate::{Asked, WORKLOADS};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::request::{ClientTls, Connection, Entry, Protocol, Request};
use mesh_envoy::engine::walk::{Branch, Call, End, Verdict, World, walk};
use mesh_resolver::translate::Model;
use mesh_resolver::why::mesh_tls;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How a share of the requests ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ended {
    /// In a million.
    pub share: u64,
    pub cluster: String,
    /// "" where none is reached.
    pub server: String,
    /// What a proxy answers; `None` for the application's answer, and where there is none.
    pub status: Option<u16>,
    pub flags: String,
    pub details: String,
}

/// What arrives at a server's proxy: for comparisons with who may call.
pub struct Arrived {
    pub server: u32,
    pub port: u16,
    /// Whether the client shows who it is.
    pub is_mutual: bool,
    pub is_refused: bool,
    pub is_denied: bool,
    pub authority: String,
    pub path: String,
}

pub struct Told {
    pub ends: Vec<Ended>,
    /// Of the client's proxy; empty for a client without one.
    pub route: String,
    pub arrived: Vec<Arrived>,
}

pub struct Engine<'m, 'a> {
    model: &'m Model<'m, 'a>,
    /// By workload.
    configurations: BTreeMap<u32, Configuration>,
    by_address: BTreeMap<IpAddr, u32>,
}

/// The id of a workload, `name.namespace`.
pub fn workload(model: &Model<'_, '_>, name: &str) -> u32 {
    let all = model.mesh.workloads.all();
    all.iter().position(|w| format!("{}.{}", w.object.name(), w.namespace) == name).expect("a workload") as u32
}

/// With the endpoints of clusters that have none: the input is all there is, and a control plane says so.
fn whole(mut dump: Value) -> Value {
    let section = |dump: &Value, kind: &str| {
        dump["configs"].as_array().expect("sections").iter().position(|s| s["@type"].as_str().expect("a type").ends_with(kind)).expect("a section")
    };
    let (clusters, endpoints) = (section(&dump, ".ClustersConfigDump"), section(&dump, ".EndpointsConfigDump"));
    let list = dump["configs"][clusters]["dynamicActiveClusters"].as_array().expect("clusters").clone();
    let held = dump["configs"][endpoints]["dynamicEndpointConfigs"].as_array_mut().expect("endpoints");
    for cluster in list.iter().map(|c| &c["cluster"]).filter(|c| c["type"] == "EDS") {
        if held.iter().all(|e| e["endpointConfig"]["clusterName"] != cluster["name"]) {
            held.push(json!({"endpointConfig": {"clusterName": cluster["name"], "endpoints": []}}));
        }
    }
    dump
}

fn reset(details: &str) -> String {
    format!("upstream_reset_before_response_started{{{details}}}")
}

fn is_closed_at_once(end: &End) -> bool {
    matches!(end, End::Closed { .. })
}

impl<'m, 'a> Engine<'m, 'a> {
    pub fn new(model: &'m Model<'m, 'a>) -> Engine<'m, 'a> {
        let (mut configurations, mut by_address) = (BTreeMap::new(), BTreeMap::new());
        for w in WORKLOADS {
            let id = workload(model, &format!("{}.{}", w.name, w.namespace));
            let proxy = model.proxy_of(id);
            by_address.insert(proxy.addresses[0].parse().expect("an address"), id);
            if w.has_sidecar {
                // By way of text, as a dump on disk is.
                let text = whole(model.translate(&proxy).dump()).to_string();
                let read = Configuration::read(&serde_json::from_str(&text).expect("JSON")).expect("a dump");
                assert_eq!(read.problems, []);
                configurations.insert(id, read);
            }
        }
        Engine { model, configurations, by_address }
    }

    fn address_of(&self, id: u32) -> IpAddr {
        self.by_address.iter().find(|(_, i)| **i == id).map(|(a, _)| *a).expect("an address")
    }

    /// The address that a client's resolver has for a host.
    fn resolved(&self, host: &str) -> IpAddr {
        let full = if host.ends_with(".local") { host.to_owned() } else { format!("{host}.svc.cluster.local") };
        let (_, service) = self.model.registry.by_host(&full).next().expect("a service");
        service.address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    pub fn ask(&self, asked: &Asked) -> Told {
        let client = workload(self.model, asked.client);
        let authority = asked.authority();
        let own = SocketAddr::new(self.address_of(client), 49152);
        let to = SocketAddr::new(self.resolved(asked.host), asked.port);
        let mut told = Told { ends: Vec::new(), route: String::new(), arrived: Vec::new() };
        let Some(configuration) = self.configurations.get(&client) else {
            self.bare(asked, own, &authority, &mut told);
            return told;
        };
        let call = Call {
            entry: Entry::CapturedOutbound,
            connection: Connection { source: own, ..Connection::plain(own.ip(), to) },
            request: Some(request(asked, &authority, asked.path)),
            expects: None,
        };
        let verdict = walk(configuration, &call, &World::default());
        told.route.clone_from(&verdict.route);
        for branch in &verdict.branches {
            self.branch(asked, client, &verdict, branch, &authority, &mut told);
        }
        told
    }

    fn branch(&self, asked: &Asked, client: u32, verdict: &Verdict, branch: &Branch, authority: &str, told: &mut Told) {
        let end = |status, flags: &str, details: &str, server: &str| Ended {
            share: branch.share,
            cluster: branch.cluster.clone(),
            server: server.to_owned(),
            status,
            flags: flags.to_owned(),
            details: details.to_owned(),
        };
        match &branch.end {
            End::Replied(r) => return told.ends.push(end(Some(r.status), &r.flags.join(","), &r.details, "")),
            End::Closed { flag, details, .. } => return told.ends.push(end(None, flag, details, "")),
            End::UpTo(u) => panic!("{asked:?}: not known: {u}"),
            End::Forwarded => {}
        }
        let is_routed = verdict.upstream_request.is_some();
        let (authority, path) = verdict.upstream_request.clone().unwrap_or((authority.to_owned(), asked.path.to_owned()));
        let mut to: Vec<SocketAddr> = branch.endpoints.iter().filter_map(|(a, _)| a.parse().ok()).collect();
        if branch.cluster == "PassthroughCluster" {
            to = self.pods(asked);
        }
        for at in to {
            let id = self.by_address[&at.ip()];
            let server = self.model.mesh.workloads.get(id).object.origin();
            let is_mutual = match &branch.transport {
                Some(UpstreamTransport::Tls { .. }) => true,
                Some(UpstreamTransport::Plaintext) | None => false,
                Some(UpstreamTransport::Other(u)) => panic!("{asked:?}: transport {u}"),
            };
            let Some(configuration) = self.configurations.get(&id) else {
                let broken = reset("remote_connection_failure|TLS_error");
                told.ends.push(if is_mutual { end(Some(503), "URX,UF", &broken, &server) } else { end(None, "", "", &server) });
                continue;
            };
            let w = self.model.mesh.workloads.get(client);
            let principal = format!("spiffe://cluster.local/ns/{}/sa/{}", w.namespace, w.service_account());
            let server_name = match &branch.transport {
                Some(UpstreamTransport::Tls { server_name, .. }) => &**server_name,
                _ => "",
            };
            let tls = is_mutual.then(|| ClientTls { server_name, ..mesh_tls(&principal, Protocol::Http11) });
            let connection = Connection { tls, ..Connection::plain(self.address_of(client), at) };
            let verdict = arrive(configuration, connection, asked, &authority, &path);
            let last = &verdict.branches[0].end;
            told.ends.push(match last {
                End::Replied(r) => end(Some(r.status), &r.flags.join(","), &r.details, &server),
                // Bytes that are passed on end as they began.
                End::Closed { .. } if !is_routed => end(None, "", "", &server),
                End::Closed { .. } if is_mutual => end(Some(503), "URX,UF", &reset("remote_connection_failure"), &server),
                End::Closed { .. } => end(Some(503), "UC", &reset("connection_termination"), &server),
                End::UpTo(u) => panic!("{asked:?}: not known: {u}"),
                End::Forwarded => end(None, "", "", &server),
            });
            told.arrived.push(arrived(id, at.port(), is_mutual, last, &authority, &path));
        }
    }

    /// A client that no proxy stands beside sends plaintext to any Pod of the service.
    fn bare(&self, asked: &Asked, own: SocketAddr, authority: &str, told: &mut Told) {
        let pods = self.pods(asked);
        let end = |status, details: &str, server: String| Ended {
            share: 1_000_000,
            cluster: String::new(),
            server,
            status,
            flags: String::new(),
            details: details.to_owned(),
        };
        if pods.is_empty() {
            told.ends.push(end(None, "", String::new()));
        }
        for at in pods {
            let id = self.by_address[&at.ip()];
            let server = self.model.mesh.workloads.get(id).object.origin();
            let Some(configuration) = self.configurations.get(&id) else {
                told.ends.push(end(None, "", server));
                continue;
            };
            let verdict = arrive(configuration, Connection { source: own, ..Connection::plain(own.ip(), at) }, asked, authority, asked.path);
            let last = &verdict.branches[0].end;
            told.ends.push(match last {
                End::Replied(r) => Ended { flags: r.flags.join(","), ..end(Some(r.status), &r.details, server) },
                _ => end(None, "", server),
            });
            told.arrived.push(arrived(id, at.port(), false, last, authority, asked.path));
        }
    }

    fn pods(&self, asked: &Asked) -> Vec<SocketAddr> {
        let name = asked.host.split('.').next().unwrap_or("");
        let target = self.model.mesh.services.all().iter().find(|s| s.object.name() == name).expect("a service");
        let all = WORKLOADS.iter().map(|w| workload(self.model, &format!("{}.{}", w.name, w.namespace)));
        let own =
            all.filter(|id| self.model.mesh.services.selecting(self.model.mesh.workloads.get(*id)).iter().any(|s| s.object.name() == target.object.name()));
        own.map(|id| {
            let w = self.model.mesh.workloads.get(id);
            let port = target.ports.iter().find(|p| p.number == asked.port).and_then(|p| p.of_workload(w)).expect("a port");
            SocketAddr::new(self.address_of(id), port)
        })
        .collect()
    }
}

fn request<'r>(asked: &'r Asked, authority: &'r str, path: &'r str) -> Request<'r> {
    Request { method: asked.method, scheme: "http", authority, path, headers: &asked.headers }
}

fn arrive(configuration: &Configuration, connection: Connection<'_>, asked: &Asked, authority: &str, path: &str) -> Verdict {
    let call = Call { entry: Entry::CapturedInbound, connection, request: Some(request(asked, authority, path)), expects: None };
    walk(configuration, &call, &World::default())
}

fn arrived(server: u32, port: u16, is_mutual: bool, end: &End, authority: &str, path: &str) -> Arrived {
    let is_denied = matches!(end, End::Replied(r) if r.details.starts_with("rbac_access_denied"));
    Arrived { server, port, is_mutual, is_refused: is_closed_at_once(end), is_denied, authority: authority.to_owned(), path: path.to_owned() }
}
