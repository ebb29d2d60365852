//! Configuration that comes while the proxy runs: the client side of xDS.
//!
//! A thread of its own follows the control plane ([`stream`]), in either dialect ([`protocol`]). An answer becomes resources
//! of which every field is honoured or refused by its path ([`resource`]); they wait for what they point at and come into use
//! as one [`crate::config::Snapshot`] ([`state`]). Requests never wait for it, and end with the snapshot that they began with.

pub mod dynamic;
mod grpc;
pub mod kept;
pub mod kind;
mod listeners;
pub mod plan;
pub mod protocol;
pub mod resource;
pub mod state;
mod stream;
pub mod table;

pub use dynamic::Dynamic;
pub use plan::Plan;

use crate::config::{Compiler, Snapshot};
use crate::logging::Logger;
use crate::worker::{Phase, Shared};
use mesh_envoy::api::discovery::Node;
use protocol::Session;
use state::State;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stream::{Stream, Subject};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// The thread that follows the control plane.
pub struct Control {
    plan: Plan,
    state: State,
    shared: Arc<Shared>,
    kept: Option<PathBuf>,
    settled: Arc<dyn Fn() + Send + Sync>,
}

/// How soon after a change the file of the last good configuration is written.
const WRITE_AFTER: Duration = Duration::from_secs(1);
/// After so long without a change configuration has settled.
const QUIET: Duration = Duration::from_millis(500);

impl Control {
    /// `statics` is what stands in the bootstrap; what is replaced may keep its connections for `drain`. `kept` is where the last
    /// good configuration is kept; `settled` is called when nothing has changed for a while after a change.
    pub fn new(
        plan: Plan,
        shared: Arc<Shared>,
        compiler: Compiler,
        statics: Snapshot,
        drain: Duration,
        kept: Option<PathBuf>,
        settled: Arc<dyn Fn() + Send + Sync>,
    ) -> Control {
        Control { state: State::new(plan.clone(), shared.clone(), compiler, statics, drain), plan, shared, kept, settled }
    }
    pub fn dynamic(&self) -> &Arc<Dynamic> {
        self.state.dynamic()
    }
    /// Runs until the proxy ends.
    pub async fn run(self) {
        let Control { plan, mut state, shared, kept, settled } = self;
        let mut session = Session::new(plan.node.clone());
        if let Some(path) = &kept {
            restore(path, &plan.node.id, &mut state, &mut session);
        }
        state.settle();
        let changes = state.changes();
        let state = Rc::new(RefCell::new(state));
        let stream = Stream { source: plan.ads, session, state: state.clone(), shared: shared.clone(), changes, subject: Subject::Everything };
        tokio::task::spawn_local(stream.run());
        tokio::task::spawn_local(follow_secrets(state.clone(), shared.clone(), plan.node.clone()));
        if let Some(path) = kept {
            tokio::task::spawn_local(keep(path, plan.node.id, state.clone(), shared.clone()));
        }
        tokio::task::spawn_local(tell_when_settled(state.borrow().changes(), settled));
        tokio::task::spawn_local(clock(state));
        shared.reached(Phase::Stopping).await;
    }
}

/// Takes what was kept, as if the control plane had just said it.
fn restore(path: &Path, node: &str, state: &mut State, session: &mut Session) {
    match kept::read(path, node) {
        Ok(None) => {}
        Ok(Some(updates)) => {
            for update in updates {
                // What this version does not honour is refused, and was told.
                let _ = state.take(&update);
                update.given.iter().for_each(|g| session.remember(update.kind, &g.name, &g.version));
            }
        }
        Err(why) => state.complain(&format!("{}: {why}; it is not used", path.display())),
    }
}

/// Writes what is in use to disk, some time after it changed.
async fn keep(path: PathBuf, node: String, state: Rc<RefCell<State>>, shared: Arc<Shared>) {
    let mut changes = state.borrow().changes();
    let mut last = Vec::new();
    while changes.changed().await.is_ok() {
        tokio::time::sleep(WRITE_AFTER).await;
        changes.mark_unchanged();
        let dynamic = state.borrow().dynamic().clone();
        // Nothing of a control plane that never answered.
        if !dynamic.is_ready.load(Ordering::Acquire) {
            continue;
        }
        let bytes = kept::encode(&dynamic.tables(), &node);
        if bytes != last {
            match kept::write(&path, &bytes) {
                Ok(()) => last = bytes,
                Err(e) => (shared.complain)(Logger::Config, &format!("{}: {e}: the last good configuration is not kept", path.display())),
            }
        }
    }
}

/// Asks for secrets that come from elsewhere, each on a stream of its own, for as long as they are wanted.
async fn follow_secrets(state: Rc<RefCell<State>>, shared: Arc<Shared>, node: Node) {
    let mut changes = state.borrow().secret_changes();
    let mut streams: BTreeMap<(String, Vec<String>), AbortHandle> = BTreeMap::new();
    loop {
        let wanted = state.borrow().wanted_secrets();
        let mut stay = BTreeSet::new();
        for (name, source) in wanted {
            match source {
                Ok(None) => {}
                Err(u) => (shared.complain)(Logger::Secret, &format!("secret {name}: {u}")),
                Ok(Some(source)) => {
                    let key = (name.clone(), source.clusters.clone());
                    stay.insert(key.clone());
                    streams.entry(key).or_insert_with(|| {
                        let (session, changes) = (Session::new(node.clone()), state.borrow().changes());
                        let stream = Stream { source, session, state: state.clone(), shared: shared.clone(), changes, subject: Subject::Secret(name) };
                        tokio::task::spawn_local(stream.run()).abort_handle()
                    });
                }
            }
        }
        streams.retain(|key, stream| {
            let stays = stay.contains(key);
            if !stays {
                stream.abort();
            }
            stays
        });
        if changes.changed().await.is_err() {
            return;
        }
        // Something may have waited for it.
        state.borrow_mut().settle();
    }
}

/// Calls when nothing has changed for a while after a change.
async fn tell_when_settled(mut changes: watch::Receiver<u64>, settled: Arc<dyn Fn() + Send + Sync>) {
    // What was kept from before counts as a change.
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        while let Ok(change) = tokio::time::timeout(QUIET, changes.changed()).await {
            if change.is_err() {
                return;
            }
        }
        settled();
    }
}

/// Settles what waits no longer, without an answer.
async fn clock(state: Rc<RefCell<State>>) {
    let mut changes = state.borrow().changes();
    loop {
        let deadline = state.borrow().deadline();
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => state.borrow_mut().settle(),
            _ = changes.changed() => {}
        }
    }
}
