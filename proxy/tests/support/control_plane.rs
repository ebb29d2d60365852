//! A control plane in this process: it says what the test gives it, and remembers what it was asked. Its gRPC is written out
//! by hand, so that the proxy's is held against another.

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_envoy::api::Any;
use mesh_envoy::api::discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource};
use mesh_envoy::api::wire::first_text;
use prost::Message;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, watch};

/// What a request of either dialect says.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The message's last word: `Cluster`.
    pub kind: String,
    pub node: Option<mesh_envoy::api::discovery::Node>,
    /// Named in the request: all names, or those that were subscribed.
    pub names: Vec<String>,
    pub unsubscribed: Vec<String>,
    pub version: String,
    pub nonce: String,
    pub error: Option<String>,
    pub held: BTreeMap<String, String>,
}

/// Resources by kind and name, with the version of each.
type World = BTreeMap<String, BTreeMap<String, (u64, Any)>>;

#[derive(Default)]
struct Inner {
    world: World,
    versions: BTreeMap<String, u64>,
    heard: Vec<Heard>,
    streams: usize,
    /// Kinds that are never answered.
    silent: BTreeSet<String>,
}

pub struct ControlPlane {
    pub address: String,
    inner: Arc<Mutex<Inner>>,
    changed: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn last_word(url: &str) -> String {
    url.rsplit('.').next().unwrap_or("").to_owned()
}

/// A resource of JSON with its `@type`.
pub fn any(value: &Value) -> Any {
    serde_json::from_value(value.clone()).unwrap_or_else(|e| panic!("{e}: {value}"))
}

impl ControlPlane {
    /// On a port of its own, which it finds again after it was stopped.
    pub fn start() -> ControlPlane {
        ControlPlane::at(&mesh_testserver::ports::free_address().to_string())
    }
    /// On an address, or on a Unix socket where it is a path.
    pub fn at(place: &str) -> ControlPlane {
        let (inner, changed, stop) = (Arc::new(Mutex::new(Inner::default())), watch::Sender::new(0), watch::Sender::new(false));
        let (place, shared, changes, mut stopped) = (place.to_owned(), inner.clone(), changed.subscribe(), stop.subscribe());
        let (told, address) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                if place.starts_with('/') {
                    let listener = tokio::net::UnixListener::bind(&place).expect("a socket");
                    told.send(place).expect("a test");
                    loop {
                        tokio::select! {
                            accepted = listener.accept() => serve(accepted.expect("a connection").0, shared.clone(), changes.clone()),
                            _ = stopped.changed() => return,
                        }
                    }
                }
                let listener = tokio::net::TcpListener::bind(&place).await.expect("a port");
                told.send(listener.local_addr().expect("an address").to_string()).expect("a test");
                loop {
                    tokio::select! {
                        accepted = listener.accept() => serve(accepted.expect("a connection").0, shared.clone(), changes.clone()),
                        _ = stopped.changed() => return,
                    }
                }
            });
        });
        ControlPlane { address: address.recv().expect("an address"), inner, changed, stop, thread: Some(thread) }
    }
    /// Gives other resources of one kind, `Cluster` or the like, all at once.
    pub fn give(&self, kind: &str, resources: &[Value]) {
        self.give_all(&[(kind, resources.to_vec())]);
    }
    /// The same for several kinds at once, in the order of the list.
    pub fn give_all(&self, kinds: &[(&str, Vec<Value>)]) {
        for (kind, resources) in kinds {
            self.give_raw(kind, resources.iter().map(any).collect());
        }
    }
    pub fn give_raw(&self, kind: &str, resources: Vec<Any>) {
        {
            let mut inner = self.inner.lock().expect("unbroken");
            let version = inner.versions.entry(kind.to_owned()).or_default();
            *version += 1;
            let version = *version;
            let before = inner.world.remove(kind).unwrap_or_default();
            let mut now = BTreeMap::new();
            for any in resources {
                let name = first_text(&any.value).to_owned();
                let same = before.get(&name).filter(|(_, b)| *b == any).map(|(v, _)| *v);
                now.insert(name, (same.unwrap_or(version), any));
            }
            inner.world.insert(kind.to_owned(), now);
        }
        self.changed.send_modify(|n| *n += 1);
    }
    /// Lets a kind go unanswered.
    pub fn silence(&self, kind: &str) {
        self.inner.lock().expect("unbroken").silent.insert(kind.to_owned());
    }
    pub fn heard(&self) -> Vec<Heard> {
        self.inner.lock().expect("unbroken").heard.clone()
    }
    /// Drops what was heard, in runs that are long.
    pub fn forget(&self) {
        self.inner.lock().expect("unbroken").heard.clear();
    }
    pub fn streams(&self) -> usize {
        self.inner.lock().expect("unbroken").streams
    }
    /// The version that was given last.
    pub fn version(&self, kind: &str) -> String {
        self.inner.lock().expect("unbroken").versions.get(kind).copied().unwrap_or_default().to_string()
    }
    /// Waits for a request that is looked for.
    pub fn wait(&self, what: &str, is_it: impl Fn(&Heard) -> bool) -> Heard {
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = self.heard().into_iter().rev().find(|h| is_it(h)) {
                return found;
            }
            assert!(Instant::now() < until, "{what}: not in {:#?}", self.heard());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    /// Waits until what was given last of a kind was taken, or refused; why.
    pub fn verdict(&self, kind: &str) -> Option<String> {
        let nonce = format!("{kind}/{}", self.version(kind));
        self.wait(&format!("a verdict on {nonce}"), |h| {
            h.kind == kind && h.nonce == nonce && (h.error.is_some() || h.names.is_empty() || h.version == self.version(kind))
        })
        .error
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I, inner: Arc<Mutex<Inner>>, changes: watch::Receiver<u64>) {
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let (inner, changes) = (inner.clone(), changes.clone());
            async move {
                let (sender, receiver) = mpsc::unbounded_channel();
                let is_delta = request.uri().path().contains("/Delta");
                tokio::spawn(talk(request.into_body(), sender, inner, changes, is_delta));
                let mut response = Response::new(Stream(receiver));
                response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
                Ok::<_, Infallible>(response)
            }
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
    });
}

