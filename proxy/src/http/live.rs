//! What filters ask of the world: dice, buckets, and the tokens of requests.

use super::bucket::{Buckets, Tokens};
use super::exchange::Connection;
use super::limit;
use crate::jwt::claims::Change;
use crate::jwt::filter::Filter;
use mesh_envoy::engine::gate::{Chance, Draw, Judged, Live, Outcome, Provider, Share, Token, Verdict};
use mesh_envoy::engine::request::Request;
use mesh_envoy::engine::route::Fraction;
use std::sync::Arc;

pub struct World<'w> {
    pub connection: &'w Connection,
    /// What the filter that asks knows of tokens.
    pub tokens: Option<&'w Filter>,
    /// Seconds of the epoch.
    pub now: u64,
    /// What accepted tokens and limits that are not enforced change in the request.
    pub changes: Vec<Change>,
    /// Whether the policy for other origins passes this request over (`filter_enabled`).
    pub skips_cors: bool,
    /// The buckets that the answer is to tell of.
    pub told: Vec<Arc<Tokens>>,
}

impl World<'_> {
    fn buckets(&self, draw: &Draw<'_>) -> &Buckets {
        match draw.bucket.share {
            Share::Proxy => &self.connection.client.worker.shared.buckets,
            Share::Connection => self.connection.buckets.get_or_init(Box::default),
        }
    }
}

impl Live for World<'_> {
    fn happens(&mut self, chance: Chance, share: Fraction) -> bool {
        let happens = share.holds(self.connection.client.worker.dice().u64(..));
        self.skips_cors |= matches!(chance, Chance::Cors) && !happens;
        happens
    }
    fn has_token(&mut self, _: &str, draw: Option<&Draw<'_>>) -> bool {
        draw.is_none_or(|d| self.buckets(d).take(d))
    }
    fn limited(&mut self, outcome: Outcome<'_>) {
        let stats = self.connection.client.worker.limit_stats(outcome.stat_prefix);
        stats.enabled.inc();
        match outcome.verdict {
            Verdict::Allowed => stats.ok.inc(),
            Verdict::Shadowed => {
                stats.rate_limited.inc();
                stats.shadow_mode.inc();
            }
            Verdict::NotEnforced => {
                stats.rate_limited.inc();
                if !outcome.headers.is_empty() {
                    self.changes.push(Change::Put(limit::read(outcome.headers)));
                }
            }
            Verdict::Refused => {
                stats.rate_limited.inc();
                stats.enforced.inc();
            }
        }
        self.told.extend(outcome.tells.map(|draw| self.buckets(&draw).find(&draw)));
    }
    fn judged(&mut self, judged: Judged<'_>) {
        self.connection.client.worker.judged(&format!("http.{}.", self.connection.manager.stat_prefix), &judged);
    }
    fn own_cluster(&self) -> &str {
        &self.connection.client.worker.shared.own.service
    }
    fn token(&mut self, provider: &Provider, request: &Request<'_>) -> Token {
        let Some(filter) = self.tokens else { return Token::Missing };
        filter.token(&provider.name, &provider.audiences, request, self.now, &mut self.changes)
    }
    fn any_token(&mut self, providers: &[&Provider], request: &Request<'_>) -> (Token, usize) {
        let Some(filter) = self.tokens else { return (Token::Missing, 0) };
        let names: Vec<&str> = providers.iter().map(|p| &*p.name).collect();
        let audiences: Vec<&[Box<str>]> = providers.iter().map(|p| p.audiences.as_slice()).collect();
        filter.any_token(&names, &audiences, request, self.now, &mut self.changes)
    }
}
