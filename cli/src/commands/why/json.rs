//! The answer as a value: `-o json`.

use mesh_resolver::why::{Answer, Miss, Outcome, Part, Step, Thing};
use serde_json::{Value, json};

pub fn value(a: &Answer) -> Value {
    json!({
        "from": a.from,
        "request": a.request,
        "verdict": a.mark().name(),
        "parts": a.parts.iter().filter(|p| !p.steps.is_empty()).map(part).collect::<Vec<_>>(),
        "outcomes": a.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "assumptions": a.assumptions,
        "complete": a.is_complete(),
        "problems": a.problems,
    })
}

fn part(p: &Part) -> Value {
    json!({"at": p.title, "also": p.also, "steps": p.steps.iter().map(step).collect::<Vec<_>>()})
}

fn step(s: &Step) -> Value {
    json!({
        "step": s.stage.name(),
        "mark": s.mark.name(),
        "says": s.says,
        "object": s.thing.as_ref().map(|t| t.object.as_str()),
        "field": s.thing.as_ref().map(|t| t.field.as_str()).filter(|f| !f.is_empty()),
        "place": s.thing.as_ref().map(place),
        "change": Some(s.change.as_str()).filter(|c| !c.is_empty()),
        "passedOver": s.misses.iter().map(miss).collect::<Vec<_>>(),
    })
}

fn place(t: &Thing) -> Option<&str> {
    Some(t.place.as_str()).filter(|p| !p.is_empty())
}

fn miss(m: &Miss) -> Value {
    json!({"name": m.name, "object": m.thing.as_ref().map(|t| t.object.as_str()), "place": m.thing.as_ref().map(place), "why": m.why})
}

fn outcome(o: &Outcome) -> Value {
    json!({
        "share": o.share as f64 / 1e6, "cluster": o.cluster, "server": o.server, "mark": o.mark.name(), "says": o.says,
        "status": o.status, "flags": o.flags, "details": o.details,
    })
}
