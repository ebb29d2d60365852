//! Traces as JSON.

use mesh_model::traces::{Dropped, Trace, critical_path, dropped, self_times, summary};
use serde_json::{Value, json};

pub fn value(traces: &[Trace], problems: &[String]) -> Value {
    let places: Vec<Value> = summary(traces)
        .iter()
        .map(|p| {
            json!({
                "service": p.service, "operation": p.operation, "side": p.kind.word(), "spans": p.spans, "errors": p.errors,
                "onCriticalPathMicros": p.on_path, "selfMicros": p.own, "p50Micros": p.quantile(0.5), "p95Micros": p.quantile(0.95),
            })
        })
        .collect();
    json!({
        "complete": problems.is_empty(),
        "problems": problems,
        "traces": traces.iter().map(trace).collect::<Vec<_>>(),
        "summary": places,
        "dropped": dropped(traces).iter().map(of_dropped).collect::<Vec<_>>(),
    })
}

fn of_dropped(d: &Dropped) -> Value {
    json!({
        "service": d.service, "namespace": d.namespace, "canonicalService": d.canonical, "canonicalRevision": d.revision,
        "calls": d.calls, "begun": d.begun, "says": d.to_string(),
    })
}

fn trace(trace: &Trace) -> Value {
    let own = self_times(trace);
    let path = critical_path(trace);
    let spans: Vec<Value> = trace
        .spans
        .iter()
        .zip(own)
        .map(|(placed, own)| {
            let span = &placed.span;
            json!({
                "id": span.id, "parent": span.parent, "depth": placed.depth, "service": span.service, "operation": span.operation,
                "side": span.kind.word(), "startMicros": span.start, "durationMicros": span.duration, "selfMicros": own,
                "clockMovedMicros": placed.shift, "failed": span.is_error(), "status": span.status(), "flags": span.flags(),
                "workload": span.workload(), "tags": span.tags,
            })
        })
        .collect();
    json!({
        "id": trace.id,
        "startMicros": trace.start(),
        "durationMicros": trace.duration(),
        "errors": trace.errors(),
        "odd": trace.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "spans": spans,
        "criticalPath": path.iter().map(|s| json!({"span": trace.spans[s.span].span.id, "service": trace.spans[s.span].span.service, "fromMicros": s.from, "toMicros": s.to})).collect::<Vec<_>>(),
    })
}
