//! Connections of bytes, counted while they last: opened, closed, bytes both ways.

use super::config::{Direction, Stats};
use super::peer::Peer;
use super::requests;
use super::series::{Counts, Series};
use crate::downstream::record::Record;
use std::sync::Arc;

/// One connection's place in the counts.
pub struct Counting {
    series: Arc<Series>,
    sent: u64,
    received: u64,
}

impl Counting {
    /// The connection is open, or came to nothing: who is at both ends is known. `heard` is what the peer said of itself.
    pub fn open(record: &Record, heard: Option<Arc<Peer>>, direction: Direction, config: Option<&crate::config::cluster::Cluster>, stats: &Stats) -> Counting {
        let worker = &record.client.worker;
        let mut key = requests::key(record, direction, config, stats);
        key.peer = heard.or(key.peer);
        let series = worker.counted.series(key, record, stats);
        if let Counts::Tcp(counts) = &series.counts {
            counts.opened.inc();
        }
        Counting { series, sent: 0, received: 0 }
    }
    /// Counts the bytes since the last time.
    pub fn report(&mut self, received: u64, sent: u64) {
        if let Counts::Tcp(counts) = &self.series.counts {
            counts.sent.add(sent.saturating_sub(self.sent));
            counts.received.add(received.saturating_sub(self.received));
        }
        (self.received, self.sent) = (received, sent);
    }
    pub fn close(mut self, received: u64, sent: u64) {
        self.report(received, sent);
        if let Counts::Tcp(counts) = &self.series.counts {
            counts.closed.inc();
        }
    }
}
