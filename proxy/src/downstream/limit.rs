//! Limits of a filter chain's connections, which are asked before anything is read.

use super::Downstream;
use crate::config::connection_limit::{Held, Limit};
use crate::stats::ConnectionLimitStats;
use mesh_envoy::engine::gate::Draw;
use std::sync::Arc;
use std::time::Duration;

/// A connection in the numbers that are limited, as long as it lasts.
pub struct Admitted(Vec<(Held, Arc<ConnectionLimitStats>)>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, stats)| stats.active_connections.dec());
    }
}

/// What becomes of a connection.
pub struct Asked {
    pub admitted: Admitted,
    pub refusal: Option<Refusal>,
}

/// A connection that is to be closed.
pub struct Refusal {
    /// For the log.
    pub flag: &'static str,
    pub delay: Option<Duration>,
}

/// Asks each limit in turn, until one refuses.
pub fn ask(client: &Downstream, limits: &[Limit]) -> Asked {
    let mut asked = Asked { admitted: Admitted(Vec::new()), refusal: None };
    for limit in limits {
        asked.refusal = match limit {
            Limit::Open(open) => {
                let stats = client.worker.connection_limit_stats(&open.stat_prefix);
                stats.active_connections.inc();
                let (held, has_room) = open.take();
                if !has_room {
                    stats.limited_connections.inc();
                }
                asked.admitted.0.push((held, stats));
                (!has_room).then_some(Refusal { flag: "", delay: open.delay })
            }
            Limit::Rate(rate) => {
                let has_token = client.worker.shared.buckets.take(&Draw { bucket: &rate.bucket, apart: None });
                if !has_token {
                    client.worker.connection_rate_stats(&rate.stat_prefix).rate_limited.inc();
                }
                (!has_token).then_some(Refusal { flag: "URX", delay: None })
            }
        };
        if asked.refusal.is_some() {
            break;
        }
    }
    asked
}
