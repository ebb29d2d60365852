//! From a model of the mesh and a proxy to the resources that it is served.

mod renewed;

use crate::bind::{Bind, Messages};
use crate::client::Client;
use crate::resource::{Resource, Resources, Type};
use mesh_envoy::api::cluster::{Cluster, ClusterDiscoveryType, ClusterEdsClusterConfig, ClusterLbPolicy};
use mesh_envoy::api::discovery::{NameInfo, NameTable};
use mesh_envoy::api::endpoint::{self as eds, ClusterLoadAssignment};
use mesh_envoy::api::{Struct, Value, core};
use mesh_envoy::cluster_name::ClusterName;
use mesh_resolver::translate::{Alike, ControlPlane, Differences, Interception, Kept, Model, Proxy, Translation};
use mesh_resolver::workload::WorkloadSource;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The workload that a proxy is beside: its Pod, or the template that made it.
pub fn workload_of(model: &Model<'_, '_>, client: &Client) -> Option<u32> {
    let workloads = &model.mesh.workloads;
    let clusters = &model.mesh.snapshot.clusters;
    // Of one cluster alone nobody has to know the name.
    let is_near = |id: &u32| clusters.len() < 2 || model.mesh.snapshot.cluster_name(workloads.get(*id).object) == client.cluster;
    let ids: Vec<u32> = workloads.ids_in(&client.namespace).iter().copied().filter(is_near).collect();
    let exact = ids.iter().copied().find(|id| workloads.get(*id).object.name() == client.name);
    exact.or_else(|| {
        let made = |id: &u32| {
            let w = workloads.get(*id);
            w.source == WorkloadSource::Template && client.name.strip_prefix(w.object.name()).is_some_and(|rest| rest.starts_with('-'))
        };
        // `reviews-v1-7d4` is made by `reviews-v1`, not by `reviews`.
        ids.iter().copied().filter(made).max_by_key(|id| workloads.get(*id).object.name().len())
    })
}

/// The proxy as the resolver knows it: what the input says of its workload, and what it says itself.
pub fn proxy_of(model: &Model<'_, '_>, client: &Client, workload: Option<u32>) -> Proxy {
    let known = workload.map(|id| model.proxy_of(id));
    let labels = match &known {
        Some(p) if client.labels.is_empty() => p.labels.clone(),
        _ => client.labels.clone(),
    };
    // Addresses that are supposed are those of the model alone.
    let addresses = match known.as_ref().filter(|p| !p.addresses.is_empty()) {
        Some(p) => p.addresses.clone(),
        None => client.addresses.clone(),
    };
    Proxy {
        kind: client.kind,
        id: client.full_name(),
        addresses,
        namespace: client.namespace.clone(),
        labels,
        dns_domain: client.dns_domain.clone(),
        interception: client.interception.or(known.map(|p| p.interception)).unwrap_or(Interception::Redirect),
        auto_allocated_addresses: client.auto_allocated_addresses,
        network_view: client.network_view.clone(),
        metadata: Some(client.metadata.fields.iter().filter_map(|f| Some((f.key.clone(), f.value.as_ref()?.text()?.to_owned()))).collect()),
    }
}

/// What decides what a proxy is sent, but for the addresses that a laptop gives it.
pub type Key = (Alike, ControlPlane);

/// Translations of a reading, with what the next one needs to take over what does not differ.
pub type Made = FxHashMap<Key, (Kept, Arc<Resources>)>;

/// What was made of the reading before, and what differs since.
pub struct Before {
    pub differences: Differences,
    pub made: Made,
}

/// Translations of one model, each made once for all proxies that are alike.
pub struct Translations<'m, 'a> {
    pub model: &'m Model<'m, 'a>,
    version: String,
    /// What the operator leaves out for all.
    control_plane: ControlPlane,
    encoded: Made,
    /// Of proxies that have places of this machine, until the last of those that are alike and wait for them has its own.
    plain: FxHashMap<Key, (Messages, usize)>,
    /// How many translations were made.
    made: usize,
    before: Option<Before>,
    names: Arc<Resource>,
}

/// A proxy with what it is to be translated as.
pub struct Wanted {
    pub proxy: Proxy,
    pub workload: Option<u32>,
    pub key: Key,
    /// By which the reading before knew it, where it was connected then.
    pub last: Option<Key>,
}

impl<'m, 'a> Translations<'m, 'a> {
    pub fn new(model: &'m Model<'m, 'a>, version: &str, before: Option<Before>) -> Self {
        Translations {
            model,
            version: version.to_owned(),
            control_plane: model.control_plane,
            encoded: FxHashMap::default(),
            plain: FxHashMap::default(),
            made: 0,
            before,
            names: Arc::new(Resource::new(Type::Names.url(), &names(model))),
        }
    }

