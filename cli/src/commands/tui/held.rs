//! One resource of a proxy as its dump has it, read where the proxy was read from.

use crate::args::proxy_config::ProxyConfigCommand;
use crate::args::{Cli, Command, DumpArgs};
use crate::commands::proxy_config::Answer;
use crate::context::{Compat, Context};
use crate::dump::{Need, answers};
use crate::print::document::Document;
use crate::print::dump::document;
use clap::Parser;
use mesh_envoy::proto_json::{camel_case, field, items, text};
use mesh_envoy::redact::{Mark, redact};
use mesh_tui::world::held::{ListenerName, Part, Resource, Wanted};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Answers with the resource, and with what it stands in; the error is for people.
pub fn answer(wanted: &Wanted, context: &Context) -> Result<Vec<Part>, String> {
    let args = place(&wanted.proxy)?;
    let dump = || page(&args, Need::Whole, context);
    match &wanted.resource {
        Resource::Proxy => Ok(proxy(&dump()?)),
        Resource::Listener(name) => Ok(vec![part(format!("listener {}", name.name), listener(&dump()?, name)?)]),
        Resource::Chain(name, chain) => {
            let listener = listener(&dump()?, name)?;
            let found = chain_of(&listener, *chain)?.clone();
            Ok(vec![part(format!("filter chain {} of listener {}", chain + 1, name.name), found), part(format!("listener {}", name.name), listener)])
        }
        Resource::Route { listener: name, chain, at } => route(&dump()?, name, *chain, *at),
        Resource::Cluster(name) => cluster(&dump()?, name),
        Resource::Endpoint { cluster, address } => match page(&args, Need::Endpoints, context) {
            Ok(page) => endpoint(&page, cluster, address),
            Err(why) => Err(why),
        },
    }
}

/// What `proxy-config` takes to find the proxy.
fn place(words: &str) -> Result<DumpArgs, String> {
    let words = mesh_tui::shell::words(words)?;
    let words = ["meshctl", "proxy-config", "bootstrap"].into_iter().map(str::to_owned).chain(words);
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::ProxyConfig(args))) => match args.what {
            ProxyConfigCommand::Bootstrap(args) => Ok(args),
            _ => Err("this is no proxy".to_owned()),
        },
        Ok(_) => Err("this is no proxy".to_owned()),
        Err(e) => Err(e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()),
    }
}

/// A page of the proxy, read now.
fn page(args: &DumpArgs, need: Need, context: &Context) -> Result<Value, String> {
    let read = RefCell::new(Ok(Value::Null));
    let looked = answers(args, need, context, &|found| {
        *read.borrow_mut() = serde_json::from_str(&found.page.text).map_err(|e| format!("{}: {e}", found.page.origin));
        Ok(Answer::whole(String::new()))
    });
    looked.map_err(|e| e.to_string())?;
    read.into_inner()
}

/// A document of it. What may be secret is told by where it stands: it is taken out of the whole before a part is taken of that.
fn part(title: String, value: Value) -> Part {
    let value = camel_case(value);
    let yaml = document(value.clone(), Document::Yaml, Compat::Meshctl);
    Part { title, yaml, json: document(value, Document::Json, Compat::Meshctl) }
}

fn safe(value: &Value) -> Value {
    redact(value.clone(), Mark::LengthAndHash).into_value()
}

/// The resources of lists of the dump's sections, each with the key under which it stands in its entry.
fn resources<'v>(dump: &'v Value, lists: &'v [&'v str], key: &'v str) -> impl Iterator<Item = &'v Value> {
    lists.iter().flat_map(move |list| items(dump, "configs").flat_map(move |section| items(section, list))).filter_map(move |entry| field(entry, key))
}

fn proxy(dump: &Value) -> Vec<Part> {
    let mut out: Vec<Part> = items(dump, "configs").filter_map(|section| field(section, "bootstrap")).map(|b| part("bootstrap".to_owned(), safe(b))).collect();
    let lists = ["static_secrets", "dynamic_active_secrets", "dynamic_warming_secrets"];
    let secrets: Vec<Value> = lists.iter().flat_map(|list| items(dump, "configs").flat_map(move |section| items(section, list))).map(safe).collect();
    if !secrets.is_empty() {
        out.push(part(format!("secrets, {} of them: keys are left out", secrets.len()), Value::Array(secrets)));
    }
    out
}

fn listener(dump: &Value, wanted: &ListenerName) -> Result<Value, String> {
    let is_it = |l: &&Value| text(l, "name") == wanted.name;
    let fixed = || resources(dump, &["static_listeners"], "listener").find(is_it);
    let state = format!("{}_state", wanted.state);
    let states = || items(dump, "configs").flat_map(|section| items(section, "dynamic_listeners")).filter_map(|d| field(d, &state));
    let moving = || states().filter_map(|s| field(s, "listener")).find(is_it);
    let found = if wanted.state == "static" { fixed() } else { moving() };
    found.map(safe).ok_or_else(|| format!("the proxy has no {} listener {} any more", wanted.state, wanted.name))
}

/// The default filter chain stands behind the others.
fn chain_of(listener: &Value, place: usize) -> Result<&Value, String> {
    let mut chains = items(listener, "filter_chains").chain(field(listener, "default_filter_chain"));
    chains.nth(place).ok_or_else(|| format!("the listener has no {}. filter chain any more", place + 1))
}

