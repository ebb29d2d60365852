//! A request's way as a value: `-o json`.

use super::{Way, object, policy};
use mesh_envoy::engine::pick::UpstreamTransport;
use mesh_envoy::engine::walk::{Branch, End, Step};
use serde_json::{Value, json};

pub fn value(way: &Way) -> Value {
    let ends = || way.told.iter().flat_map(|t| &t.verdict.branches);
    let complete = way.problems.is_empty() && !ends().any(|b| matches!(b.end, End::UpTo(_)));
    let proxies: Vec<Value> = way
        .told
        .iter()
        .map(|t| {
            json!({
                "proxy": t.proxy,
                "steps": t.verdict.steps.iter().map(step).collect::<Vec<_>>(),
                "outcomes": t.verdict.branches.iter().map(branch).collect::<Vec<_>>(),
                "assumptions": t.verdict.assumptions,
            })
        })
        .collect();
    json!({"request": way.request, "proxies": proxies, "assumptions": way.assumptions, "complete": complete, "problems": way.problems})
}

fn step(s: &Step) -> Value {
    let passed: Vec<Value> = s.passed.iter().map(|p| json!({"name": policy(&p.candidate.name), "object": object(&p.candidate.source), "why": p.why})).collect();
    json!({"step": s.kind.name(), "name": s.name, "object": object(&s.source), "note": s.note, "passedOver": passed})
}

fn branch(b: &Branch) -> Value {
    let endpoints: Vec<Value> = b.endpoints.iter().map(|(address, share)| json!({"address": address, "share": *share as f64 / 1e6})).collect();
    let tls = b.transport.as_ref().map(|t| match t {
        UpstreamTransport::Plaintext => "plaintext".to_owned(),
        UpstreamTransport::Tls { presents_certificate: true, .. } => "mutual TLS".to_owned(),
        UpstreamTransport::Tls { .. } => "TLS".to_owned(),
        UpstreamTransport::Other(name) => name.to_string(),
    });
    let mut out = json!({"share": b.share as f64 / 1e6, "cluster": b.cluster, "object": object(&b.source), "endpoints": endpoints, "transport": tls});
    let (end, more) = match &b.end {
        End::Forwarded => ("forwarded", json!({})),
        End::Replied(r) => ("replied", json!({"status": r.status, "flags": r.flags.join(","), "details": r.details, "location": r.location})),
        End::Closed { why, flag, details } => ("closed", json!({"why": why, "flags": flag, "details": details})),
        End::UpTo(u) => ("unknown", json!({"path": u.path, "why": u.what})),
    };
    if let (Value::Object(out), Value::Object(more)) = (&mut out, more) {
        out.insert("end".to_owned(), end.into());
        out.extend(more);
    }
    out
}
