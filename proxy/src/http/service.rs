//! One request: put in order, routed, filtered, and then forwarded or answered. The engine decides; here it is done.

use super::body::Body;
use super::cors::Allowed;
use super::exchange::{Connection, Exchange, RouteRef};
use super::head::{self, View, names};
use super::hygiene::{self, Nominated};
use super::incoming::Incoming;
use super::interim::Interim;
use super::live::World;
use super::old;
use super::respond::Reply;
use super::spelling::Names;
use super::timeouts::{self, Late};
use super::upload::Source;
use super::{forward, upgrade};
use crate::config::alpn::Offers;
use crate::config::manager::{Routes, Underscores};
use crate::config::overload::Kind;
use crate::config::route::Table;
use crate::http2::answer::Respond;
use crate::jwt::claims::{self, Change};
use crate::logging::Logger;
use crate::message::{HeaderMap, Request, Response};
use crate::telemetry::exchange as peers;
use crate::trace::span;
use crate::worker::Generation;
use http::Version;
use http::header::HeaderValue;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::action::{Action, Forward, Target};
use mesh_envoy::engine::gate::{AddedHeader, Context, CorsPolicy, Gate, Overrides, Routed};
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{self as engine, Metadata};
use mesh_envoy::engine::route::{Choice, RequireTls};
use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a request is to go.
pub struct Onward {
    pub generation: Rc<Generation>,
    pub random: u64,
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
    /// What connections over TLS are to offer, where a filter chooses that.
    pub offers: Option<Arc<Offers>>,
}

/// Serves a request of a connection; `respond` is its stream, if it has one.
pub async fn serve(connection: Rc<Connection>, request: Request<Incoming>, respond: Option<Rc<Respond>>) -> Response<Body> {
    let keeps = (request.version == Version::HTTP_10).then(|| old::keeps(&request.headers));
    let (mut exchange, upgrade) = begin(connection, request);
    exchange.respond = respond;
    let mut answer = answer(exchange, upgrade).await;
    if let Some(keeps) = keeps {
        old::finish(&mut answer, keeps);
    }
    answer
}

fn begin(connection: Rc<Connection>, mut request: Request<Incoming>) -> (Box<Exchange>, Option<hyper::upgrade::OnUpgrade>) {
    connection.requests.set(connection.requests.get() + 1);
    if request.version == Version::HTTP_10 {
        old::forget_what_is_new(&mut request.headers);
    }
    let authority = head::authority(&request);
    let Request { method, uri, version, mut headers, extensions, body: incoming } = request;
    let keeps = connection.manager.format.keeping().is_some();
    let names = if keeps { extensions.get::<Names>().cloned().or_else(|| connection.wire.take_names(connection.requests.get())) } else { None };
    let on_upgrade = head::upgrade(&headers).is_some().then(|| {
        let mut asks = http::Request::new(());
        *asks.extensions_mut() = extensions;
        hyper::upgrade::on(&mut asks)
    });
    headers.remove(http::header::HOST);
    // It was hidden from the parser, which would answer it.
    if let (Incoming::Hyper(_), Some(expect)) =
        (&incoming, headers.get(names::HELD_EXPECT).filter(|e| e.as_bytes().eq_ignore_ascii_case(b"100-continue")).cloned())
    {
        headers.remove(names::HELD_EXPECT);
        headers.insert(http::header::EXPECT, expect);
    }
    if version == Version::HTTP_2 {
        // Clients cut it, so that its parts are compressed (RFC 9113 §8.2.3).
        hygiene::join(&mut headers, http::header::COOKIE, b"; ");
    }
    hygiene::join_lists(&mut headers);
    let mut exchange = Box::new(Exchange::new(connection, head::protocol(version), Rc::default()));
    exchange.body = Source::new(incoming, exchange.begun);
    exchange.method = method;
    exchange.authority = authority;
    head::path(&uri).clone_into(&mut exchange.path);
    exchange.headers = headers;
    exchange.names = names;
    if exchange.connection.manager.telemetry.stats.is_some() {
        exchange.head_bytes = head::request_bytes(&exchange);
        if exchange.is_grpc() {
            exchange.body.watch_messages();
            exchange.messages.watch();
        }
    }
    exchange.connection.client.worker.begun(&exchange);
    (exchange, on_upgrade)
}

