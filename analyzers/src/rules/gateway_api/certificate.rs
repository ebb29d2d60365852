//! ## MSH0408 ListenerCredential (Error)
//!
//! **What it checks.** What the TLS settings of a Gateway and of its listeners refer to is there: the Secret of each
//! certificate, with a certificate and a key that can be read and are valid now, and the ConfigMap or Secret of each CA.
//! Secrets that cert-manager, External Secrets or Sealed Secrets make count as there. What a Secret holds is never shown.
//!
//! **Why it matters.** A listener without a valid certificate accepts no connection.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: wildcard}]}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: cert-manager.io/v1
//! kind: Certificate
//! metadata: {name: wildcard, namespace: edge}
//! spec: {secretName: wildcard, dnsNames: ["*.example.com"], issuerRef: {name: public}}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: wildcard}]}}
//! ```
//!
//! ## MSH0405 ReferenceNotGranted (Error)
//!
//! **What it checks.** A ReferenceGrant of the other namespace allows a Gateway to use a certificate there.
//!
//! **Why it matters.** The listener has no certificate and accepts no connection.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: wildcard, namespace: certificates}]}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: v1
//! kind: Namespace
//! metadata: {name: edge}
//! ---
//! apiVersion: v1
//! kind: Secret
//! metadata: {name: wildcard, namespace: certificates}
//! data: {tls.crt: "ENC[AES256_GCM,data:x]", tls.key: "ENC[AES256_GCM,data:x]"}
//! ---
//! apiVersion: gateway.networking.k8s.io/v1beta1
//! kind: ReferenceGrant
//! metadata: {name: edge, namespace: certificates}
//! spec:
//!   from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: edge}]
//!   to: [{group: "", kind: Secret}]
//! ---
//! apiVersion: gateway.networking.k8s.io/v1
//! kind: Gateway
//! metadata: {name: public, namespace: edge}
//! spec:
//!   gatewayClassName: istio
//!   listeners:
//!   - {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: wildcard, namespace: certificates}]}}
//! ```

use super::listeners::listeners_of;
use super::refs::{Grants, Ref};
use crate::codes::MSH0408;
use crate::reference::{Missing, missing};
use crate::rule::{Context, NotJudged, Sink};
use crate::rules::gateway::credential;
use mesh_model::{Kind, Node, Object, Role};
use mesh_resolver::Place;
use mesh_resolver::issued::Issued;

/// Settings of a Gateway's TLS that replace or need no certificate of their own.
const TERMINATE_MODE: &str = "gateway.istio.io/tls-terminate-mode";

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    let grants = Grants::new(cx);
    let issued = Issued::new(cx.mesh);
    for owner in [Kind::K8sGateway, Kind::ListenerSet, Kind::XListenerSet].iter().flat_map(|k| cx.mesh.objects(*k)).copied().filter(|o| o.role == Role::Judged)
    {
        for tls in listeners_of(owner).filter_map(|l| l.node.get("tls")) {
            let passed_through = tls.text_of("mode") == "Passthrough";
            let built_in = tls.at(&["options", TERMINATE_MODE]).is_some_and(|m| matches!(m.text(), "ISTIO_MUTUAL" | "ISTIO_SIMPLE"));
            if !passed_through && !built_in {
                tls.list("certificateRefs").for_each(|node| certificate(cx, sink, &grants, &issued, owner, node));
            }
            authorities(cx, sink, &grants, &issued, owner, tls.get("frontendValidation"));
        }
        let Some(tls) = owner.spec_at(&["tls"]) else { continue };
        if let Some(node) = tls.at(&["backend", "clientCertificateRef"]) {
            certificate(cx, sink, &grants, &issued, owner, node);
        }
        let frontend = tls.get("frontend");
        authorities(cx, sink, &grants, &issued, owner, frontend.and_then(|f| f.at(&["default", "validation"])));
        for port in frontend.into_iter().flat_map(|f| f.list("perPort")) {
            authorities(cx, sink, &grants, &issued, owner, port.at(&["tls", "validation"]));
        }
    }
}

