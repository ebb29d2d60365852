//! What is done with the answers of a control plane: resources are read, wait for what they point at, and come into use
//! together, clusters before the routes and listeners that lead to them.

use super::dynamic::{Counters, Dynamic, Listening, Tables};
use super::kind::Kind;
use super::plan::{Plan, Source};
use super::protocol::{Given, Update};
use super::resource::{self, Problem, Refusal};
use super::table::{Held, Need, Table, Warming, until};
use crate::bootstrap::get;
use crate::config::cluster::Cluster;
use crate::config::listener::Listener;
use crate::config::route::Table as Routes;
use crate::config::{Compiler, Snapshot};
use crate::listeners::Bound;
use crate::logging::Logger;
use crate::tls::material::Secret;
use crate::tls::secrets::Wanted;
use crate::worker::Shared;
use mesh_envoy::engine::Unknown;
use mesh_envoy::engine::field::{Message, Path};
use mesh_envoy::engine::pick::Assignment;
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// A listener that is no part of the configuration any more, and when its last connections are closed.
pub(super) struct Retired {
    pub listener: Arc<Listener>,
    pub until: Instant,
}

pub struct State {
    pub(super) shared: Arc<Shared>,
    pub(super) compiler: Compiler,
    /// What stands in the bootstrap.
    pub(super) statics: Snapshot,
    pub(super) drain: Duration,
    pub(super) dynamic: Arc<Dynamic>,
    pub(super) retired: Vec<Retired>,
    /// Sockets of listeners that wait.
    pub(super) bound: BTreeMap<String, Vec<Bound>>,
    plan: Plan,
    begun: Instant,
    /// Kinds that were answered, or waited for long enough.
    answered: BTreeSet<Kind>,
    /// Whether clusters were warm once: listeners are asked for then.
    clusters_stood: bool,
    changes: watch::Sender<u64>,
}

/// What became of a resource that was given.
pub(super) enum Offer<T> {
    Known,
    New(Held<T>),
    /// Why not.
    Refused(String),
}

impl State {
    pub fn new(plan: Plan, shared: Arc<Shared>, compiler: Compiler, statics: Snapshot, drain: Duration) -> State {
        State {
            shared,
            compiler,
            statics,
            drain,
            dynamic: Arc::default(),
            retired: Vec::new(),
            bound: BTreeMap::new(),
            plan,
            begun: Instant::now(),
            answered: BTreeSet::new(),
            clusters_stood: false,
            changes: watch::Sender::new(0),
        }
    }
    pub fn dynamic(&self) -> &Arc<Dynamic> {
        &self.dynamic
    }
    pub fn complain(&self, what: &str) {
        (self.shared.complain)(Logger::Config, what);
    }
    /// Hears of changes, after which other names may be wanted.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes an answer: what of it can be honoured comes into use, the rest is refused.
    ///
    /// # Errors
    /// What was refused, and why.
    pub fn take(&mut self, update: &Update) -> Result<(), String> {
        self.dynamic.count(update.kind, |c| &c.attempt);
        let errors = match update.kind {
            Kind::Cluster => self.clusters(update),
            Kind::Endpoints => self.endpoints(update),
            Kind::Listener => self.listeners(update),
            Kind::Routes => self.routes(update),
            Kind::Extension => self.extensions(update),
            Kind::Secret => self.secrets(update),
        };
        self.answered.insert(update.kind);
        self.settle();
        if errors.is_empty() {
            self.dynamic.count(update.kind, |c| &c.success);
            self.dynamic.note_time(update.kind);
            return Ok(());
        }
        self.dynamic.count(update.kind, |c| &c.rejected);
        let told = format!("Error adding/updating {}(s) {}", update.kind, errors.join("\n"));
        (self.shared.complain)(Logger::Config, &format!("refused of version {:?}: {told}", update.version));
        Err(told)
    }

    /// Brings into use what has all that it needs, or has waited for long enough.
    pub fn settle(&mut self) {
        let now = Instant::now();
        self.note_timeouts(now);
        self.settle_clusters(now);
        if self.plan.cds.is_none() || self.answered.contains(&Kind::Cluster) {
            self.clusters_stood |= self.dynamic.tables().clusters.is_warm();
        }
        self.forget();
        self.publish();
        self.settle_listeners(now);
        self.retire(now);
        self.forget();
        self.publish();
        let listeners = self.plan.lds.is_none() || self.answered.contains(&Kind::Listener);
        if self.clusters_stood && listeners && self.dynamic.tables().listeners.is_warm() {
            self.dynamic.is_ready.store(true, Ordering::Release);
        }
        self.changes.send_modify(|n| *n += 1);
    }

