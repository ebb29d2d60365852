//! The page that a command needs, from whatever sources are named.

use crate::args::{DumpArgs, SourceArgs};
use crate::commands::proxy_config::Answer;
use crate::context::{Compat, Context};
use crate::reach;
use crate::status::Failure;
use crate::term::safe;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options};
use mesh_collectors::dumps::{Choice, Dumps, Endpoint, Limits, Page, PodName, Proxy, Source, Want, read_path, read_stream};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::Content;
use std::future::Future;

/// What a command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Sections of Envoy's config dump.
    Sections(&'static [SectionKind]),
    /// The config dump as it is.
    Whole,
    /// The endpoints in use; those of a config dump do as well.
    Endpoints,
    Ztunnel,
    /// Log levels.
    Logging,
}

impl Need {
    fn contents(self) -> &'static [Content] {
        match self {
            Need::Sections(_) | Need::Whole => &[Content::ConfigDump],
            Need::Endpoints => &[Content::Clusters, Content::ConfigDump],
            Need::Ztunnel => &[Content::Ztunnel],
            Need::Logging => &[Content::Logging],
        }
    }
    /// What was expected, and how it is taken.
    pub fn wanted(self) -> &'static str {
        match self {
            Need::Sections(_) | Need::Whole => "an Envoy config dump; take one with `curl localhost:15000/config_dump?include_eds`",
            Need::Endpoints => "Envoy's endpoints; take them with `curl localhost:15000/clusters?format=json`",
            Need::Ztunnel => "a ztunnel config dump; take one with `curl localhost:15000/config_dump` in the ztunnel pod",
            Need::Logging => "a proxy's log levels; take them with `curl -X POST localhost:15000/logging`",
        }
    }
}

impl Need {
    /// The same, to who gave something else: manifests are answered from by other commands.
    pub fn instead_of(self, given: Content) -> String {
        let others = match given {
            Content::Kubernetes => "; from manifests `meshctl why FROM URL`, `authz who-can`, `mtls` and `describe` answer",
            _ => "",
        };
        format!("{}{others}", self.wanted())
    }
}

/// A page, and what could not be read beside it.
pub struct Found {
    pub page: Page,
    pub problems: Vec<String>,
}

/// Runs an exchange with a live source.
pub fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    Ok(runtime()?.block_on(future))
}

/// For exchanges that share a connection.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::none(format!("no runtime for network connections: {e}")))
}

/// The sources that are named, checked; without any the current cluster. Beside others no cluster is asked that is not
/// named as well.
pub fn sources(args: &SourceArgs) -> Result<Vec<Source>, Failure> {
    let mut sources =
        args.from.iter().map(|text| Source::parse(text).map_err(|e| Failure::usage(format!("--from {text}: {e}")))).collect::<Result<Vec<_>, _>>()?;
    let names_cluster = sources.iter().any(|s| matches!(s, Source::Cluster(_)));
    if !names_cluster && (sources.is_empty() || args.reach.context.is_some()) {
        sources.push(Source::Cluster(args.reach.context.clone()));
    }
    Ok(sources)
}

/// The pod that is named.
pub fn pod(text: Option<&str>, args: &SourceArgs) -> Result<Option<PodName>, Failure> {
    text.map(|text| PodName::parse(text, args.namespace.as_deref()).map_err(Failure::Usage)).transpose()
}

/// The answer from each proxy that is meant: `answer` makes it of the page that is needed.
pub fn answers(args: &DumpArgs, need: Need, context: &Context, answer: &dyn Fn(Found) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
    let sources = sources(&args.source)?;
    if let [Source::Cluster(name)] = sources.as_slice() {
        if let Some(pod) = args.pod.as_deref().filter(|pod| std::path::Path::new(pod).is_file() || pod.contains("://") || pod.starts_with("unix:")) {
            return Err(Failure::usage(format!("`{pod}` is no name of a pod; did you mean --from {pod}?")));
        }
        return reach::answers(name.as_deref(), args, need, context, answer);
    }
    if sources.iter().any(|s| matches!(s, Source::Cluster(_))) {
        return Err(Failure::usage("the state of a proxy is read from one place: a cluster (without --from, or --from kube:CONTEXT) or dumps, not both"));
    }
    if args.which.node.is_some() {
        return Err(Failure::usage("--node selects a ztunnel of a cluster; of dumps a proxy is named as POD"));
    }
    if args.which.selector.is_some() {
        return Err(Failure::usage("-l selects pods of a cluster; of dumps a proxy is named as POD"));
    }
    if context.compat == Compat::Istioctl
        && args.pod.is_some()
        && args.source.from.iter().all(|f| f == "-" || std::path::Path::new(f).is_file())
        && !is_archive(&args.source)
    {
        return Err(Failure::usage("istioctl takes either a pod or --file, not both"));
    }
    answer(find(&sources, pod(args.pod.as_deref(), &args.source)?.as_ref(), need, context)?)
}

