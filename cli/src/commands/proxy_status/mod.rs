//! `meshctl proxy-status`: whether the proxies have what the control plane sent, and what differs.

mod cluster;
pub mod compare;
mod compare_all;
mod istioctl;
pub mod state;
pub mod table;

use crate::args::SourceArgs;
use crate::args::drift::DriftArgs;
use crate::args::mesh::MeshArgs;
use crate::args::proxy_status::ProxyStatusArgs;
use crate::args::snapshot::DiffArgs;
use crate::commands::drift;
use crate::commands::proxy_config::{Format, format};
use crate::context::{Compat, Context};
use crate::dump::{block_on, note_passed_over, pod, sources};
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
pub use cluster::WithProxy;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options, sections_path};
use mesh_collectors::dumps::{Dumps, Endpoint, Limits, PodName, Proxy, Source, Want, read_path, read_stream};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::Content;
pub use state::{State, SyncState, states};

pub fn run(args: &ProxyStatusArgs, context: &Context) -> Outcome {
    if args.drift {
        let mesh = MeshArgs { from: args.source.from.clone(), namespace: args.source.namespace.clone(), ..MeshArgs::default() };
        let output = args.output.as_deref().filter(|o| *o != "table").unwrap_or("text").to_owned();
        return drift::run(&DriftArgs { mesh, all_pods: args.all_pods, output, reach: args.source.reach.clone() }, context);
    }
    let format = format(args.output.as_deref().unwrap_or("table"))?;
    match args.what.as_slice() {
        [] => all(args, format, context),
        [one] => compare::with_control_plane(one, &args.source, format, context),
        [a, b, ..] => compare::two(a, b, &args.source, format, context),
    }
}

/// `meshctl snapshot diff A B`.
pub fn diff(args: &DiffArgs, context: &Context) -> Outcome {
    compare::two(&args.a, &args.b, &args.source, format(args.output.as_deref().unwrap_or("table"))?, context)
}

fn all(args: &ProxyStatusArgs, format: Format, context: &Context) -> Outcome {
    let sources = sources(&args.source)?;
    let (mut dumps, mut absent) = (Dumps::default(), Vec::new());
    let (mut silent, mut unseen) = (Vec::new(), Vec::new());
    for source in &sources {
        match source {
            Source::Cluster(name) => {
                let seen = cluster::fleet(&args.source, name.as_deref(), &WithProxy::Asked, context)?;
                dumps.merge(seen.dumps);
                absent.extend(seen.absent);
            }
            other => match read(std::slice::from_ref(other), None, &[Content::Syncz, Content::ConfigDump], Whole::No, &args.source) {
                Ok(found) => dumps.merge(found),
                Err(failure @ (Failure::Usage(_) | Failure::Closed)) => return Err(failure),
                // Of several sources one that does not answer costs its own line.
                Err(failure) if sources.len() > 1 => {
                    silent.extend(if let Source::Named(name, _) = other { Some(name.clone()) } else { None });
                    unseen.push(failure.to_string());
                }
                Err(failure) => return Err(failure),
            },
        }
    }
    if !unseen.is_empty() && unseen.len() == sources.len() {
        return Err(Failure::none(unseen.join("\n")));
    }
    note_passed_over(&dumps.proxies, &[Content::ConfigDump], context);
    let (mut states, mut problems) = state::states(&dumps);
    if context.compat == Compat::Meshctl {
        states.extend(absent);
        // A proxy that was named, that does not answer, and that no control plane knows of.
        let knows = dumps.control_planes.iter().any(|c| !c.pages.is_empty());
        silent.retain(|name| knows && !states.iter().any(|s| s.name == *name));
        states.extend(silent.into_iter().map(|name| State { name, is_absent: true, ..State::default() }));
        states.sort_by(|a, b| a.name.cmp(&b.name));
    }
    problems.append(&mut unseen);
    problems.extend(dumps.problems.iter().map(|(s, m)| format!("{s}: {m}")));
    if let Some(namespace) = &args.source.namespace {
        states.retain(|s| s.name.rsplit_once('.').is_some_and(|(_, ns)| ns == namespace));
    }
    if states.is_empty() {
        let why = if problems.is_empty() {
            "neither an answer of istiod's `/debug/syncz` nor a proxy's config dump is in it".to_owned()
        } else {
            problems.join("\n")
        };
        return Err(Failure::input(why));
    }
    let text = match (context.compat, format) {
        (Compat::Istioctl, Format::Document(as_)) => istioctl::document(&dumps, as_)?,
        (Compat::Istioctl, _) => istioctl::table(&states, args.verbosity),
        (Compat::Meshctl, Format::Document(as_)) => table::document(&states, &problems, as_, context),
        (Compat::Meshctl, _) => table::table(&states, format, context.now),
    };
    context.answer(&text)?;
    let is_fine = context.compat == Compat::Istioctl || states.iter().all(|s| s.is_fine());
    Ok(end(&problems, is_fine, context))
}

