//! The sections that a query needs, and the answer from them.

use super::istioctl::{self, WIDE};
use super::json;
use super::tables::{self, State, Stated};
use super::{Answer, Format, Headers, Query, Waypoint, What, missing, show, width};
use crate::context::Compat;
use crate::print::dump::document;
use crate::print::table::Table;
use crate::status::Failure;
use crate::term::safe;
use mesh_envoy::dump::bootstrap::BootstrapDump;
use mesh_envoy::dump::cluster::{Cluster, Clusters};
use mesh_envoy::dump::endpoint::{Endpoints, LoadAssignment};
use mesh_envoy::dump::listener::{Listener, Listeners};
use mesh_envoy::dump::route::{RouteConfig, Routes};
use mesh_envoy::dump::secret::{Secret, Secrets};
use mesh_envoy::dump::{SectionKind, Sections};
use serde::Deserialize;
use serde_json::Value;

/// Parsed sections. A section that occurs twice counts as its last; ECDS sections are joined.
pub struct Wanted<'a> {
    kinds: &'static [SectionKind],
    whole: bool,
    bootstrap: Option<BootstrapDump<'a>>,
    clusters: Option<Clusters<'a, Cluster<'a>>>,
    listeners: Option<Listeners<'a, Listener<'a>>>,
    routes: Option<Routes<'a, RouteConfig<'a>>>,
    endpoints: Option<Endpoints<LoadAssignment<'a>>>,
    secrets: Option<Secrets<'a, Secret<'a>>>,
    values: Vec<(SectionKind, Value)>,
}

impl<'a> Sections<'a> for Wanted<'a> {
    fn fresh(&self) -> Self {
        Wanted::of(self.kinds, self.whole)
    }
    fn wants(&self, kind: SectionKind) -> bool {
        self.kinds.contains(&kind)
    }
    fn take<D: serde::Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        if self.whole || kind == SectionKind::Ecds {
            let value = Value::deserialize(section)?;
            if kind != SectionKind::Ecds {
                self.values.retain(|(k, _)| *k != kind);
            }
            self.values.push((kind, value));
            return Ok(());
        }
        match kind {
            SectionKind::Bootstrap => self.bootstrap = Some(Deserialize::deserialize(section)?),
            SectionKind::Clusters => self.clusters = Some(Deserialize::deserialize(section)?),
            SectionKind::Listeners => self.listeners = Some(Deserialize::deserialize(section)?),
            SectionKind::Routes => self.routes = Some(Deserialize::deserialize(section)?),
            SectionKind::Endpoints => self.endpoints = Some(Deserialize::deserialize(section)?),
            SectionKind::Secrets => self.secrets = Some(Deserialize::deserialize(section)?),
            SectionKind::ScopedRoutes | SectionKind::Ecds => {
                serde::de::IgnoredAny::deserialize(section)?;
            }
        }
        Ok(())
    }
}

/// The sections that a query is answered from.
pub fn kinds(query: &Query) -> &'static [SectionKind] {
    use SectionKind::{Bootstrap, Clusters, Ecds, Endpoints, Listeners, Routes, Secrets};
    match query.what {
        What::All => &[Bootstrap, Clusters, Listeners, Routes, Endpoints, Secrets],
        What::Bootstrap => &[Bootstrap],
        What::Cluster if query.compat == Compat::Meshctl && matches!(query.format, Format::Wide | Format::Csv) => &[Clusters, Endpoints],
        What::Cluster => &[Clusters],
        What::Ecds => &[Ecds],
        What::Eds => &[Endpoints],
        What::Endpoint => &[],
        What::Listener => &[Listeners],
        What::Route => &[Routes],
        What::Secret => &[Secrets],
    }
}