/// The whole config dump of a proxy: of the one that a source holds, or of a pod.
pub fn whole(from: Option<&str>, pod: Option<&str>, source: &SourceArgs, context: &Context) -> Result<Found, Failure> {
    let Some(from) = from else {
        let pod = pod.ok_or_else(|| Failure::usage("which proxy? Give its dump with --from, or name a pod of the current cluster with --pod"))?;
        return reach::page(pod, source, Need::Whole, context);
    };
    let named = self::pod(pod, source)?;
    let source = Source::parse(from).map_err(|e| Failure::usage(format!("--from {from}: {e}")))?;
    if matches!(source, Source::Cluster(_)) {
        return Err(Failure::usage("a pod of a cluster is named with --pod, and its cluster with --context"));
    }
    find(&[source], named.as_ref(), Need::Whole, context)
}

fn find(sources: &[Source], pod: Option<&PodName>, need: Need, context: &Context) -> Result<Found, Failure> {
    let want = Want { pod, contents: need.contents() };
    let mut dumps = Dumps::default();
    let is_meant = |s: &&Source| !matches!((s, pod), (Source::Named(name, _), Some(pod)) if !pod.fits(name));
    let known: Vec<&String> = sources.iter().filter_map(|s| if let Source::Named(name, _) = s { Some(name) } else { None }).collect();
    if known.len() == sources.len() && known.len() > 1 {
        // Of many whose names are known none is asked in vain.
        let meant = sources.iter().filter(is_meant).count();
        let names: Vec<String> = known.iter().map(|n| (*n).clone()).collect();
        match (meant, pod) {
            (0, _) => return Err(no_choice(Choice::Other(names), &dumps, &[], need, pod)),
            (2.., _) => return Err(no_choice(Choice::Several(names), &dumps, &[], need, pod)),
            _ => {}
        }
    }
    for source in sources.iter().filter(is_meant) {
        dumps.merge(held(source, &want, &[need])?);
    }
    choose(dumps, need, pod, context)
}

/// What a proxy's state is read from: its configuration, and the endpoints in use.
pub const STATE: &[Content] = &[Content::ConfigDump, Content::Clusters];

/// The state of every proxy that a source holds.
pub fn proxies(source: &Source) -> Result<Dumps, Failure> {
    held(source, &Want { pod: None, contents: STATE }, &[Need::Whole, Need::Endpoints])
}

/// The same, and what control planes say of their proxies.
pub fn proxies_and_sync(source: &Source) -> Result<Dumps, Failure> {
    held(source, &Want { pod: None, contents: &[Content::ConfigDump, Content::Clusters, Content::Syncz] }, &[Need::Whole, Need::Endpoints])
}

/// What a source holds; of a live one the pages that are needed. One of them is enough, the others are problems then.
fn held(source: &Source, want: &Want<'_>, needs: &[Need]) -> Result<Dumps, Failure> {
    let (endpoint, known) = match source {
        Source::Stdin => return Ok(read_stream("standard input", std::io::stdin().lock(), want, Limits::default())),
        Source::Path(path) => return Ok(read_path(path, want, Limits::default())),
        Source::Live(endpoint) => (endpoint, None),
        Source::Named(name, endpoint) => (endpoint, Some(name)),
        Source::Cluster(_) => return Err(Failure::usage("the proxies of a cluster are asked one by one: name a pod")),
    };
    let mut pages = Vec::new();
    let mut failures = Vec::new();
    let mut lacks_pages = false;
    for need in needs {
        match block_on(page(endpoint, *need, want.pod))? {
            Ok(page) => pages.push(page),
            Err(e) => {
                lacks_pages |= matches!(e, AdminError::Status { code: 404, .. });
                failures.push(of_admin(&e, *need));
            }
        }
    }
    // A control plane has no dump of its own, and tells of its proxies.
    if pages.is_empty()
        && lacks_pages
        && want.contents.contains(&Content::Syncz)
        && let Some(page) = block_on(syncz(endpoint))?
    {
        return Ok(Dumps { control_planes: vec![Proxy { name: String::new(), is_known: false, pages: vec![page] }], ..Dumps::default() });
    }
    match pages.first().map(|p| p.origin.clone()) {
        None => Err(failures.into_iter().next().unwrap_or_else(|| Failure::none(format!("{endpoint}: nothing was asked for")))),
        Some(name) => Ok(Dumps {
            proxies: vec![Proxy { name: known.cloned().unwrap_or(name), is_known: known.is_some(), pages }],
            problems: failures.iter().map(|f| (endpoint.to_string(), f.to_string())).collect(),
            ..Dumps::default()
        }),
    }
}

/// Whether a source may hold several proxies though it is a file.
fn is_archive(args: &SourceArgs) -> bool {
    args.from.iter().any(|f| f.ends_with(".gz") || f.ends_with(".tgz") || f.ends_with(".tar"))
}

