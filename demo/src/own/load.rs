//! The load of a mesh of one's own: by its gateways, from its client, and from programs that nobody asks.

use super::app::{self, Stage};
use super::plan::{Plan, Service};
use super::script::{Call, Step};
use super::supply::{CLIENT, CLIENT_NAMESPACE};
use crate::load::Counts;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

/// Requests on their way at once; beyond, a turn is left out.
const AT_ONCE: usize = 64;

/// One thing that the load does.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A request to a gateway.
    Gateway { at: SocketAddr, host: String, path: String, headers: Vec<(String, String)> },
    /// A call of the client's.
    Call(Call),
    /// A program's script, from its beginning.
    Begin(String),
}

/// What the load does, in turn by lot, and the cluster where it begins, by its index.
pub type Entries = Arc<RwLock<Arc<Vec<(usize, Entry)>>>>;

/// Sends so many requests a second, until there were `most` of them or the runtime ends.
pub async fn run(stages: Vec<Arc<Stage>>, entries: Entries, (rate, most): (u32, Option<u64>), seed: u64, counts: Arc<Counts>) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut turns = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0;
    while most.is_none_or(|most| sent < most) {
        turns.tick().await;
        let all = entries.read().unwrap_or_else(PoisonError::into_inner).clone();
        if all.is_empty() {
            continue;
        }
        let (cluster, entry) = all[dice.usize(..all.len())].clone();
        let Some(stage) = stages.get(cluster) else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        sent += 1;
        let (stage, counts) = (stage.clone(), counts.clone());
        tokio::spawn(async move {
            counts.sent.fetch_add(1, Ordering::Relaxed);
            let got = one(&stage, &entry).await;
            if got.is_ok() { &counts.fine } else { &counts.failed }.fetch_add(1, Ordering::Relaxed);
            drop(place);
        });
    }
}

async fn one(stage: &Arc<Stage>, entry: &Entry) -> Result<(), String> {
    let plan = stage.plan();
    match entry {
        Entry::Gateway { at, host, path, headers } => {
            let pair = |(k, v): &(String, String)| Some((HeaderName::try_from(k.as_str()).ok()?, HeaderValue::try_from(v.as_str()).ok()?));
            let headers: HeaderMap = headers.iter().filter_map(pair).collect();
            let got = tokio::time::timeout(Duration::from_secs(15), app::http1(*at, host, path, 0, &headers)).await;
            match got.map_err(|_| "no answer in time".to_owned())?? {
                200..400 => Ok(()),
                status => Err(format!("{host}{path}: {status}")),
            }
        }
        Entry::Call(call) => match plan.members.get(&client()) {
            Some(member) => app::call(stage, &plan, member, call, &HeaderMap::new()).await,
            None => Ok(()),
        },
        Entry::Begin(id) => match plan.members.get(id) {
            Some(member) => app::run(stage, &plan, member, &member.program.script, HeaderMap::new()).await,
            None => Ok(()),
        },
    }
}

fn client() -> String {
    format!("{CLIENT}.{CLIENT_NAMESPACE}")
}

