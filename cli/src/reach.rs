//! Pods of a cluster as sources: which are meant, and the pages that their proxies show.

use crate::args::{DumpArgs, ReachArgs, SourceArgs, Way};
use crate::cluster::{self, Takes};
use crate::commands::proxy_config::Answer;
use crate::context::Context;
use crate::dump::{Found, Need, block_on, of_admin};
use crate::print::document::{Document, render};
use crate::status::Failure;
use crate::stdio;
use mesh_collectors::dumps::admin::{Method, sections_path};
use mesh_collectors::kube::Cluster;
use mesh_collectors::kube::pods::{self, Pod, ProxyKind, Target, TargetKind};
use mesh_collectors::kube::reach::{Ask, InView, Reach, Reached, Unreachable, Unreached, Via};
use mesh_envoy::identify::Content;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every workload that has a proxy, or once had one, has this label.
pub const WITH_PROXY: &str = "service.istio.io/canonical-name";

/// Proxies that one command reads at most.
pub const MOST: usize = 20;
/// Names that an error lists.
const LISTED: usize = 10;

/// A connection by which proxies are reached, for a command that takes other sources too.
pub async fn connect(args: &ReachArgs, context_name: Option<&str>) -> Result<Reach, Failure> {
    connect_for(Takes::KubeconfigAndSources, args, context_name).await
}

/// The same for a command that takes what is said.
pub async fn connect_for(takes: Takes, args: &ReachArgs, context_name: Option<&str>) -> Result<Reach, Failure> {
    let mut options = cluster::options(&args.connect)?;
    options.context = context_name.or(args.context.as_deref()).map(str::to_owned);
    let cluster = Cluster::connect(&options).await.map_err(|e| cluster::no_connection(e, takes))?;
    let ways = match args.via {
        None => Via::ALL.to_vec(),
        Some(Way::PortForward) => vec![Via::PortForward],
        Some(Way::Exec) => vec![Via::Exec],
        Some(Way::Istiod) => vec![Via::Istiod],
    };
    Ok(Reach { cluster, istio_namespace: args.istio_namespace.clone(), revision: args.revision.clone(), ways, port: args.proxy_admin_port })
}

/// What is asked of a proxy for a command.
pub fn ask(need: Need) -> Ask {
    let get = |path: String, expected: &[Content], in_view| Ask { method: Method::Get, path, expected: expected.to_vec(), in_view };
    match need {
        Need::Sections(kinds) => get(sections_path(kinds), &[Content::ConfigDump, Content::OtherJson], InView::Yes),
        Need::Whole => get("/config_dump?include_eds".to_owned(), &[Content::ConfigDump], InView::Yes),
        Need::Endpoints => get("/clusters?format=json".to_owned(), &[Content::Clusters], InView::Yes),
        Need::Ztunnel => get("/config_dump".to_owned(), &[Content::Ztunnel], InView::No),
        Need::Logging => Ask { method: Method::Post, ..get("/logging".to_owned(), &[Content::Logging], InView::No) },
    }
}

/// The pods of what a person typed, the best to ask first.
pub async fn named(reach: &Reach, text: &str, namespace: Option<&str>) -> Result<(Target, Vec<Pod>), Failure> {
    let target = Target::parse(text, namespace).map_err(Failure::usage)?;
    let found = pods::find(&reach.cluster, &target).await.map_err(|e| {
        let help = e.help().map_or_else(String::new, |h| format!("; {h}"));
        Failure::none(format!("cluster {}: {e}{help}", reach.cluster.name))
    })?;
    Ok((target, found))
}

/// The first pod of what a person typed that has a proxy.
pub async fn one(reach: &Reach, text: &str, namespace: Option<&str>) -> Result<Pod, Failure> {
    let (_, found) = named(reach, text, namespace).await?;
    let mut with_proxy = having(found, Kinds::Envoy, text)?;
    Ok(with_proxy.swap_remove(0))
}