fn route(dump: &Value, name: &ListenerName, chain: usize, (host, place): (usize, usize)) -> Result<Vec<Part>, String> {
    let listener = listener(dump, name)?;
    let chain = chain_of(&listener, chain)?;
    let manager = items(chain, "filters").filter_map(|f| field(f, "typed_config")).find(|c| field(c, "rds").or(field(c, "route_config")).is_some());
    let manager = manager.ok_or("the filter chain leads to no routes any more")?;
    let lists = ["static_route_configs", "dynamic_route_configs"];
    let table = match field(manager, "rds").map(|rds| text(rds, "route_config_name")) {
        None => field(manager, "route_config").cloned(),
        Some(table) => resources(dump, &lists, "route_config").find(|r| text(r, "name") == table).map(safe),
    };
    let table = table.ok_or("the proxy has no such routes any more")?;
    let gone = || "the routes of the proxy have changed".to_owned();
    let mut host = items(&table, "virtual_hosts").nth(host).ok_or_else(gone)?.clone();
    let name = text(&host, "name").to_owned();
    let count = items(&host, "routes").count();
    let mut out = Vec::new();
    if let Some(route) = items(&host, "routes").nth(place) {
        out.push(part(format!("route {} of {count} of virtual host {name}", place + 1), route.clone()));
    }
    let of = if text(&table, "name").is_empty() { String::new() } else { format!(" of routes {}", text(&table, "name")) };
    // The route that was asked for stands above; of the others there may be many.
    if count > MANY
        && let Some(map) = host.as_object_mut()
    {
        map.shift_remove("routes");
        out.push(part(format!("virtual host {name}{of}, without its {count} routes"), host));
    } else {
        out.push(part(format!("virtual host {name}{of}"), host));
    }
    Ok(out)
}

/// So many routes of a virtual host are shown.
const MANY: usize = 50;

fn cluster(dump: &Value, name: &str) -> Result<Vec<Part>, String> {
    let lists = ["dynamic_warming_clusters", "dynamic_active_clusters", "static_clusters"];
    let found = resources(dump, &lists, "cluster").find(|c| text(c, "name") == name).map(safe);
    let found = found.ok_or_else(|| format!("the proxy has no cluster {name} any more"))?;
    let service = field(&found, "eds_cluster_config").map(|eds| text(eds, "service_name")).filter(|s| !s.is_empty()).unwrap_or(name).to_owned();
    let assigned = assigned(dump, &service);
    let mut out = vec![part(format!("cluster {name}"), found)];
    out.extend(assigned.map(|a| part(format!("endpoints that were assigned to {service}"), safe(a))));
    Ok(out)
}

fn assigned<'v>(dump: &'v Value, cluster: &str) -> Option<&'v Value> {
    let mut lists = ["dynamic_endpoint_configs", "static_endpoint_configs"].into_iter();
    lists.find_map(|list| {
        let entries = items(dump, "configs").flat_map(|section| items(section, list));
        entries.filter_map(|e| field(e, "endpoint_config")).find(|a| text(a, "cluster_name") == cluster)
    })
}

/// `10.1.2.3:9080`, or the path of a socket.
fn address(value: &Value) -> String {
    let endpoint: Result<mesh_envoy::dump::endpoint::Address<'_>, _> = serde::Deserialize::deserialize(value);
    endpoint.map(|a| a.to_string()).unwrap_or_default()
}

/// Of `/clusters`, or of a dump that holds what was assigned.
fn endpoint(page: &Value, cluster: &str, wanted: &str) -> Result<Vec<Part>, String> {
    let is_it = |of: Option<&Value>| of.is_some_and(|a| address(a) == wanted);
    let gone = || format!("the proxy has no endpoint {wanted} of {cluster} any more");
    if let Some(status) = items(page, "cluster_statuses").find(|c| text(c, "name") == cluster) {
        let host = items(status, "host_statuses").find(|h| is_it(field(h, "address"))).ok_or_else(gone)?;
        let mut rest = safe(status);
        if let Some(map) = rest.as_object_mut() {
            ["host_statuses", "hostStatuses"].into_iter().for_each(|key| drop(map.shift_remove(key)));
        }
        return Ok(vec![part(format!("endpoint {wanted} as the proxy uses it"), safe(host)), part(format!("cluster {cluster} as the proxy uses it"), rest)]);
    }
    let lists = ["dynamic_warming_clusters", "dynamic_active_clusters", "static_clusters"];
    let own = resources(page, &lists, "cluster").find(|c| text(c, "name") == cluster);
    let service = own.and_then(|c| field(c, "eds_cluster_config")).map(|eds| text(eds, "service_name")).filter(|s| !s.is_empty()).unwrap_or(cluster);
    let assignment = assigned(page, service).or_else(|| assigned(page, cluster)).or_else(|| field(own?, "load_assignment")).map(safe).ok_or_else(gone)?;
    let found = items(&assignment, "endpoints").find_map(|group| {
        let endpoint = items(group, "lb_endpoints").find(|e| is_it(field(e, "endpoint").and_then(|e| field(e, "address"))))?;
        let mut rest: Map<String, Value> = group.as_object().cloned().unwrap_or_default();
        ["lb_endpoints", "lbEndpoints"].into_iter().for_each(|key| drop(rest.shift_remove(key)));
        Some((endpoint.clone(), Value::Object(rest)))
    });
    let (endpoint, group) = found.ok_or_else(gone)?;
    let mut out = vec![part(format!("endpoint {wanted} of {cluster}"), endpoint)];
    if group.as_object().is_some_and(|g| !g.is_empty()) {
        out.push(part("its locality".to_owned(), group));
    }
    Ok(out)
}
