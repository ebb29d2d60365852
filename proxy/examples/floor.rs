//! The least that a proxy of one thread can cost: what `cargo xtask bench proxy` shows beside Envoy and mesh-proxy. It makes the calls
//! that a proxy has to make and nothing else: it reads no HTTP, has no timers, and trusts everybody that it talks to.
//!
//! `floor PORT UPSTREAM [TLS_PORT PEM]`: bytes are handed on between each client of `PORT` and a connection to `UPSTREAM` of its own,
//! both kept. A client that says `connection: close` is answered and closed instead; `UPSTREAM` is asked over a connection that others
//! had before. On `TLS_PORT` clients show certificates, and are closed after one answer. `PEM` holds an authority, a certificate and its
//! key.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// As much as mesh-proxy reads of a body at once.
const BUFFER: usize = 256 * 1024;

const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nhost: floor\r\nuser-agent: bench\r\nx-version: v50\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nserver: floor\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n\r\nfloor";

/// What is done with the bytes of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Nobody knows yet.
    Client,
    /// They go to the other one.
    Half(usize),
    /// They are an answer for another one, or there is none.
    Upstream(Option<usize>),
    /// It waits for its answer.
    Waits,
}

struct End {
    socket: TcpStream,
    role: Role,
    /// What the socket did not take.
    rest: Vec<u8>,
}

/// Connections by their number, which is what the kernel tells of.
struct Floor {
    epoll: OwnedFd,
    upstream: SocketAddr,
    ends: Vec<Option<End>>,
    free: Vec<usize>,
    /// Closed since events were asked for: their numbers are not given again before all of these were seen.
    closed: Vec<usize>,
    idle: Vec<usize>,
    buffer: Vec<u8>,
}