const NO_CERTIFICATE: &str = "it has no certificate to show";
const NO_AUTHORITY: &str = "no client certificate can be verified";

fn certificate<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, grants: &Grants<'a>, issued: &Issued<'a>, owner: &'a Object, node: Node<'a>) {
    let Some(r) = Ref::new(node, "", "Secret", owner) else { return };
    if grants.denied(cx, sink, owner, &r, NO_CERTIFICATE) {
        return;
    }
    if r.known_kind() != Kind::Secret {
        sink.report(
            &MSH0408,
            owner,
            r.at("kind"),
            format!("a certificate is read from a Secret, not from {} `{}`: {NO_CERTIFICATE}", r.kind_of_group(), r.name),
        )
        .help("put certificate and key into a Secret of type `kubernetes.io/tls`");
        return;
    }
    let Some(secret) = find(cx, sink, issued, owner, &r, (Kind::Secret, NO_CERTIFICATE)) else { return };
    if let Some(fault) = credential::fault(secret, cx.mesh.snapshot.as_of) {
        sink.report(&MSH0408, owner, r.at("name"), format!("Secret `{}` is no valid TLS credential: {fault}", secret.full_name()))
            .help("replace the Secret with a valid certificate and its key (`kubectl create secret tls`)")
            .related(secret, secret.name_node(), "the Secret");
    }
}

fn authorities<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, grants: &Grants<'a>, issued: &Issued<'a>, owner: &'a Object, validation: Option<Node<'a>>) {
    for node in validation.into_iter().flat_map(|v| v.list("caCertificateRefs")) {
        let Some(r) = Ref::new(node, "", "ConfigMap", owner) else { continue };
        if grants.denied(cx, sink, owner, &r, NO_AUTHORITY) {
            continue;
        }
        let kind = r.known_kind();
        if !matches!(kind, Kind::Secret | Kind::ConfigMap) {
            sink.report(
                &MSH0408,
                owner,
                r.at("kind"),
                format!("a CA is read from a ConfigMap or a Secret, not from {} `{}`: {NO_AUTHORITY}", r.kind_of_group(), r.name),
            )
            .help("put the CA's certificate into a ConfigMap, under `ca.crt`");
            continue;
        }
        let Some(found) = find(cx, sink, issued, owner, &r, (kind, NO_AUTHORITY)) else { continue };
        let has = |key: &str| ["data", "stringData", "binaryData"].iter().any(|d| found.at(&[d, key]).is_some());
        if !has("ca.crt") && !has("cacert") {
            sink.report(&MSH0408, owner, r.at("name"), format!("{} `{}` has no `ca.crt`: {NO_AUTHORITY}", r.kind, r.name))
                .help("put the CA's certificate under the key `ca.crt`")
                .related(found, found.name_node(), "what is referred to");
        }
    }
}

fn find<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, issued: &Issued<'a>, owner: &'a Object, r: &Ref<'a>, (kind, effect): (Kind, &str)) -> Option<&'a Object> {
    let found = cx.mesh.find(kind, r.namespace, r.name);
    // cert-manager makes the Secrets of Gateways that have its annotations.
    let is_issued =
        || issued.has(kind, r.namespace, r.name) || (kind == Kind::Secret && owner.annotations().any(|(k, _)| k.text().starts_with("cert-manager.io/")));
    if found.is_none() && !is_issued() {
        let place = Place::Objects(kind, r.namespace);
        let m = Missing { code: &MSH0408, object: owner, at: r.at("name"), what: r.kind, value: r.name, place, reason: NotJudged::SecretOutside };
        let message = format!("{} `{}` does not exist in namespace `{}`: {effect}", r.kind, r.name, r.namespace);
        let before = sink.findings.len();
        missing(cx, sink, &m, message, cx.mesh.objects_in(kind, r.namespace).iter().map(|o| o.name()));
        if let Some(finding) = sink.findings.get_mut(before).filter(|f| f.code == &MSH0408 && f.help.is_none()) {
            finding.help(format!("create it in namespace `{}`", r.namespace));
        }
    }
    found
}
