//! What the proxy does when there is too much of everything: connections beyond a limit are closed, and memory that runs short
//! has actions (Envoy's overload manager).
//!
//! The number of connections is kept as they come and go. Memory is looked at again and again beside the workers, which see in
//! one load that nothing is the matter.

use crate::config::listener::Listener;
use crate::config::overload::{Kind, Limits};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// An action in full, in parts of a thousand.
const FULL: u32 = 1000;

#[derive(Debug)]
pub struct Overload {
    limits: Limits,
    connections: Arc<AtomicU64>,
    /// Limits of listeners, and the connections that they have.
    of_listeners: FxHashMap<Box<str>, (u64, Arc<AtomicU64>)>,
    /// How far each kind of action is.
    states: [AtomicU32; Kind::COUNT],
    /// The most of them.
    worst: AtomicU32,
    /// Percent, by monitor.
    pressure: Vec<AtomicU64>,
    /// Connections that were beyond the limit, and looks at memory that failed.
    refused: AtomicU64,
    failed: AtomicU64,
    accepts: watch::Sender<bool>,
}

/// Why a connection is closed as soon as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its listener has as many as it may.
    Listener,
    /// The proxy has.
    All,
    Overload,
}

/// A connection in the numbers that are limited, as long as it lasts.
#[derive(Debug)]
pub struct Admission([Option<Arc<AtomicU64>>; 2]);

impl Drop for Admission {
    fn drop(&mut self) {
        for counter in self.0.iter().flatten() {
            counter.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Overload {
    pub fn new(limits: Limits) -> Overload {
        Overload {
            connections: Arc::default(),
            of_listeners: limits.of_listeners.iter().map(|(name, limit)| (name.clone(), (*limit, Arc::default()))).collect(),
            states: Default::default(),
            worst: AtomicU32::new(0),
            pressure: limits.monitors.iter().map(|_| AtomicU64::new(0)).collect(),
            refused: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            accepts: watch::Sender::new(true),
            limits,
        }
    }

    /// Takes a connection in, or says why not. `dice` gives a number below a thousand.
    ///
    /// # Errors
    /// Why it is to be closed.
    pub fn admit(&self, listener: &Listener, dice: impl FnOnce() -> u32) -> Result<Admission, Refusal> {
        let mut admission = Admission([None, None]);
        if let Some(limit) = self.limits.connections.filter(|_| !listener.ignores_limit) {
            if !take(&self.connections, limit) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Refusal::All);
            }
            admission.0[0] = Some(self.connections.clone());
        }
        if !listener.bypasses_overload && self.happens(Kind::RejectConnections, dice) {
            return Err(Refusal::Overload);
        }
        if let Some((limit, open)) = self.of_listeners.get(&listener.engine.name) {
            if !take(open, *limit) {
                return Err(Refusal::Listener);
            }
            admission.0[1] = Some(open.clone());
        }
        Ok(admission)
    }

    /// Whether an action is taken this time. `dice` gives a number below a thousand.
    pub fn happens(&self, kind: Kind, dice: impl FnOnce() -> u32) -> bool {
        if self.worst.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let state = self.states[kind as usize].load(Ordering::Relaxed);
        state >= FULL || (state > 0 && dice() < state)
    }
    /// Whether connections are accepted, as it changes.
    pub fn accepts(&self) -> watch::Receiver<bool> {
        self.accepts.subscribe()
    }

    /// How often memory is to be looked at; `None` where nothing comes of it.
    pub fn refresh(&self) -> Option<Duration> {
        let of_memory = |monitor: usize| self.limits.monitors.get(monitor).is_some_and(|m| m.memory.is_some());
        let has = self.limits.actions.iter().flat_map(|a| &a.triggers).any(|t| of_memory(t.monitor));
        has.then_some(self.limits.refresh)
    }
    /// Judges anew, by the memory in use; `None` where it is not known.
    pub fn look(&self, memory: Option<u64>) {
        let Some(memory) = memory else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        #[allow(clippy::cast_precision_loss, reason = "a share")]
        let share = |whole: Option<u64>| whole.map_or(0.0, |whole| memory as f64 / whole as f64);
        let shares: Vec<f64> = self.limits.monitors.iter().map(|m| share(m.memory)).collect();
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "never below 0")]
        for (share, pressure) in shares.iter().zip(&self.pressure) {
            pressure.store((share * 100.0) as u64, Ordering::Relaxed);
        }
        let mut states = [0; Kind::COUNT];
        for action in &self.limits.actions {
            let state = action.triggers.iter().map(|t| state(shares[t.monitor], t.begins, t.is_full)).max().unwrap_or(0);
            states[action.kind as usize] = state.max(states[action.kind as usize]);
        }
        for (state, now) in self.states.iter().zip(states) {
            state.store(now, Ordering::Relaxed);
        }
        self.worst.store(states.into_iter().max().unwrap_or(0), Ordering::Relaxed);
        let accepts = states[Kind::StopConnections as usize] < FULL;
        self.accepts.send_if_modified(|before| std::mem::replace(before, accepts) != accepts);
    }

    /// Gauges and counters below `overload.`: name, whether it is a counter, value.
    pub fn each(&self, mut visit: impl FnMut(&str, bool, u64)) {
        for (monitor, pressure) in self.limits.monitors.iter().zip(&self.pressure) {
            let failed = if monitor.memory.is_some() { &self.failed } else { &self.refused };
            visit(&format!("{}.pressure", monitor.name), false, pressure.load(Ordering::Relaxed));
            visit(&format!("{}.failed_updates", monitor.name), true, failed.load(Ordering::Relaxed));
        }
        for action in &self.limits.actions {
            let state = self.states[action.kind as usize].load(Ordering::Relaxed);
            visit(&format!("{}.active", action.name), false, u64::from(state >= FULL));
            visit(&format!("{}.scale_percent", action.name), false, u64::from(state / (FULL / 100)));
        }
    }
}