impl Floor {
    fn add(&mut self, socket: TcpStream, role: Role) -> io::Result<usize> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.ends.push(None);
            self.ends.len() - 1
        });
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(at as u64), events)?;
        self.ends[at] = Some(End { socket, role, rest: Vec::new() });
        Ok(at)
    }
    fn connect(&mut self, role: Role) -> io::Result<usize> {
        let socket = TcpStream::connect(self.upstream)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        self.add(socket, role)
    }
    fn close(&mut self, at: usize) {
        if let Some(end) = self.ends[at].take() {
            self.closed.push(at);
            self.idle.retain(|i| *i != at);
            match end.role {
                Role::Half(other) | Role::Upstream(Some(other)) => self.close(other),
                Role::Client | Role::Upstream(None) | Role::Waits => {}
            }
        }
    }
    /// Reads until the socket has no more, or the other one takes no more.
    fn readable(&mut self, at: usize) -> io::Result<()> {
        loop {
            let Some(end) = self.ends[at].as_mut() else { return Ok(()) };
            if let Role::Half(other) = end.role
                && self.ends[other].as_ref().is_none_or(|o| !o.rest.is_empty())
            {
                return Ok(());
            }
            let Some(end) = self.ends[at].as_mut() else { return Ok(()) };
            let n = match end.socket.read(&mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            };
            self.take(at, n)?;
            // Less than there was room for: there is no more.
            if n < BUFFER {
                return Ok(());
            }
        }
    }
    /// Does what is to be done with bytes of a connection.
    fn take(&mut self, at: usize, n: usize) -> io::Result<()> {
        let Some(role) = self.ends[at].as_ref().map(|e| e.role) else { return Ok(()) };
        match role {
            Role::Waits => Ok(()),
            Role::Half(other) => self.write(other, n),
            Role::Client if memchr::memmem::find(&self.buffer[..n], b"onnection: close").is_none() => {
                let other = self.connect(Role::Half(at))?;
                self.set(at, Role::Half(other));
                self.write(other, n)
            }
            Role::Client => {
                let upstream = match self.idle.pop() {
                    Some(upstream) => upstream,
                    None => self.connect(Role::Upstream(None))?,
                };
                self.set(at, Role::Waits);
                self.set(upstream, Role::Upstream(Some(at)));
                let Some(end) = self.ends[upstream].as_mut() else { return Ok(()) };
                end.socket.write_all(QUESTION)
            }
            Role::Upstream(None) => Ok(()),
            Role::Upstream(Some(client)) => {
                self.set(at, Role::Upstream(None));
                self.idle.push(at);
                let written = self.ends[client].as_mut().map_or(Ok(()), |e| e.socket.write_all(ANSWER));
                self.close(client);
                written
            }
        }
    }
    fn set(&mut self, at: usize, role: Role) {
        if let Some(end) = self.ends[at].as_mut() {
            end.role = role;
        }
    }
    /// Writes what was read last.
    fn write(&mut self, to: usize, n: usize) -> io::Result<()> {
        let Some(end) = self.ends[to].as_mut() else { return Ok(()) };
        match end.socket.write(&self.buffer[..n]) {
            Ok(written) => end.rest.extend_from_slice(&self.buffer[written..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => end.rest.extend_from_slice(&self.buffer[..n]),
            Err(e) => return Err(e),
        }
        if end.rest.is_empty() { Ok(()) } else { self.writable(to) }
    }
    /// Writes what is left.
    fn writable(&mut self, at: usize) -> io::Result<()> {
        let Some(end) = self.ends[at].as_mut() else { return Ok(()) };
        while !end.rest.is_empty() {
            match end.socket.write(&end.rest) {
                Ok(n) => drop(end.rest.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
    fn run(mut self, listener: &TcpListener) -> io::Result<()> {
        const LISTENER: u64 = u64::MAX;
        listener.set_nonblocking(true)?;
        epoll::add(&self.epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut events = Vec::with_capacity(1024);
        loop {
            epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            for event in events.drain(..) {
                let (at, flags) = (event.data.u64(), event.flags);
                if at == LISTENER {
                    while let Ok((socket, _)) = listener.accept() {
                        socket.set_nonblocking(true)?;
                        self.add(socket, Role::Client)?;
                    }
                    continue;
                }
                let at = usize::try_from(at).map_err(io::Error::other)?;
                let mut done = Ok(());
                if flags.contains(EventFlags::OUT) {
                    done = self.writable(at);
                    // Whoever waited for it goes on.
                    if let Some(Role::Half(other)) = self.ends[at].as_ref().filter(|e| e.rest.is_empty()).map(|e| e.role) {
                        done = done.and_then(|()| self.readable(other));
                    }
                }
                if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
                    done = done.and_then(|()| self.readable(at));
                }
                if done.is_err() {
                    self.close(at);
                }
            }
            self.free.append(&mut self.closed);
        }
    }
}

/// One connection after the other: that there are no others at the same time spares the calls that wait for them.
fn handshakes(listener: &TcpListener, upstream: SocketAddr, config: &Arc<ServerConfig>) -> io::Result<()> {
    let mut upstream = TcpStream::connect(upstream)?;
    upstream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER];
    let mut one = |socket: TcpStream| -> Result<(), Box<dyn Error>> {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone())?, socket);
        if stream.read(&mut buffer)? == 0 {
            return Ok(());
        }
        upstream.write_all(QUESTION)?;
        if upstream.read(&mut buffer)? == 0 {
            return Err("the upstream left".into());
        }
        stream.write_all(ANSWER)?;
        stream.conn.send_close_notify();
        stream.flush()?;
        Ok(())
    };
    loop {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        // A client that leaves early is no client.
        let _ = one(socket);
    }
}

fn config(pem: &[u8]) -> Result<ServerConfig, Box<dyn Error>> {
    let mut certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    roots.add(certificates.remove(0))?;
    // The same suites and groups as mesh-proxy has.
    let provider = Arc::new(mesh_proxy::tls::parameters::provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_client_cert_verifier(verifier).with_single_cert(certificates, PrivateKeyDer::from_pem_slice(pem)?)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || args.next().ok_or("floor PORT UPSTREAM [TLS_PORT PEM]");
    let local = |port: &str| -> Result<SocketAddr, Box<dyn Error>> { Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?))) };
    let (address, upstream) = (local(&next()?)?, local(&next()?)?);
    if let Ok(tls) = next() {
        let config = Arc::new(config(&std::fs::read(next()?)?)?);
        let tls = TcpListener::bind(local(&tls)?)?;
        std::thread::spawn(move || handshakes(&tls, upstream, &config));
    }
    // Last: who reaches it finds the other one as well.
    let listener = TcpListener::bind(address)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let floor = Floor { epoll, upstream, ends: Vec::new(), free: Vec::new(), closed: Vec::new(), idle: Vec::new(), buffer: vec![0; BUFFER] };
    Ok(floor.run(&listener)?)
}
