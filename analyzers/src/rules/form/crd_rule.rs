//! ## MSH0506 CrdRule (Error)
//!
//! **What it checks.** The rules across fields that the custom resource definitions of Istio and of the Gateway API
//! carry: a filter whose type and settings disagree, listeners that repeat, a duration of zero.
//!
//! **Why it matters.** The API server refuses the object.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   rules:
//!   - filters:
//!     - type: RequestRedirect
//!       urlRewrite: {hostname: reviews.example.com}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: HTTPRoute
//! metadata: {name: reviews, namespace: shop}
//! spec:
//!   rules:
//!   - filters:
//!     - type: RequestRedirect
//!       requestRedirect: {hostname: reviews.example.com}
//! ```

use crate::codes::MSH0506;
use crate::rule::{Context, NotJudged, Sink};
use crate::schema::What;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for fault in &cx.faults {
        match &fault.what {
            What::Rule { message } => {
                sink.report(&MSH0506, fault.object, fault.at, message.clone()).help("change it so that the rule holds; the API server refuses it as it is");
            }
            What::RuleNotJudged => sink.not_judged(NotJudged::CrdRule),
            _ => {}
        }
    }
}