/// The one proxy of which something is to be changed.
pub async fn only(reach: &Reach, args: &DumpArgs, need: Need) -> Result<Pod, Failure> {
    let (mut found, _) = which(reach, args, need).await?;
    match found.as_slice() {
        [_] => Ok(found.swap_remove(0)),
        several => Err(Failure::usage(format!(
            "one proxy at a time is changed; name one of {}",
            several.iter().map(Pod::full_name).take(LISTED).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Which proxies a page can be asked of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Envoy,
    Ztunnel,
    Any,
}

impl Kinds {
    fn of(need: Need) -> Kinds {
        match need {
            Need::Ztunnel => Kinds::Ztunnel,
            Need::Logging => Kinds::Any,
            Need::Sections(_) | Need::Whole | Need::Endpoints => Kinds::Envoy,
        }
    }
    fn has(self, kind: ProxyKind) -> bool {
        match self {
            Kinds::Envoy => kind == ProxyKind::Envoy,
            Kinds::Ztunnel => kind == ProxyKind::Ztunnel,
            Kinds::Any => true,
        }
    }
}

/// Those that have a proxy of the kind; without one there is nothing to ask.
fn having(found: Vec<Pod>, kinds: Kinds, what: &str) -> Result<Vec<Pod>, Failure> {
    let (fitting, others): (Vec<Pod>, Vec<Pod>) = found.into_iter().partition(|p| p.proxy().is_some_and(|kind| kinds.has(kind)));
    if !fitting.is_empty() {
        return Ok(fitting);
    }
    Err(Failure::none(match (kinds, others.first().and_then(Pod::proxy)) {
        (Kinds::Envoy, Some(ProxyKind::Ztunnel)) => format!("{what} is a ztunnel: `meshctl ztunnel-config` shows what it holds"),
        (Kinds::Ztunnel, _) => format!("{what} is no ztunnel"),
        (Kinds::Envoy | Kinds::Any, _) => {
            format!("{what} has no proxy: it has no container istio-proxy, so that it is not in the mesh or is captured by its node's ztunnel")
        }
    }))
}

/// The pods that a command asks, and what is left out.
async fn which(reach: &Reach, args: &DumpArgs, need: Need) -> Result<(Vec<Pod>, Vec<String>), Failure> {
    let kinds = Kinds::of(need);
    let namespace = args.source.namespace.as_deref();
    let select = async |namespace: &str, selector: &str| {
        let found = pods::select(&reach.cluster, Some(namespace), selector).await;
        found.map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))
    };
    let found = match (&args.pod, &args.which.selector) {
        (Some(text), _) => {
            let (target, found) = named(reach, text, namespace).await?;
            let mut found = having(found, kinds, text)?;
            if target.kind != TargetKind::Pod && !args.which.all_pods {
                found.truncate(1);
            }
            found
        }
        (None, Some(selector)) => {
            let namespace = namespace.unwrap_or(&reach.cluster.namespace);
            let found = select(namespace, selector).await?;
            if found.is_empty() {
                return Err(Failure::none(format!("no pod in {namespace} has the labels {selector}; -n names another namespace")));
            }
            let found = having(found, kinds, &format!("-l {selector}"))?;
            if args.which.all_pods { found } else { pods::one_per_workload(found) }
        }
        (None, None) => {
            let mut found = select(&reach.istio_namespace, "app=ztunnel").await?;
            if found.is_empty() {
                return Err(Failure::none(format!("no ztunnel runs in {}", reach.istio_namespace)));
            }
            if let Some(node) = &args.which.node {
                let nodes: BTreeSet<String> = found.iter().map(|p| p.node.clone()).filter(|n| !n.is_empty()).collect();
                found.retain(|p| p.node == *node);
                if found.is_empty() {
                    let nodes: Vec<String> = nodes.into_iter().collect();
                    return Err(Failure::none(format!("no ztunnel runs on the node {node}; there is one on {}", nodes.join(", "))));
                }
            }
            found.truncate(1);
            found
        }
    };
    Ok(limited(found))
}

/// So many as a command asks, and what is left out.
fn limited(mut found: Vec<Pod>) -> (Vec<Pod>, Vec<String>) {
    let mut left_out = Vec::new();
    if found.len() > MOST {
        left_out.push(format!(
            "{} of {} pods are not asked: a command asks {MOST} at most; select fewer with -l, or name one",
            found.len() - MOST,
            found.len()
        ));
        found.truncate(MOST);
    }
    (found, left_out)
}

/// Says what several proxies are asked for, and on a terminal asks whether to.
fn announce(found: &[Pod], args: &DumpArgs, context: &Context) -> Result<(), Failure> {
    if found.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = found.iter().map(Pod::full_name).collect();
    let text = format!("asks {} proxies: {}", found.len(), names.join(", "));
    // A watch has asked the first time.
    if args.which.yes || args.watch.is_some() || !stdio::can_confirm() {
        context.note(&text);
        return Ok(());
    }
    if stdio::confirm(&format!("{text}. Go on?")) { Ok(()) } else { Err(Failure::none("nothing was asked")) }
}

/// The answer from every proxy that is meant. `answer` makes it of what one shows.
pub fn answers(
    context_name: Option<&str>,
    args: &DumpArgs,
    need: Need,
    context: &Context,
    answer: &dyn Fn(Found) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    if args.pod.is_none() && args.which.selector.is_none() && args.which.node.is_none() && need != Need::Ztunnel {
        return Err(Failure::usage(
            "which proxy? Name a pod of the current cluster (NAME, NAME.NAMESPACE, deployment/NAME) or select some with -l LABELS; \
             or give a source with --from: a dump, `-`, a folder, a bug report, http://host:15000 or unix:PATH",
        ));
    }
    let (reached, left_out) = block_on(async {
        let reach = connect(&args.source.reach, context_name).await?;
        let (found, left_out) = which(&reach, args, need).await?;
        announce(&found, args, context)?;
        Ok::<_, Failure>((all(&reach, found, &ask(need)).await, left_out))
    })??;
    let number = if reached.len() == 1 { Number::One } else { Number::Several };
    let mut parts = Vec::new();
    let mut failures = Vec::new();
    for (pod, page) in reached {
        let outcome = page.map_err(|e| failure(e, need)).and_then(|reached| {
            let (via, found) = found(reached, context, number);
            Ok((via, answer(found)?))
        });
        match outcome {
            Ok((via, answer)) => parts.push((pod, via, answer)),
            Err(failure) if number == Number::One => return Err(failure),
            Err(failure) => failures.push((pod, failure)),
        }
    }
    if let (true, Some((_, first))) = (parts.is_empty(), failures.first()) {
        let lines: Vec<String> = failures.iter().map(|(_, f)| f.to_string()).collect();
        return Err(match first {
            Failure::Input(_) => Failure::input(lines.join("\n")),
            _ => Failure::none(lines.join("\n")),
        });
    }
    let mut problems: Vec<String> = failures.into_iter().map(|(_, failure)| failure.to_string()).collect();
    problems.extend(left_out);
    Ok(together(parts, problems, args.output.as_deref(), number))
}

/// The pods that are meant and have a proxy, and what is left out.
pub async fn with_proxy(args: &DumpArgs, context: &Context) -> Result<(Cluster, Vec<Pod>, Vec<String>), Failure> {
    let reach = connect(&args.source.reach, None).await?;
    let (found, left_out) = which(&reach, args, Need::Whole).await?;
    announce(&found, args, context)?;
    Ok((reach.cluster, found, left_out))
}

/// The pods whose proxies are meant, and the way to them.
pub async fn proxies(context_name: Option<&str>, args: &DumpArgs, context: &Context) -> Result<(Reach, Vec<Pod>), Failure> {
    let reach = connect(&args.source.reach, context_name).await?;
    let (found, _) = which(&reach, args, Need::Whole).await?;
    announce(&found, args, context)?;
    Ok((reach, found))
}

/// Pages by the name of their pod.
pub type Pages = Vec<(String, Result<Reached, Unreachable>)>;

/// A page of every proxy that is meant, without a name one pod of each workload of the cluster; and what is left out.
pub fn fleet(context_name: Option<&str>, args: &DumpArgs, need: Need, context: &Context) -> Result<(Pages, Vec<String>), Failure> {
    block_on(async {
        let reach = connect(&args.source.reach, context_name).await?;
        let (found, left_out) = match (&args.pod, &args.which.selector) {
            (None, None) => {
                let found = pods::select(&reach.cluster, args.source.namespace.as_deref(), WITH_PROXY).await;
                let found = found
                    .map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))?;
                let runs = |p: &Pod| p.proxy() == Some(ProxyKind::Envoy) && p.phase == "Running" && !p.is_ending;
                let found: Vec<Pod> = found.into_iter().filter(runs).collect();
                limited(if args.which.all_pods { found } else { pods::one_per_workload(found) })
            }
            _ => which(&reach, args, need).await?,
        };
        announce(&found, args, context)?;
        // Certificates are the proxy's own: istiod does not know them.
        let own = Reach { ways: reach.ways.iter().copied().filter(|w| *w != Via::Istiod).collect(), ..reach };
        Ok::<_, Failure>((all(&own, found, &ask(need)).await, left_out))
    })?
}

