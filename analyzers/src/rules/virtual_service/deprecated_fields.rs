//! ## IST0002 Deprecated (Warning)
//!
//! **What it checks.** A fault's delay is given in `percent`.
//!
//! **Why it matters.** The field is an integer that was replaced long ago, and may go with any release.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: slow, namespace: shop}
//! spec: {hosts: [api.example.com], http: [{fault: {delay: {percent: 10, fixedDelay: 5s}}, directResponse: {status: 204}}]}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: VirtualService
//! metadata: {name: slow, namespace: shop}
//! spec: {hosts: [api.example.com], http: [{fault: {delay: {percentage: {value: 10}, fixedDelay: 5s}}, directResponse: {status: 204}}]}
//! ```

use crate::codes::IST0002;
use crate::rule::{Context, Sink};
use mesh_model::Kind;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.objects(Kind::VirtualService).iter().copied() {
        let mut delays = object.spec().into_iter().flat_map(|s| s.list("http")).filter_map(|rule| rule.at(&["fault", "delay", "percent"]));
        // One field, one finding: the first place shows it.
        if let Some(percent) = delays.find(|p| p.int().or_else(|| p.text().parse().ok()).is_some_and(|n| n > 0)) {
            let value = percent.text();
            sink.report(&IST0002, object, percent, format!("`percent: {value}` of a fault delay is deprecated"))
                .help(format!("write `percentage: {{value: {value}}}`"));
        }
    }
}
