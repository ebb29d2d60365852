//! The filter as the sidecar runs it (`envoy.filters.http.jwt_authn`): the tokens of a request, as the engine asks for them.

use super::claims::{self, Change};
use super::provider::{Found, Place, Provider, Source, extract};
use super::remote::{Remote, Remotes};
use super::token::{Refusal, Token};
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::gate::Token as Judged;
use mesh_envoy::engine::request::Request;
use std::sync::Arc;

#[derive(Debug)]
pub struct Filter {
    /// Its place among the manager's filters.
    pub index: usize,
    providers: Vec<Provider>,
}

impl Filter {
    /// Those of a connection manager.
    ///
    /// # Errors
    /// What can't be read.
    pub fn find_all(manager: &Message<'_, '_>, remotes: &Remotes) -> Read<Vec<Arc<Filter>>> {
        let mut out = Vec::new();
        for (index, filter) in manager.messages("http_filters")?.iter().enumerate() {
            if let Some(("envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", config)) = filter.any("typed_config")? {
                let mut providers = Vec::new();
                for (name, provider) in config.map("providers")? {
                    providers.push(Provider::read(name, &provider, remotes)?);
                }
                // The engine has them in this order too.
                providers.sort_by(|a, b| a.name.cmp(&b.name));
                out.push(Arc::new(Filter { index, providers }));
            }
        }
        Ok(out)
    }
    fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|p| *p.name == *name)
    }
    /// Takes away headers that only this filter makes: clients can't.
    pub fn sanitize(&self, request: &Request<'_>) -> Vec<Change> {
        let made = |p: &'_ Provider| p.payload_header.iter().chain(p.claim_headers.iter().map(|(_, name)| name)).cloned().collect::<Vec<_>>();
        let names = self.providers.iter().flat_map(made);
        names.filter(|name| request.header(name.as_str(), 0).is_some()).map(Change::Remove).collect()
    }
    /// The keys that have to be fetched before a request can be judged.
    pub fn missing(&self, request: &Request<'_>, now: u64) -> Vec<Arc<Remote>> {
        let mut out: Vec<Arc<Remote>> = Vec::new();
        for provider in &self.providers {
            let Source::Remote(remote) = &provider.keys else { continue };
            if remote.keys().is_some() || out.iter().any(|o| Arc::ptr_eq(o, remote)) {
                continue;
            }
            // Tokens that are no good anyway fetch nothing.
            let may_count = |found: &Found| {
                let token = Token::parse(&found.text);
                token.is_ok_and(|t| (provider.issuer.is_empty() || *provider.issuer == *t.issuer()) && t.check_time(now, u64::from(u32::MAX)).is_ok())
            };
            if extract(&[provider], request, &[]).iter().any(may_count) {
                out.push(remote.clone());
            }
        }
        out
    }
    /// The state of the token for one provider, with the audiences that count here.
    pub fn token(&self, name: &str, audiences: &[Box<str>], request: &Request<'_>, now: u64, changes: &mut Vec<Change>) -> Judged {
        let Some(provider) = self.provider(name) else { return Judged::Invalid(Refusal::NoSuchProvider.to_string()) };
        let mut state = Judged::Missing;
        // The last one first, as Envoy does; one bad token is one too many.
        for found in extract(&[provider], request, changes).iter().rev() {
            match accept(provider, found, audiences, now, changes) {
                Ok(claims) => state = Judged::Valid(claims),
                Err(refusal) => return Judged::Invalid(refusal.to_string()),
            }
        }
        state
    }
    /// The state of the tokens for any of some providers, each by its issuer, and which of them the last one is for.
    pub fn any_token(&self, names: &[&str], audiences: &[&[Box<str>]], request: &Request<'_>, now: u64, changes: &mut Vec<Change>) -> (Judged, usize) {
        let providers: Vec<&Provider> = names.iter().filter_map(|n| self.provider(n)).collect();
        let (mut state, mut of) = (Judged::Missing, 0);
        for found in extract(&providers, request, changes).iter().rev() {
            let issuer = Token::parse(&found.text).map(|t| t.issuer().to_owned());
            let outcome = issuer.and_then(|issuer| {
                let named = providers.iter().position(|p| !p.issuer.is_empty() && *p.issuer == *issuer);
                let at = named.or_else(|| providers.iter().position(|p| p.issuer.is_empty())).ok_or(Refusal::UnknownIssuer)?;
                of = at;
                accept(providers[at], found, audiences.get(at).copied().unwrap_or_default(), now, changes)
            });
            state = match outcome {
                Ok(claims) => Judged::Valid(claims),
                Err(refusal) => Judged::Invalid(refusal.to_string()),
            };
        }
        (state, of)
    }
}

/// Checks a token to its end, and notes what it changes.
fn accept(provider: &Provider, found: &Found, audiences: &[Box<str>], now: u64, changes: &mut Vec<Change>) -> Result<serde_json::Value, Refusal> {
    let token = Token::parse(&found.text)?;
    if !found.issuers.iter().any(|i| i.is_empty() || **i == *token.issuer()) {
        return Err(Refusal::UnknownIssuer);
    }
    provider.check(&token, audiences, now)?;
    match &provider.keys {
        Source::Local(keys) => keys.verify(&token)?,
        Source::Remote(remote) => remote.keys().ok_or(Refusal::FetchFailed)?.verify(&token)?,
    }
    claims::headers(provider, &token, changes);
    if !provider.forwards {
        match &found.place {
            Place::Header(name) => changes.push(Change::Remove(name.clone())),
            Place::Parameter(name) => changes.push(Change::RemoveParameter(name.clone())),
            Place::Cookie => {}
        }
    }
    Ok(claims::metadata(provider, &token))
}
