//! ## IST0101 ReferencedResourceNotFound (Error)
//!
//! **What it checks.** The Secret of a server's `credentialName` exists, in the namespace of the workloads that the
//! Gateway selects (not in the Gateway's own).
//!
//! **Why it matters.** Without its certificate the server accepts no connection.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*"], port: {name: http, number: 80, protocol: HTTP}}]
//! ```
//!
//! **Good**
//!
//! cert-manager makes the Secret.
//!
//! ```yaml
//! apiVersion: cert-manager.io/v1
//! kind: Certificate
//! metadata: {name: wildcard, namespace: istio-system}
//! spec: {secretName: wildcard, dnsNames: [example.com]}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```
//!
//! ## IST0161 InvalidGatewayCredential (Error)
//!
//! **What it checks.** That Secret holds a certificate and a key (`tls.crt` and `tls.key`, or `cert` and `key`), and the
//! certificate can be read and is valid now. What the Secret holds is never shown.
//!
//! **Why it matters.** Without a valid certificate the server accepts no connection.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Secret
//! metadata: {name: wildcard, namespace: istio-system}
//! data: {tls.crt: aGVsbG8=, tls.key: aGVsbG8=}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Secret
//! metadata: {name: wildcard, namespace: istio-system}
//! data: {tls.crt: "ENC[AES256_GCM,data:x]", tls.key: "ENC[AES256_GCM,data:x]"}
//! ---
//! apiVersion: networking.istio.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   selector: {istio: ingressgateway}
//!   servers: [{hosts: ["*"], port: {name: https, number: 443, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: wildcard}}]
//! ```

use super::picked::{Cache, Picked, selector};
use crate::codes::{IST0101, IST0161};
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use crate::spelling;
use crate::validation::base64;
use mesh_envoy::certificate::{Certificate, first_block};
use mesh_model::{Kind, Node, Object, Timestamp};
use mesh_resolver::Place;
use mesh_resolver::issued::Issued;
use std::borrow::Cow;

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let mut cache = Cache::default();
    let issued = Issued::new(cx.mesh);
    for gateway in cx.mesh.objects(Kind::Gateway).iter().copied() {
        let names = gateway.spec().into_iter().flat_map(|s| s.list("servers")).filter_map(|s| s.get("tls")?.get("credentialName"));
        for name in names.filter(|n| !n.text().is_empty()) {
            let picked = cache.of(cx, &selector(gateway));
            if picked.only_assumed() && !cx.mesh.is_complete() {
                sink.not_judged(NotJudged::SecretOutside);
            } else if !picked.workloads.is_empty() {
                judge(cx, sink, gateway, name, &picked, &issued);
            }
        }
    }
}

fn judge<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, gateway: &'a Object, name: Node<'a>, picked: &Picked<'a>, issued: &Issued<'a>) {
    let text = name.text().strip_prefix("kubernetes://").unwrap_or(name.text());
    if text.contains("://") {
        return;
    }
    let (namespaces, secret) = match text.split_once('/') {
        Some((ns, secret)) => (vec![ns], secret),
        None => (picked.namespaces.clone(), text),
    };
    let found: Vec<&'a Object> = namespaces.iter().filter_map(|ns| cx.mesh.find(Kind::Secret, ns, secret)).collect();
    if found.is_empty() {
        if namespaces.iter().any(|ns| issued.has(Kind::Secret, ns, secret)) {
            return;
        }
        // A namespace that the input does not own leaves it open.
        let unowned = namespaces.iter().find(|ns| !cx.mesh.owns(gateway, Place::Objects(Kind::Secret, ns)));
        let Some(ns) = unowned.or(namespaces.first()) else { return };
        let place = Place::Objects(Kind::Secret, ns);
        let m = Missing { code: &IST0101, object: gateway, at: name, what: "secret", value: secret, place, reason: NotJudged::SecretOutside };
        let candidates = cx.mesh.objects_in(Kind::Secret, ns).iter().map(|s| s.name());
        let known = spelling::nearest(secret, candidates.clone()).is_some();
        let before = sink.findings.len();
        missing(
            cx,
            sink,
            &m,
            format!("secret `{secret}` does not exist in namespace `{ns}`, where the gateway's workloads are: the server has no certificate"),
            candidates,
        );
        if let Some(finding) = sink.findings.get_mut(before).filter(|f| f.code == &IST0101 && !known) {
            finding.help(match cx.mesh.find(Kind::Secret, gateway.namespace(), secret) {
                Some(_) => format!("it exists in namespace `{}`; it is read from that of the workloads", gateway.namespace()),
                None => format!("create it in namespace `{ns}`"),
            });
        }
        return;
    }
    for secret in found {
        if let Some(fault) = fault(secret, cx.mesh.snapshot.as_of) {
            sink.report(&IST0161, gateway, name, format!("secret `{}` is no valid TLS credential: {fault}", secret.full_name()))
                .help("replace the Secret with a valid certificate and its key (`kubectl create secret tls`)")
                .related(secret, secret.name_node(), "the secret");
        }
    }
}

/// What is wrong with a TLS secret; never any of its content.
pub(crate) fn fault(secret: &Object, now: Timestamp) -> Option<Cow<'static, str>> {
    let value = |key: &str| {
        let plain = secret.at(&["stringData", key]).map(|n| n.text().as_bytes().to_vec());
        plain.or_else(|| secret.at(&["data", key]).map(|n| base64::decode(n.text()).unwrap_or_default()))
    };
    let hidden = |key: &str| ["data", "stringData"].iter().filter_map(|d| secret.at(&[d, key])).any(|n| is_placeholder(n.text()));
    if ["tls.crt", "cert", "tls.key", "key"].iter().any(|k| hidden(k)) {
        return None;
    }
    let pair = |cert, key| Some((value(cert)?, value(key)?));
    let full = |p: &(Vec<u8>, Vec<u8>)| !p.0.is_empty() && !p.1.is_empty();
    let Some((certificate, _)) = pair("cert", "key").filter(full).or_else(|| pair("tls.crt", "tls.key").filter(full)) else {
        return Some("it has no certificate and key (`tls.crt` and `tls.key`, or `cert` and `key`)".into());
    };
    let Some(der) = first_block(&certificate) else { return Some("its certificate is not PEM".into()) };
    let Some(certificate) = Certificate::from_der(&der) else { return Some("its certificate can not be read".into()) };
    let (from, until) = (Timestamp(certificate.not_before), Timestamp(certificate.not_after));
    match now {
        // The time is not known.
        Timestamp(0) => None,
        now if now > until => Some(format!("its certificate expired on {}", until.date()).into()),
        now if now < from => Some(format!("its certificate is not valid before {}", from.date()).into()),
        _ => None,
    }
}

/// Encrypted (sops), or to be filled in later.
fn is_placeholder(text: &str) -> bool {
    text.starts_with("ENC[") || text.contains("${") || text.contains("{{") || text.starts_with('<')
}