fn choose(mut dumps: Dumps, need: Need, pod: Option<&PodName>, context: &Context) -> Result<Found, Failure> {
    let problems: Vec<String> = dumps.problems.iter().map(|(subject, message)| format!("{subject}: {message}")).collect();
    let wanted = need.contents();
    // What istiod would send is shown where nothing else is there.
    let mut list = std::mem::take(if dumps.proxies.is_empty() { &mut dumps.views } else { &mut dumps.proxies });
    let has = |p: &Proxy| p.page(wanted).is_some();
    if list.iter().any(has) {
        list.retain(has);
    }
    let chosen: *const Proxy = match Dumps::choose(&list, pod) {
        Ok(proxy) => proxy,
        Err(choice) => return Err(no_choice(choice, &dumps, &problems, need, pod)),
    };
    let at = list.iter().position(|p| std::ptr::eq(p, chosen)).unwrap_or_default();
    let proxy = list.swap_remove(at);
    note_passed_over(std::slice::from_ref(&proxy), wanted, context);
    let otherwise = match proxy.pages.as_slice() {
        [one] => format!("{}: this is {}, not {}", one.origin, one.content.describe(), need.instead_of(one.content)),
        several => {
            let held: Vec<&str> = several.iter().map(|p| p.content.describe()).collect();
            format!("of {} there is {}, and not {}", proxy.name, held.join(", "), need.wanted())
        }
    };
    proxy.into_page(wanted).map(|page| Found { page, problems }).ok_or(Failure::input(otherwise))
}

/// Says of each proxy which of its dumps counts, where there are several.
pub fn note_passed_over(proxies: &[Proxy], contents: &[Content], context: &Context) {
    proxies.iter().filter_map(|p| p.passed_over(contents)).for_each(|said| context.note(&safe(&said)));
}

/// Names of proxies that are listed at most.
const LISTED: usize = 30;

fn no_choice(choice: Choice, dumps: &Dumps, problems: &[String], need: Need, pod: Option<&PodName>) -> Failure {
    let list = |names: &[String]| {
        let more = names.len().saturating_sub(LISTED);
        let shown: Vec<String> = names.iter().take(LISTED).map(|n| format!("\n  {n}")).collect();
        format!("{}{}", shown.concat(), if more > 0 { format!("\n  and {more} more") } else { String::new() })
    };
    match choice {
        Choice::Several(names) => Failure::usage(format!("there are several proxies; name one as POD:{}", list(&names))),
        Choice::Other(names) => {
            let pod = pod.map(ToString::to_string).unwrap_or_default();
            Failure::none(format!("there is nothing of {pod}; there is:{}", list(&names)))
        }
        Choice::Empty if !problems.is_empty() => Failure::input(problems.join("\n")),
        Choice::Empty => {
            let istiod = dumps.control_planes.iter().flat_map(|c| &c.pages).next();
            Failure::input(match istiod {
                Some(page) => format!("{}: this is {}, not {}", page.origin, page.content.describe(), need.instead_of(page.content)),
                None => format!("no page of a proxy is in it; expected is {}", need.wanted()),
            })
        }
    }
}

/// What a control plane says of its proxies.
async fn syncz(endpoint: &Endpoint) -> Option<Page> {
    let page = Admin::new(endpoint, Options::default()).ok()?.get("/debug/syncz", &[Content::Syncz, Content::OtherJson]).await.ok()?;
    Some(Page { content: Content::Syncz, ..page })
}

/// A page of a live source.
async fn page(endpoint: &Endpoint, need: Need, pod: Option<&PodName>) -> Result<Page, AdminError> {
    let admin = Admin::new(endpoint, Options::default())?;
    let answer = match need {
        Need::Sections(kinds) => admin.sections(kinds).await,
        Need::Whole => admin.get("/config_dump?include_eds", &[Content::ConfigDump]).await,
        Need::Endpoints => admin.get("/clusters?format=json", &[Content::Clusters]).await,
        Need::Ztunnel => admin.get("/config_dump", &[Content::Ztunnel]).await,
        Need::Logging => admin.post("/logging", &[Content::Logging]).await,
    };
    match (answer, pod) {
        // istiod has no such page, but knows what it would send to a proxy.
        (Err(AdminError::Status { code: 404, .. }), Some(pod)) if matches!(need, Need::Sections(_) | Need::Whole) => {
            admin.get(&format!("/debug/config_dump?proxyID={pod}"), &[Content::ConfigDump]).await
        }
        (answer, _) => answer,
    }
}

pub fn of_admin(error: &AdminError, need: Need) -> Failure {
    match error {
        AdminError::Status { says, .. } if says.starts_with("FieldMask") => Failure::none(format!("the proxy holds none of this: {error}")),
        AdminError::Unreachable { .. } | AdminError::Status { .. } => Failure::none(error.to_string()),
        AdminError::Other { .. } => Failure::input(format!("{error}, not {}", need.wanted())),
        AdminError::TooLarge { .. } | AdminError::NotText { .. } => Failure::input(error.to_string()),
    }
}
