//! What logs and statistics tell of a connection, or of a request on it.

use super::Downstream;
use crate::format::Subject;
use crate::http::exchange::Exchange;
use crate::tls::session::Session;
use crate::upstream::host::Host;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub struct Record {
    pub client: Rc<Downstream>,
    pub started: SystemTime,
    pub begun: Instant,
    /// When it was over.
    pub ended: Option<Instant>,
    /// Bytes of a connection; a request counts those of its body itself.
    pub received: u64,
    pub sent: u64,
    /// In the order they were raised.
    pub flags: Vec<&'static str>,
    pub details: Cow<'static, str>,
    pub cluster: Option<Arc<str>>,
    pub host: Option<Arc<Host>>,
    pub upstream_local: Option<SocketAddr>,
    pub upstream_tls: Option<Rc<Session>>,
    /// Why a transport to an upstream came to nothing; "" where none did.
    pub transport_failure: String,
    pub attempts: u32,
    /// What the log calls the protocol; "" for bytes.
    pub protocol: &'static str,
}

impl Record {
    /// Of a connection as a whole.
    pub fn new(client: Rc<Downstream>) -> Record {
        let (started, begun) = (client.started, client.begun);
        Record::at(client, started, begun)
    }
    /// Of something on a connection that begins now.
    pub fn now(client: Rc<Downstream>) -> Record {
        Record::at(client, SystemTime::now(), Instant::now())
    }
    fn at(client: Rc<Downstream>, started: SystemTime, begun: Instant) -> Record {
        Record {
            client,
            started,
            begun,
            ended: None,
            received: 0,
            sent: 0,
            flags: Vec::new(),
            details: "".into(),
            cluster: None,
            host: None,
            upstream_local: None,
            upstream_tls: None,
            transport_failure: String::new(),
            attempts: 0,
            protocol: "",
        }
    }
    /// How long it lasted, or has lasted so far.
    pub fn lasted(&self) -> Duration {
        self.ended.unwrap_or_else(Instant::now).saturating_duration_since(self.begun)
    }
    pub fn raise(&mut self, flag: &'static str) {
        if !flag.is_empty() && !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }
}

impl Subject for Record {
    fn record(&self) -> &Record {
        self
    }
    fn exchange(&self) -> Option<&Exchange> {
        None
    }
    fn received(&self) -> u64 {
        self.received
    }
}
