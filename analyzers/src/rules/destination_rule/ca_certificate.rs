//! ## IST0128 NoServerCertificateVerificationDestinationLevel (Warning)
//!
//! **What it checks.** A DestinationRule originates TLS (`SIMPLE` or `MUTUAL`) and names no CA: neither
//! `caCertificates`, nor a `credentialName` that a `workloadSelector` makes usable in sidecars.
//!
//! **Why it matters.** Without a CA of its own the server is verified against the system's CAs, or, in older releases,
//! not at all: anyone in between can pose as the server.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: db, namespace: shop}
//! spec: {host: db.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: db, namespace: shop}
//! spec: {host: db.example.com, trafficPolicy: {tls: {mode: SIMPLE, caCertificates: /etc/ssl/certs/ca-certificates.crt}}}
//! ```
//!
//! ## IST0129 NoServerCertificateVerificationPortLevel (Warning)
//!
//! **What it checks.** The same for the TLS settings of one port.
//!
//! **Why it matters.** As above: the server's identity is not verified against a CA that was chosen for it.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: db, namespace: shop}
//! spec: {host: db.example.com, trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: DestinationRule
//! metadata: {name: db, namespace: shop}
//! spec:
//!   host: db.example.com
//!   trafficPolicy: {portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE, caCertificates: /etc/ssl/certs/ca-certificates.crt}}]}
//! ```

use crate::codes::{IST0128, IST0129};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    for object in cx.mesh.objects(Kind::DestinationRule).iter().copied() {
        let Some(policy) = object.spec_at(&["trafficPolicy"]) else { continue };
        let host = object.spec().map_or("", |s| s.text_of("host"));
        let selects = object.spec_at(&["workloadSelector"]).is_some();
        if let Some((mode, at)) = unverified(policy, selects) {
            sink.report(&IST0128, object, at, format!("TLS mode `{mode}` without `caCertificates`: no CA is set to verify `{host}` against"))
                .help("set `caCertificates`, such as `/etc/ssl/certs/ca-certificates.crt` for public CAs");
        }
        for settings in policy.list("portLevelSettings") {
            if let Some((mode, at)) = unverified(settings, selects) {
                let port = settings.get("port").map_or("", |p| p.text_of("number"));
                sink.report(
                    &IST0129,
                    object,
                    at,
                    format!("TLS mode `{mode}` for port `{port}` without `caCertificates`: no CA is set to verify `{host}` against"),
                )
                .help("set `caCertificates`, such as `/etc/ssl/certs/ca-certificates.crt` for public CAs");
            }
        }
    }
}

fn unverified(policy: Node<'_>, selects: bool) -> Option<(&str, Node<'_>)> {
    let tls = policy.get("tls")?;
    let mode = tls.get("mode").filter(|m| matches!(m.text(), "SIMPLE" | "MUTUAL"))?;
    let named = !tls.text_of("caCertificates").is_empty() || (selects && !tls.text_of("credentialName").is_empty());
    (!named).then_some((mode.text(), mode))
}
