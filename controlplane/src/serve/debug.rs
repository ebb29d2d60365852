//! Debug pages and metrics over HTTP, on loopback.

use super::shared::{Connection, Shared, lock, rfc3339};
use crate::metrics::Gauges;
use crate::pages::{self, Seen};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

/// Pages by their paths, with what they are.
const PAGES: &[(&str, &str)] = &[
    ("/debug/syncz", "what was sent to each proxy, and what it confirmed"),
    ("/debug/connections", "the proxies that are connected"),
    ("/debug/config_dump", "what a proxy is to have: ?proxyID=POD.NAMESPACE"),
    ("/debug/registryz", "the services"),
    ("/debug/endpointz", "the endpoints of the services"),
    ("/debug/configz", "the objects of Istio and of the Gateway API"),
    ("/debug/placez", "where proxies and applications listen on this machine"),
    ("/metrics", "pilot's metrics"),
    ("/ready", "whether the input was read"),
    ("/version", "the version"),
];

type Answer = Response<Full<Bytes>>;

fn answer(code: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut out = Response::new(Full::new(Bytes::from(body)));
    *out.status_mut() = code;
    out.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    out
}

fn text(code: StatusCode, body: impl Into<String>) -> Answer {
    answer(code, "text/plain; charset=utf-8", body.into() + "\n")
}

fn page(value: &Value) -> Answer {
    answer(StatusCode::OK, "application/json", value.to_string())
}

/// Whether a page of another site may have sent a browser here: names that resolve to loopback are told by their host.
fn is_local(request: &Request<hyper::body::Incoming>) -> bool {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').filter(|(_, p)| p.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(n, _)| n).trim_matches(['[', ']']);
    name == "localhost" || name.is_empty() || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub async fn serve(shared: Arc<Shared>, request: Request<hyper::body::Incoming>) -> Result<Answer, Infallible> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "pages are read with GET, and nothing here is changed over HTTP"));
    }
    if !is_local(&request) {
        return Ok(text(StatusCode::FORBIDDEN, "pages are served to this machine by the names localhost and 127.0.0.1"));
    }
    let query = request.uri().query().unwrap_or("");
    let proxy = query.split('&').find_map(|p| p.strip_prefix("proxyID=")).unwrap_or("");
    let gone = || text(StatusCode::SERVICE_UNAVAILABLE, "the control plane is ending");
    let asked = |value: Option<Value>| value.map_or_else(gone, |v| page(&v));
    Ok(match request.uri().path().trim_end_matches('/') {
        "/debug/syncz" => page(&seen(&shared, pages::syncz)),
        "/debug/connections" => page(&seen(&shared, pages::connections)),
        "/debug/config_dump" => config_dump(&shared, proxy),
        "/debug/registryz" => asked(shared.translator.ask(|model, _, _| pages::registryz(model)).await),
        "/debug/endpointz" => asked(shared.translator.ask(|model, _, _| pages::endpointz(model)).await),
        "/debug/configz" => page(&pages::configz(&Arc::clone(&lock(&shared.world).snapshot))),
        "/debug/placez" => asked(
            shared
                .translator
                .ask(|_, _, bind| {
                    let place = |(p, a): (&crate::bind::Place, std::net::SocketAddr)| {
                        json!({"workload": p.workload, "role": p.role.name(), "port": p.port, "service": p.service, "address": a.to_string()})
                    };
                    Value::Array(bind.map(|b| b.places.all().map(place).collect()).unwrap_or_default())
                })
                .await,
        ),
        "/debug" | "/debug/list" | "" => page(&PAGES.iter().map(|(path, what)| ((*path).to_owned(), Value::from(*what))).collect::<serde_json::Map<_, _>>().into()),
        "/version" => text(StatusCode::OK, concat!("meshctl-", env!("CARGO_PKG_VERSION"))),
        "/ready" if lock(&shared.counts).trust_domain.is_empty() => text(StatusCode::SERVICE_UNAVAILABLE, "the input was not read yet"),
        "/ready" => text(StatusCode::OK, "ready"),
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", shared.metrics.page(&gauges(&shared))),
        _ => text(StatusCode::NOT_FOUND, "there is no such page; /debug lists them"),
    })
}

fn gauges(shared: &Shared) -> Gauges {
    let mut proxies: BTreeMap<String, usize> = BTreeMap::new();
    for c in lock(&shared.connections).values() {
        let version = if c.client.version.is_empty() { "unknown" } else { &c.client.version };
        *proxies.entry(version.to_owned()).or_default() += 1;
    }
    let counts = lock(&shared.counts).clone();
    Gauges {
        proxies,
        services: counts.services,
        virtual_services: counts.virtual_services,
        root_not_after: shared.authority.not_after(),
        uptime: shared.started.elapsed().as_secs_f64(),
    }
}

/// The connections in the order of their names.
fn sorted(shared: &Shared) -> Vec<Arc<Connection>> {
    let mut list: Vec<Arc<Connection>> = lock(&shared.connections).values().cloned().collect();
    list.sort_by_key(|c| (c.client.full_name(), c.id.clone()));
    list
}

fn seen(shared: &Shared, f: impl FnOnce(&[Seen<'_>]) -> Value) -> Value {
    let list = sorted(shared);
    let streams: Vec<_> = list.iter().map(|c| lock(&c.stream)).collect();
    let at = |millis: u64| rfc3339(shared.at(millis));
    let seen: Vec<Seen<'_>> = list
        .iter()
        .zip(&streams)
        .filter(|(c, _)| !c.is_secrets_only)
        .map(|(c, stream)| Seen { id: &c.id, client: &c.client, stream, address: c.address.to_string(), connected_at: rfc3339(c.connected_at), at: &at })
        .collect();
    f(&seen)
}

fn config_dump(shared: &Shared, proxy: &str) -> Answer {
    if proxy.is_empty() {
        return text(StatusCode::BAD_REQUEST, "name a proxy: ?proxyID=POD.NAMESPACE");
    }
    let found = sorted(shared).into_iter().rev().find(|c| !c.is_secrets_only && (c.client.full_name() == proxy || c.id == proxy));
    match found {
        None => text(StatusCode::NOT_FOUND, "no proxy of this name is connected; /debug/connections lists them"),
        Some(c) => {
            let (current, secrets) = {
                let stream = lock(&c.stream);
                (Arc::clone(stream.current()), stream.secrets().clone())
            };
            page(&pages::config_dump(&current, &secrets))
        }
    }
}
