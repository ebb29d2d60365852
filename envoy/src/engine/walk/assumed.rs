//! What is assumed about the world, where an explanation has no world to ask.

use crate::engine::gate::{Answer, Chance, Draw, Live, Provider, Token};
use crate::engine::request::Request;
use crate::engine::route::Fraction;

/// What is assumed about the world.
#[derive(Clone, Debug)]
pub struct World {
    /// The request's random number; `None` keeps every branch.
    pub random: Option<u64>,
    pub token: TokenState,
    /// Whether rate limits are used up.
    pub limits_used_up: bool,
    /// What services outside answer.
    pub outside: Answer,
    /// Whether events that happen to a share of requests happen to this one.
    pub unlucky: bool,
}

/// The token that a request carries.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenState {
    Absent,
    /// Valid for the providers of its issuer, `iss`.
    Valid(serde_json::Value),
    /// With the reason, in Envoy's words.
    Invalid(String),
}

impl Default for World {
    fn default() -> World {
        World { random: None, token: TokenState::Absent, limits_used_up: false, outside: Answer::Allowed, unlucky: false }
    }
}

/// Answers what filters ask from what is assumed, and keeps a list of it.
pub(super) struct Assumed<'w> {
    pub(super) world: &'w World,
    pub(super) assumptions: Vec<String>,
}

impl Assumed<'_> {
    pub(super) fn assume(&mut self, text: String) {
        if !self.assumptions.contains(&text) {
            self.assumptions.push(text);
        }
    }
}

impl Live for Assumed<'_> {
    fn happens(&mut self, what: Chance, share: Fraction) -> bool {
        let what = match what {
            Chance::FaultDelay => "an injected delay",
            Chance::FaultAbort => "an injected abort",
            Chance::RateLimitChecked => "the check of a rate limit",
            Chance::RateLimitEnforced => "the enforcement of a rate limit",
            Chance::ExternalAuthorization => "external authorization",
            Chance::Cors => "the CORS policy",
        };
        let (lucky, word) = if self.world.unlucky { (true, "concerns") } else { (false, "does not concern") };
        self.assume(format!("{what}, of {share} of requests, {word} this one"));
        lucky
    }
    fn has_token(&mut self, limiter: &str, _: Option<&Draw<'_>>) -> bool {
        let left = !self.world.limits_used_up;
        self.assume(format!("the rate limit of {limiter} {}", if left { "is not used up" } else { "is used up" }));
        left
    }
    fn token(&mut self, provider: &Provider, _: &Request<'_>) -> Token {
        match &self.world.token {
            TokenState::Absent => {
                self.assume("the request carries no token".to_owned());
                Token::Missing
            }
            TokenState::Invalid(reason) => Token::Invalid(reason.clone()),
            TokenState::Valid(claims) => {
                let text = |key: &str| claims.get(key).and_then(serde_json::Value::as_str);
                if !provider.issuer.is_empty() && text("iss") != Some(&*provider.issuer) {
                    return Token::Invalid("Jwt issuer is not configured".to_owned());
                }
                let aud = claims.get("aud");
                let named = |a: &str| aud.is_some_and(|v| v.as_str() == Some(a) || v.as_array().is_some_and(|l| l.iter().any(|x| x.as_str() == Some(a))));
                if !provider.audiences.is_empty() && !provider.audiences.iter().any(|a| named(a)) {
                    return Token::Invalid("Audiences in Jwt are not allowed".to_owned());
                }
                self.assume("the request's token is genuine and valid".to_owned());
                Token::Valid(claims.clone())
            }
        }
    }
}
