//! The last requests of a worker, and what was decided about each: always on, bounded, read by the admin port.

pub mod feed;
mod wanted;

pub use wanted::Wanted;

use crate::http::exchange::Exchange;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Requests that one worker remembers.
const KEPT: usize = 256;
/// Longer names and paths are cut: clients choose them.
const LONGEST: usize = 256;

/// What was decided about a request.
#[derive(Clone, Debug)]
pub struct Decision {
    pub started: SystemTime,
    pub method: http::Method,
    pub authority: String,
    /// Without its query, which may hold secrets.
    pub path: String,
    pub protocol: &'static str,
    pub listener_chain: String,
    pub virtual_host: String,
    pub route: String,
    pub cluster: Option<Arc<str>>,
    /// "" for none.
    pub host: String,
    pub status: u16,
    pub flags: Vec<&'static str>,
    pub details: String,
    pub attempts: u32,
    pub received: u64,
    pub sent: u64,
    /// Milliseconds: until the request was read; until the answer began; until it was sent.
    pub request: Option<u64>,
    pub answer_begun: Option<u64>,
    pub whole: u64,
}

/// Puts a text in the place of another, whose room it takes.
fn put(text: &str, place: &mut String) {
    let end = if text.len() <= LONGEST { text.len() } else { (0..=LONGEST).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0) };
    place.clear();
    place.push_str(&text[..end]);
}

impl Decision {
    fn nothing() -> Decision {
        Decision {
            started: SystemTime::UNIX_EPOCH,
            method: http::Method::default(),
            authority: String::new(),
            path: String::new(),
            protocol: "",
            listener_chain: String::new(),
            virtual_host: String::new(),
            route: String::new(),
            cluster: None,
            host: String::new(),
            status: 0,
            flags: Vec::new(),
            details: String::new(),
            attempts: 0,
            received: 0,
            sent: 0,
            request: None,
            answer_begun: None,
            whole: 0,
        }
    }
    fn of(exchange: &Exchange) -> Decision {
        let mut decision = Decision::nothing();
        decision.become_of(exchange);
        decision
    }
    /// Becomes that of another request; nothing is allocated where its texts fit.
    fn become_of(&mut self, exchange: &Exchange) {
        let route = exchange.route.as_ref();
        self.started = exchange.started;
        self.method.clone_from(&exchange.method);
        put(&exchange.authority, &mut self.authority);
        put(exchange.path.split(['?', '#']).next().unwrap_or(""), &mut self.path);
        self.protocol = exchange.protocol;
        put(&exchange.client.chain_name, &mut self.listener_chain);
        put(route.map_or("", |r| &r.virtual_host().name), &mut self.virtual_host);
        put(route.map_or("", |r| &r.route().name), &mut self.route);
        self.cluster.clone_from(&exchange.cluster);
        put(exchange.host.as_ref().map_or("", |h| &h.label), &mut self.host);
        self.status = exchange.status;
        self.flags.clone_from(&exchange.flags);
        put(&exchange.details, &mut self.details);
        self.attempts = exchange.attempts;
        (self.received, self.sent) = (exchange.body.received(), exchange.sent);
        (self.request, self.answer_begun, self.whole) = (exchange.request_complete(), exchange.answer_begun, exchange.milliseconds());
    }
}

/// One worker's.
#[derive(Debug, Default)]
pub struct Ring(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    list: Vec<Decision>,
    /// Where the oldest is, once there are as many as are kept.
    oldest: usize,
}

impl Ring {
    /// Remembers a request. A worker waits for nobody: while a page is made of the ring, requests are not remembered.
    pub fn note(&self, exchange: &Exchange) {
        if let Ok(mut kept) = self.0.try_lock() {
            let Kept { list, oldest } = &mut *kept;
            if list.len() < KEPT {
                return list.push(Decision::of(exchange));
            }
            list[*oldest].become_of(exchange);
            *oldest = (*oldest + 1) % KEPT;
        }
    }
}

/// Those of all workers.
#[derive(Debug, Default)]
pub struct Rings(Mutex<Vec<Arc<Ring>>>);

impl Rings {
    pub fn attach(&self) -> Arc<Ring> {
        let ring = Arc::new(Ring::default());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ring.clone());
        ring
    }
    /// What is remembered, the newest first.
    pub fn read(&self) -> Vec<Decision> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut all: Vec<Decision> = rings.iter().flat_map(|r| r.0.lock().unwrap_or_else(PoisonError::into_inner).list.clone()).collect();
        all.sort_by_key(|d| std::cmp::Reverse(d.started));
        all
    }
}
