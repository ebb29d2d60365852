//! What the scopes of a route (weighted cluster, route, virtual host, table) change about headers, and what was said to this
//! proxy alone.

use super::exchange::{Exchange, RouteRef};
use crate::config::header_ops::{HeaderChanges, HeaderOps};
use crate::message::HeaderMap;

/// The scopes of a route whose changes of headers apply, in their order.
fn scopes(route: &RouteRef) -> Vec<&HeaderChanges> {
    let weighted = route.weighted.and_then(|i| route.extras().weighted.get(i));
    let mut list: Vec<&HeaderChanges> = weighted.into_iter().collect();
    list.extend([&route.extras().changes, &route.host_extras().changes, &route.table.changes]);
    if route.table.most_specific_wins {
        list.reverse();
    }
    list
}

fn change(headers: &mut HeaderMap, exchange: &Exchange, pick: impl Fn(&HeaderChanges) -> &HeaderOps) {
    if let Some(route) = exchange.route.as_ref().filter(|r| changes(r, &pick)) {
        for ops in scopes(route).into_iter().map(pick).filter(|o| !o.is_empty()) {
            ops.apply(headers, exchange);
        }
    }
}

/// Whether any scope changes anything.
fn changes(route: &RouteRef, pick: impl Fn(&HeaderChanges) -> &HeaderOps) -> bool {
    let weighted = route.weighted.and_then(|i| route.extras().weighted.get(i));
    [weighted, Some(&route.extras().changes), Some(&route.host_extras().changes), Some(&route.table.changes)].into_iter().flatten().any(|c| !pick(c).is_empty())
}

/// Changes an answer's headers as the route's scopes say.
pub fn change_answer(headers: &mut HeaderMap, exchange: &Exchange) {
    change(headers, exchange, |c| &c.response);
}

/// Changes a request's.
pub fn change_request(exchange: &mut Exchange) {
    let Some(route) = &exchange.route else { return };
    if !changes(route, |c| &c.request) {
        return;
    }
    let mut headers = exchange.headers.clone();
    change(&mut headers, exchange, |c| &c.request);
    exchange.headers = headers;
}

/// Takes away what was said to this proxy alone.
pub fn remove_own(headers: &mut HeaderMap, names: &[&str]) {
    if headers.speaks_to_envoy() {
        for name in names {
            headers.remove(*name);
        }
    }
}

pub const OF_TIMEOUTS: &[&str] = &["x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"];
pub const OF_RETRIES: &[&str] =
    &["x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries", "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names"];
