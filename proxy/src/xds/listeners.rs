//! Listeners that come and go: their sockets are taken when they come, they listen once their routes are there, and what is
//! replaced lets its connections end.

use super::dynamic::{Listening, Tables};
use super::kind::Kind;
use super::protocol::{Given, Update};
use super::resource::{Problem, object_at};
use super::state::{Offer, Retired, State, added, offer, refuse, remove};
use super::table::{Held, Warming, until};
use crate::config::Compiler;
use crate::config::listener::Listener;
use crate::logging::Logger;
use mesh_envoy::engine::Unknown;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// What a listener's JSON is called where problems are told.
const ROOT: &str = "listener";

impl State {
    pub(super) fn listeners(&mut self, update: &Update) -> Vec<String> {
        let dynamic = self.dynamic.clone();
        let mut tables = dynamic.tables();
        // What goes away makes room: another one may have its address.
        let named: BTreeSet<&str> = update.given.iter().map(|g| g.name.as_str()).collect();
        let mut leaving: Vec<Held<Listening>> = Vec::new();
        for (name, entry) in &mut tables.listeners.entries {
            let is_gone = if update.is_whole { !named.contains(name.as_str()) } else { update.removed.contains(name) };
            if is_gone {
                leaving.extend(entry.active.take());
                self.bound.remove(name);
            }
        }
        remove(&mut tables.listeners, update, &named);
        for held in leaving {
            self.shared.listeners.close(&held.value.listener.engine.name);
            self.let_go(&held.value.listener, None);
            dynamic.count(Kind::Listener, |c| &c.removed);
        }
        let (mut errors, mut seen) = (Vec::new(), BTreeSet::new());
        for given in &update.given {
            if !seen.insert(given.name.as_str()) {
                errors.push(format!("{}: a listener of this name stands before it", given.name));
            } else if self.statics.listeners.iter().all(|l| *l.engine.name != *given.name) {
                errors.extend(self.listener_given(&mut tables, update, given).err());
            }
        }
        tables.listeners.version.clone_from(&update.version);
        errors
    }

    fn listener_given(&mut self, tables: &mut Tables, update: &Update, given: &Given) -> Result<(), String> {
        let extensions: BTreeMap<String, Value> = tables.extensions.active().map(|(name, h)| (name.to_owned(), Value::clone(&h.value))).collect();
        let compiler = &self.compiler;
        let mut held = match offer(tables, |t| &mut t.listeners, update, given, |value| compile(value, &extensions, compiler)) {
            Offer::Known => return Ok(()),
            Offer::Refused(why) => return Err(why),
            Offer::New(held) => held,
        };
        let before = State::listener(tables, &given.name);
        let addresses = &held.value.listener.engine.addresses;
        let same_sockets = before.as_ref().is_some_and(|b| b.engine.addresses == *addresses && b.engine.bound == held.value.listener.engine.bound);
        if !same_sockets {
            let object = given.body.to_json().map(|v| object_at(&v, "address")).unwrap_or_default();
            let problem = |what: String| vec![Problem { path: "address".to_owned(), value: String::new(), what, object: object.clone() }];
            if let Some(other) = self.owner(tables, &held.value.listener, &given.name) {
                return Err(refuse(tables, |t| &mut t.listeners, update, given, problem(format!("the listener {other} has it"))));
            }
            match self.shared.listeners.bind(&held.value.listener) {
                Ok(bound) => drop(self.bound.insert(given.name.clone(), bound)),
                Err(e) => return Err(refuse(tables, |t| &mut t.listeners, update, given, problem(e))),
            }
        } else {
            self.bound.remove(&given.name);
        }
        self.dynamic.count(Kind::Listener, added(before.is_none()));
        held.version.clone_from(&given.version);
        let until = until(held.value.listener.routes().map(|(_, timeout)| timeout).chain(held.secrets.iter().map(|n| n.timeout)));
        tables.listeners.entries.entry(given.name.clone()).or_default().warming = Some(Warming { held, until });
        Ok(())
    }

    /// Another listener that has an address of this one.
    fn owner(&self, tables: &Tables, listener: &Listener, name: &str) -> Option<String> {
        let dynamic = tables.listeners.entries.iter().filter(|(n, _)| *n != name).filter_map(|(_, e)| e.newest()).map(|h| &h.value.listener);
        let mut others = self.statics.listeners.iter().chain(dynamic);
        let is_shared = |other: &&Arc<Listener>| {
            other.engine.bound == listener.engine.bound && other.engine.addresses.iter().any(|a| listener.engine.addresses.contains(a) && !is_any_port(a))
        };
        others.find(is_shared).map(|l| l.engine.name.to_string())
    }

    /// Listeners begin to listen, or take the place of others, when their routes are there.
    pub(super) fn settle_listeners(&mut self, now: Instant) {
        let dynamic = self.dynamic.clone();
        let mut tables = dynamic.tables();
        let Tables { listeners, routes, extensions, .. } = &mut *tables;
        for (name, entry) in &mut listeners.entries {
            let Some(warming) = &entry.warming else { continue };
            let has_routes = warming.held.value.listener.routes().all(|(r, _)| routes.value(r).is_some() || self.statics.routes.contains_key(r));
            let has_extensions = warming.held.value.extensions.iter().all(|e| extensions.value(e).is_some());
            let is_late = warming.until.is_some_and(|until| now >= until);
            if is_late && !has_routes {
                dynamic.count(Kind::Routes, |c| &c.fetch_timeout);
            }
            let has_secrets = self.has_secrets(&warming.held.secrets);
            if !has_extensions || !((has_routes && has_secrets) || is_late) {
                continue;
            }
            let Some(Warming { mut held, .. }) = entry.warming.take() else { continue };
            let before = entry.active.take();
            if let (Some(before), Some(listening)) = (&before, Arc::get_mut(&mut held.value))
                && let Some(listener) = Arc::get_mut(&mut listening.listener)
            {
                listener.inherit(&before.value.listener);
            }
            let listener = held.value.listener.clone();
            entry.active = Some(held);
            let before = before.map(|b| b.value.listener.clone());
            match self.bound.remove(name) {
                None => self.shared.listeners.replace(&listener),
                Some(bound) => {
                    self.shared.listeners.close(name);
                    if let Err(e) = self.shared.listeners.open(&listener, bound) {
                        (self.shared.complain)(Logger::ConnHandler, &format!("listener {name}: {e}"));
                    }
                }
            }
            if let Some(before) = before {
                self.retired.push(Retired { listener: before.clone(), until: now + self.drain });
                before.retire(Some(&listener), now + self.drain);
            }
        }
    }