impl<'a> Wanted<'a> {
    pub fn new(query: &Query) -> Wanted<'a> {
        Wanted::of(kinds(query), matches!(query.format, Format::Document(_)))
    }

    fn of(kinds: &'static [SectionKind], whole: bool) -> Wanted<'a> {
        Wanted { kinds, whole, bootstrap: None, clusters: None, listeners: None, routes: None, endpoints: None, secrets: None, values: Vec::new() }
    }

    pub fn answer(self, query: &Query, found: &[String]) -> Result<Answer, Failure> {
        if let Format::Document(as_) = query.format {
            return Ok(Answer::whole(document(json::section(query, self.values, found)?, as_, query.compat)));
        }
        match query.what {
            What::All => return self.all(query, found),
            What::Bootstrap => self.bootstrap_table(query, found),
            What::Cluster => self.cluster_table(query, found, None),
            What::Listener => self.listener_table(query, found, None),
            What::Route => self.route_table(query, found, None),
            What::Eds => self.eds_table(query, found, None),
            What::Secret => self.secret_table(query, found, None),
            What::Ecds => self.ecds_table(found),
            What::Endpoint => Ok(String::new()),
        }
        .map(Answer::whole)
    }

    fn all(&self, query: &Query, found: &[String]) -> Result<Answer, Failure> {
        let prefix = |p| if query.compat == Compat::Istioctl { Some(p) } else { None };
        let parts = [
            ("BOOTSTRAP", self.bootstrap_table(query, found)),
            ("CLUSTER", self.cluster_table(query, found, prefix("cluster/"))),
            ("LISTENER", self.listener_table(query, found, prefix("listener/"))),
            ("ROUTE", self.route_table(query, found, prefix("route/"))),
            ("SECRET", self.secret_table(query, found, prefix("secret/"))),
            ("ENDPOINTS", self.eds_table(query, found, prefix("endpoint/"))),
        ];
        if parts.iter().all(|(_, p)| p.is_err()) {
            return Err(missing(SectionKind::Clusters, found));
        }
        let mut texts = Vec::new();
        let mut problems = Vec::new();
        for (name, part) in parts {
            // What a dump lacks costs that table only; istioctl stops there.
            let table = match (part, query.compat) {
                (Ok(table), _) => table,
                (Err(e), Compat::Istioctl) => return Err(e),
                (Err(e), Compat::Meshctl) => {
                    problems.push(e.to_string());
                    format!("({})\n", safe(&e.to_string()))
                }
            };
            texts.push(match query.headers {
                Headers::Plain => table,
                Headers::Named => format!("------ {name} INFO ------\n\n{table}"),
            });
        }
        Ok(Answer { text: texts.join("\n"), problems })
    }

    fn bootstrap_table(&self, query: &Query, found: &[String]) -> Result<String, Failure> {
        let b = self.bootstrap.as_ref().ok_or_else(|| missing(SectionKind::Bootstrap, found))?;
        let text = istioctl::bootstrap::table(&b.bootstrap);
        if (query.format, query.compat) != (Format::Csv, Compat::Meshctl) {
            return Ok(text);
        }
        let mut table = Table::new(["NAME", "VALUE"]);
        let lines = text.lines().filter_map(|l| l.split_once(':'));
        lines.for_each(|(name, value)| table.row(vec![name.to_owned(), value.trim().to_owned()]));
        Ok(table.csv())
    }

    fn cluster_table(&self, query: &Query, found: &[String], prefix: Option<&str>) -> Result<String, Failure> {
        let section = self.clusters.as_ref().ok_or_else(|| missing(SectionKind::Clusters, found))?;
        let used = section.dynamic_active_clusters.iter().map(|e| (e, State::Active)).chain(section.static_clusters.iter().map(|e| (e, State::Static)));
        let mut all: Vec<Stated<'_, Cluster<'_>>> =
            used.filter_map(|(e, used)| Some(Stated { resource: e.cluster.as_ref()?, state: State::of(used, e.error_state.as_ref()) })).collect();
        if all.is_empty() {
            return Err(Failure::none("no clusters found: the section `ClustersConfigDump` is empty"));
        }
        if query.compat == Compat::Istioctl {
            return Ok(istioctl::cluster::table(&resources(&all), &query.clusters, prefix));
        }
        let warming = section.dynamic_warming_clusters.iter();
        all.extend(warming.filter_map(|e| Some(Stated { resource: e.cluster.as_ref()?, state: State::of(State::Warming, e.error_state.as_ref()) })));
        let endpoints = tables::cluster::counts(self.assignments());
        Ok(show(&tables::cluster::table(&mut all, &query.clusters, width(query.format), &endpoints), query.format))
    }

    fn listener_table(&self, query: &Query, found: &[String], prefix: Option<&str>) -> Result<String, Failure> {
        let section = self.listeners.as_ref().ok_or_else(|| missing(SectionKind::Listeners, found))?;
        let dynamic = section.dynamic_listeners.iter();
        let active = dynamic.clone().filter_map(|d| Some((d.active_state.as_ref()?, State::of(State::Active, d.error_state.as_ref()))));
        let used = active.chain(section.static_listeners.iter().map(|s| (s, State::Static)));
        let mut all: Vec<Stated<'_, Listener<'_>>> = used.filter_map(|(s, state)| Some(Stated { resource: s.listener.as_ref()?, state })).collect();
        if all.is_empty() {
            return Err(Failure::none("no listeners found: the section `ListenersConfigDump` has no active ones"));
        }
        match (query.waypoint, query.compat) {
            (Waypoint::Yes, _) => return Ok(istioctl::listener::waypoint_table(&resources(&all))),
            (_, Compat::Istioctl) => return Ok(istioctl::listener::table(&resources(&all), &query.listeners, query.listener_detail, prefix)),
            _ => {}
        }
        for d in dynamic {
            let states = [(&d.warming_state, State::Warming), (&d.draining_state, State::Draining)];
            all.extend(
                states
                    .into_iter()
                    .filter_map(|(s, state)| Some(Stated { resource: s.as_ref()?.listener.as_ref()?, state: State::of(state, d.error_state.as_ref()) })),
            );
        }
        Ok(show(&tables::listener::table(&mut all, &query.listeners, query.listener_detail, width(query.format)), query.format))
    }

    fn route_table(&self, query: &Query, found: &[String], prefix: Option<&str>) -> Result<String, Failure> {
        let section = self.routes.as_ref().ok_or_else(|| missing(SectionKind::Routes, found))?;
        let used = section.dynamic_route_configs.iter().map(|e| (e, State::Active)).chain(section.static_route_configs.iter().map(|e| (e, State::Static)));
        let mut all: Vec<Stated<'_, RouteConfig<'_>>> =
            used.filter_map(|(e, used)| Some(Stated { resource: e.route_config.as_ref()?, state: State::of(used, e.error_state.as_ref()) })).collect();
        if all.is_empty() {
            return Err(Failure::none("no routes found: the section `RoutesConfigDump` is empty"));
        }
        if query.compat == Compat::Istioctl {
            return Ok(istioctl::route::table(&resources(&all), &query.route_name, query.route_detail, prefix));
        }
        Ok(show(&tables::route::table(&mut all, &query.route_name, query.route_detail), query.format))
    }

    fn assignments(&self) -> impl Iterator<Item = &LoadAssignment<'a>> {
        let entries = self.endpoints.iter().flat_map(|s| s.dynamic_endpoint_configs.iter().chain(&s.static_endpoint_configs));
        entries.filter_map(|e| e.endpoint_config.as_ref())
    }

    fn eds_table(&self, query: &Query, found: &[String], prefix: Option<&str>) -> Result<String, Failure> {
        let all: Vec<&LoadAssignment<'_>> = self.assignments().collect();
        match query.compat {
            Compat::Istioctl => Ok(istioctl::endpoint::eds_table(&all, &query.endpoints, prefix)),
            Compat::Meshctl if self.endpoints.is_none() => Err(missing(SectionKind::Endpoints, found)),
            Compat::Meshctl => Ok(show(&tables::endpoint::assigned(&all, &query.endpoints), query.format)),
        }
    }

    fn secret_table(&self, query: &Query, found: &[String], prefix: Option<&str>) -> Result<String, Failure> {
        let section = self.secrets.as_ref().ok_or_else(|| missing(SectionKind::Secrets, found))?;
        Ok(match query.compat {
            Compat::Istioctl => istioctl::secret::table(section, query.now, prefix),
            Compat::Meshctl => show(&tables::secret::table(section, query.now), query.format),
        })
    }

    fn ecds_table(&self, found: &[String]) -> Result<String, Failure> {
        if self.values.is_empty() {
            return Err(missing(SectionKind::Ecds, found));
        }
        let mut rows: Vec<(String, String)> = Vec::new();
        for filter in self.values.iter().flat_map(|(_, v)| json::ecds_filters(v)) {
            let config = json::field(filter, "ecds_filter");
            let text = |v: Option<&Value>, key: &str| v.and_then(|v| v.get(key)).and_then(Value::as_str).unwrap_or("").to_owned();
            let kind = text(config.and_then(|c| json::field(c, "typed_config")), "@type");
            rows.push((kind.trim_start_matches("type.googleapis.com/").to_owned(), text(config, "name")));
        }
        rows.sort();
        let mut table = Table::new(["ECDS NAME", "TYPE"]);
        for (kind, name) in rows {
            table.row(vec![name, kind]);
        }
        Ok(table.render(WIDE))
    }
}

fn resources<'d, T>(all: &[Stated<'d, T>]) -> Vec<&'d T> {
    all.iter().map(|s| s.resource).collect()
}