/// The states of a cluster's proxies by name, and what could not be seen.
pub fn fleet(place: &SourceArgs, with_proxy: &WithProxy<'_>, context: &Context) -> Result<(Vec<State>, Vec<String>), Failure> {
    let seen = cluster::fleet(place, place.reach.context.as_deref(), with_proxy, context)?;
    let (mut states, mut problems) = state::states(&seen.dumps);
    states.extend(seen.absent);
    problems.extend(seen.dumps.problems.iter().map(|(s, m)| format!("{s}: {m}")));
    Ok((states, problems))
}

/// What a cluster's istiods say of its proxies.
pub fn pages(place: &SourceArgs, context: &Context) -> Result<Dumps, Failure> {
    cluster::fleet(place, place.reach.context.as_deref(), &WithProxy::Asked, context).map(|seen| seen.dumps)
}

/// Says what was not seen, and how the answer weighs.
fn end(problems: &[String], is_fine: bool, context: &Context) -> Status {
    for problem in problems {
        stdio::note(&format!("error: not seen: {problem}"));
    }
    match (is_fine, problems.is_empty()) {
        (false, _) => Status::NotFine,
        (true, false) => context.partial,
        (true, true) => Status::Fine,
    }
}

/// Whether whole dumps are asked for, or only what shows states.
#[derive(Clone, Copy, PartialEq)]
enum Whole {
    No,
    Yes,
}

/// Reads all sources. A live source that does not answer is a problem, unless it is the only one.
fn read(sources: &[Source], pod: Option<&PodName>, contents: &[Content], whole: Whole, args: &SourceArgs) -> Result<Dumps, Failure> {
    let want = Want { pod, contents };
    let mut dumps = Dumps::default();
    for source in sources {
        match source {
            Source::Stdin => dumps.merge(read_stream("standard input", std::io::stdin().lock(), &want, Limits::default())),
            Source::Path(path) => dumps.merge(read_path(path, &want, Limits::default())),
            Source::Live(endpoint) | Source::Named(_, endpoint) => match block_on(live(endpoint, pod, whole))? {
                Ok(found) => dumps.merge(found),
                Err(e) if sources.len() == 1 => return Err(Failure::none(e.to_string())),
                Err(e) => dumps.problems.push((endpoint.to_string(), e.to_string())),
            },
            Source::Cluster(name) => {
                let pod = pod.ok_or_else(|| Failure::usage("which pods of the cluster are to be compared? Name them"))?;
                dumps.merge(cluster::both(args, name.as_deref(), pod)?);
            }
        }
    }
    Ok(dumps)
}

/// What shows the state of a proxy, without its routes and clusters being needed whole.
const STATES: &[SectionKind] =
    &[SectionKind::Bootstrap, SectionKind::Clusters, SectionKind::Listeners, SectionKind::Routes, SectionKind::Endpoints, SectionKind::Secrets];

/// istiod answers `/debug/…`, Envoy does not know that path.
async fn live(endpoint: &Endpoint, pod: Option<&PodName>, whole: Whole) -> Result<Dumps, AdminError> {
    let admin = Admin::new(endpoint, Options::default())?;
    let debug = match pod {
        None => admin.get("/debug/syncz", &[Content::Syncz, Content::OtherJson]).await,
        Some(pod) => admin.get(&format!("/debug/config_dump?proxyID={pod}"), &[Content::ConfigDump]).await,
    };
    let one = |name: String, is_known, page| vec![Proxy { name, is_known, pages: vec![page] }];
    match debug {
        Ok(page) => Ok(match pod {
            None => Dumps { control_planes: one(String::new(), false, page), ..Dumps::default() },
            Some(pod) => Dumps { views: one(pod.to_string(), false, page), ..Dumps::default() },
        }),
        Err(AdminError::Status { code: 404, .. }) => {
            let path = if whole == Whole::Yes { "/config_dump?include_eds".to_owned() } else { sections_path(STATES) };
            let page = admin.get(&path, &[Content::ConfigDump]).await?;
            let name = mesh_envoy::node::name_in(&page.text);
            Ok(Dumps { proxies: one(name.clone().unwrap_or_else(|| endpoint.to_string()), name.is_some(), page), ..Dumps::default() })
        }
        Err(e) => Err(e),
    }
}

/// The pod of an argument.
fn named(text: &str, args: &crate::args::SourceArgs) -> Result<PodName, Failure> {
    pod(Some(text), args)?.ok_or_else(|| Failure::usage("name a pod"))
}
