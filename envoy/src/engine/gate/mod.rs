//! Step seven, once a filter: what an HTTP filter does with a request. It lets it on, answers it, or asks somebody outside.

mod cors;
mod descriptors;
mod ext_authz;
mod fault;
mod jwt;
mod rate_limit;
mod rbac;

pub use cors::Policy as CorsPolicy;
pub use descriptors::Policies;
pub use ext_authz::{Answer, Question};
pub use jwt::{Provider, Token};
pub use rate_limit::{AddedHeader, Append, Bucket, Draw, Limit, Outcome, Share, Verdict};
pub use rbac::{Decision, Judged, Rbac, Subject, Verdict as Judgement, denied};

use super::field::{Message, Path, Read, Unknown};
use super::recorder::Recorder;
use super::request::{Connection, Metadata, Request};
use super::route::Fraction;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What is drawn by lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chance {
    FaultDelay,
    FaultAbort,
    RateLimitChecked,
    RateLimitEnforced,
    ExternalAuthorization,
    Cors,
}

/// What a filter asks of the world: dice and live state. The sidecar answers from what is, an explanation from what is
/// assumed.
pub trait Live {
    /// Whether a share of requests, neither none nor all, includes this one.
    fn happens(&mut self, what: Chance, share: Fraction) -> bool;
    /// Whether a rate limit's bucket has a token left, which is taken. Of a limiter outside no bucket is known.
    fn has_token(&mut self, limiter: &str, draw: Option<&Draw<'_>>) -> bool;
    /// Hears what a local rate limit made of the request.
    fn limited(&mut self, _: Outcome<'_>) {}
    /// Hears what policies decided about the request.
    fn judged(&mut self, _: Judged<'_>) {}
    /// What the proxy calls itself (`--service-cluster`).
    fn own_cluster(&self) -> &str {
        ""
    }
    /// The state of the request's JWT for a provider.
    fn token(&mut self, provider: &Provider, request: &Request<'_>) -> Token;
    /// The state of the request's JWTs for any of some providers, and which of them it is for: one that is valid for any is.
    fn any_token(&mut self, providers: &[&Provider], request: &Request<'_>) -> (Token, usize) {
        let mut all = (Token::Missing, 0);
        for (i, provider) in providers.iter().enumerate() {
            match self.token(provider, request) {
                valid @ Token::Valid(_) => return (valid, i),
                invalid @ Token::Invalid(_) if all.0 == Token::Missing => all = (invalid, i),
                _ => {}
            }
        }
        all
    }
}

fn happens(live: &mut impl Live, what: Chance, share: Fraction) -> bool {
    share.is_always() || (!share.is_never() && live.happens(what, share))
}

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// The response flag that the access log shows; "" for none.
    pub flag: &'static str,
    /// `response_code_details`.
    pub details: String,
}

/// What a filter does.
#[derive(Clone, Debug)]
pub enum Gate<'c> {
    Continue,
    /// Continues after this long: an injected delay, flag DI.
    Delay(Duration),
    Reply(Reply, Option<Duration>),
    Ask(Question<'c>),
    Unknown(&'c Unknown),
}

/// What was found for a request; some filters leave requests alone that will not be forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// No route.
    Nowhere,
    /// A route that answers itself: a redirect or a direct response.
    Answered,
    Forwarded,
}

/// What a filter looks at.
pub struct Context<'x, 'a> {
    pub request: &'x Request<'a>,
    pub connection: &'x Connection<'a>,
    /// The client's address as forwarding headers tell it.
    pub remote: IpAddr,
    /// What earlier filters left.
    pub metadata: &'x mut Metadata,
    /// What overrides filters, the most specific first: weighted cluster, route, virtual host, route configuration.
    pub scopes: &'x [&'x Overrides],
    /// The cluster that the request is on its way to; "" where there is none.
    pub cluster: &'x str,
    pub routed: Routed,
    /// What rate limits know the request by; `None` where no route forwards it.
    pub limits: Option<RateLimits<'x>>,
}

/// What a route and its virtual host say of requests for rate limits.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits<'x> {
    pub route: &'x Policies,
    pub host: &'x Policies,
    /// Whether the host's count beside the route's, whatever the limit says (`include_vh_rate_limits`).
    pub includes_host: bool,
}

/// An HTTP filter.
#[derive(Clone, Debug)]
pub struct HttpFilter {
    pub name: Box<str>,
    kind: Kind,
    disabled: bool,
    over_ecds: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Rbac(Rbac),
    Jwt(jwt::Authentication),
    Fault(fault::Fault),
    RateLimit(rate_limit::RateLimit),
    /// Its policies are the routes'.
    Cors,
    ExtAuthz(ext_authz::ExtAuthz),
    /// A rate limit service outside; what it limits is its own affair.
    RateLimitService(Box<str>, bool),
    /// Decides nothing: telemetry, headers for the upstream, compression of answers.
    Transparent,
    /// The last one: it acts on the route.
    Router,
    Unknown(Unknown),
}

/// Filters that never answer a request and change nothing that is matched on, with why.
const TRANSPARENT: &[&str] = &[
    // Counts gRPC messages.
    "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig",
    // Telemetry of Istio.
    "stats.PluginConfig",
    "io.istio.http.peer_metadata.Config",
    "envoy.extensions.filters.http.peer_metadata.v3.Config",
    // Chooses the ALPN of the upstream connection.
    "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
    // Copies the peer's identity into metadata; deprecated.
    "istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig",
    // Work on answers, or on bodies.
    "envoy.extensions.filters.http.compressor.v3.Compressor",
    "envoy.extensions.filters.http.decompressor.v3.Decompressor",
    "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb",
    "envoy.extensions.filters.http.grpc_http1_bridge.v3.Config",
    "envoy.extensions.filters.http.tap.v3.Tap",
    // Values for the log and the upstream connection.
    "envoy.extensions.filters.http.set_filter_state.v3.Config",
    "envoy.extensions.filters.http.set_metadata.v3.Config",
    "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    // Resolves the host that is asked for, after everything is decided.
    "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
    // Fetches virtual hosts that are missing; those end a verdict in the route step.
    "envoy.extensions.filters.http.on_demand.v3.OnDemand",
];

/// What meshctl does not know of an HTTP filter, by itself: its type or a field. The path begins with `filter`.
pub fn unjudged(filter: &serde_json::Value) -> Option<Unknown> {
    Message::new(filter, Path::root("filter")).map(|m| HttpFilter::read(&m).unknown().cloned()).unwrap_or_else(Some)
}

impl HttpFilter {
    pub(super) fn read(m: &Message<'_, '_>) -> HttpFilter {
        let name: Box<str> = m.text("name").unwrap_or("").into();
        let disabled = m.flag("disabled").unwrap_or(false);
        let over_ecds = m.has("config_discovery");
        HttpFilter { kind: Kind::read(m, &name).unwrap_or_else(Kind::Unknown), name, disabled, over_ecds }
    }
    /// Takes its configuration from those that came over ECDS, by name.
    pub(super) fn discover(&mut self, ecds: &BTreeMap<&str, Message<'_, '_>>) {
        let Some(extension) = ecds.get(&*self.name).filter(|_| self.over_ecds) else { return };
        self.kind = match extension.any("typed_config") {
            Ok(Some((type_name, config))) => Kind::of(type_name, &config).unwrap_or_else(Kind::Unknown),
            Ok(None) => Kind::Unknown(extension.unknown("an extension without configuration")),
            Err(u) => Kind::Unknown(u),
        };
    }

