//! Configuration that comes while the proxy runs: the client side of xDS.
//!
//! A thread of its own follows the control plane ([`stream`]), in either dialect ([`protocol`]). An answer becomes resources
//! of which every field is honoured or refused by its path ([`resource`]); they wait for what they point at and come into use
//! as one [`crate::config::Snapshot`] ([`state`]). Requests never wait for it, and end with the snapshot that they began with.

pub mod dynamic;
mod grpc;
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
use crate::worker::{Phase, Shared};
use protocol::Session;
use state::State;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use stream::Stream;
use tokio::task::LocalSet;

/// The thread that follows the control plane.
pub struct Control {
    plan: Plan,
    state: State,
    shared: Arc<Shared>,
}

impl Control {
    /// `statics` is what stands in the bootstrap; what is replaced may keep its connections for `drain`.
    pub fn new(plan: Plan, shared: Arc<Shared>, compiler: Compiler, statics: Snapshot, drain: Duration) -> Control {
        Control { state: State::new(plan.clone(), shared.clone(), compiler, statics, drain), plan, shared }
    }
    pub fn dynamic(&self) -> &Arc<Dynamic> {
        self.state.dynamic()
    }
    /// Runs until the proxy ends.
    pub fn run(self) {
        let Control { plan, mut state, shared } = self;
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(e) => return (shared.complain)(&format!("the control plane can't be followed: {e}")),
        };
        let local = LocalSet::new();
        local.block_on(&runtime, async move {
            state.settle();
            let changes = state.changes();
            let state = Rc::new(RefCell::new(state));
            let stream = Stream { source: plan.ads, session: Session::new(plan.node), state: state.clone(), shared: shared.clone(), changes };
            tokio::task::spawn_local(stream.run());
            tokio::task::spawn_local(clock(state));
            shared.reached(Phase::Stopping).await;
        });
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
