//! What filters ask of the world: dice, buckets, and the tokens of requests.

use super::exchange::Connection;
use crate::jwt::claims::Change;
use crate::jwt::filter::Filter;
use mesh_envoy::engine::gate::{Bucket, Chance, Live, Provider, Token};
use mesh_envoy::engine::request::Request;
use mesh_envoy::engine::route::Fraction;

pub struct World<'w> {
    pub connection: &'w Connection,
    /// What the filter that asks knows of tokens.
    pub tokens: Option<&'w Filter>,
    /// Seconds of the epoch.
    pub now: u64,
    /// What accepted tokens change in the request.
    pub changes: Vec<Change>,
    /// Whether the policy for other origins passes this request over (`filter_enabled`).
    pub skips_cors: bool,
}

impl Live for World<'_> {
    fn happens(&mut self, chance: Chance, share: Fraction) -> bool {
        let happens = share.holds(self.connection.client.worker.dice().u64(..));
        self.skips_cors |= matches!(chance, Chance::Cors) && !happens;
        happens
    }
    fn has_token(&mut self, _: &str, bucket: Option<&Bucket>) -> bool {
        bucket.is_none_or(|b| self.connection.client.worker.shared.buckets.take(b))
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
