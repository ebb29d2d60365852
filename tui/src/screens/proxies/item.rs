//! What stands in the columns, and everything that is known of it.

use super::difference::drift_line;
use crate::graph::Health;
use crate::theme::Role;
use crate::world::Proxy;
use crate::world::proxies::{Chain, Cluster, Destination, Endpoint, Lead, Listener, Route, short};

/// A row of a column.
#[derive(Clone, Copy)]
pub(super) enum Item<'w> {
    Proxy(&'w Proxy),
    Listener(&'w Listener),
    Chain(&'w Chain),
    Route(&'w Route),
    Cluster(&'w Cluster, &'w str),
    /// A cluster that a route names and the proxy does not have.
    Missing(&'w str),
    /// A cluster that a route names, of a proxy whose clusters were not read.
    Unseen(&'w str),
    Endpoint(&'w Endpoint),
}

impl<'w> Item<'w> {
    pub(super) fn children(self, proxy: &'w Proxy) -> Vec<Item<'w>> {
        let cluster = |d: &'w Destination| match proxy.clusters.get(&d.cluster) {
            Some(cluster) => Item::Cluster(cluster, &d.share),
            None if proxy.has_clusters => Item::Missing(&d.cluster),
            None => Item::Unseen(&d.cluster),
        };
        let clusters = |list: &'w [Destination]| list.iter().map(cluster).collect();
        match self {
            Item::Proxy(p) => p.listeners.iter().map(Item::Listener).collect(),
            Item::Listener(l) => l.chains.iter().map(Item::Chain).collect(),
            Item::Chain(c) => match &c.leads {
                Lead::Routes(name) => proxy.routes.get(name).into_iter().flatten().map(Item::Route).collect(),
                Lead::Clusters(list) => clusters(list),
                Lead::Nowhere => Vec::new(),
            },
            Item::Route(r) => clusters(&r.clusters),
            Item::Cluster(c, _) => c.endpoints.iter().flatten().map(Item::Endpoint).collect(),
            Item::Missing(_) | Item::Unseen(_) | Item::Endpoint(_) => Vec::new(),
        }
    }
    pub(super) fn health(self) -> Health {
        match self {
            Item::Proxy(p) => p.health(),
            Item::Listener(l) => l.health,
            Item::Cluster(c, _) => c.health,
            Item::Missing(_) => Health::Failing,
            Item::Unseen(_) => Health::Unknown,
            Item::Endpoint(e) => e.health,
            Item::Chain(_) | Item::Route(_) => Health::Ok,
        }
    }
    /// A proxy that did not answer the last time is shown as it was before, and is not as bright.
    pub(super) fn role(self) -> Role {
        if matches!(self, Item::Proxy(p) if p.is_old) { Role::Dim } else { Role::Text }
    }
    pub(super) fn label(self) -> String {
        match self {
            Item::Proxy(p) => p.full_name(),
            Item::Listener(l) if l.direction.is_empty() => l.address.clone(),
            Item::Listener(l) => format!("{} {}", l.address, l.direction),
            Item::Chain(c) => c.accepts.clone(),
            Item::Route(r) => format!("{} {}", r.domains.first().map_or("", String::as_str), r.accepts),
            Item::Cluster(c, "") => short(&c.name),
            Item::Cluster(c, share) => format!("{share} {}", short(&c.name)),
            Item::Missing(name) | Item::Unseen(name) => short(name),
            Item::Endpoint(e) => e.address.clone(),
        }
    }
    pub(super) fn heading(self) -> &'static str {
        match self {
            Item::Proxy(_) => "Proxies",
            Item::Listener(_) => "Listeners",
            Item::Chain(_) => "Filter chains",
            Item::Route(_) => "Routes",
            Item::Cluster(..) | Item::Missing(_) | Item::Unseen(_) => "Clusters",
            Item::Endpoint(_) => "Endpoints",
        }
    }
    /// Everything that is known of it.
    pub(super) fn facts(self) -> Vec<(String, String)> {
        let fact = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        match self {
            Item::Proxy(p) => {
                let version = if p.version.is_empty() { "not said" } else { &p.version };
                let mut out = vec![fact("proxy", &p.full_name()), fact("version", version), fact("from", &p.from)];
                out.push(fact(
                    "holds",
                    &format!(
                        "{} listeners, {} route tables, {} clusters, {} certificates",
                        p.listeners.len(),
                        p.routes.len(),
                        p.clusters.len(),
                        p.certificates.len()
                    ),
                ));
                if p.is_old {
                    out.push(fact("old", "it did not answer the last time: this is what it held before"));
                }
                if let Some(drift) = &p.drift {
                    out.push(fact("manifests", &drift_line(drift)));
                }
                out.extend(p.problems.iter().map(|t| fact("trouble", &t.text)));
                out.extend(p.missing.iter().map(|m| fact("not available", m)));
                out
            }
            Item::Listener(l) => vec![fact("listener", &l.name), fact("address", &l.address), fact("direction", &l.direction), fact("state", &l.state)],
            Item::Chain(c) => {
                let mut out =
                    vec![fact("chain", &c.name), fact("takes", &c.accepts), fact("TLS", if c.tls.is_empty() { "none, or passed through" } else { &c.tls })];
                match &c.leads {
                    Lead::Routes(name) => out.push(fact("routes", name)),
                    Lead::Clusters(list) => out.push(fact("cluster", &list.iter().map(|d| short(&d.cluster)).collect::<Vec<_>>().join(", "))),
                    Lead::Nowhere => out.push(fact("leads", "nowhere that is known: the filter is not one that is read")),
                }
                out.extend(c.filters.iter().map(|f| fact("filter", f)));
                out
            }
            Item::Route(r) => {
                let mut out = vec![
                    fact("virtual host", &r.host),
                    fact("domains", &r.domains.join(", ")),
                    fact("route", &r.name),
                    fact("takes", &r.accepts),
                    fact("does", &r.action),
                ];
                out.extend(r.more.iter().map(|m| fact("", m)));
                out
            }
            Item::Cluster(c, _) => {
                let mut out = vec![fact("cluster", &c.name)];
                out.extend(c.facts.iter().cloned());
                out.push(match &c.endpoints {
                    Some(list) => fact("endpoints", &format!("{} of {} fit", list.iter().filter(|e| e.health < Health::Degraded).count(), list.len())),
                    None => fact("endpoints", "not known: the dump does not hold them"),
                });
                out
            }
            Item::Missing(name) => vec![fact("cluster", name), fact("trouble", "the proxy has no cluster of this name: requests get 503 NC")],
            Item::Unseen(name) => vec![fact("cluster", name), fact("not available", "the dump holds no clusters")],
            Item::Endpoint(e) => vec![fact("endpoint", &e.address), fact("state", &e.state), fact("locality", &e.locality)],
        }
    }
}
