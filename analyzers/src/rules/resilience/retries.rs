//! ## MSH0201 RetriesDoNotFit (Warning)
//!
//! **What it checks.** A per-try time-out that is not below the route's time-out. (Where only the last tries do not fit, it
//! is told as Info.)
//!
//! **Why it matters.** The route's time-out ends the request before a try can time out and be retried.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - timeout: 2s
//!     retries: {attempts: 3, perTryTimeout: 5s}
//!     route: [{destination: {host: api.example.com}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: ServiceEntry
//! metadata: {name: api, namespace: shop}
//! spec: {hosts: [api.example.com], resolution: DNS, ports: [{number: 80, name: http, protocol: HTTP}]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: api, namespace: shop}
//! spec:
//!   hosts: [api.example.com]
//!   http:
//!   - timeout: 10s
//!     retries: {attempts: 3, perTryTimeout: 2s}
//!     route: [{destination: {host: api.example.com}}]
//! ```

use crate::codes::MSH0201;
use crate::finding::Level;
use crate::rule::{Context, Sink};
use crate::validation::duration;
use mesh_model::{Kind, Node, Object, Role};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for vs in cx.mesh.objects(Kind::VirtualService).iter().copied().filter(|v| v.role == Role::Judged) {
        for route in vs.spec().into_iter().flat_map(|s| s.list("http")) {
            check(sink, vs, route);
        }
    }
}

fn check<'a>(sink: &mut Sink<'a>, vs: &'a Object, route: Node<'a>) {
    let Some(retries) = route.get("retries") else { return };
    let attempts = retries.get("attempts").and_then(Node::int).unwrap_or(0);
    let (Some(total), Some(each)) = (duration::field(route, "timeout"), duration::field(retries, "perTryTimeout")) else { return };
    if attempts < 1 || total <= 0 || each <= 0 {
        return;
    }
    let (Some(total_at), Some(each_at)) = (route.get("timeout"), retries.get("perTryTimeout")) else { return };
    if each >= total {
        sink.report(
            &MSH0201,
            vs,
            each_at,
            format!("perTryTimeout {} never ends a try: the route's timeout of {} ends the request before", each_at.text(), total_at.text()),
        )
        .help(format!("give the route more time (more than {} for all tries), or each try less", each_at.text()))
        .related(vs, total_at, "the route's timeout");
    } else if each.saturating_mul(attempts + 1) > total {
        let fit = total / each;
        sink.report_at_level(
            Level::Info,
            &MSH0201,
            vs,
            each_at,
            format!("{} tries of {} do not fit into the timeout of {}: at most {fit} can use their time", attempts + 1, each_at.text(), total_at.text()),
        )
        .related(vs, total_at, "the route's timeout");
    }
}
