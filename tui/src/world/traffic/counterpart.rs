//! Which node of one type of graph is which of another: the app of a workload, the workloads of a service.

use super::{Key, Load, Traffic};
use std::cmp::Reverse;

/// How sure it is that two nodes are of the same thing, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    /// One of the services that one is called by is the other, or calls the other.
    Service,
    App,
    Version,
    Workload,
    /// It is there by the same name, and is the same thing.
    Same,
}

/// How like it is, what is known of it, and its name.
type Candidate<'t> = (Likeness, &'t Load, &'t Key);

impl Traffic {
    /// The node that stands here for one that is known from elsewhere. Of several that do the one in the worst state, of
    /// these the one into which most requests fail.
    pub fn counterpart(&self, key: &Key, load: &Load) -> Option<&Key> {
        let found = self.loads.iter().filter_map(|(other, theirs)| Some((likeness((key, load), (other, theirs))?, theirs, other)));
        let order = |a: &Candidate<'_>, b: &Candidate<'_>| {
            let state = (a.0, a.1.health).cmp(&(b.0, b.1.health)).then(a.1.inbound.failed.total_cmp(&b.1.inbound.failed));
            // The first by name of those that are equal.
            state.then_with(|| b.2.cmp(a.2))
        };
        found.max_by(order).map(|(_, _, other)| other)
    }
    /// A node of another graph or of the configuration in this graph.
    pub fn standing_for(&self, key: &Key, facts: Option<&Load>) -> Option<&Key> {
        match facts {
            Some(load) => self.counterpart(key, load),
            // Of what is known by its name alone: the node of that name, or those that answer for the service.
            None => match self.loads.get_key_value(key) {
                Some((key, _)) => Some(key),
                None => {
                    let behind = self.loads.iter().filter(|(_, load)| load.services.contains(key));
                    behind.min_by_key(|(key, load)| (Reverse(load.health), *key)).map(|(key, _)| key)
                }
            },
        }
    }
}

/// Whether two nodes are of one thing.
fn likeness((key, mine): (&Key, &Load), (other, theirs): (&Key, &Load)) -> Option<Likeness> {
    let is_elsewhere = mine.namespace != theirs.namespace || !mine.cluster.is_empty() && !theirs.cluster.is_empty() && mine.cluster != theirs.cluster;
    if is_elsewhere {
        return None;
    }
    if mine.kind == theirs.kind && key == other {
        return Some(Likeness::Same);
    }
    let is_same = |a: &str, b: &str| !a.is_empty() && a == b;
    let serves = |of: &Load| of.services.iter().any(|s| mine.services.contains(s) && !s.1.is_empty());
    if is_same(&mine.workload, &theirs.workload) {
        Some(Likeness::Workload)
    } else if is_same(&mine.app, &theirs.app) {
        Some(if is_same(&mine.version, &theirs.version) { Likeness::Version } else { Likeness::App })
    } else {
        serves(theirs).then_some(Likeness::Service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Health;

    fn key(name: &str) -> Key {
        ("shop".to_owned(), name.to_owned())
    }

    fn node(kind: &'static str, [app, version, workload, service]: [&str; 4], health: Health) -> Load {
        let services = if service.is_empty() { Vec::new() } else { vec![key(service)] };
        let text = str::to_owned;
        Load { kind, namespace: text("shop"), app: text(app), version: text(version), workload: text(workload), services, health, ..Load::default() }
    }

    fn graph(nodes: Vec<(&str, Load)>) -> Traffic {
        Traffic { loads: nodes.into_iter().map(|(name, load)| (key(name), load)).collect(), ..Traffic::default() }
    }

    #[test]
    fn a_node_is_found_again_in_every_type_of_graph() {
        let w = |version: &str, health| node("workload", ["cart", version, &format!("cart-{version}"), "carts"], health);
        let workloads = graph(vec![
            ("cart-v1", w("v1", Health::Ok)),
            ("cart-v2", w("v2", Health::Failing)),
            ("cart-v3", w("v3", Health::Failing)),
            ("web", node("workload", ["web", "", "web", ""], Health::Ok)),
        ]);
        let versions = graph(vec![
            ("cart v1", node("app", ["cart", "v1", "cart-v1", "carts"], Health::Ok)),
            ("cart v2", node("app", ["cart", "v2", "cart-v2", "carts"], Health::Ok)),
        ]);
        let apps = graph(vec![("cart", node("app", ["cart", "", "", "carts"], Health::Ok)), ("web", node("app", ["web", "", "", ""], Health::Ok))]);
        let services = graph(vec![("carts", node("service", ["", "", "", "carts"], Health::Ok))]);
        let all = [&workloads, &versions, &apps, &services];
        let of = |from: &Traffic, name: &str| all.map(|to| to.counterpart(&key(name), &from.loads[&key(name)]).map_or("-", |k| k.1.as_str()));
        assert_eq!(of(&workloads, "cart-v1"), ["cart-v1", "cart v1", "cart", "carts"]);
        assert_eq!(of(&versions, "cart v2"), ["cart-v2", "cart v2", "cart", "carts"]);
        assert_eq!(of(&apps, "cart"), ["cart-v2", "cart v1", "cart", "carts"], "the first of the worst");
        assert_eq!(of(&services, "carts"), ["cart-v2", "cart v1", "cart", "carts"]);
        assert_eq!(of(&workloads, "web"), ["web", "-", "web", "-"]);
        let elsewhere = Load { namespace: "other".to_owned(), ..w("v1", Health::Ok) };
        assert_eq!(services.counterpart(&("other".to_owned(), "cart-v1".to_owned()), &elsewhere), None);
        // By its name alone, as manifests have it.
        assert_eq!(workloads.standing_for(&key("carts"), None), Some(&key("cart-v2")));
        assert_eq!(workloads.standing_for(&key("gone"), None), None);
    }
}