/// What the engine calls a protocol.
fn engine_protocol(protocol: &str) -> engine::Protocol {
    match protocol {
        "HTTP/2" => engine::Protocol::Http2,
        "HTTP/1.0" => engine::Protocol::Http10,
        _ => engine::Protocol::Http11,
    }
}

async fn answer(mut exchange: Box<Exchange>, upgrade: Option<hyper::upgrade::OnUpgrade>) -> Response<Body> {
    let connection = exchange.connection.clone();
    let manager = &connection.manager;
    let worker = connection.worker();
    if connection.client.heeds_overload && worker.shared.overload.happens(Kind::StopRequests, || worker.dice().u32(..1000)) {
        connection.stats.downstream_rq_overload_close.inc();
        return Reply::new(503, "", "overload", "envoy overloaded").send(exchange);
    }
    if !manager.forwards_interim && head::expects(&exchange.headers) {
        exchange.headers.remove(http::header::EXPECT);
        exchange.interim().iter().for_each(Interim::continues);
    }
    if let Some(target) = connection.wire.take_fragment(connection.requests.get()) {
        exchange.path = target;
        return Reply::new(400, "", "path_normalization_failed", "").closing().send(exchange);
    }
    if let Some(reply) = underscores(&mut exchange) {
        return reply.send(exchange);
    }
    match hygiene::nominations(&exchange.headers) {
        Nominated::Fine => {}
        Nominated::Host => exchange.authority.clear(),
        Nominated::Refused => {
            // As with Envoy, whose parser refuses it, there was no request.
            exchange.path.clear();
            exchange.authority.clear();
            return Reply::new(400, "DPE", "http1.connection_header_rejected", "Bad Request").closing().send(exchange);
        }
    }
    let of_engine = connection.client.engine(engine_protocol(exchange.protocol));
    let scheme = connection.scheme();
    let prepared = {
        let view = View::new(&exchange.headers);
        let request = engine::Request { method: exchange.method.as_str(), scheme, authority: &exchange.authority, path: &exchange.path, headers: &view };
        let remote = manager.engine.remote_address(&of_engine, &view);
        // What is borrowed is as it was.
        manager.engine.prepare(&request, &of_engine).map(|(host, path)| (changed(host), changed(path), remote))
    };
    let (host, path, remote) = match prepared {
        Ok(prepared) => prepared,
        Err(reply) => return refuse(reply, exchange),
    };
    exchange.authority = host.unwrap_or_else(|| std::mem::take(&mut exchange.authority));
    exchange.path = path.unwrap_or_else(|| std::mem::take(&mut exchange.path));
    arrange(&mut exchange, remote);
    peers::hear_client(&mut exchange);
    let generation = connection.client.worker.generation();
    let table = match &manager.routes {
        Routes::Inline(table) => Some(table.clone()),
        Routes::Named { name, .. } => generation.snapshot.routes.get(name).cloned(),
    };
    decide(exchange, table, generation, &of_engine, upgrade).await
}

fn changed(text: Cow<'_, str>) -> Option<String> {
    if let Cow::Owned(text) = text { Some(text) } else { None }
}

/// A request that the manager refuses before any route is asked.
fn refuse(reply: mesh_envoy::engine::gate::Reply, mut exchange: Box<Exchange>) -> Response<Body> {
    if let Some(path) = exchange.connection.manager.engine.refused_path(&exchange.path) {
        exchange.path = path;
    }
    if reply.status == 307 {
        // Clients that speak gRPC follow no redirects.
        if exchange.is_grpc() {
            return Reply::new(400, "", reply.details, "").closing().send(exchange);
        }
        let location = HeaderValue::from_str(&exchange.path).unwrap_or(HeaderValue::from_static("/"));
        return Reply::new(307, "", reply.details, "").with(http::header::LOCATION, location).closing().send(exchange);
    }
    let body = if reply.status == 426 { "Upgrade Required" } else { "" };
    let out = Reply::new(reply.status, reply.flag, reply.details, body);
    // What is no path is no reason to end a connection.
    let out = if reply.status == 404 { out } else { out.closing() };
    out.send(exchange)
}

