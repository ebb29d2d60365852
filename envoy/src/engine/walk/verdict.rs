//! What a walk tells: its steps, its branches, its end.

use crate::engine::action::{Mirror, Retry};
use crate::engine::field::Unknown;
use crate::engine::pick::UpstreamTransport;
use crate::engine::recorder::PassedOver;
use std::time::Duration;

/// What a step was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    Listener,
    Inspectors,
    FilterChain,
    Transport,
    NetworkFilter,
    Request,
    RouteConfiguration,
    VirtualHost,
    Route,
    HttpFilter,
    Action,
    Cluster,
    Endpoint,
}

impl StepKind {
    pub fn name(self) -> &'static str {
        match self {
            StepKind::Listener => "listener",
            StepKind::Inspectors => "inspectors",
            StepKind::FilterChain => "filter chain",
            StepKind::Transport => "transport",
            StepKind::NetworkFilter => "network filter",
            StepKind::Request => "request",
            StepKind::RouteConfiguration => "route configuration",
            StepKind::VirtualHost => "virtual host",
            StepKind::Route => "route",
            StepKind::HttpFilter => "HTTP filter",
            StepKind::Action => "action",
            StepKind::Cluster => "cluster",
            StepKind::Endpoint => "endpoint",
        }
    }
}

/// One step: what it chose, what it says, what it passed over.
#[derive(Clone, Debug)]
pub struct Step {
    pub kind: StepKind,
    /// "" where nothing was chosen.
    pub name: String,
    /// The configuration object behind it, as the proxy's metadata spells it.
    pub source: String,
    pub note: String,
    pub passed: Vec<PassedOver>,
    /// The policy that decided; "" for none.
    pub policy: String,
}

/// A share of the requests and the cluster that it goes to.
#[derive(Clone, Debug)]
pub struct Branch {
    /// In a million.
    pub share: u64,
    pub cluster: String,
    pub source: String,
    pub end: End,
    /// Endpoints with their shares of this branch, in a million.
    pub endpoints: Vec<(String, u64)>,
    pub transport: Option<UpstreamTransport>,
}

/// How a call ends.
#[derive(Clone, Debug)]
pub enum End {
    /// It reaches an upstream; what that answers is not known here.
    Forwarded,
    Replied(Replied),
    /// The connection is closed, and no answer is sent.
    Closed {
        why: &'static str,
        flag: &'static str,
        details: String,
    },
    /// What decides next is not known.
    UpTo(Unknown),
}

/// An answer of the proxy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    pub status: u16,
    /// In the order in which they were raised; empty for none.
    pub flags: Vec<&'static str>,
    pub details: String,
    /// Where a redirect leads.
    pub location: Option<String>,
}

/// What a forwarding route does beside choosing a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `None` for no limit.
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
    pub mirrors: Vec<Mirror>,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub steps: Vec<Step>,
    /// One, or one for each cluster among which requests are split.
    pub branches: Vec<Branch>,
    pub assumptions: Vec<String>,
    pub listener: String,
    pub filter_chain: String,
    pub route_configuration: String,
    pub virtual_host: String,
    pub route: String,
    /// The route's place in its virtual host.
    pub route_index: Option<usize>,
    /// The cluster that the request was on its way to when filters saw it; "" for none.
    pub cluster: String,
    /// The host and the path that the upstream sees, where a request is forwarded.
    pub upstream_request: Option<(String, String)>,
    /// Of the route that forwards it; `None` for anything else.
    pub policy: Option<Policy>,
    /// Flags that were raised on the way to an upstream, such as DI.
    pub flags: Vec<&'static str>,
}
