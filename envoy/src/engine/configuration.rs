//! A proxy's whole configuration, compiled: from a config dump, or from the resources of xDS as JSON.

use super::field::{Message, Path, Read, Unknown};
use super::listener::Listener;
use super::listeners::Listeners;
use super::pick::{self, Assignment, Cluster};
use super::route::Table;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// What a proxy holds, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    pub listeners: Listeners,
    pub routes: BTreeMap<Box<str>, Table>,
    pub clusters: BTreeMap<Box<str>, Cluster>,
    pub assignments: BTreeMap<Box<str>, Assignment>,
    /// What could not be read as a whole: the rest stands.
    pub problems: Vec<Unknown>,
    /// Listeners that could not be read: one of them might have taken a connection.
    pub unreadable_listeners: Vec<Unknown>,
    pub unreadable_routes: BTreeMap<Box<str>, Unknown>,
    /// Sections that the input lacks: nothing is known to be absent in them.
    pub missing: Vec<&'static str>,
}

/// Why a text is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ReadError {}

impl Configuration {
    /// Reads either form: a config dump (`{"configs": […]}`) or lists of resources (`{"listeners": […], "clusters": […],
    /// "routes": […]}`, with `endpoints` where they are known).
    ///
    /// # Errors
    /// A value of another shape.
    pub fn read(value: &Value) -> Result<Configuration, ReadError> {
        let Some(top) = value.as_object() else { return Err(ReadError("neither a config dump nor lists of xDS resources".to_owned())) };
        if top.contains_key("configs") {
            return Configuration::from_dump(value).map_err(|u| ReadError(u.to_string()));
        }
        if top.contains_key("listeners") {
            return Ok(Configuration::from_xds(value));
        }
        Err(ReadError("neither a config dump (`configs`) nor lists of xDS resources (`listeners`, `routes`, `clusters`)".to_owned()))
    }

    fn from_dump(value: &Value) -> Read<Configuration> {
        let mut c = Configuration::default();
        let top = Message::new(value, Path::root("dump"))?;
        let sections = top.messages("configs")?;
        let mut seen = Vec::new();
        let mut ecds = BTreeMap::new();
        for s in &sections {
            let kind = s.type_name().rsplit('.').next().unwrap_or("");
            if seen.contains(&kind) {
                c.forget(kind);
            }
            seen.push(kind);
            match kind {
                "ListenersConfigDump" => {
                    for state in s.messages("dynamic_listeners")? {
                        if let Some(l) = state.message("active_state")?.and_then(|a| a.value("listener")) {
                            c.add_listener(l);
                        }
                    }
                    s.messages("static_listeners")?.iter().filter_map(|l| l.value("listener")).for_each(|l| c.add_listener(l));
                }
                "RoutesConfigDump" => {
                    for list in ["static_route_configs", "dynamic_route_configs"] {
                        s.messages(list)?.iter().filter_map(|r| r.value("route_config")).for_each(|r| c.add_routes(r));
                    }
                }
                "ClustersConfigDump" => {
                    for list in ["static_clusters", "dynamic_active_clusters"] {
                        s.messages(list)?.iter().filter_map(|x| x.value("cluster")).for_each(|x| c.add_cluster(x));
                    }
                }
                "EndpointsConfigDump" => {
                    for list in ["static_endpoint_configs", "dynamic_endpoint_configs"] {
                        s.messages(list)?.iter().filter_map(|x| x.value("endpoint_config")).for_each(|x| c.add_assignment(x));
                    }
                }
                "EcdsConfigDump" => {
                    for filter in s.messages("ecds_filters")? {
                        if let Some(value) = filter.value("ecds_filter") {
                            let extension = Message::new(value, Path::root("ecds"))?;
                            ecds.insert(extension.text("name")?, extension);
                        }
                    }
                }
                _ => {}
            }
        }
        c.discover(&ecds);
        let sections = [("ListenersConfigDump", "listeners"), ("RoutesConfigDump", "routes"), ("ClustersConfigDump", "clusters")];
        c.missing = sections.into_iter().filter(|(kind, _)| !seen.contains(kind)).map(|(_, name)| name).collect();
        Ok(c)
    }

    fn from_xds(value: &Value) -> Configuration {
        let mut c = Configuration::default();
        let list = |name: &str| value.get(name).and_then(Value::as_array).into_iter().flatten();
        list("listeners").for_each(|l| c.add_listener(l));
        list("routes").for_each(|r| c.add_routes(r));
        list("clusters").for_each(|x| c.add_cluster(x));
        list("endpoints").for_each(|x| c.add_assignment(x));
        c.missing = ["routes", "clusters"].into_iter().filter(|n| value.get(n).is_none()).collect();
        c
    }

    /// Of a section that stands in a dump twice the last counts.
    fn forget(&mut self, kind: &str) {
        match kind {
            "ListenersConfigDump" => (self.listeners, self.unreadable_listeners) = Default::default(),
            "RoutesConfigDump" => (self.routes, self.unreadable_routes) = Default::default(),
            "ClustersConfigDump" => self.clusters.clear(),
            "EndpointsConfigDump" => self.assignments.clear(),
            _ => return,
        }
        self.problems.push(Unknown { path: "configs".to_owned(), what: format!("{kind} stands twice in the dump; the last one counts") });
    }

    /// Gives filters the configurations that came over ECDS.
    fn discover(&mut self, ecds: &BTreeMap<&str, Message<'_, '_>>) {
        for filter in self.listeners.chains_mut().flat_map(|chains| chains.iter_mut()).flat_map(|c| &mut c.filters) {
            if let super::network::Kind::Http(manager) = &mut filter.kind {
                manager.filters.iter_mut().for_each(|f| f.discover(ecds));
            }
        }
    }

    fn add_listener(&mut self, value: &Value) {
        let name = format!("listener {}", name_of(value));
        match Listener::read(value, Path::root(&name)) {
            Ok(listener) => self.listeners.push(listener),
            Err(u) => {
                self.unreadable_listeners.push(u.clone());
                self.problems.push(u);
            }
        }
    }
    fn add_routes(&mut self, value: &Value) {
        let name = format!("routes {}", name_of(value));
        match Table::read(value, Path::root(&name)) {
            Ok(table) => {
                self.routes.insert(table.name.clone(), table);
            }
            Err(u) => {
                self.unreadable_routes.insert(name_of(value).into(), u.clone());
                self.problems.push(u);
            }
        }
    }
    fn add_cluster(&mut self, value: &Value) {
        let name = format!("cluster {}", name_of(value));
        let cluster = Cluster::read(value, Path::root(&name)).unwrap_or_else(|u| {
            let cluster = pick::unreadable(name_of(value), &u);
            self.problems.push(u);
            cluster
        });
        self.clusters.insert(cluster.name.clone(), cluster);
    }
    fn add_assignment(&mut self, value: &Value) {
        match Assignment::read(value, Path::root("endpoints")) {
            Ok((name, assignment)) => {
                self.assignments.insert(name, assignment);
            }
            Err(u) => self.problems.push(u),
        }
    }
}

fn name_of(value: &Value) -> &str {
    value.get("name").and_then(Value::as_str).unwrap_or("")
}
