//! `meshctl describe`: which configuration applies to a pod, a Service or a gateway, as the objects say it.

mod behind;
mod gateway;
mod held;
mod policies;
mod routes;
mod workload;

use crate::args::describe::DescribeArgs;
use crate::context::Context;
use crate::mesh_input;
use crate::near;
use crate::output::pretty;
use crate::print::time::{parse_rfc3339, rfc3339};
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::term::{safe, safe_json};
use mesh_collectors::kube::pods::{Target, TargetKind};
use mesh_model::{Kind, Object, Role};
use mesh_resolver::translate::domain_of;
use mesh_resolver::{InMesh, Mesh, Service, Workload};
use serde_json::json;
use std::collections::BTreeSet;

/// One thing that applies.
pub struct Fact {
    /// Under which heading.
    about: String,
    says: String,
    /// `DestinationRule bookinfo/reviews`; "" where no object says it.
    object: String,
    is_warning: bool,
}

/// What applies; objects are named with their clusters where there are several (names by [`Object::cluster`]).
#[derive(Default)]
pub struct Facts(Vec<Fact>, Vec<String>);

impl Facts {
    fn say(&mut self, about: &str, says: impl Into<String>) {
        self.0.push(Fact { about: about.to_owned(), says: says.into(), object: String::new(), is_warning: false });
    }
    fn of(&mut self, about: &str, object: &Object, says: impl Into<String>) {
        let cluster = self.1.get(object.cluster as usize).filter(|name| self.1.len() > 1 && !name.is_empty());
        let says = cluster.map_or_else(String::new, |c| format!("in cluster {c}: ")) + &says.into();
        self.0.push(Fact { about: about.to_owned(), says, object: object.origin(), is_warning: false });
    }
    fn push(&mut self, about: &str, object: String, says: impl Into<String>) {
        self.0.push(Fact { about: about.to_owned(), says: says.into(), object, is_warning: false });
    }
    /// The objects of which something is said under a heading.
    fn objects<'f>(&'f self, about: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |f| f.about == about && !f.object.is_empty()).map(|f| f.object.as_str())
    }
    fn warn(&mut self, about: &str, says: impl Into<String>) {
        self.0.push(Fact { about: about.to_owned(), says: says.into(), object: String::new(), is_warning: true });
    }
}

pub fn run(args: &DescribeArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o takes text or json, not `{}`", args.output)));
    }
    let subject = Subject::parse(&args.what.join("/"), args.mesh.namespace.as_deref())?;
    let mesh_args = args.mesh.or_current();
    let input = mesh_input::read(&mesh_args, context)?;
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let mut facts = Facts(Vec::new(), input.snapshot.clusters.clone());
    let name = match &subject {
        Subject::Gateway(target) => {
            let found = gateway(&mesh, target)?;
            gateway::describe(&mesh, found, &mut facts);
            found.origin()
        }
        Subject::Pods(target) if target.kind == TargetKind::Service => {
            let service = service(&mesh, target)?;
            let about = format!("Service {}/{}", service.namespace, service.object.name());
            workload::of_service(&mesh, service, None, &mut facts);
            behind::of_service(&mesh, service, &mut facts);
            about
        }
        Subject::Pods(target) => {
            let found = workload(&mesh, target)?;
            workload::of_workload(&mesh, found, &mut facts);
            if let (Kind::Pod, InMesh::Sidecar | InMesh::Gateway, Some(cluster)) = (found.object.kind, mesh.in_mesh(found), held::cluster(&mesh_args.from)) {
                held::of_pod(&format!("{}.{}", found.object.name(), found.namespace), &cluster, context, &mut facts);
            }
            format!("{} {}/{}", found.object.kind_name(), found.namespace, found.object.name())
        }
    };
    lately(&mesh, context.now, &mut facts);
    let problems: Vec<String> = input.problems().cloned().collect();
    let text = if args.output == "json" {
        let list: Vec<_> = facts
            .0
            .iter()
            .map(|f| json!({"about": f.about, "says": f.says, "object": f.object, "level": if f.is_warning { "warning" } else { "fact" }}))
            .collect();
        safe_json(pretty(&json!({"complete": problems.is_empty(), "problems": problems, "subject": name, "facts": list}), b"  "))
    } else {
        show(&name, &facts)
    };
    context.answer(&text)?;
    for problem in &problems {
        stdio::note(&format!("error: not seen: {problem}"));
    }
    Ok(Status::Fine.max(input.status(context)))
}

/// How long ago a change is worth a word, in seconds.
const LATELY: i64 = 24 * 3600;

/// What of all this was changed lately, and by whom; the newest first.
fn lately(mesh: &Mesh<'_>, now: i64, facts: &mut Facts) {
    let named: BTreeSet<&str> = facts.0.iter().map(|f| f.object.as_str()).filter(|o| !o.is_empty()).collect();
    let last = |o: &Object| o.edits().into_iter().filter_map(|e| Some((parse_rfc3339(e.at)?, e.by.to_owned()))).max();
    let all = mesh.snapshot.objects.iter().filter(|o| o.role != Role::Assumed).map(|o| (o.origin(), o));
    let mut changed: Vec<(i64, String, String)> =
        all.filter(|(origin, _)| named.contains(origin.as_str())).filter_map(|(origin, o)| last(o).map(|(at, by)| (at, origin, by))).collect();
    changed.retain(|(at, ..)| (0..LATELY).contains(&(now - at)));
    changed.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    for (at, origin, by) in changed {
        let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
        facts.push("changed within a day", origin, format!("{} min ago{by} ({})", (now - at) / 60, rfc3339(at)));
    }
}

/// What is described.
enum Subject {
    Pods(Target),
    /// A Gateway of Istio's or of the Gateway API; of the target only the name and the namespace count.
    Gateway(Target),
}

