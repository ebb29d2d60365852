//! What filters ask of the world: dice and buckets.

use super::exchange::Connection;
use mesh_envoy::engine::gate::{Bucket, Chance, Live, Provider, Token};
use mesh_envoy::engine::request::Request;
use mesh_envoy::engine::route::Fraction;

pub struct World<'w> {
    pub connection: &'w Connection,
}

impl Live for World<'_> {
    fn happens(&mut self, _: Chance, share: Fraction) -> bool {
        share.holds(self.connection.client.worker.dice().u64(..))
    }
    fn has_token(&mut self, _: &str, bucket: Option<&Bucket>) -> bool {
        bucket.is_none_or(|b| self.connection.client.worker.shared.buckets.take(b))
    }
    /// Filters that ask for tokens are refused where configuration is compiled.
    fn token(&mut self, _: &Provider, _: &Request<'_>) -> Token {
        Token::Missing
    }
}
