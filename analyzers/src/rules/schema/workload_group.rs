//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A WorkloadGroup that Istio refuses: no template, a probe without a method or with values that can't
//! be.
//!
//! **Why it matters.** The object never takes effect: machines of the group cannot join.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadGroup
//! metadata: {name: vms, namespace: shop}
//! spec:
//!   template: {serviceAccount: vm}
//!   probe: {httpGet: {port: 0}}
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: networking.istio.io/v1
//! kind: WorkloadGroup
//! metadata: {name: vms, namespace: shop}
//! spec:
//!   template: {serviceAccount: vm}
//!   probe: {httpGet: {port: 8080}}
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, each, fields, http, int, labels, message, net, text};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::WorkloadGroup, |checks, spec| {
        if spec.get("template").is_none() {
            checks.error(spec, "a WorkloadGroup has no `template`");
            return;
        }
        if let Some(bad) = message(spec, "metadata").and_then(first_bad_label) {
            checks.error(bad.0, bad.1);
            return;
        }
        if let Some(probe) = message(spec, "probe") {
            check_probe(checks, probe);
        }
    });
}

fn first_bad_label(metadata: Node<'_>) -> Option<(Node<'_>, String)> {
    fields::string_map(metadata, "labels").find_map(|(k, v, value)| {
        let key = labels::key(k.text()).err().map(|e| (k, e));
        key.or_else(|| labels::value(value).err().map(|e| (v, e)))
    })
}

fn check_probe<'a>(checks: &mut Checks<'a, '_>, probe: Node<'a>) {
    for field in ["periodSeconds", "initialDelaySeconds", "timeoutSeconds", "successThreshold", "failureThreshold"] {
        if int(probe, field).is_some_and(|n| n < 0) {
            checks.error(probe.get(field).unwrap_or(probe), format!("`{field}` of the probe is below zero"));
        }
    }
    let port = |checks: &mut Checks<'a, '_>, node: Node<'a>| {
        let at = node.get("port").unwrap_or(node);
        if at == node || at.int().is_some() {
            checks.valid(at, net::port(int(node, "port").unwrap_or(0)));
        }
    };
    if let Some(get) = message(probe, "httpGet") {
        port(checks, get);
        let scheme = text(get, "scheme");
        if !matches!(scheme, "" | "HTTP" | "HTTPS") {
            checks.error(get.get("scheme").unwrap_or(get), format!("scheme `{scheme}` of the probe is neither HTTP nor HTTPS"));
        }
        for header in get.list("httpHeaders") {
            if header.is_null() {
                checks.error(header, "a header of the probe is null");
            } else if header.is_mapping() {
                checks.valid(header.get("name").unwrap_or(header), http::probe_header_name(text(header, "name")));
            }
        }
    } else if let Some(socket) = message(probe, "tcpSocket") {
        port(checks, socket);
    } else if let Some(exec) = message(probe, "exec") {
        if exec.get("command").is_none_or(|c| c.is_empty()) {
            checks.error(exec, "`exec` of the probe has no `command`");
        }
    } else if let Some(grpc) = message(probe, "grpc") {
        checks.error(grpc, "the probe uses `grpc`, which the schema knows and Istio's validation refuses").help("use `httpGet`, `tcpSocket` or `exec`");
    } else {
        checks.error(probe, "the probe has none of `httpGet`, `tcpSocket` and `exec`");
    }
}