/// The body of an answer: messages as they come.
struct Stream(mpsc::UnboundedReceiver<Vec<u8>>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|message| {
            message.map(|m| {
                let mut out = vec![0];
                out.extend(u32::try_from(m.len()).expect("short").to_be_bytes());
                out.extend(m);
                Ok(Frame::data(out.into()))
            })
        })
    }
}

/// What a stream was asked for, and told.
#[derive(Default)]
struct Side {
    names: BTreeSet<String>,
    is_open: bool,
    /// State of the world: the version. Delta: versions by name.
    told: Option<u64>,
    told_each: BTreeMap<String, u64>,
}

async fn talk(mut body: Incoming, sender: mpsc::UnboundedSender<Vec<u8>>, inner: Arc<Mutex<Inner>>, mut changes: watch::Receiver<u64>, is_delta: bool) {
    inner.lock().expect("unbroken").streams += 1;
    let mut sides: BTreeMap<String, Side> = BTreeMap::new();
    let mut bytes = BytesMut::new();
    loop {
        tokio::select! {
            frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)) => match frame {
                Some(Ok(frame)) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                _ => return,
            },
            changed = changes.changed() => if changed.is_err() { return },
        }
        while bytes.len() >= 5 {
            let length = u32::from_be_bytes(bytes[1..5].try_into().expect("four")) as usize;
            if bytes.len() < 5 + length {
                break;
            }
            bytes.advance(5);
            let message = bytes.split_to(length);
            let heard = if is_delta { of_delta(&message) } else { of_whole(&message) };
            let side = sides.entry(heard.kind.clone()).or_default();
            if is_delta {
                side.names.extend(heard.names.iter().cloned());
                side.names.retain(|n| !heard.unsubscribed.contains(n));
                for (name, version) in &heard.held {
                    side.told_each.insert(name.clone(), version.parse().unwrap_or(0));
                }
            } else {
                let names: BTreeSet<String> = heard.names.iter().cloned().collect();
                if names.difference(&side.names).next().is_some() {
                    side.told = None;
                }
                side.names = names;
            }
            side.is_open = true;
            inner.lock().expect("unbroken").heard.push(heard);
        }
        let inner = inner.lock().expect("unbroken");
        for (kind, side) in &mut sides {
            let is_wildcard = matches!(kind.as_str(), "Cluster" | "Listener");
            let Some(all) = inner.world.get(kind).filter(|_| side.is_open && !inner.silent.contains(kind)) else { continue };
            let version = inner.versions.get(kind).copied().unwrap_or(0);
            let wanted: Vec<(&String, &(u64, Any))> = all.iter().filter(|(n, _)| is_wildcard || side.names.contains(*n)).collect();
            let url = wanted.first().map_or_else(|| url_of(kind), |(_, (_, a))| a.type_url.clone());
            let nonce = format!("{kind}/{version}");
            let message = if is_delta {
                let news: Vec<Resource> = wanted
                    .iter()
                    .filter(|(n, (v, _))| side.told_each.get(*n) != Some(v))
                    .map(|(n, (v, a))| Resource { version: v.to_string(), resource: Some(a.clone()), name: (*n).clone(), aliases: Vec::new() })
                    .collect();
                let gone: Vec<String> = side.told_each.keys().filter(|n| !all.contains_key(*n)).cloned().collect();
                let first = side.told.is_none();
                if news.is_empty() && gone.is_empty() && !(first && is_wildcard) {
                    continue;
                }
                side.told = Some(version);
                side.told_each.retain(|n, _| !gone.contains(n));
                side.told_each.extend(news.iter().map(|r| (r.name.clone(), r.version.parse().unwrap_or(0))));
                DeltaDiscoveryResponse {
                    system_version_info: version.to_string(),
                    resources: news,
                    type_url: url,
                    nonce,
                    removed_resources: gone,
                    control_plane: None,
                }
                .encode_to_vec()
            } else {
                if side.told == Some(version) || (!is_wildcard && wanted.is_empty()) {
                    continue;
                }
                side.told = Some(version);
                let resources = wanted.iter().map(|(_, (_, a))| a.clone()).collect();
                DiscoveryResponse { version_info: version.to_string(), resources, type_url: url, nonce, control_plane: None }.encode_to_vec()
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    }
}