    /// A kind that is not answered in time is waited for no longer.
    fn note_timeouts(&mut self, now: Instant) {
        for (kind, fetch) in [(Kind::Cluster, self.plan.cds), (Kind::Listener, self.plan.lds)] {
            let late = fetch.and_then(|f| f.timeout).is_some_and(|t| now >= self.begun + t);
            if late && self.answered.insert(kind) {
                self.dynamic.count(kind, |c| &c.fetch_timeout);
            }
        }
    }

    fn settle_clusters(&mut self, now: Instant) {
        let mut tables = self.dynamic.tables();
        let Tables { clusters, endpoints, .. } = &mut *tables;
        for entry in clusters.entries.values_mut() {
            let Some(warming) = &entry.warming else { continue };
            let has_endpoints = warming.held.value.service().is_none_or(|s| endpoints.value(s).is_some());
            let has_secrets = self.has_secrets(&warming.held.secrets);
            let is_late = warming.until.is_some_and(|until| now >= until);
            if is_late && !has_endpoints {
                self.dynamic.count(Kind::Endpoints, |c| &c.fetch_timeout);
            }
            if (has_endpoints && has_secrets) || is_late {
                entry.active = entry.warming.take().map(|w| w.held);
            }
        }
    }

    pub(super) fn has_secrets(&self, needs: &[Need]) -> bool {
        needs.iter().all(|need| self.compiler.secrets.has(&need.name))
    }
    /// Hears of every secret that comes and of every one that is newly asked for.
    pub fn secret_changes(&self) -> watch::Receiver<u64> {
        self.compiler.secrets.changes()
    }
    /// Secrets that are asked for, each with the control plane to ask; `None` for the one that all else comes from.
    pub fn wanted_secrets(&self) -> Vec<(String, Result<Option<Source>, Unknown>)> {
        let source = |value: &Value| -> Result<Option<Source>, Unknown> {
            let m = Message::new(value, Path::root("sds_config"))?;
            m.message("api_config_source")?.map(|api| Source::read(&api, &self.statics)).transpose()
        };
        let asks = |w: &Wanted| get(&w.source, "ads").is_some() || get(&w.source, "api_config_source").is_some();
        self.compiler.secrets.wanted().into_iter().filter(asks).map(|w| (w.name.to_string(), source(&w.source))).collect()
    }

    /// What is wanted, by kind.
    pub fn wanted(&self) -> BTreeMap<Kind, BTreeSet<String>> {
        let mut out = BTreeMap::new();
        if self.plan.cds.is_some() {
            out.insert(Kind::Cluster, BTreeSet::new());
        }
        let tables = self.dynamic.tables();
        let clusters = tables.clusters.taken().map(|h| &h.value).chain(self.statics.clusters.values());
        out.insert(Kind::Endpoints, clusters.filter_map(|c| c.service()).map(str::to_owned).collect());
        if self.plan.lds.is_some() && self.clusters_stood {
            out.insert(Kind::Listener, BTreeSet::new());
        }
        let listeners = tables.listeners.taken().map(|h| &h.value.listener).chain(self.statics.listeners.iter());
        // Connections of a listener that went away are still answered by its routes.
        let listeners = listeners.chain(self.retired.iter().map(|r| &r.listener));
        out.insert(Kind::Routes, listeners.flat_map(|l| l.routes().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()).collect());
        let secrets = self.wanted_secrets().into_iter().filter(|(_, source)| matches!(source, Ok(None))).map(|(name, _)| name);
        out.insert(Kind::Secret, secrets.collect());
        out.insert(Kind::Extension, tables.listeners.taken().flat_map(|h| h.value.extensions.clone()).collect());
        out
    }

    /// Drops what nobody wants any more.
    fn forget(&mut self) {
        let gone = self.compiler.secrets.forget_unwanted();
        let wanted = self.wanted();
        let mut tables = self.dynamic.tables();
        let is_wanted = |kind: Kind, name: &String| wanted.get(&kind).is_some_and(|names| names.contains(name));
        tables.endpoints.entries.retain(|name, _| is_wanted(Kind::Endpoints, name));
        tables.routes.entries.retain(|name, _| is_wanted(Kind::Routes, name));
        tables.secrets.entries.retain(|name, _| !gone.iter().any(|g| **g == **name));
        tables.extensions.entries.retain(|name, _| is_wanted(Kind::Extension, name));
    }