/// Which pods of a cluster are asked where none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pods {
    OnePerWorkload,
    All,
}

/// Proxies of a cluster that are compared at most: what they hold is in memory at once.
const COMPARED: usize = 300;

/// What the proxies of a cluster hold themselves, in a namespace or everywhere; and what is left out.
pub fn held(context_name: Option<&str>, reach: &ReachArgs, namespace: Option<&str>, which: Pods, context: &Context) -> Result<(Pages, Vec<String>), Failure> {
    block_on(async {
        let reach = connect(reach, context_name).await?;
        let found = pods::select(&reach.cluster, namespace, WITH_PROXY).await;
        let found =
            found.map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))?;
        let runs = |p: &Pod| p.proxy() == Some(ProxyKind::Envoy) && p.phase == "Running" && !p.is_ending;
        let found: Vec<Pod> = found.into_iter().filter(runs).collect();
        let mut found = if which == Pods::All { found } else { pods::one_per_workload(found) };
        let mut left_out = Vec::new();
        if found.len() > COMPARED {
            left_out.push(format!("{} of {} proxies are not compared: {COMPARED} at most are; -n names a namespace", found.len() - COMPARED, found.len()));
            found.truncate(COMPARED);
        }
        context.note(&format!("asks {} proxies of {}", found.len(), reach.cluster.name));
        let mut own = reach;
        own.ways.retain(|w| *w != Via::Istiod);
        Ok::<_, Failure>((all(&own, found, &ask(Need::Whole)).await, left_out))
    })?
}