fn underscores(exchange: &mut Exchange) -> Option<Reply> {
    let action = exchange.connection.manager.underscores;
    if action == Underscores::Allow || !exchange.headers.keys().any(|k| k.as_str().contains('_')) {
        return None;
    }
    if action == Underscores::Reject {
        return Some(Reply::new(400, "DPE", "http1.unexpected_underscore", "").closing());
    }
    let names: Vec<_> = exchange.headers.keys().filter(|k| k.as_str().contains('_')).cloned().collect();
    for name in names {
        exchange.headers.remove(name);
    }
    None
}

/// Headers, scheme and the client's address.
fn arrange(exchange: &mut Exchange, remote: IpAddr) {
    let connection = exchange.connection.clone();
    let scheme = connection.scheme();
    exchange.remote = head::sanitize(&mut exchange.headers, &connection, remote, scheme, &mut connection.client.worker.dice());
    exchange.scheme = match exchange.headers.get(names::FORWARDED_PROTO).map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ => scheme,
    };
}

/// What was found of a route.
struct Found {
    route: Option<RouteRef>,
    wants_tls: bool,
}

fn find(table: &Arc<Table>, request: &engine::Request<'_>, connection: &engine::Connection<'_>, random: u64) -> Result<Found, Unknown> {
    let nothing = Found { route: None, wants_tls: false };
    let host = match table.engine.virtual_host(request.authority, &mut Off) {
        Choice::Found(host) => host,
        Choice::None => return Ok(nothing),
        Choice::Unknown(u) => return Err(u.clone()),
    };
    if host.require_tls != RequireTls::No && request.scheme != "https" {
        return Ok(Found { route: None, wants_tls: true });
    }
    match table.engine.route(host, request, connection, random, &mut Off) {
        Choice::Found(route) => {
            Ok(Found { route: Some(RouteRef { table: table.clone(), host: host.index, route: route.index, weighted: None }), wants_tls: false })
        }
        Choice::None => Ok(nothing),
        Choice::Unknown(u) => Err(u.clone()),
    }
}

fn forwarding(route: Option<&RouteRef>) -> Option<&Forward> {
    route.and_then(|r| if let Action::Forward(f) = &r.route().action { Some(&**f) } else { None })
}

/// The cluster of a forwarding route, and its place among weighted ones.
fn target<'c>(forward: &'c Forward, request: &engine::Request<'c>, random: u64) -> Option<(&'c str, Option<(usize, &'c Overrides)>)> {
    match &forward.target {
        Target::Weighted(weighted) => {
            let cluster = weighted.choose(Some(request), Some(random))?;
            let index = weighted.clusters.iter().position(|c| std::ptr::eq(c, cluster))?;
            let name = cluster.name.as_deref().or_else(|| request.header(&cluster.header, 0))?;
            Some((name, Some((index, &cluster.overrides))))
        }
        other => other.choose(request, random).map(|(name, _)| (name, None)),
    }
}

/// What a condition that is not known would have decided ends the request. Compiling refuses such configuration; this is for
/// what it overlooked.
fn undecided(unknown: &Unknown, exchange: Box<Exchange>) -> Response<Body> {
    exchange.connection.client.worker.complain(Logger::Http, &format!("a request could not be decided: {unknown}"));
    Reply::new(500, "", "filter_chain_undecided", "").send(exchange)
}

/// Headers that filters look at while they change the exchange. It gets them back, whatever becomes of it: who leaves while a filter
/// waits is told of with them.
struct Looked<'e> {
    exchange: &'e mut Exchange,
    headers: HeaderMap,
}

impl Looked<'_> {
    fn at(exchange: &mut Exchange) -> Looked<'_> {
        Looked { headers: std::mem::take(&mut exchange.headers), exchange }
    }
}

