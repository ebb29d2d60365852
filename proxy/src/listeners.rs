//! Listening sockets: bound by whoever brings configuration, accepted from by every worker. A socket outlives the
//! configuration it was bound for: another one of the same address takes its place without a connection noticing.

use crate::config::listener::Listener;
use crate::worker::Drained;
use mesh_envoy::engine::listener::Address;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{mpsc, watch};

/// A socket's place: its address, and the configuration that counts for the next connection.
#[derive(Debug)]
pub struct Slot {
    pub name: Box<str>,
    pub address: SocketAddr,
    current: RwLock<Arc<Listener>>,
    closed: watch::Sender<bool>,
}

impl Slot {
    pub fn current(&self) -> Arc<Listener> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Completes when no connection is taken any more.
    pub async fn closed(&self) {
        let mut receiver = self.closed.subscribe();
        // The sender lives as long as the slot.
        let _ = receiver.wait_for(|closed| *closed).await;
    }
}

/// A worker's part of a slot.
#[derive(Debug)]
pub struct Accept {
    pub slot: Arc<Slot>,
    pub socket: TcpListener,
}

/// Sockets that are bound and do not listen yet: the address is free, and nobody can connect.
#[derive(Debug)]
pub struct Bound {
    address: SocketAddr,
    sockets: Vec<Socket>,
}

/// All listening sockets.
#[derive(Debug, Default)]
pub struct Listeners {
    workers: Mutex<Vec<mpsc::UnboundedSender<Accept>>>,
    slots: Mutex<Vec<Arc<Slot>>>,
    /// Whose take no connections any more.
    stopped: Mutex<Drained>,
}

impl Listeners {
    /// What a worker is given to accept from. Every worker has its own before the first socket is opened.
    pub fn attach(&self) -> mpsc::UnboundedReceiver<Accept> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }
    /// In the order they were opened.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Takes a listener's addresses.
    ///
    /// # Errors
    /// An address that can't be had, and why.
    pub fn bind(&self, listener: &Listener) -> Result<Vec<Bound>, String> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).len().max(1);
        let mut out = Vec::new();
        for address in listener.engine.addresses.iter().filter(|_| listener.engine.bound) {
            let Address::Socket(address) = address else { return Err(format!("{address} is no address that can be listened on")) };
            out.push(bind(*address, listener, workers).map_err(|e| format!("{address}: {e}"))?);
        }
        Ok(out)
    }
    /// Begins to take connections.
    ///
    /// # Errors
    /// A socket that can't listen.
    pub fn open(&self, listener: &Arc<Listener>, bound: Vec<Bound>) -> Result<(), String> {
        // Held until the slots are there: who stops listeners meanwhile finds them.
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        if stopped.covers(listener.direction) {
            return Ok(());
        }
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for Bound { address, sockets } in bound {
            let slot =
                Arc::new(Slot { name: listener.engine.name.clone(), address, current: RwLock::new(listener.clone()), closed: watch::Sender::new(false) });
            for (i, worker) in workers.iter().enumerate() {
                let socket = match sockets.get(i) {
                    Some(socket) => socket.try_clone(),
                    // One socket for all of them.
                    None => sockets.first().map_or_else(|| Err(std::io::ErrorKind::NotFound.into()), Socket::try_clone),
                };
                let socket = socket.and_then(|s| s.listen(listener.backlog).map(|()| s)).map_err(|e| format!("{address}: {e}"))?;
                // A worker that is gone takes no connections.
                let _ = worker.send(Accept { slot: slot.clone(), socket: socket.into() });
            }
            self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        }
        Ok(())
    }
    /// Gives the sockets of a listener its new configuration.
    pub fn replace(&self, listener: &Arc<Listener>) {
        for slot in self.slots().iter().filter(|s| s.name == listener.engine.name) {
            *slot.current.write().unwrap_or_else(PoisonError::into_inner) = listener.clone();
        }
    }
    /// Takes no more connections for these listeners, nor for those of the kind that come later.
    pub fn stop(&self, whose: Drained) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        *stopped = (*stopped).max(whose);
        for slot in self.slots().iter().filter(|s| stopped.covers(s.current().direction)) {
            self.close(&slot.name);
        }
    }
    /// Takes no more connections for a listener. Those that wait to be accepted still are.
    pub fn close(&self, name: &str) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|slot| {
            let stays = *slot.name != *name;
            if !stays {
                slot.closed.send_replace(true);
            }
            stays
        });
    }
}

/// A socket for each worker, over which the kernel spreads connections, or one for all.
fn bind(mut address: SocketAddr, listener: &Listener, workers: usize) -> std::io::Result<Bound> {
    let mut sockets: Vec<Socket> = Vec::new();
    for _ in 0..if listener.shares_port { workers } else { 1 } {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if listener.shares_port {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        // The connections that are accepted have it from here.
        socket.set_tcp_nodelay(true)?;
        socket.bind(&address.into())?;
        // Port 0 is any; the others take the one that the first got.
        if let Some(bound) = socket.local_addr()?.as_socket().filter(|_| address.port() == 0) {
            address = bound;
        }
        sockets.push(socket);
    }
    Ok(Bound { address, sockets })
}