    /// Gives workers what is in use now, if it is something else.
    fn publish(&mut self) {
        let before = self.shared.snapshot();
        let tables = self.dynamic.tables();
        let mut next = Snapshot::clone(&before);
        let clusters = tables.clusters.active().map(|(name, h)| (name, &h.value));
        merge(&mut next.clusters, &self.statics.clusters, clusters);
        merge(&mut next.routes, &self.statics.routes, tables.routes.active().map(|(name, h)| (name, &h.value)));
        merge(&mut next.assignments, &self.statics.assignments, tables.endpoints.active().map(|(name, h)| (name, &h.value)));
        let listeners = self.statics.listeners.iter().chain(tables.listeners.active().map(|(_, h)| &h.value.listener));
        let listeners: Vec<Arc<Listener>> = listeners.cloned().collect();
        drop(tables);
        if !listeners.iter().map(Arc::as_ptr).eq(before.listeners.iter().map(Arc::as_ptr)) {
            next.listeners = Arc::new(listeners);
        }
        let same = Arc::ptr_eq(&next.clusters, &before.clusters)
            && Arc::ptr_eq(&next.routes, &before.routes)
            && Arc::ptr_eq(&next.assignments, &before.assignments)
            && Arc::ptr_eq(&next.listeners, &before.listeners);
        if !same {
            self.shared.publish(next);
        }
    }

    /// When something is to be done without an answer.
    pub fn deadline(&self) -> Option<Instant> {
        let tables = self.dynamic.tables();
        let of_kind = |kind: Kind, fetch: Option<super::plan::Fetch>| fetch.filter(|_| !self.answered.contains(&kind))?.timeout.map(|t| self.begun + t);
        let retired = (!self.retired.is_empty()).then(|| Instant::now() + Duration::from_secs(1));
        let all =
            [tables.clusters.deadline(), tables.listeners.deadline(), of_kind(Kind::Cluster, self.plan.cds), of_kind(Kind::Listener, self.plan.lds), retired];
        all.into_iter().flatten().min()
    }

    fn clusters(&mut self, update: &Update) -> Vec<String> {
        let mut tables = self.dynamic.tables();
        let (mut errors, mut seen) = (Vec::new(), BTreeSet::new());
        for given in &update.given {
            if !seen.insert(given.name.as_str()) {
                errors.push(format!("{}: a cluster of this name stands before it", given.name));
                continue;
            }
            // The bootstrap's own can't be replaced.
            if self.statics.clusters.contains_key(given.name.as_str()) {
                continue;
            }
            let compiler = &self.compiler;
            let read = |value: &Value| Cluster::read(value, "cluster", compiler).map_err(|u| (u, "cluster"));
            let offer = offer(&mut tables, |t| &mut t.clusters, update, given, read);
            match offer {
                Offer::Known => {}
                Offer::Refused(why) => errors.push(why),
                Offer::New(held) => {
                    let entry = tables.clusters.entries.entry(given.name.clone()).or_default();
                    self.dynamic.count(Kind::Cluster, added(entry.active.is_none()));
                    let endpoints = held.value.service().map(|_| held.value.fetch_timeout);
                    let until = until(endpoints.into_iter().chain(held.secrets.iter().map(|n| n.timeout)));
                    entry.warming = Some(Warming { held, until });
                }
            }
        }
        remove(&mut tables.clusters, update, &seen).iter().for_each(|_| self.dynamic.count(Kind::Cluster, |c| &c.removed));
        tables.clusters.version.clone_from(&update.version);
        errors
    }

    fn endpoints(&mut self, update: &Update) -> Vec<String> {
        let wanted = self.wanted().remove(&Kind::Endpoints).unwrap_or_default();
        let mut tables = self.dynamic.tables();
        let read = |value: &Value| Assignment::read(value, Path::root("endpoints")).map(|(_, a)| a).map_err(|u| (u, "endpoints"));
        at_once(&mut tables, |t| &mut t.endpoints, update, &wanted, read)
    }

    fn secrets(&mut self, update: &Update) -> Vec<String> {
        let wanted: BTreeSet<String> = self.wanted_secrets().into_iter().map(|(name, _)| name).collect();
        let mut tables = self.dynamic.tables();
        let store = &self.compiler.secrets;
        let read = |value: &Value| Secret::read(value, "secret").map(|(name, secret)| store.set(&name, secret)).map_err(|u| (u, "secret"));
        at_once(&mut tables, |t| &mut t.secrets, update, &wanted, read)
    }

    fn routes(&mut self, update: &Update) -> Vec<String> {
        let wanted = self.wanted().remove(&Kind::Routes).unwrap_or_default();
        let mut tables = self.dynamic.tables();
        at_once(&mut tables, |t| &mut t.routes, update, &wanted, |value| Routes::read(value, "routes").map_err(|u| (u, "routes")))
    }
}

