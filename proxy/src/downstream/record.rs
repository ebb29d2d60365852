//! A connection as logs tell of it, where no request does.

use super::Downstream;
use crate::format::Subject;
use crate::http::exchange::Exchange;
use crate::tls::session::Session;
use crate::upstream::host::Host;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

pub struct Record {
    pub client: Rc<Downstream>,
    pub received: u64,
    pub sent: u64,
    /// In the order they were raised.
    pub flags: Vec<&'static str>,
    pub details: Cow<'static, str>,
    pub cluster: Option<Arc<str>>,
    pub host: Option<Arc<Host>>,
    pub upstream_local: Option<SocketAddr>,
    pub upstream_tls: Option<Rc<Session>>,
    pub upstream_failure: String,
    pub attempts: u32,
    /// What the log calls the protocol; "" for bytes.
    pub protocol: &'static str,
}

impl Record {
    pub fn new(client: Rc<Downstream>) -> Record {
        Record {
            client,
            received: 0,
            sent: 0,
            flags: Vec::new(),
            details: "".into(),
            cluster: None,
            host: None,
            upstream_local: None,
            upstream_tls: None,
            upstream_failure: String::new(),
            attempts: 0,
            protocol: "",
        }
    }
    pub fn raise(&mut self, flag: &'static str) {
        if !flag.is_empty() && !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }
}

impl Subject for Record {
    fn client(&self) -> &Downstream {
        &self.client
    }
    fn exchange(&self) -> Option<&Exchange> {
        None
    }
    fn started(&self) -> std::time::SystemTime {
        self.client.started
    }
    fn begun(&self) -> std::time::Instant {
        self.client.begun
    }
    fn bytes(&self) -> (u64, u64) {
        (self.received, self.sent)
    }
    fn protocol(&self) -> &str {
        self.protocol
    }
    fn details(&self) -> &str {
        &self.details
    }
    fn flags(&self) -> &[&'static str] {
        &self.flags
    }
    fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
    fn host(&self) -> Option<&Host> {
        self.host.as_deref()
    }
    fn upstream_local(&self) -> Option<SocketAddr> {
        self.upstream_local
    }
    fn upstream_tls(&self) -> Option<&Session> {
        self.upstream_tls.as_deref()
    }
    fn upstream_failure(&self) -> &str {
        &self.upstream_failure
    }
    fn attempts(&self) -> u32 {
        self.attempts
    }
}