/// The page of the one proxy that is named.
pub fn page(text: &str, source: &SourceArgs, need: Need, context: &Context) -> Result<Found, Failure> {
    let reached = block_on(async {
        let reach = connect(&source.reach, None).await?;
        let pod = one(&reach, text, source.namespace.as_deref()).await?;
        reach.page(&pod, &ask(need)).await.map_err(|e| failure(e, need))
    })??;
    Ok(found(reached, context, Number::One).1)
}

/// A page of each pod, as many at once as the connection allows; in the order of the pods.
pub async fn all(reach: &Reach, found: Vec<Pod>, ask: &Ask) -> Vec<(String, Result<Reached, Unreachable>)> {
    let mut tasks = tokio::task::JoinSet::new();
    for (i, pod) in found.into_iter().enumerate() {
        let (reach, ask) = (reach.clone(), ask.clone());
        tasks.spawn(async move { (i, pod.full_name(), reach.page(&pod, &ask).await) });
    }
    let mut out = tasks.join_all().await;
    out.sort_by_key(|(i, ..)| *i);
    out.into_iter().map(|(_, name, page)| (name, page)).collect()
}

/// Whether one proxy answers, whose answer stands alone, or several.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    One,
    Several,
}

/// A page with what its way could not tell.
fn found(reached: Reached, context: &Context, number: Number) -> (Via, Found) {
    let name = reached.page.origin.clone();
    for (via, why) in &reached.in_vain {
        context.note(&format!("{name}: not by {}: {why}", via.word()));
    }
    if number == Number::One {
        context.note(&format!("{name} by {}", reached.via.word()));
    }
    let problems = reached.via.lacks().map(|lacks| format!("{name}: {lacks}")).into_iter().collect();
    (reached.via, Found { page: reached.page, problems })
}

