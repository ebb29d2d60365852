//! What the selected row is in the proxy's configuration.

use super::item::Item;
use super::{Proxies, Wanted};
use crate::screens::Cx;
use crate::world::held::{ListenerName, Resource};
use crate::world::proxies::{Chain, Listener};

fn name(l: &Listener) -> ListenerName {
    // A listener whose update was rejected says so behind its state.
    let state = l.state.split(',').next().unwrap_or_default();
    ListenerName { name: l.name.clone(), state: state.to_owned() }
}

/// The resource of the last row of a way from a proxy; the error is for people.
fn resource(way: &[Item<'_>]) -> Result<Resource, &'static str> {
    let listener = way.iter().find_map(|i| if let Item::Listener(l) = i { Some(*l) } else { None });
    let chain: Option<&Chain> = way.iter().find_map(|i| if let Item::Chain(c) = i { Some(*c) } else { None });
    let cluster = way.iter().find_map(|i| if let Item::Cluster(c, _) = i { Some(*c) } else { None });
    Ok(match (way.last(), listener, chain, cluster) {
        (Some(Item::Listener(l)), ..) => Resource::Listener(name(l)),
        (Some(Item::Chain(c)), Some(l), ..) => Resource::Chain(name(l), c.place),
        (Some(Item::Route(r)), Some(l), Some(c), _) => Resource::Route { listener: name(l), chain: c.place, at: r.at },
        (Some(Item::Cluster(c, _)), ..) => Resource::Cluster(c.name.clone()),
        (Some(Item::Endpoint(e)), .., Some(c)) => Resource::Endpoint { cluster: c.name.clone(), address: e.address.clone() },
        (Some(Item::Missing(_)), ..) => return Err("the proxy has no such cluster: there is nothing to show"),
        (Some(Item::Unseen(_)), ..) => return Err("the dump holds no clusters"),
        _ => Resource::Proxy,
    })
}

impl Proxies {
    /// Asks for the resource in focus as the proxy holds it.
    pub fn wanted(&mut self, cx: &Cx<'_>) -> Result<Wanted, &'static str> {
        let all = cx.world.proxies.known().ok_or("no source holds the state of a proxy")?;
        let columns = self.columns(all, cx);
        let depth = if self.over().is_some() { 0 } else { self.depth };
        let way: Vec<Item<'_>> = (0..=depth).filter_map(|d| self.chosen(&columns, d)).collect();
        let Some(Item::Proxy(proxy)) = way.first() else { return Err("no proxy is selected") };
        self.questions += 1;
        Ok(Wanted { proxy: proxy.arguments.clone(), resource: resource(&way)?, number: self.questions })
    }
}
