//! Network filters that limit connections: how many are open (`envoy.extensions.filters.network.connection_limit.v3`), and how many
//! begin in a time (`envoy.extensions.filters.network.local_ratelimit.v3`).

use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::gate::{Bucket, Share};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug)]
pub enum Limit {
    Open(Open),
    Rate(Rate),
}

/// How many connections may be open.
#[derive(Debug)]
pub struct Open {
    pub stat_prefix: Box<str>,
    max: u64,
    /// How long one that is too many waits for its end.
    pub delay: Option<Duration>,
    connections: Arc<AtomicU64>,
}

/// How many may begin.
#[derive(Debug)]
pub struct Rate {
    pub stat_prefix: Box<str>,
    pub bucket: Bucket,
}

/// A connection that counts, as long as it lasts.
#[derive(Debug)]
pub struct Held(Arc<AtomicU64>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Open {
    /// Counts a connection, be there room for it or not, and says whether there is.
    pub fn take(&self) -> (Held, bool) {
        let before = self.connections.fetch_add(1, Ordering::AcqRel);
        (Held(self.connections.clone()), before < self.max)
    }
}

impl Limit {
    /// Of a network filter; `None` where it is another one, or switched off.
    ///
    /// # Errors
    /// What can't be read.
    pub fn read(filter: &Message<'_, '_>) -> Read<Option<Limit>> {
        let Some((name, m)) = filter.any("typed_config")? else { return Ok(None) };
        if m.message_or_empty("runtime_enabled")?.bool("default_value")? == Some(false) {
            return Ok(None);
        }
        let stat_prefix = m.text("stat_prefix")?.into();
        Ok(match name {
            "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit" => {
                let max = m.uint("max_connections")?.filter(|n| *n > 0);
                let max = max.ok_or_else(|| m.unknown_field("max_connections", "a limit of one connection or more belongs here"))?;
                let delay = m.duration("delay")?.filter(|d| !d.is_zero());
                Some(Limit::Open(Open { stat_prefix, max, delay, connections: Arc::default() }))
            }
            "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit" => {
                let of = m.message("token_bucket")?.ok_or_else(|| m.unknown_field("token_bucket", "a bucket belongs here"))?;
                let mut bucket = Bucket::read(&of, Share::Proxy)?;
                if bucket.fill_interval < Duration::from_millis(50) {
                    return Err(of.unknown_field("fill_interval", "less than 0.05s"));
                }
                // Filters that name the same key, with the same bucket, draw from one.
                let key = m.text("share_key")?;
                if !key.is_empty() {
                    bucket.id = format!("share_key {key} {}/{}/{:?}", bucket.max_tokens, bucket.tokens_per_fill, bucket.fill_interval).into();
                }
                Some(Limit::Rate(Rate { stat_prefix, bucket }))
            }
            _ => None,
        })
    }
}