fn url_of(kind: &str) -> String {
    match kind {
        "Cluster" => "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned(),
        _ => "type.googleapis.com/envoy.config.listener.v3.Listener".to_owned(),
    }
}

fn of_whole(bytes: &[u8]) -> Heard {
    let r = DiscoveryRequest::decode(bytes).expect("a request");
    Heard {
        kind: last_word(&r.type_url),
        node: r.node,
        names: r.resource_names,
        version: r.version_info,
        nonce: r.response_nonce,
        error: r.error_detail.map(|e| e.message),
        ..Heard::default()
    }
}

fn of_delta(bytes: &[u8]) -> Heard {
    let r = DeltaDiscoveryRequest::decode(bytes).expect("a request");
    Heard {
        kind: last_word(&r.type_url),
        node: r.node,
        names: r.resource_names_subscribe,
        unsubscribed: r.resource_names_unsubscribe,
        nonce: r.response_nonce,
        error: r.error_detail.map(|e| e.message),
        held: r.initial_resource_versions,
        ..Heard::default()
    }
}

/// A bootstrap that asks a control plane for everything; `api` is GRPC or DELTA_GRPC.
pub fn bootstrap(address: &str, api: &str) -> Value {
    let place = match address.parse::<SocketAddr>() {
        Ok(socket) => super::socket(socket),
        Err(_) => json!({"pipe": {"path": Path::new(address)}}),
    };
    let source = json!({"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"});
    json!({
        "node": {"id": "sidecar~127.0.0.1~web-1.default~default.svc.cluster.local", "cluster": "web.default", "metadata": {"NAMESPACE": "default"}},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "dynamic_resources": {"lds_config": source, "cds_config": source, "ads_config": {"api_type": api, "set_node_on_first_message_only": true,
            "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]}},
        "static_resources": {"clusters": [{"name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s", "lb_policy": "ROUND_ROBIN",
            "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": place}}]}]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}}}]},
    })
}

fn typed(kind: &str, mut value: Value) -> Value {
    value["@type"] = format!("type.googleapis.com/{kind}").into();
    value
}

/// A cluster whose endpoints come over EDS.
pub fn eds_cluster(name: &str) -> Value {
    typed(
        "envoy.config.cluster.v3.Cluster",
        json!({"name": name, "type": "EDS", "connectTimeout": "5s",
            "edsClusterConfig": {"edsConfig": {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}, "serviceName": name}}),
    )
}

pub fn endpoints(name: &str, hosts: &[SocketAddr]) -> Value {
    let hosts: Vec<Value> = hosts.iter().map(|h| json!({"endpoint": {"address": super::socket(*h)}})).collect();
    typed("envoy.config.endpoint.v3.ClusterLoadAssignment", json!({"clusterName": name, "endpoints": [{"lbEndpoints": hosts}]}))
}

/// A listener with a connection manager whose routes come over RDS.
pub fn rds_listener(name: &str, port: u16, routes: &str) -> Value {
    let mut manager = super::manager(json!([]), None);
    manager.as_object_mut().expect("a manager").shift_remove("route_config");
    manager["rds"] = json!({"configSource": {"ads": {}, "initialFetchTimeout": "0s", "resourceApiVersion": "V3"}, "routeConfigName": routes});
    listener(name, port, &manager)
}

pub fn listener(name: &str, port: u16, manager: &Value) -> Value {
    typed(
        "envoy.config.listener.v3.Listener",
        json!({"name": name, "address": {"socketAddress": {"address": "127.0.0.1", "portValue": port}},
            "filterChains": [{"filters": [{"name": "h", "typedConfig": manager}]}]}),
    )
}

/// Routes of one virtual host for all domains.
pub fn routes(name: &str, routes: Value) -> Value {
    typed("envoy.config.route.v3.RouteConfiguration", json!({"name": name, "virtualHosts": [{"name": "v", "domains": ["*"], "routes": routes}]}))
}

/// All requests to a cluster.
pub fn all_to(cluster: &str) -> Value {
    json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster}}])
}