    /// The CORS policy of the most specific scope, where this is the filter for it.
    pub fn cors<'c>(&self, scopes: &[&'c Overrides]) -> Option<&'c CorsPolicy> {
        let own = scopes.iter().find_map(|s| s.0.get(&self.name)).filter(|o| !o.disabled)?;
        match (&self.kind, &own.config) {
            (Kind::Cors, Some(Own::Cors(policy))) => Some(policy),
            _ => None,
        }
    }
    /// What is not known about it, if it is not known at all.
    pub fn unknown(&self) -> Option<&Unknown> {
        if let Kind::Unknown(u) = &self.kind { Some(u) } else { None }
    }
    /// Whether it is the router, which acts on the route.
    pub fn is_router(&self) -> bool {
        matches!(self.kind, Kind::Router)
    }
    /// Whether it decides anything at all.
    pub fn is_transparent(&self) -> bool {
        matches!(self.kind, Kind::Transparent)
    }

    /// Whether it runs for a request whose scopes, the most specific first, are these.
    pub fn is_on(&self, scopes: &[&Overrides]) -> bool {
        !scopes.iter().find_map(|s| s.0.get(&self.name)).map_or(self.disabled, |o| o.disabled)
    }

    /// The local rate limit that it is for a request whose scopes, the most specific first, are these.
    pub fn limit<'c>(&'c self, scopes: &[&'c Overrides]) -> Option<Limit<'c>> {
        let own = scopes.iter().find_map(|s| s.0.get(&self.name)).and_then(|o| o.config.as_ref());
        match (&self.kind, own) {
            _ if !self.is_on(scopes) => None,
            (Kind::RateLimit(_), Some(Own::RateLimit(limit))) => limit.limit(),
            (Kind::RateLimit(_), Some(Own::Unknown(_))) => None,
            (Kind::RateLimit(limit), _) => limit.limit(),
            _ => None,
        }
    }

    /// What the filter does with a request.
    pub fn gate<'c, R: Recorder>(&'c self, context: &mut Context<'c, '_>, live: &mut impl Live, recorder: &mut R) -> Gate<'c> {
        if !self.is_on(context.scopes) {
            return Gate::Continue;
        }
        let own = context.scopes.iter().find_map(|s| s.0.get(&self.name)).and_then(|o| o.config.as_ref());
        if let Some(Own::Unknown(u)) = own {
            return Gate::Unknown(u);
        }
        match (&self.kind, own) {
            (Kind::Rbac(filter), Some(Own::Rbac(rbac))) => rbac.as_ref().map_or(Gate::Continue, |r| r.gate(filter, context, live, recorder)),
            (Kind::Rbac(rbac), _) => rbac.gate(rbac, context, live, recorder),
            (Kind::Jwt(jwt), own) => jwt.gate(if let Some(Own::Jwt(o)) = own { Some(o) } else { None }, context, live),
            (Kind::Fault(_), Some(Own::Fault(fault))) | (Kind::Fault(fault), _) => fault.gate(context, live),
            (Kind::RateLimit(_), Some(Own::RateLimit(limit))) | (Kind::RateLimit(limit), _) => limit.gate(&self.name, context, live),
            (Kind::Cors, Some(Own::Cors(policy))) => policy.gate(context, live),
            (Kind::ExtAuthz(_), Some(Own::ExtAuthzOff)) => Gate::Continue,
            (Kind::ExtAuthz(authz), _) => authz.gate(context, live),
            (Kind::RateLimitService(service, denies), _) => Gate::Ask(Question::rate_limit(service, *denies)),
            (Kind::Cors | Kind::Transparent | Kind::Router, _) => Gate::Continue,
            (Kind::Unknown(u), _) => Gate::Unknown(u),
        }
    }
}