/// What is to be asked in the clusters, with what gateways are found to lead to: all of it where no script says who calls whom, else what
/// nobody calls.
pub fn entries(plans: &[Arc<Plan>], gateways: Vec<(Entry, String)>) -> Vec<(usize, Entry)> {
    let members = || plans.iter().enumerate().flat_map(|(i, p)| p.members.iter().map(move |m| (i, m)));
    let mut out: Vec<(usize, Entry)> = members().filter(|(_, (_, m))| m.begins).map(|(i, (id, _))| (i, Entry::Begin(id.clone()))).collect();
    let reached: BTreeSet<String> = gateways.iter().map(|(_, host)| host.clone()).collect();
    // A service is played where its workloads are; the client, in the first cluster, finds it there.
    let somewhere = |host: &str, is: &dyn Fn(&Service) -> bool| plans.iter().filter_map(|p| p.services.get(host)).any(is);
    let marked: BTreeSet<&str> = plans.iter().flat_map(|p| &p.services).filter(|(_, s)| s.is_entry).map(|(h, _)| h.as_str()).collect();
    let is_scripted = members().any(|(_, (_, m))| !m.program.script.is_empty());
    let called: BTreeSet<String> = plans.iter().flat_map(|p| called(p)).collect();
    out.extend(gateways.into_iter().map(|(entry, _)| (0, entry)));
    let mut asked = BTreeSet::new();
    for (host, service) in plans.iter().flat_map(|p| &p.services).filter(|(h, _)| somewhere(h, &|s| s.is_played)) {
        let is_asked = match (marked.is_empty(), is_scripted) {
            (false, _) => marked.contains(host.as_str()),
            (true, true) => !called.contains(host) && !reached.contains(host) && !service.is_outside,
            (true, false) => true,
        };
        for port in service.ports.iter().filter(|p| is_asked && asked.insert((host, p.number))) {
            let has_endpoints = |s: &Service| s.ports.iter().any(|p| p.number == port.number && !p.endpoints.is_empty());
            if !somewhere(host, &has_endpoints) {
                continue;
            }
            let call = Call { host: host.clone(), port: Some(port.number), path: "/".to_owned(), carries: Some(port.carries), size: 0, percent: 100.0 };
            out.push((0, Entry::Call(call)));
        }
    }
    out
}

/// Hosts that scripts call.
fn called(plan: &Plan) -> BTreeSet<String> {
    fn walk(steps: &[Step], found: &mut dyn FnMut(&Call)) {
        for step in steps {
            match step {
                Step::Call(c) => found(c),
                Step::Together(steps) => walk(steps, found),
                Step::Sleep(_) => {}
            }
        }
    }
    let mut out = BTreeSet::new();
    for m in plan.members.values() {
        walk(&m.program.script, &mut |c| out.extend(plan.full(&c.host, &m.workload.namespace)));
    }
    out
}