/// Why a command has no answer, from why a proxy is not reached.
pub fn failure(error: Unreachable, need: Need) -> Failure {
    match error.ways.last() {
        Some((_, Unreached::Page(page))) if error.ways.len() == 1 => of_admin(page, need),
        _ => Failure::none(error.to_string()),
    }
}

/// The answers of several proxies in one: under a heading each, in one JSON document, as documents of YAML, or with a
/// column more.
fn together(mut parts: Vec<(String, Via, Answer)>, problems: Vec<String>, output: Option<&str>, number: Number) -> Answer {
    if number == Number::One
        && let Some((_, _, answer)) = parts.pop()
    {
        return answer.with(problems);
    }
    let mut all = problems;
    all.splice(0..0, parts.iter().flat_map(|(_, _, answer)| answer.problems.clone()));
    let text = match output {
        Some("json") => {
            let pods: Vec<Value> = parts
                .iter()
                .map(|(pod, via, answer)| json!({"pod": pod, "via": via.word(), "answer": serde_json::from_str(&answer.text).unwrap_or(Value::Null)}))
                .collect();
            render(&json!({"complete": all.is_empty(), "problems": all, "pods": pods}), Document::Json)
        }
        Some("yaml") => parts.iter().map(|(pod, via, answer)| format!("---\n# {pod} by {}\n{}", via.word(), answer.text)).collect(),
        Some("csv") => {
            parts.iter().enumerate().map(|(i, (pod, _, answer))| with_column(pod, &answer.text, if i == 0 { Header::Kept } else { Header::Dropped })).collect()
        }
        _ => parts.iter().map(|(pod, via, answer)| format!("{pod} by {}\n{}", via.word(), answer.text)).collect::<Vec<_>>().join("\n"),
    };
    Answer { text, problems: all }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Kept,
    Dropped,
}

/// CSV with the pod in front.
fn with_column(pod: &str, csv: &str, header: Header) -> String {
    let mut out = String::new();
    let mut rows = 0;
    let mut is_quoted = false;
    for line in csv.lines() {
        // A cell in quotes may go over several lines.
        if !is_quoted {
            rows += 1;
            if rows > 1 || header == Header::Kept {
                out.push_str(if rows == 1 { "POD," } else { "" });
                out.push_str(if rows == 1 { "" } else { pod });
                out.push_str(if rows == 1 { "" } else { "," });
            }
        }
        if rows > 1 || header == Header::Kept {
            out.push_str(line);
            out.push('\n');
        }
        is_quoted ^= line.bytes().filter(|b| *b == b'"').count() % 2 == 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_several_proxies_stand_together() {
        let parts = |text: &str| ["a.x", "b.x"].map(|pod| (pod.to_owned(), Via::Exec, Answer::whole(text.to_owned()))).into_iter().collect::<Vec<_>>();
        let csv = "NAME,WHY\nn,\"two\nlines\"\n";
        assert_eq!(together(parts(csv), Vec::new(), Some("csv"), Number::Several).text, "POD,NAME,WHY\na.x,n,\"two\nlines\"\nb.x,n,\"two\nlines\"\n");
        let answer = together(parts("[1]"), vec!["c.x is not reached".to_owned()], Some("json"), Number::Several);
        let value: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(value["pods"][1], json!({"pod": "b.x", "via": "exec", "answer": [1]}));
        assert_eq!((&value["complete"], answer.problems.len()), (&json!(false), 1));
        assert_eq!(together(parts("T\n"), Vec::new(), None, Number::Several).text, "a.x by exec\nT\n\nb.x by exec\nT\n");
    }
}