impl Drop for Looked<'_> {
    fn drop(&mut self) {
        self.exchange.headers = std::mem::take(&mut self.headers);
    }
}

async fn decide(
    mut exchange: Box<Exchange>,
    table: Option<Arc<Table>>,
    generation: Rc<Generation>,
    of_engine: &engine::Connection<'_>,
    on_upgrade: Option<hyper::upgrade::OnUpgrade>,
) -> Response<Body> {
    let connection = exchange.connection.clone();
    let random = connection.client.worker.dice().u64(..);
    if let Some(table) = table.as_ref().filter(|t| !t.internal_only.is_empty()) {
        table.internal_only.iter().filter(|_| !exchange.headers.contains_key(names::INTERNAL)).cloned().collect::<Vec<_>>().into_iter().for_each(|n| {
            exchange.headers.remove(n);
        });
    }
    let found = {
        let view = View::new(&exchange.headers);
        let request =
            engine::Request { method: exchange.method.as_str(), scheme: exchange.scheme, authority: &exchange.authority, path: &exchange.path, headers: &view };
        table.as_ref().map(|t| find(t, &request, of_engine, random)).transpose()
    };
    let ended = match found {
        Err(u) => Err(Ended::Undecided(u)),
        Ok(found) => {
            let found = found.unwrap_or(Found { route: None, wants_tls: false });
            exchange.route = found.route;
            let mut looked = Looked::at(&mut exchange);
            let Looked { exchange, headers } = &mut looked;
            if let Some(used) = exchange.route.as_ref().map(|r| &r.extras().used).filter(|u| !u.load(Ordering::Relaxed)) {
                used.store(true, Ordering::Relaxed);
            }
            if let Some(route) = exchange.route.clone() {
                timeouts::of_route(exchange, &route, headers);
            }
            span::begin(exchange, headers);
            // Filters may wait: what they look at stays as it is until the last of them has spoken. Where none is asked nobody waits.
            let method = exchange.method.clone();
            let (authority, mut path) = if connection.manager.asks_filters() {
                (exchange.authority.clone(), exchange.path.clone())
            } else {
                (std::mem::take(&mut exchange.authority), std::mem::take(&mut exchange.path))
            };
            let mut from = 0;
            let ended = loop {
                let view = View::new(headers);
                let request = engine::Request { method: method.as_str(), scheme: exchange.scheme, authority: &authority, path: &path, headers: &view };
                match gates(exchange, &request, of_engine, &generation, (random, from), found.wants_tls).await {
                    // What a filter changed is what the next ones see.
                    Err(Ended::Changed(next, changes)) => {
                        from = next;
                        claims::apply(changes, headers, &mut path);
                    }
                    ended => break ended,
                }
            };
            (exchange.authority, exchange.path) = (authority, path);
            ended
        }
    };
    let cluster = match ended {
        Err(Ended::Undecided(u)) => return undecided(&u, exchange),
        Err(Ended::Changed(..)) => return Reply::new(500, "", "filter_chain_undecided", "").send(exchange),
        Err(Ended::Late(late)) => {
            let reply = late.reply(&exchange);
            return reply.send(exchange);
        }
        Err(Ended::Nowhere) => {
            connection.stats.no_route.inc();
            return Reply::new(404, "NR", "route_not_found", "").closing().send(exchange);
        }
        Err(Ended::Upgrade) => return Reply::new(403, "", "upgrade_failed", "").closing().send(exchange),
        Err(Ended::Reply(reply, limit)) => {
            let mut reply = Reply::of_gate(reply, &exchange);
            if let Some((added, exhausted)) = limit {
                reply = reply.with_added(&added);
                // RESOURCE_EXHAUSTED
                reply.grpc_status = exhausted.then_some(8);
            }
            return reply.send(exchange);
        }
        Ok(cluster) => cluster,
    };
    let stats = &connection.stats;
    if cluster.wants_tls {
        stats.rq_redirect.inc();
        let location = format!("https://{}{}", exchange.authority, exchange.path);
        return redirect(301, &location, exchange);
    }
    let Some(route) = exchange.route.clone() else {
        stats.no_route.inc();
        return Reply::new(404, "NR", "route_not_found", "").send(exchange);
    };
    match &route.route().action {
        Action::Unknown(u) => undecided(u, exchange),
        Action::Nothing => {
            stats.no_route.inc();
            Reply::new(404, "NR", "route_not_found", "").send(exchange)
        }
        Action::Direct { status } => {
            stats.rq_direct_response.inc();
            let reply = Reply::new(*status, "", "direct_response", route.extras().body.clone());
            // Envoy says where, whatever the route says.
            let reply = match HeaderValue::from_str(&format!("{}://{}{}", exchange.scheme, exchange.authority, exchange.path)) {
                Ok(here) if matches!(status, 201 | 300..=399) => reply.with(http::header::LOCATION, here),
                _ => reply,
            };
            reply.send(exchange)
        }
        Action::Redirect(r) => {
            stats.rq_redirect.inc();
            let location = {
                let view = View::new(&exchange.headers);
                r.location(&engine::Request {
                    method: exchange.method.as_str(),
                    scheme: exchange.scheme,
                    authority: &exchange.authority,
                    path: &exchange.path,
                    headers: &view,
                })
            };
            redirect(r.status, &location, exchange)
        }
        Action::Forward(f) => {
            let upgrade = if head::upgrade(&exchange.headers).is_some() { on_upgrade } else { None };
            forward::forward(exchange, f, Onward { generation, random, upgrade, offers: cluster.offers }).await
        }
    }
}