    /// What was made, for the next reading. On one machine messages are made for their places, and nothing is kept.
    pub fn into_made(self) -> Made {
        self.encoded
    }

    /// The reading before is needed no more.
    pub fn forget(&mut self) {
        self.before = None;
    }

    pub fn wanted(&self, client: &Client, bind: Option<&Bind>) -> Wanted {
        let workload = workload_of(self.model, client);
        let mut proxy = proxy_of(self.model, client, workload);
        if bind.is_some() {
            proxy.interception = Interception::Redirect;
        }
        let control_plane = ControlPlane {
            metadata_exchange: self.control_plane.metadata_exchange && client.has.metadata_exchange,
            alpn_filter: self.control_plane.alpn_filter && client.has.alpn_filter,
            metrics: client.has.metrics,
            records: client.has.records,
            ambient: client.has.ambient,
        };
        let key = (self.model.alike(&proxy), control_plane);
        Wanted { proxy, workload, key, last: None }
    }

    /// Translates for several proxies at once, on all cores.
    pub fn prepare(&mut self, wanted: &[Wanted], bind: Option<&Bind>) {
        use rayon::prelude::*;
        let mut new: FxHashMap<&Key, &Wanted> = FxHashMap::default();
        for w in wanted.iter().filter(|w| !self.encoded.contains_key(&w.key) && !self.plain.contains_key(&w.key)) {
            // Of those who are alike one that was here before: what it had is taken over.
            let chosen = new.entry(&w.key).or_insert(w);
            if chosen.last.is_none() {
                *chosen = w;
            }
        }
        let list: Vec<(&Key, &Wanted)> = new.into_iter().collect();
        let model = self.model;
        let version = &self.version;
        if bind.is_some() {
            let translate = |k: &Key, w: &Wanted| {
                let mut made = messages(model.translate_as(&w.proxy, k.1));
                find_pods(model, &mut made);
                made
            };
            let made: Vec<(Key, Messages)> = list.par_iter().map(|(k, w)| ((*k).clone(), translate(k, w))).collect();
            self.made += made.len();
            for (key, messages) in made {
                let waiting = wanted.iter().filter(|w| w.key == key).count();
                self.plain.insert(key, (messages, waiting));
            }
        } else {
            let (before, names) = (self.before.as_ref(), &self.names);
            let made: Vec<(Key, (Kept, Arc<Resources>))> = list
                .par_iter()
                .map(|(k, w)| {
                    let old = before.and_then(|b| Some((&b.differences, b.made.get(w.last.as_ref()?)?)));
                    ((*k).clone(), renewed::encode(model, w, k.1, old, names, version))
                })
                .collect();
            self.made += made.len();
            self.encoded.extend(made);
        }
    }

    /// The messages for one of those that wait for them; the last one takes them away.
    fn take_plain(&mut self, key: &Key) -> Messages {
        let Some((messages, waiting)) = self.plain.get_mut(key) else { return Messages::default() };
        *waiting = waiting.saturating_sub(1);
        if *waiting > 0 { messages.clone() } else { self.plain.remove(key).map(|(messages, _)| messages).unwrap_or_default() }
    }

    /// The resources of one proxy.
    pub fn resources(&mut self, wanted: &Wanted, bind: Option<&mut Bind>) -> Arc<Resources> {
        self.prepare(std::slice::from_ref(wanted), bind.as_deref());
        match (bind, wanted.workload) {
            (Some(bind), Some(id)) => {
                let mut own = self.take_plain(&wanted.key);
                bind.bind(id, wanted.proxy.kind, &mut own);
                Arc::new(encode(own, &self.names, &self.version))
            }
            // Nobody knows where it may listen.
            (Some(_), None) => {
                self.take_plain(&wanted.key);
                Arc::new(Resources::empty(&self.version))
            }
            (None, _) => self.encoded.get(&wanted.key).map(|(_, resources)| Arc::clone(resources)).unwrap_or_default(),
        }
    }

    /// How many translations were made.
    pub fn count(&self) -> usize {
        self.made
    }
}

/// What a workload's proxy is sent where the mesh is on one machine, of its translation.
pub fn placed(model: &Model<'_, '_>, translation: Translation<'_>, workload: u32, proxy: &Proxy, bind: &mut Bind) -> Messages {
    let mut out = messages(translation);
    find_pods(model, &mut out);
    bind.bind(workload, proxy.kind, &mut out);
    out
}

fn messages(t: Translation<'_>) -> Messages {
    Messages {
        listeners: t.listeners.into_iter().map(|p| p.message).collect(),
        routes: t.routes.into_iter().map(|p| p.message).collect(),
        clusters: t.clusters.into_iter().map(|p| p.message).collect(),
        endpoints: t.endpoints.into_iter().map(|p| p.message).collect(),
    }
}

