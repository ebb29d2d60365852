//! `meshctl plan`: which routes, permissions and encryption a change changes, and for whom.

use crate::args::plan::PlanArgs;
use crate::context::Context;
use crate::mesh_input::{self, Input};
use crate::near;
use crate::print::document::{Document, render};
use crate::status::{Failure, Outcome, Status};
use crate::term::safe;
use mesh_model::{Object, Role, Snapshot};
use mesh_resolver::Mesh;
use mesh_resolver::plan::{Change, Plan, compare};
use mesh_resolver::translate::{Model, domain_of};
use mesh_resolver::why::Why;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

pub fn run(args: &PlanArgs, context: &Context) -> Outcome {
    let format = match args.output.as_str() {
        "text" => None,
        "json" => Some(Document::Json),
        "yaml" => Some(Document::Yaml),
        other => return Err(Failure::usage(format!("-o takes text, json or yaml, not `{other}`"))),
    };
    let before = mesh_input::read(&args.mesh, context)?;
    let all: Vec<String> = args.mesh.from.iter().chain(&args.change).cloned().collect();
    let mut after = mesh_input::read_sources(&args.mesh, &all, context)?;
    check_change(args, &before, &after, context)?;
    for name in &args.delete {
        delete(&mut after.snapshot, name)?;
    }
    let old = Mesh::as_watched(&before.snapshot, domain_of(&before.snapshot));
    let new = Mesh::as_watched(&after.snapshot, domain_of(&after.snapshot));
    let (old, new) = (Model::supposing(&old), Model::supposing(&new));
    let plan = compare(&Why::new(&old, &[]), &Why::new(&new, &[]));
    let problems: Vec<String> =
        after.problems().cloned().chain(plan.is_cut.then(|| format!("too much to ask: the first {} requests were compared", plan.asked))).collect();
    context.answer(&match format {
        None => text(&plan),
        Some(document) => render(&object(&plan, &problems), document),
    })?;
    problems.iter().for_each(|p| context.note(&safe(p)));
    let own = match (plan.changes.iter().any(|c| c.is_worse), plan.not_judged.is_empty() && !plan.is_cut) {
        (true, _) => Status::NotFine,
        (false, false) => context.partial,
        (false, true) => Status::Fine,
    };
    Ok(own.max(after.status(context)))
}

/// A change of which nothing could be read changes nothing, and that would be no answer.
fn check_change(args: &PlanArgs, before: &Input, after: &Input, context: &Context) -> Result<(), Failure> {
    let known: BTreeSet<&str> = before.snapshot.objects.iter().map(|o| o.source().name()).collect();
    if args.change.is_empty() || after.snapshot.objects.iter().any(|o| !known.contains(o.source().name())) {
        return Ok(());
    }
    let new: Vec<&str> = after.unreadable.iter().filter(|p| !before.unreadable.contains(p)).map(String::as_str).collect();
    if !new.is_empty() {
        return Err(Failure::input(new.join("; ")));
    }
    if args.delete.is_empty() {
        context.note("the change holds no object beside those of -f");
    }
    Ok(())
}

fn delete(snapshot: &mut Snapshot, name: &str) -> Result<(), Failure> {
    let (kind, rest) = name.split_once(' ').ok_or_else(|| Failure::usage(format!("--delete takes `KIND [NAMESPACE/]NAME`, not `{name}`")))?;
    let is_kind = |o: &Object| o.kind_name().eq_ignore_ascii_case(kind);
    let is_meant = |o: &Object| {
        let here = |namespace: &str, own: &str| o.name() == own && (o.namespace() == namespace || o.namespace().is_empty());
        let (namespace, own) = rest.split_once('/').unwrap_or(("default", rest));
        // NAME.NAMESPACE, as istioctl writes it.
        is_kind(o) && (here(namespace, own) || rest.rsplit_once('.').is_some_and(|(own, namespace)| here(namespace, own)))
    };
    if snapshot.objects.iter().any(is_meant) {
        snapshot.objects.retain(|o| !is_meant(o));
        return Ok(());
    }
    let known: Vec<String> =
        snapshot.objects.iter().filter(|o| is_kind(o) && o.role != Role::Assumed).map(|o| format!("{}.{}", o.name(), o.namespace())).collect();
    let typed = rest.split_once('/').map_or_else(|| rest.to_owned(), |(namespace, own)| format!("{own}.{namespace}"));
    Err(Failure::usage(format!("--delete: the input holds no {name}; {}", near::meant(&typed, known, [""; 0]))))
}

/// How many clients are named in a line.
const NAMED: usize = 5;

fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for c in &plan.changes {
        let more = c.clients.len().checked_sub(NAMED).filter(|n| *n > 0).map_or_else(String::new, |n| format!(" and {n} more"));
        let who = format!("{}{more}", c.clients.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
        let mark = if c.is_worse { "worse: " } else { "" };
        let _ = writeln!(out, "{mark}{} of {} for {}", c.facet.name(), safe(&c.service), safe(&who));
        let _ = writeln!(out, "  {}", safe(&c.witness));
        let _ = writeln!(out, "  before  {}\n  after   {}", safe(&c.before), safe(&c.after));
        if let Some(t) = &c.thing {
            let by: Vec<&str> = [t.object.as_str(), &t.field].into_iter().filter(|part| !part.is_empty()).collect();
            let _ = writeln!(out, "  by      {}  {}", safe(&by.join(" ")), safe(&t.place));
        }
        out.push('\n');
    }
    plan.not_judged.iter().for_each(|n| _ = writeln!(out, "not judged: {}", safe(n)));
    let worse = plan.changes.iter().filter(|c| c.is_worse).count();
    let changes = plan.changes.len();
    let _ = writeln!(out, "{changes} change{}, {worse} for the worse; {} requests compared", if changes == 1 { "" } else { "s" }, plan.asked);
    out
}

fn object(plan: &Plan, problems: &[String]) -> Value {
    let change = |c: &Change| {
        json!({
            "what": c.facet.name(), "service": c.service, "witness": c.witness, "before": c.before, "after": c.after, "worse": c.is_worse,
            "by": c.thing.as_ref().map(|t| json!({"object": t.object, "field": t.field, "place": t.place})), "clients": c.clients,
        })
    };
    json!({
        "changes": plan.changes.iter().map(change).collect::<Vec<_>>(), "requests": plan.asked, "notJudged": plan.not_judged,
        "complete": problems.is_empty() && plan.not_judged.is_empty() && !plan.is_cut, "problems": problems,
    })
}
