//! Where the proxies' spans go: into memory, behind Jaeger's query API, and to a Zipkin beside it where one is named.

use crate::{DemoError, Say, listen};
use mesh_collectors::traces::{forward, serve};
use mesh_model::traces::store::{Limits, Store};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, RwLock};

/// What hands spans on, for as long as it is run.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A collector that does not listen yet.
pub struct Traces {
    pub address: SocketAddr,
    socket: TcpListener,
    next: Option<(forward::Next, Running)>,
}

impl Traces {
    /// Takes a port; `zipkin` is another server that gets all spans.
    pub fn new(zipkin: Option<&str>, say: &Say) -> Result<Traces, DemoError> {
        let socket = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).map_err(|e| DemoError::System(format!("no port for traces: {e}")))?;
        let address = socket.local_addr().map_err(|e| DemoError::System(e.to_string()))?;
        let next = match zipkin {
            None => None,
            Some(url) => {
                let (next, run) = forward::to(url, say.clone()).map_err(|e| DemoError::Usage(format!("--zipkin: {e}")))?;
                let run: Running = Box::pin(run);
                Some((next, run))
            }
        };
        Ok(Traces { address, socket, next })
    }

    /// Takes spans and answers until the runtime ends.
    pub async fn run(self) {
        let Ok(listener) = tokio::net::TcpListener::from_std(self.socket) else { return };
        let next = self.next.map(|(next, run)| {
            tokio::spawn(run);
            next
        });
        serve::serve(listener, Arc::new(RwLock::new(Store::new(Limits::default()))), next).await;
    }
}