impl Kind {
    fn read(m: &Message<'_, '_>, name: &str) -> Read<Kind> {
        m.only(&["name", "typed_config", "config_discovery", "is_optional", "disabled"])?;
        if m.has("config_discovery") {
            return Err(m.unknown_field("config_discovery", "the filter's configuration comes over ECDS, and the input does not hold it"));
        }
        match m.any("typed_config")? {
            Some((type_name, config)) => Kind::of(type_name, &config),
            None if matches!(name, "envoy.filters.http.router" | "envoy.router") => Ok(Kind::Router),
            None if matches!(name, "envoy.filters.http.cors" | "envoy.filters.http.grpc_web") => Ok(Kind::Cors),
            None => Err(m.unknown(format!("the filter {name} has no configuration"))),
        }
    }
    fn of(type_name: &str, config: &Message<'_, '_>) -> Read<Kind> {
        Ok(match type_name {
            "envoy.extensions.filters.http.router.v3.Router" => Kind::Router,
            "envoy.extensions.filters.http.rbac.v3.RBAC" => Kind::Rbac(Rbac::read(config)?),
            "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication" => Kind::Jwt(jwt::Authentication::read(config)?),
            "envoy.extensions.filters.http.fault.v3.HTTPFault" => Kind::Fault(fault::Fault::read(config)?),
            "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" => Kind::RateLimit(rate_limit::RateLimit::read(config)?),
            "envoy.extensions.filters.http.cors.v3.Cors" => Kind::Cors,
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz" => Kind::ExtAuthz(ext_authz::ExtAuthz::read(config)?),
            "envoy.extensions.filters.http.ratelimit.v3.RateLimit" => {
                let service = config.message_or_empty("rate_limit_service")?;
                let grpc = service.message_or_empty("grpc_service")?;
                Kind::RateLimitService(grpc.message_or_empty("envoy_grpc")?.text("cluster_name")?.into(), config.flag("failure_mode_deny")?)
            }
            name if TRANSPARENT.contains(&name) => Kind::Transparent,
            other => return Err(config.unknown(format!("the filter {other} is not known to meshctl"))),
        })
    }
}

