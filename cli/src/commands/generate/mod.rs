//! `meshctl gen`: manifests for what people set up again and again, judged before they are printed.

mod breaker;
mod canary;
mod check;
mod object;
mod observed;
mod request;
mod rules;
mod subsets;
mod target;
mod telemetry;

pub use observed::{maker, services as observed_services};

use crate::args::generate::{Common, GenArgs, GenCommand, GenFormat};
use crate::context::Context;
use crate::mesh_input::{self, Input};
use crate::print::document::{Document, render};
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::term::safe;
use mesh_model::Snapshot;
use mesh_resolver::Mesh;
use mesh_resolver::plan::Change;
use mesh_resolver::translate::domain_of;
use serde_json::{Value, json};

/// What was made, and what is to be said of it.
#[derive(Default)]
struct Made {
    documents: Vec<Value>,
    notes: Vec<String>,
}

impl Made {
    fn yaml(&self) -> String {
        self.documents.iter().map(|d| render(d, Document::Yaml)).collect::<Vec<_>>().join("---\n")
    }
}

pub fn run(args: &GenArgs, context: &Context) -> Outcome {
    match &args.what {
        GenCommand::Canary(a) => make(&a.common, context, &|mesh| canary::make(a, mesh), &|_| false),
        GenCommand::Fault(a) => {
            let host = |mesh: &Mesh<'_>| target::find(&a.service, a.common.mesh.namespace.as_deref(), mesh).map(|t| t.host);
            let input = read(&a.common, context)?;
            let of = host(&mesh_of(&input.snapshot))?;
            // Requests to the service fail: that is what was asked for.
            give(&input, &a.common, context, &|mesh| request::fault(a, mesh), &|c| {
                c.facet.name() == "routes" && c.service.rsplit_once(':').is_some_and(|(h, _)| h == of)
            })
        }
        GenCommand::Timeout(a) => make(&a.common, context, &|mesh| request::timeout(a, mesh), &|_| false),
        GenCommand::Breaker(a) => make(&a.common, context, &|mesh| breaker::make(a, mesh), &|_| false),
        GenCommand::AccessLog(a) => make(&a.common, context, &|mesh| telemetry::access_log(a, mesh), &|_| false),
        GenCommand::Authz(a) => observed::authz::run(a, context),
        GenCommand::ServiceEntry(a) => observed::service_entry::run(a, context),
        GenCommand::Sidecar(a) => observed::sidecar::run(a, context),
        GenCommand::Telemetry(a) => make(&a.common, context, &|mesh| telemetry::telemetry(a, mesh), &|_| false),
    }
}

type Maker<'m> = dyn Fn(&Mesh<'_>) -> Result<Made, Failure> + 'm;

fn make(common: &Common, context: &Context, maker: &Maker<'_>, is_wanted: &dyn Fn(&Change) -> bool) -> Outcome {
    give(&read(common, context)?, common, context, maker, is_wanted)
}

/// What `-f` names; without it nothing is known of the mesh.
fn read(common: &Common, context: &Context) -> Result<Input, Failure> {
    if !common.mesh.from.is_empty() {
        return mesh_input::read(&common.mesh, context);
    }
    context.note("no mesh is named with -f: what is made is judged alone, and objects that it should be merged with are not known");
    Ok(Input { snapshot: Snapshot::new(), held: Vec::new(), dumps: Vec::new(), unreadable: Vec::new(), unseen: Vec::new(), gaps: Vec::new() })
}

fn mesh_of(snapshot: &Snapshot) -> Mesh<'_> {
    // Without any object there is a cluster all the same.
    let domain = if snapshot.objects.is_empty() { mesh_resolver::host::CLUSTER_DOMAIN } else { domain_of(snapshot) };
    Mesh::as_watched(snapshot, domain)
}

/// Makes, judges, and prints what is made or why it is refused.
fn give(input: &Input, common: &Common, context: &Context, maker: &Maker<'_>, is_wanted: &dyn Fn(&Change) -> bool) -> Outcome {
    let made = maker(&mesh_of(&input.snapshot))?;
    let text = made.yaml();
    let verdict = check::judge(&input.snapshot, &text, is_wanted);
    let problems: Vec<String> = input.problems().cloned().collect();
    made.notes.iter().chain(&problems).for_each(|n| context.note(&safe(n)));
    Ok(printed(&made, &text, &verdict, common.output, context)?.max(input.status(context)))
}

/// Prints what passed, or why it is refused.
fn printed(made: &Made, text: &str, verdict: &check::Verdict, format: GenFormat, context: &Context) -> Outcome {
    verdict.notes.iter().for_each(|n| context.note(&safe(n)));
    if !verdict.refusals.is_empty() {
        verdict.refusals.iter().for_each(|why| stdio::notes(&format!("refused: {}", safe(why))));
        return Ok(Status::NotFine);
    }
    let list = || render(&json!({"apiVersion": "v1", "kind": "List", "items": made.documents}), Document::Json);
    context.answer(&if format == GenFormat::Json { list() } else { text.to_owned() })?;
    Ok(Status::Fine)
}
