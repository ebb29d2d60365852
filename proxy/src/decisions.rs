//! The last requests of a worker, and what was decided about each: always on, bounded, read by the admin port.

use crate::http::exchange::Exchange;
use std::collections::VecDeque;
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
    pub authority: Box<str>,
    /// Without its query, which may hold secrets.
    pub path: Box<str>,
    pub protocol: &'static str,
    pub listener_chain: Box<str>,
    pub virtual_host: Box<str>,
    pub route: Box<str>,
    pub cluster: Option<Arc<str>>,
    pub host: Option<Box<str>>,
    pub status: u16,
    pub flags: Vec<&'static str>,
    pub details: Box<str>,
    pub attempts: u32,
    pub received: u64,
    pub sent: u64,
    /// Milliseconds: until the request was read; until the answer began; until it was sent.
    pub request: Option<u64>,
    pub answer_begun: Option<u64>,
    pub whole: u64,
}

fn short(text: &str) -> Box<str> {
    let end = (0..=text.len().min(LONGEST)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    text[..end].into()
}

impl Decision {
    fn of(exchange: &Exchange) -> Decision {
        let route = exchange.route.as_ref();
        Decision {
            started: exchange.started,
            method: exchange.method.clone(),
            authority: short(&exchange.authority),
            path: short(exchange.path.split(['?', '#']).next().unwrap_or("")),
            protocol: exchange.protocol,
            listener_chain: exchange.client.chain_name.clone(),
            virtual_host: route.map_or_else(Box::default, |r| r.virtual_host().name.clone()),
            route: route.map_or_else(Box::default, |r| r.route().name.clone()),
            cluster: exchange.cluster.clone(),
            host: exchange.host.as_ref().map(|h| h.label.clone()),
            status: exchange.status,
            flags: exchange.flags.clone(),
            details: short(&exchange.details),
            attempts: exchange.attempts,
            received: exchange.body.received(),
            sent: exchange.sent,
            request: exchange.request_complete(),
            answer_begun: exchange.answer_begun,
            whole: exchange.milliseconds(),
        }
    }
}

/// One worker's.
#[derive(Debug, Default)]
pub struct Ring(Mutex<VecDeque<Decision>>);

impl Ring {
    /// Remembers a request. A worker waits for nobody: while a page is made of the ring, requests are not remembered.
    pub fn note(&self, exchange: &Exchange) {
        if let Ok(mut ring) = self.0.try_lock() {
            if ring.len() >= KEPT {
                ring.pop_front();
            }
            ring.push_back(Decision::of(exchange));
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
        let mut all: Vec<Decision> =
            rings.iter().flat_map(|r| r.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect::<Vec<_>>()).collect();
        all.sort_by_key(|d| std::cmp::Reverse(d.started));
        all
    }
}