    fn let_go(&mut self, listener: &Arc<Listener>, after: Option<&Listener>) {
        let until = Instant::now() + self.drain;
        listener.retire(after, until);
        self.retired.push(Retired { listener: listener.clone(), until });
    }

    /// Listeners that went away are kept for as long as there are connections on them.
    pub(super) fn retire(&mut self, now: Instant) {
        self.retired.retain(|r| now < r.until && r.listener.is_in_use());
    }

    /// Configurations of filters that came over ECDS.
    pub(super) fn extensions(&mut self, update: &Update) -> Vec<String> {
        let wanted = self.wanted().remove(&Kind::Extension).unwrap_or_default();
        let dynamic = self.dynamic.clone();
        let mut tables = dynamic.tables();
        let mut errors = Vec::new();
        let mut news: Vec<(&Given, Held<Value>)> = Vec::new();
        for given in update.given.iter().filter(|g| wanted.contains(&g.name)) {
            match offer(&mut tables, |t| &mut t.extensions, update, given, |value| Ok(value.clone())) {
                Offer::Known => {}
                Offer::Refused(why) => errors.push(why),
                Offer::New(held) => news.push((given, held)),
            }
        }
        for (given, held) in news {
            let mut all: BTreeMap<String, Value> = tables.extensions.active().map(|(name, h)| (name.to_owned(), Value::clone(&h.value))).collect();
            all.insert(given.name.clone(), Value::clone(&held.value));
            match self.recompiled(&tables, &given.name, &all) {
                Err(problem) => errors.push(refuse(&mut tables, |t| &mut t.extensions, update, given, vec![problem])),
                Ok(compiled) => {
                    tables.extensions.entries.entry(given.name.clone()).or_default().active = Some(held);
                    for (name, held) in compiled {
                        tables.listeners.entries.entry(name).or_default().warming = Some(Warming { held, until: None });
                    }
                }
            }
        }
        tables.extensions.version.clone_from(&update.version);
        errors
    }

    /// The listeners that an extension is part of, with its new configuration.
    fn recompiled(&self, tables: &Tables, extension: &str, all: &BTreeMap<String, Value>) -> Result<Vec<(String, Held<Listening>)>, Problem> {
        let mut out = Vec::new();
        for (name, entry) in &tables.listeners.entries {
            let Some(held) = entry.newest().filter(|h| h.value.extensions.iter().any(|e| e == extension)) else { continue };
            let value = held.body.to_json().map_err(Problem::whole)?;
            let listening = compile(&value, all, &self.compiler).map_err(|(u, _)| Problem::whole(format!("in the listener {name}: {u}")))?;
            out.push((
                name.clone(),
                Held {
                    value: Arc::new(listening),
                    body: held.body.clone(),
                    version: held.version.clone(),
                    updated: held.updated,
                    secrets: held.secrets.clone(),
                },
            ));
        }
        Ok(out)
    }
}

fn is_any_port(address: &mesh_envoy::engine::listener::Address) -> bool {
    matches!(address, mesh_envoy::engine::listener::Address::Socket(a) if a.port() == 0)
}

/// A listener with what is known of its extensions. It is compiled without those that did not come yet, and again with them
/// when it comes into use.
fn compile(value: &Value, extensions: &BTreeMap<String, Value>, compiler: &Compiler) -> Result<Listening, (Unknown, &'static str)> {
    let mut names = Vec::new();
    let read = |value: &Value| Listener::read(value, ROOT, compiler).map_err(|u| (u, ROOT));
    if !asks_for_extensions(value) {
        return Ok(Listening { listener: Arc::new(read(value)?), extensions: names });
    }
    let mut resolved = value.clone();
    resolve(&mut resolved, extensions, &mut names);
    Ok(Listening { listener: Arc::new(read(&resolved)?), extensions: names })
}

fn asks_for_extensions(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.contains_key("configDiscovery") || fields.values().any(asks_for_extensions),
        Value::Array(items) => items.iter().any(asks_for_extensions),
        _ => false,
    }
}

/// Puts configurations in the places that ask for them by the filter's name, and takes out filters whose did not come.
fn resolve(value: &mut Value, extensions: &BTreeMap<String, Value>, names: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|i| resolve(i, extensions, names));
            items.retain_mut(|item| {
                let Some(fields) = item.as_object_mut() else { return true };
                if fields.shift_remove("configDiscovery").is_none() {
                    return true;
                }
                let name = fields.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
                let config = extensions.get(&name).and_then(|e| e.get("typedConfig")).cloned();
                names.push(name);
                config.is_some_and(|config| fields.insert("typedConfig".to_owned(), config).is_none())
            });
        }
        Value::Object(fields) => fields.values_mut().for_each(|v| resolve(v, extensions, names)),
        _ => {}
    }
}