/// The same with the names of fields as protobuf has them: dumps have either spelling.
fn snake(value: &Value) -> Value {
    let name = |key: &str| {
        let mut out = String::new();
        for c in key.chars() {
            if c.is_ascii_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    };
    match value {
        Value::Object(map) => map.iter().map(|(k, v)| (name(k), snake(v))).collect(),
        Value::Array(list) => list.iter().map(snake).collect(),
        other => other.clone(),
    }
}

/// The requests that a gateway's configuration has routes for, each with the host of the service that it leads to ("" for
/// none); what they need and a load can't give is passed over.
pub fn of_gateway(dump: &Value) -> (Vec<(Entry, String)>, BTreeSet<String>) {
    let (mut out, mut notes) = (Vec::new(), BTreeSet::new());
    let dump = snake(dump);
    let sections: Vec<&Value> = dump["configs"].as_array().into_iter().flatten().collect();
    let list = |key: &str| sections.iter().flat_map(|s| s[key].as_array().cloned().unwrap_or_default()).collect::<Vec<Value>>();
    let routes: Vec<Value> = list("dynamic_route_configs").into_iter().map(|r| r["route_config"].clone()).collect();
    for listener in list("dynamic_listeners").iter().map(|l| &l["active_state"]["listener"]) {
        let socket = &listener["address"]["socket_address"];
        let (Some(ip), Some(port)) =
            (socket["address"].as_str().and_then(|a| a.parse().ok()), socket["port_value"].as_u64().and_then(|p| u16::try_from(p).ok()))
        else {
            continue;
        };
        let at = SocketAddr::new(ip, port);
        for chain in listener["filter_chains"].as_array().into_iter().flatten() {
            let managers = chain["filters"].as_array().into_iter().flatten().map(|f| &f["typed_config"]);
            let Some(manager) = managers.into_iter().find(|m| m["rds"].is_object() || m["route_config"].is_object()) else { continue };
            if chain["transport_socket"].is_object() {
                notes.insert("servers of gateways with TLS get no load: it speaks none".to_owned());
                continue;
            }
            let config = match manager["rds"]["route_config_name"].as_str() {
                Some(name) => routes.iter().find(|r| r["name"].as_str() == Some(name)),
                None => Some(&manager["route_config"]),
            };
            for vhost in config.into_iter().flat_map(|c| c["virtual_hosts"].as_array().cloned().unwrap_or_default()) {
                out.extend(of_virtual_host(at, &vhost));
            }
        }
    }
    out.dedup();
    (out, notes)
}

fn of_virtual_host(at: SocketAddr, vhost: &Value) -> Vec<(Entry, String)> {
    let domains: Vec<&str> = vhost["domains"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(host) = domains.iter().find(|d| !d.contains('*')).or(domains.first()).map(|d| d.replace('*', "demo")) else { return Vec::new() };
    let host = host.split_once(':').map_or(host.as_str(), |(h, _)| h).trim_start_matches('.').to_owned();
    let mut out = Vec::new();
    for route in vhost["routes"].as_array().into_iter().flatten() {
        let m = &route["match"];
        let Some(path) = ["path", "path_separated_prefix", "prefix"].iter().find_map(|k| m[*k].as_str()) else { continue };
        let mut headers = Vec::new();
        let mut is_known = m["query_parameters"].is_null();
        for h in m["headers"].as_array().into_iter().flatten() {
            let exact = h["string_match"]["exact"].as_str().or_else(|| h["exact_match"].as_str());
            match (h["name"].as_str(), exact) {
                (Some(":method"), Some("GET")) => {}
                (Some(name), Some(value)) if !name.starts_with(':') => headers.push((name.to_owned(), value.to_owned())),
                _ => is_known = false,
            }
        }
        let cluster = route["route"]["cluster"].as_str().or_else(|| route["route"]["weighted_clusters"]["clusters"][0]["name"].as_str()).unwrap_or("");
        if is_known {
            out.push((Entry::Gateway { at, host: host.clone(), path: path.to_owned(), headers }, cluster.rsplit('|').next().unwrap_or("").to_owned()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_gateway_has_routes_for_is_asked() {
        let manager = json!({"filters": [{"typedConfig": {"rds": {"routeConfigName": "http.80"}}}]});
        let mut secured = manager.clone();
        secured["transportSocket"] = json!({"name": "tls"});
        let listener = |port: u16, chain: &Value| json!({"active_state": {"listener": {"address": {"socketAddress": {"address": "127.20.0.1", "portValue": port}}, "filterChains": [chain]}}});
        let routes = json!([
            {"match": {"path": "/login", "headers": [{"name": "x-group", "stringMatch": {"exact": "a"}}]}, "route": {"cluster": "outbound|80||web.shop.svc.cluster.local"}},
            {"match": {"prefix": "/", "headers": [{"name": "x", "presentMatch": true}]}, "route": {"cluster": "b"}},
            {"match": {"safeRegex": {"regex": "/a.*"}}, "route": {"cluster": "b"}},
            {"match": {"prefix": "/"}, "redirect": {}},
        ]);
        let dump = json!({"configs": [
            {"dynamic_listeners": [listener(8080, &manager), listener(8443, &secured)]},
            {"dynamic_route_configs": [{"route_config": {"name": "http.80", "virtualHosts": [{"domains": ["*.example.com", "*.example.com:80"], "routes": routes}]}}]},
        ]});
        let (found, notes) = of_gateway(&dump);
        let entry = |path: &str, headers: &[(&str, &str)]| Entry::Gateway {
            at: "127.20.0.1:8080".parse().expect("an address"),
            host: "demo.example.com".into(),
            path: path.into(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        assert_eq!(found, [(entry("/login", &[("x-group", "a")]), "web.shop.svc.cluster.local".to_owned()), (entry("/", &[]), String::new())]);
        assert_eq!(notes.len(), 1);
    }
}