/// Counts a resource as new, or as changed.
pub(super) fn added(is_new: bool) -> impl Fn(&Counters) -> &AtomicU64 {
    move |c| if is_new { &c.added } else { &c.modified }
}

/// What is static, then what is not; the same map where nothing changed.
fn merge<'t, T: 't>(
    map: &mut Arc<FxHashMap<Box<str>, Arc<T>>>,
    statics: &FxHashMap<Box<str>, Arc<T>>,
    dynamic: impl Iterator<Item = (&'t str, &'t Arc<T>)> + Clone,
) {
    let mut n = statics.len();
    let same = dynamic.clone().all(|(name, value)| {
        n += 1;
        map.get(name).is_some_and(|had| Arc::ptr_eq(had, value))
    });
    if same && n == map.len() {
        return;
    }
    let mut next: FxHashMap<Box<str>, Arc<T>> = dynamic.map(|(name, value)| (name.into(), value.clone())).collect();
    next.extend(statics.iter().map(|(name, value)| (name.clone(), value.clone())));
    *map = Arc::new(next);
}

type Unread = (Unknown, &'static str);

/// Reads a resource, unless it is the one that is held.
pub(super) fn offer<T>(
    tables: &mut Tables,
    table: impl Fn(&mut Tables) -> &mut Table<T>,
    update: &Update,
    given: &Given,
    read: impl FnOnce(&Value) -> Result<T, Unread>,
) -> Offer<T> {
    if table(tables).entries.get_mut(&given.name).is_some_and(|e| e.is_known(&given.body, &given.version)) {
        return Offer::Known;
    }
    let named = if given.name.is_empty() { Err(vec![Problem::whole("a resource without a name")]) } else { Ok(()) };
    let read = named.and_then(|()| resource::read(update.kind, &given.body)).and_then(|value| {
        let secrets = resource::secrets(&value);
        let value = read(&value).map_err(|(unknown, root)| vec![Problem::of(&unknown, root, &value)])?;
        Ok((value, secrets))
    });
    match read {
        Ok((value, secrets)) => {
            table(tables).entries.entry(given.name.clone()).or_default().refused = None;
            let (body, version) = (given.body.clone(), given.version.clone());
            Offer::New(Held { value: Arc::new(value), body, version, updated: SystemTime::now(), secrets })
        }
        Err(problems) => Offer::Refused(refuse(tables, table, update, given, problems)),
    }
}

/// Notes a refusal, and puts it into words.
pub(super) fn refuse<T>(tables: &mut Tables, table: impl Fn(&mut Tables) -> &mut Table<T>, update: &Update, given: &Given, problems: Vec<Problem>) -> String {
    let refusal =
        Refusal { kind: update.kind, name: given.name.clone(), version: given.version.clone(), at: SystemTime::now(), problems, body: given.body.clone() };
    let told = refusal.to_string();
    table(tables).entries.entry(given.name.clone()).or_default().refused = Some(refusal.clone());
    tables.remember(refusal);
    told
}

/// Resources that wait for nothing. Others than those that are wanted are not looked at, and what is wanted can't be removed:
/// it is in use, as Envoy has it too.
fn at_once<T>(
    tables: &mut Tables,
    table: impl Fn(&mut Tables) -> &mut Table<T> + Copy,
    update: &Update,
    wanted: &BTreeSet<String>,
    read: impl Fn(&Value) -> Result<T, Unread>,
) -> Vec<String> {
    let mut errors = Vec::new();
    for given in update.given.iter().filter(|g| wanted.contains(&g.name)) {
        match offer(tables, table, update, given, &read) {
            Offer::Known => {}
            Offer::Refused(why) => errors.push(why),
            Offer::New(held) => table(tables).entries.entry(given.name.clone()).or_default().active = Some(held),
        }
    }
    let table = table(tables);
    table.version.clone_from(&update.version);
    errors
}

/// Takes out what an answer says is gone; their names.
pub(super) fn remove<T>(table: &mut Table<T>, update: &Update, seen: &BTreeSet<&str>) -> Vec<String> {
    let is_gone = |name: &String| if update.is_whole { !seen.contains(name.as_str()) } else { update.removed.contains(name) };
    let gone: Vec<String> = table.entries.keys().filter(|n| is_gone(n)).cloned().collect();
    gone.iter().for_each(|name| drop(table.entries.remove(name)));
    gone
}

impl State {
    /// The listener in use of a name.
    pub(super) fn listener(tables: &Tables, name: &str) -> Option<Arc<Listener>> {
        tables.listeners.value(name).map(|l: &Arc<Listening>| l.listener.clone())
    }
}