fn redirect(status: u16, location: &str, exchange: Box<Exchange>) -> Response<Body> {
    let reply = Reply::new(status, "", "direct_response", "");
    match HeaderValue::from_str(location) {
        Ok(value) => reply.with(http::header::LOCATION, value).send(exchange),
        Err(_) => Reply::new(400, "", "invalid_path", "").send(exchange),
    }
}

enum Ended {
    Undecided(Unknown),
    Nowhere,
    Upgrade,
    Late(Late),
    /// With the headers that a rate limit adds, and whether gRPC is to hear that something is exhausted.
    Reply(mesh_envoy::engine::gate::Reply, Option<(Vec<AddedHeader>, bool)>),
    /// The filters before this one have spoken, and the request is another one for the rest.
    Changed(usize, Vec<Change>),
}

struct Passed {
    wants_tls: bool,
    offers: Option<Arc<Offers>>,
}

/// Asks each filter in turn. The cluster is known before them, as in Envoy.
async fn gates(
    exchange: &mut Exchange,
    request: &engine::Request<'_>,
    of_engine: &engine::Connection<'_>,
    generation: &Rc<Generation>,
    (random, from): (u64, usize),
    wants_tls: bool,
) -> Result<Passed, Ended> {
    let connection = exchange.connection.clone();
    let manager = &connection.manager;
    let route = exchange.route.clone();
    let forward = forwarding(route.as_ref());
    // A CONNECT that no route matches goes nowhere, whatever the filters say.
    if request.is_connect() && route.is_none() {
        return Err(Ended::Nowhere);
    }
    if upgrade::is_refused(request, &manager.engine, forward) {
        set_cluster(exchange, generation, forward.and_then(|f| target(f, request, random)).map_or("", |(n, _)| n));
        return Err(Ended::Upgrade);
    }
    let chosen = forward.and_then(|f| target(f, request, random));
    let name = chosen.map_or("", |(name, _)| name);
    if from == 0 {
        set_cluster(exchange, generation, name);
    }
    if let (Some(r), Some((_, Some((index, _))))) = (exchange.route.as_mut(), chosen) {
        r.weighted = Some(index);
    }
    let of_route = route.as_ref().map(|route| [&route.route().overrides, &route.virtual_host().overrides, &route.table.engine.overrides]);
    let of_target = of_route.zip(chosen.and_then(|(_, own)| own)).map(|([a, b, c], (_, overrides))| [overrides, a, b, c]);
    let scopes: &[&Overrides] = match (&of_target, &of_route) {
        (Some(list), _) => list,
        (None, Some(list)) => list,
        (None, None) => &[],
    };
    let routed = match (forward, route.is_some() || wants_tls) {
        (Some(_), _) => Routed::Forwarded,
        (None, true) => Routed::Answered,
        (None, false) => Routed::Nowhere,
    };
    if manager.asks_filters() {
        let mut metadata = std::mem::take(&mut exchange.metadata);
        let ended = ask(exchange, request, of_engine, scopes, (name, routed, from), &mut metadata).await;
        exchange.metadata = metadata;
        ended?;
    }
    let alpn = manager.alpn.as_ref().filter(|a| manager.engine.filters.get(a.index).is_some_and(|f| f.is_on(scopes)));
    Ok(Passed { wants_tls, offers: alpn.map(|a| a.offers.clone()) })
}