/// Headless services are reached at the address that a client meant, which capture alone can tell: here at any of their
/// Pods.
fn find_pods(model: &Model<'_, '_>, m: &mut Messages) {
    for c in m.clusters.iter_mut().filter(|c| c.r#type == Some(ClusterDiscoveryType::OriginalDst as i32)) {
        let Some(name) = ClusterName::parse(&c.name).filter(|n| n.direction == "outbound" && n.subset.is_empty()) else { continue };
        let Some((_, service)) = model.registry.by_host(name.host).next() else { continue };
        let Some(port) = service.port(name.port).filter(|_| service.is_kubernetes()) else { continue };
        let pods = model.registry.endpoints(model.mesh, service, port);
        let hosts = pods.iter().map(|e| {
            let socket = core::SocketAddress { address: e.address.clone(), port_value: Some(u32::from(e.port)), ..Default::default() };
            let address = core::Address { socket_address: Some(socket), ..Default::default() };
            let mut metadata = core::Metadata::default();
            if e.takes_mtls == Some(true) {
                let mode: Struct = std::iter::once(("tlsMode", Value::from("istio"))).collect();
                metadata.filter_metadata.insert("envoy.transport_socket_match".into(), mode);
            }
            eds::LbEndpoint { endpoint: Some(eds::Endpoint { address: Some(address), ..Default::default() }), metadata: Some(metadata), ..Default::default() }
        });
        let assignment = ClusterLoadAssignment {
            cluster_name: c.name.clone(),
            endpoints: vec![eds::LocalityLbEndpoints { lb_endpoints: hosts.collect(), ..Default::default() }],
            ..ClusterLoadAssignment::default()
        };
        c.r#type = Some(ClusterDiscoveryType::Eds as i32);
        c.lb_policy = ClusterLbPolicy::RoundRobin as i32;
        c.original_dst_lb_config = None;
        let ads =
            core::ConfigSource { ads: Some(core::AggregatedConfigSource::default()), resource_api_version: core::ApiVersion::V3 as i32, ..Default::default() };
        c.eds_cluster_config = Some(ClusterEdsClusterConfig { eds_config: Some(ads), service_name: c.name.clone() });
        m.endpoints.push(assignment);
    }
}

fn encode(m: Messages, names: &Arc<Resource>, version: &str) -> Resources {
    let mut out = Resources::empty(version);
    for e in &m.endpoints {
        out.insert(Type::Endpoint, Resource::new(&e.cluster_name, e));
    }
    for c in &m.clusters {
        out.share(Type::Cluster, Arc::new(of_cluster(c)));
    }
    add_empty(&mut out);
    for l in &m.listeners {
        out.insert(Type::Listener, Resource::new(&l.name, l));
    }
    for r in &m.routes {
        out.insert(Type::Route, Resource::new(&r.name, r));
    }
    out.share(Type::Names, Arc::clone(names));
    out.seal();
    out
}

fn of_cluster(c: &Cluster) -> Resource {
    let mut resource = Resource::new(&c.name, c);
    resource.wants_endpoints = c.r#type == Some(ClusterDiscoveryType::Eds as i32);
    resource
}

/// A cluster waits for its endpoints: that there are none is said, not kept back.
fn add_empty(out: &mut Resources) {
    let known = out.of(Type::Endpoint);
    let without: Vec<String> = out.of(Type::Cluster).values().filter(|c| c.wants_endpoints && !known.contains_key(&c.name)).map(|c| c.name.clone()).collect();
    for cluster_name in without {
        let empty = ClusterLoadAssignment { cluster_name, ..ClusterLoadAssignment::default() };
        out.insert(Type::Endpoint, Resource::new(&empty.cluster_name, &empty));
    }
}

/// The hosts that Istio's agent answers DNS for.
fn names(model: &Model<'_, '_>) -> NameTable {
    let mut out = NameTable::default();
    for service in model.registry.services.iter().filter(|s| s.address.parse::<std::net::IpAddr>().is_ok_and(|ip| !ip.is_unspecified())) {
        let info = out.table.entry(service.host.clone()).or_insert_with(|| NameInfo {
            registry: if service.is_kubernetes() { "Kubernetes" } else { "External" }.to_owned(),
            shortname: if service.is_kubernetes() { service.name.to_owned() } else { String::new() },
            namespace: if service.is_kubernetes() { service.namespace.to_owned() } else { String::new() },
            ..NameInfo::default()
        });
        if !info.ips.contains(&service.address) {
            info.ips.push(service.address.clone());
        }
    }
    out
}