/// `typed_per_filter_config`: what a route, a virtual host or a cluster changes in filters, by filter name.
#[derive(Clone, Debug, Default)]
pub struct Overrides(BTreeMap<Box<str>, Override>);

#[derive(Clone, Debug)]
struct Override {
    disabled: bool,
    config: Option<Own>,
}

/// A filter's configuration of its own for a scope.
#[derive(Clone, Debug)]
enum Own {
    /// `None` switches it off.
    Rbac(Option<Rbac>),
    Fault(fault::Fault),
    RateLimit(rate_limit::RateLimit),
    Cors(cors::Policy),
    ExtAuthzOff,
    Jwt(jwt::Override),
    /// Changes nothing that decides.
    Transparent,
    Unknown(Unknown),
}

impl Overrides {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Overrides> {
        let mut out = BTreeMap::new();
        let Some(map) = m.message("typed_per_filter_config")? else { return Ok(Overrides::default()) };
        for (name, _) in map.entries() {
            out.insert(name.into(), Override::read(&map, name).unwrap_or_else(|u| Override { disabled: false, config: Some(Own::Unknown(u)) }));
        }
        Ok(Overrides(out))
    }
}

impl Overrides {
    /// The first configuration in it that is not known.
    pub fn unknown(&self) -> Option<&Unknown> {
        self.0.values().find_map(|o| if let Some(Own::Unknown(u)) = &o.config { Some(u) } else { None })
    }
}

/// What a scope makes of an RBAC filter.
#[derive(Clone, Copy, Debug)]
pub enum OwnRbac<'c> {
    /// It does not run.
    Off,
    /// It runs as it is, be it switched off elsewhere.
    On,
    /// Other rules stand in the place of its own.
    Rules(&'c crate::rbac::Filter),
    Unknown(&'c Unknown),
}

impl Overrides {
    /// What this scope makes of an RBAC filter of a name; `None` where it leaves it alone.
    pub fn rbac(&self, filter: &str) -> Option<OwnRbac<'_>> {
        let own = self.0.get(filter)?;
        Some(match &own.config {
            _ if own.disabled => OwnRbac::Off,
            Some(Own::Rbac(Some(rbac))) => OwnRbac::Rules(rbac.filter()),
            Some(Own::Rbac(None)) => OwnRbac::Off,
            Some(Own::Unknown(u)) => OwnRbac::Unknown(u),
            _ => OwnRbac::On,
        })
    }
}

impl Override {
    fn read(map: &Message<'_, '_>, name: &str) -> Read<Override> {
        let Some((type_name, config)) = map.any(name)? else { return Err(map.unknown_field(name, "no configuration")) };
        if type_name == "envoy.config.route.v3.FilterConfig" {
            let inner = config.any("config")?;
            let own = inner.map(|(type_name, inner)| Own::read(type_name, &inner)).transpose()?;
            return Ok(Override { disabled: config.flag("disabled")?, config: own });
        }
        Ok(Override { disabled: false, config: Some(Own::read(type_name, &config)?) })
    }
}

impl Own {
    fn read(type_name: &str, m: &Message<'_, '_>) -> Read<Own> {
        Ok(match type_name {
            "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" => Own::Rbac(m.message("rbac")?.map(|r| Rbac::read(&r)).transpose()?),
            "envoy.extensions.filters.http.fault.v3.HTTPFault" => Own::Fault(fault::Fault::read(m)?),
            "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit" => Own::RateLimit(rate_limit::RateLimit::read_own(m)?),
            "envoy.extensions.filters.http.cors.v3.CorsPolicy" => Own::Cors(cors::Policy::read(m)?),
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" if m.flag("disabled")? => Own::ExtAuthzOff,
            "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute" => Own::Transparent,
            "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig" => Own::Jwt(jwt::Override::read(m)?),
            "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute"
            | "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute"
            | "envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig"
            | "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute" => Own::Transparent,
            other => return Err(m.unknown(format!("{other} is not known to meshctl"))),
        })
    }
}