/// Asks the filters before the router, one after the other; those before `from` were asked already.
async fn ask(
    exchange: &mut Exchange,
    request: &engine::Request<'_>,
    of_engine: &engine::Connection<'_>,
    scopes: &[&Overrides],
    (name, routed, from): (&str, Routed, usize),
    metadata: &mut Metadata,
) -> Result<(), Ended> {
    let connection = exchange.connection.clone();
    let manager = &connection.manager;
    let route = exchange.route.clone();
    let limits = route.as_ref().and_then(|r| r.virtual_host().limits(r.route()));
    for (index, filter) in manager.engine.filters.iter().enumerate().skip(from).take_while(|(_, f)| !f.is_router()).filter(|(_, f)| !f.is_transparent()) {
        if let Some(policy) = filter.cors(scopes).filter(|p| !p.is_off())
            && let Some(origin) = CorsPolicy::origin(request, routed)
        {
            exchange.cors = Some(Box::new(Allowed::new(policy, Some(origin).filter(|o| policy.allows(o)))));
        }
        let tokens = manager.tokens.iter().find(|t| t.index == index);
        let now = tokens.map_or(0, |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        if let Some(tokens) = tokens.filter(|_| filter.is_on(scopes)) {
            for remote in tokens.missing(request, now) {
                exchange.limits.within(&exchange.body, remote.ready()).await.map_err(Ended::Late)?;
            }
        }
        let changes = tokens.filter(|_| filter.is_on(scopes)).map(|t| t.sanitize(request)).unwrap_or_default();
        let mut world = World { connection: &connection, tokens: tokens.map(|t| &**t), now, changes, skips_cors: false, told: Vec::new() };
        let gate = {
            let mut context = Context { request, connection: of_engine, remote: exchange.remote.ip(), metadata, scopes, cluster: name, routed, limits };
            filter.gate(&mut context, &mut world, &mut Off)
        };
        if world.skips_cors {
            exchange.cors = None;
        }
        exchange.told.append(&mut world.told);
        match gate {
            Gate::Continue if !world.changes.is_empty() => return Err(Ended::Changed(index + 1, world.changes)),
            Gate::Continue => {}
            Gate::Delay(delay) => {
                exchange.raise("DI");
                exchange.limits.within(&exchange.body, tokio::time::sleep(delay)).await.map_err(Ended::Late)?;
            }
            Gate::Reply(reply, delay) => {
                if let Some(delay) = delay {
                    exchange.raise("DI");
                    exchange.limits.within(&exchange.body, tokio::time::sleep(delay)).await.map_err(Ended::Late)?;
                }
                let limit = filter.limit(scopes).map(|l| (l.headers.to_vec(), l.exhausted));
                return Err(Ended::Reply(reply, limit));
            }
            Gate::Unknown(u) => return Err(Ended::Undecided(u.clone())),
            Gate::Ask(_) => {
                return Err(Ended::Undecided(Unknown { path: filter.name.to_string(), what: "filters that ask others are not supported".to_owned() }));
            }
        }
    }
    Ok(())
}

/// The log tells of a cluster from here on, if there is one of that name.
fn set_cluster(exchange: &mut Exchange, generation: &Rc<Generation>, name: &str) {
    exchange.upstream = if name.is_empty() { None } else { generation.cluster(name) };
    exchange.cluster = exchange.upstream.as_ref().map(|handle| handle.name.clone());
}
