//! `/debug/syncz` and `/debug/connections`.

use crate::client::Client;
use crate::pushes::Stream;
use crate::resource::Type;
use mesh_resolver::translate::ProxyKind;
use serde_json::{Map, Value, json};

/// A connection, as far as these pages show it.
pub struct Seen<'s> {
    pub id: &'s str,
    pub client: &'s Client,
    pub stream: &'s Stream,
    pub address: String,
    /// RFC 3339.
    pub connected_at: String,
    /// An instant of the stream's own clock as RFC 3339.
    pub at: &'s dyn Fn(u64) -> String,
}

fn kind(client: &Client) -> &'static str {
    match client.kind {
        ProxyKind::Sidecar => "sidecar",
        ProxyKind::Router => "router",
        ProxyKind::Waypoint => "waypoint",
    }
}

/// What was sent to each proxy, and what it confirmed: the flat form of port 15014, with a `refused` of our own beside the
/// nonces, which say that an answer was not taken and not why.
pub fn syncz(list: &[Seen<'_>]) -> Value {
    Value::Array(list.iter().map(proxy).collect())
}

fn proxy(seen: &Seen<'_>) -> Value {
    let client = seen.client;
    let mut out = Map::new();
    out.insert("cluster_id".into(), client.cluster.as_str().into());
    out.insert("proxy".into(), client.full_name().into());
    out.insert("proxy_type".into(), kind(client).into());
    if !client.version.is_empty() {
        out.insert("istio_version".into(), client.version.as_str().into());
    }
    for (name, kind) in [("cluster", Type::Cluster), ("listener", Type::Listener), ("route", Type::Route), ("endpoint", Type::Endpoint)] {
        if let Some(s) = seen.stream.subscriptions.get(&kind).filter(|s| !s.nonce.is_empty()) {
            out.insert(format!("{name}_sent"), s.nonce.as_str().into());
            out.insert(format!("{name}_acked"), s.acked.as_str().into());
        }
    }
    let resources = seen.stream.subscriptions.iter().map(|(kind, s)| {
        let mut of = Map::new();
        if !s.nonce.is_empty() {
            of.insert("sent".into(), s.nonce.as_str().into());
            of.insert("acked".into(), s.acked.as_str().into());
            of.insert("sentTime".into(), (seen.at)(s.sent_at).into());
        }
        if let Some(refused) = s.refused.as_ref().filter(|_| s.is_refused()) {
            of.insert("refused".into(), json!({"nonce": refused.nonce, "reason": refused.reason, "time": (seen.at)(refused.at), "count": s.refusals}));
        }
        (kind.url().to_owned(), Value::Object(of))
    });
    out.insert("resources".into(), Value::Object(resources.collect()));
    Value::Object(out)
}

pub fn connections(list: &[Seen<'_>]) -> Value {
    let clients: Vec<Value> = list.iter().map(|s| json!({"connectionId": s.id, "connectedAt": s.connected_at, "address": s.address})).collect();
    json!({"totalClients": clients.len(), "clients": clients})
}