impl Subject {
    fn parse(text: &str, namespace: Option<&str>) -> Result<Subject, Failure> {
        let as_pods = |text: &str| Target::parse(text, namespace).map_err(Failure::usage);
        match text.split_once('/') {
            Some((kind, name)) if matches!(kind.to_ascii_lowercase().as_str(), "gateway" | "gateways" | "gw" | "gtw" | "waypoint") => {
                as_pods(&format!("service/{name}")).map(Subject::Gateway)
            }
            _ => as_pods(text).map(Subject::Pods),
        }
    }
}

fn gateway<'a>(mesh: &Mesh<'a>, target: &Target) -> Result<&'a Object, Failure> {
    let all = || [Kind::K8sGateway, Kind::Gateway].into_iter().flat_map(|k| mesh.objects_everywhere(k)).copied().filter(|o| o.role != Role::Assumed);
    let found: Vec<&'a Object> = all().filter(|o| fits(target, o)).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names = all().map(|o| format!("{}.{}", o.name(), o.namespace()));
            Err(Failure::none(format!("there is no gateway {}; {}", target.name, near::meant(&target.name, names, [""; 0]))))
        }
        // One of each kind may have the same name: the Gateway API's comes first, as Istio makes the other of it.
        [first, rest @ ..] if rest.iter().all(|o| o.namespace() == first.namespace()) => Ok(first),
        several => {
            let names: Vec<&str> = several.iter().map(|o| o.namespace()).collect();
            Err(Failure::usage(format!("there are several: name the namespace, one of {}", names.join(", "))))
        }
    }
}

/// `also` are names of other kinds, as they are typed.
fn no_such(target: &Target, names: Vec<String>, also: Vec<String>) -> Failure {
    let typed = target.namespace.as_ref().map_or_else(|| target.name.clone(), |ns| format!("{}.{ns}", target.name));
    Failure::none(format!("there is no {target}; {}", near::meant(&typed, names, also)))
}

fn fits(target: &Target, object: &Object) -> bool {
    object.name() == target.name && target.namespace.as_deref().is_none_or(|ns| object.namespace() == ns)
}

/// The one that is meant; of several in different namespaces none.
fn only<T>(found: Vec<&T>, namespace: impl Fn(&T) -> &str, none: impl FnOnce() -> Failure) -> Result<&T, Failure> {
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(none()),
        [first, rest @ ..] if rest.iter().all(|s| namespace(s) == namespace(first)) => Ok(first),
        several => Err(Failure::usage(format!(
            "there are several: name the namespace, one of {}",
            several.iter().map(|s| namespace(s)).collect::<Vec<_>>().join(", ")
        ))),
    }
}

fn service<'m, 'a>(mesh: &'m Mesh<'a>, target: &Target) -> Result<&'m Service<'a>, Failure> {
    let own = || mesh.services.all().iter().filter(|s| s.object.kind == Kind::Service && s.object.role != Role::Assumed);
    only(
        own().filter(|s| fits(target, s.object)).collect(),
        |s| s.namespace,
        || no_such(target, own().map(|s| format!("{}.{}", s.object.name(), s.namespace)).collect(), Vec::new()),
    )
}

fn workload<'m, 'a>(mesh: &'m Mesh<'a>, target: &Target) -> Result<&'m Workload<'a>, Failure> {
    let all = || mesh.workloads.all().iter().filter(|w| w.object.role != Role::Assumed);
    let is_meant = |w: &&Workload<'a>| match (target.kind, w.object.kind) {
        (TargetKind::Pod, Kind::Pod) => fits(target, w.object),
        // The pods of a cluster stand for what made them.
        (TargetKind::Pod, _) => false,
        (kind, Kind::Pod) => {
            let object = mesh.objects_everywhere(of(kind)).iter().find(|o| fits(target, o));
            let selector = object.map(|o| mesh_resolver::Selector::from_label_selector(o.spec_at(&["selector"])));
            object.is_some_and(|o| o.namespace() == w.namespace) && selector.is_some_and(|s| !s.is_empty() && s.matches(|key| w.label(key)))
        }
        (kind, own) => own == of(kind) && fits(target, w.object),
    };
    only(
        all().filter(is_meant).collect(),
        |w| w.namespace,
        || {
            let services = mesh.services.all().iter().filter(|s| s.object.kind == Kind::Service && s.object.role != Role::Assumed);
            let names = all().map(|w| format!("{}/{}.{}", w.object.kind_name(), w.object.name(), w.namespace)).collect();
            no_such(target, names, services.map(|s| format!("svc/{}.{}", s.object.name(), s.namespace)).collect())
        },
    )
}

fn of(kind: TargetKind) -> Kind {
    match kind {
        TargetKind::Pod => Kind::Pod,
        TargetKind::Service => Kind::Service,
        TargetKind::Deployment => Kind::Deployment,
        TargetKind::StatefulSet => Kind::StatefulSet,
        TargetKind::DaemonSet => Kind::DaemonSet,
        TargetKind::ReplicaSet => Kind::ReplicaSet,
        TargetKind::Job => Kind::Job,
    }
}

fn show(name: &str, facts: &Facts) -> String {
    let mut out = format!("{}\n", safe(name));
    // What is said of the thing itself needs no second title.
    let mut about = name;
    for fact in &facts.0 {
        if fact.about != about {
            about = &fact.about;
            out.push_str(&format!("{}\n", safe(about)));
        }
        let mark = if fact.is_warning { "▲ " } else { "" };
        let object = if fact.object.is_empty() { String::new() } else { format!("{}: ", fact.object) };
        out.push_str(&format!("  {mark}{}{}\n", safe(&object), safe(&fact.says)));
    }
    out
}