fn take(counter: &AtomicU64, limit: u64) -> bool {
    counter.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
}

/// How far an action is at a share of the whole, in parts of a thousand.
fn state(share: f64, begins: f64, is_full: f64) -> u32 {
    if share >= is_full {
        FULL
    } else if share <= begins {
        0
    } else {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a thousand")]
        let part = ((share - begins) / (is_full - begins) * f64::from(FULL)) as u32;
        part.min(FULL - 1)
    }
}

/// The bytes of memory that this process has in use; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn actions_grow_between_two_thresholds() {
        assert_eq!([state(0.5, 0.5, 0.9), state(0.7, 0.5, 0.9), state(0.9, 0.5, 0.9)], [0, 499, FULL]);
        assert_eq!([state(0.49, 0.5, 0.5), state(0.5, 0.5, 0.5), state(2.0, 0.5, 0.5)], [0, FULL, FULL]);
    }

    #[test]
    fn memory_brings_actions_and_takes_them_back() {
        let heap = json!({"name": "heap", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": 1000}});
        let action = |name: &str, trigger: serde_json::Value| json!({"name": format!("envoy.overload_actions.{name}"), "triggers": [trigger]});
        let limits = Limits::read(&json!({"overload_manager": {"refresh_interval": "0.25s", "resource_monitors": [heap], "actions": [
            action("stop_accepting_connections", json!({"name": "heap", "threshold": {"value": 0.9}})),
            action("disable_http_keepalive", json!({"name": "heap", "scaled": {"scaling_threshold": 0.5, "saturation_threshold": 1.0}}))]}}));
        let overload = Overload::new(limits.expect("limits"));
        assert_eq!(overload.refresh(), Some(Duration::from_millis(250)));
        let accepts = overload.accepts();
        let ends = |dice| overload.happens(Kind::EndConnections, || dice);
        overload.look(Some(400));
        assert!(*accepts.borrow() && !ends(0));
        overload.look(Some(750));
        assert!(*accepts.borrow() && ends(499) && !ends(500));
        overload.look(Some(1200));
        assert!(!*accepts.borrow() && ends(999));
        let mut told = Vec::new();
        overload.each(|name, _, value| told.push(format!("{name} {value}")));
        assert_eq!(told[0], "heap.pressure 120");
        assert!(told.contains(&"envoy.overload_actions.stop_accepting_connections.active 1".to_owned()), "{told:?}");
        // What is not known changes nothing.
        overload.look(None);
        assert!(!*accepts.borrow());
        overload.look(Some(1));
        assert!(*accepts.borrow() && !ends(0));
    }

    #[test]
    fn a_process_knows_its_memory() {
        assert!(resident().is_none_or(|bytes| bytes > 1 << 16));
    }
}
