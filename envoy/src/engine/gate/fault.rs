//! Injected faults (`envoy.extensions.filters.http.fault.v3.HTTPFault`).

use super::{Chance, Context, Gate, Live, Reply, happens};
use crate::engine::field::{Message, Read, Unknown};
use crate::engine::header::HeaderCheck;
use crate::engine::recorder::Off;
use crate::engine::route::Fraction;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Fault {
    delay: Option<(Duration, Fraction)>,
    abort: Option<(Abort, Fraction)>,
    /// Only requests to this cluster; "" for any.
    cluster: Box<str>,
    nodes: Vec<Box<str>>,
    headers: Vec<HeaderCheck>,
    unknown: Option<Unknown>,
}

#[derive(Clone, Copy, Debug)]
enum Abort {
    Status(u16),
    Grpc(u64),
    /// The status that a request header names.
    Header,
}

impl Fault {
    pub(super) fn read(m: &Message<'_, '_>) -> Read<Fault> {
        let known = [
            "delay",
            "abort",
            "upstream_cluster",
            "headers",
            "downstream_nodes",
            "max_active_faults",
            "response_rate_limit",
            "delay_percent_runtime",
            "abort_percent_runtime",
            "delay_duration_runtime",
            "abort_http_status_runtime",
            "abort_grpc_status_runtime",
            "max_active_faults_runtime",
            "response_rate_limit_percent_runtime",
            "disable_downstream_cluster_stats",
            "filter_metadata",
        ];
        let share = |m: &Message<'_, '_>| Fraction::read(&m.message_or_empty("percentage")?);
        let delay = match m.message("delay")? {
            Some(d) if d.has("header_delay") => return Err(d.unknown_field("header_delay", "delays that headers ask for are not known to meshctl")),
            Some(d) => Some((d.duration("fixed_delay")?.unwrap_or_default(), share(&d)?)),
            None => None,
        };
        let abort = match m.message("abort")? {
            Some(a) if a.has("header_abort") => Some((Abort::Header, share(&a)?)),
            Some(a) => {
                let status = a.uint("http_status")?.map(|s| u16::try_from(s).map_err(|_| a.unknown_field("http_status", "no status"))).transpose()?;
                let kind = match (status, a.uint("grpc_status")?) {
                    (Some(status), _) => Abort::Status(status),
                    (None, Some(status)) => Abort::Grpc(status),
                    (None, None) => return Err(a.unknown("an abort without a status")),
                };
                Some((kind, share(&a)?))
            }
            None => None,
        };
        Ok(Fault {
            delay,
            abort,
            cluster: m.text("upstream_cluster")?.into(),
            nodes: m.texts("downstream_nodes")?.into_iter().map(Into::into).collect(),
            headers: m.messages("headers")?.iter().map(HeaderCheck::read).collect::<Read<_>>()?,
            unknown: m.only(&known).err(),
        })
    }

    pub(super) fn gate<'c>(&'c self, context: &Context<'_, '_>, live: &mut impl Live) -> Gate<'c> {
        if let Some(u) = &self.unknown {
            return Gate::Unknown(u);
        }
        let node = context.request.header("x-envoy-downstream-service-node", 0);
        let concerns = (self.cluster.is_empty() || *self.cluster == *context.cluster)
            && (self.nodes.is_empty() || self.nodes.iter().any(|n| Some(&**n) == node))
            && self.headers.iter().all(|h| h.check(context.request, &mut Off));
        if !concerns {
            return Gate::Continue;
        }
        let delay = self.delay.filter(|(_, share)| happens(live, Chance::FaultDelay, *share)).map(|(d, _)| d).filter(|d| !d.is_zero());
        let status = match self.abort {
            Some((Abort::Header, share)) => {
                let named = context.request.header("x-envoy-fault-abort-request", 0).and_then(|v| v.parse().ok());
                named.filter(|s| (200..600).contains(s) && happens(live, Chance::FaultAbort, share))
            }
            Some((Abort::Status(status), share)) => happens(live, Chance::FaultAbort, share).then_some(status),
            Some((Abort::Grpc(status), share)) => happens(live, Chance::FaultAbort, share).then(|| crate::grpc::http_status(status)),
            None => None,
        };
        match (status, delay) {
            (Some(status), delay) => Gate::Reply(Reply { status, flag: "FI", details: "fault_filter_abort".to_owned() }, delay),
            (None, Some(delay)) => Gate::Delay(delay),
            (None, None) => Gate::Continue,
        }
    }
}
