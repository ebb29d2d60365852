//! The states of a cluster's proxies: what its istiods say, and, of those that are not in order, what they say themselves.

use super::STATES;
use super::state::{self, State};
use crate::args::SourceArgs;
use crate::context::Context;
use crate::dump::{Need, block_on};
use crate::reach;
use crate::status::Failure;
use mesh_collectors::dumps::{Dumps, Page, PodName, Proxy};
use mesh_collectors::kube::pods::{self, Names, Pod, PodsError, ProxyKind, Target};
use mesh_collectors::kube::reach::{Reach, Via};
use mesh_envoy::identify::Content;
use std::collections::BTreeSet;

/// What was seen.
pub struct Seen {
    pub dumps: Dumps,
    /// Pods with a proxy that no istiod knows of.
    pub absent: Vec<State>,
}

/// Which pods have a proxy.
pub enum WithProxy<'w> {
    /// The cluster is asked, for as little as tells it.
    Asked,
    /// Their names (`NAME.NAMESPACE`): whoever asks has read all pods.
    Known(&'w BTreeSet<String>),
}

/// Asks every istiod for its proxies, and the proxies that are not in order for the reasons.
pub fn fleet(args: &SourceArgs, context_name: Option<&str>, with_proxy: &WithProxy<'_>, context: &Context) -> Result<Seen, Failure> {
    block_on(async {
        let reach = reach::connect(&args.reach, context_name).await?;
        let candidates = async {
            match with_proxy {
                WithProxy::Known(names) => Ok(Names { injected: (*names).clone(), others: BTreeSet::new() }),
                WithProxy::Asked => pods::running(&reach.cluster, args.namespace.as_deref(), reach::WITH_PROXY).await,
            }
        };
        let (candidates, syncs) = tokio::join!(candidates, syncs(&reach));
        let (mut dumps, is_whole) = syncs?;
        let known: BTreeSet<String> = state::states(&dumps).0.into_iter().map(|s| s.name).collect();
        let mut absent = Vec::new();
        match candidates {
            Err(error) => {
                dumps.problems.push((format!("cluster {}", reach.cluster.name), format!("pods that are connected to no istiod can't be told: {error}")))
            }
            // Another istiod may know them.
            Ok(_) if !is_whole || args.reach.revision.is_some() => {}
            Ok(candidates) => {
                let mut running: BTreeSet<String> = candidates.injected.difference(&known).cloned().collect();
                let others = candidates.others.difference(&known).cloned().collect();
                let (more, unseen) = with_a_proxy(&reach, others, args.namespace.as_deref()).await;
                running.extend(more);
                absent.extend(running.into_iter().map(|name| State { name, is_absent: true, ..State::default() }));
                dumps.problems.extend(unseen);
            }
        }
        reasons(&reach, &mut dumps, args, context).await;
        Ok(Seen { dumps, absent })
    })?
}

/// Those of some pods that run and have a proxy though the injector says nothing of it, and what could not be told: a few are asked
/// for by name, many by one list.
async fn with_a_proxy(reach: &Reach, names: BTreeSet<String>, namespace: Option<&str>) -> (BTreeSet<String>, Vec<(String, String)>) {
    let runs = |p: &Pod| p.proxy() == Some(ProxyKind::Envoy) && p.phase == "Running" && !p.is_ending;
    let mut out = BTreeSet::new();
    let mut unseen = Vec::new();
    if names.len() > reach::MOST {
        match pods::select(&reach.cluster, namespace, reach::WITH_PROXY).await {
            Ok(all) => out.extend(all.iter().filter(|p| names.contains(&p.full_name()) && runs(p)).map(Pod::full_name)),
            Err(error) => unseen.push((format!("cluster {}", reach.cluster.name), format!("pods that are connected to no istiod can't be told: {error}"))),
        }
        return (out, unseen);
    }
    for name in names {
        let Ok(target) = Target::parse(&name, None) else { continue };
        match pods::find(&reach.cluster, &target).await {
            Ok(found) => out.extend(found.iter().filter(|p| runs(p)).map(Pod::full_name)),
            // It is gone meanwhile.
            Err(PodsError::NoSuch(_) | PodsError::NoPods(_)) => {}
            Err(error) => unseen.push((name, format!("whether it is connected to an istiod can't be told: {error}"))),
        }
    }
    (out, unseen)
}

/// What each istiod says; whether all of them answered.
async fn syncs(reach: &Reach) -> Result<(Dumps, bool), Failure> {
    let istiods = reach
        .istiods()
        .await
        .map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))?;
    if istiods.is_empty() {
        let revision = reach.revision.as_ref().map_or_else(String::new, |r| format!(" of revision {r}"));
        return Err(Failure::none(format!(
            "no istiod{revision} runs in {} of cluster {}; -i names another namespace",
            reach.istio_namespace, reach.cluster.name
        )));
    }
    let mut tasks = tokio::task::JoinSet::new();
    for istiod in istiods {
        let reach = reach.clone();
        tasks.spawn(async move {
            let page = reach.istiod_page(&istiod, "/debug/syncz", &[Content::Syncz, Content::OtherJson]).await;
            (istiod.full_name(), page)
        });
    }
    let mut dumps = Dumps::default();
    let mut failures = Vec::new();
    for (name, page) in tasks.join_all().await {
        match page {
            Ok(page) => dumps.control_planes.push(Proxy { name, is_known: true, pages: vec![Page { content: Content::Syncz, ..page }] }),
            Err(error) => failures.push(error),
        }
    }
    dumps.control_planes.sort_by(|a, b| a.name.cmp(&b.name));
    if let (true, Some(first)) = (dumps.control_planes.is_empty(), failures.first()) {
        return Err(Failure::none(first.to_string()));
    }
    let is_whole = failures.is_empty();
    dumps.problems.extend(failures.into_iter().map(|e| (e.pod.clone(), e.to_string())));
    Ok((dumps, is_whole))
}

/// istiod's answer has no reasons of rejections: those that are not in order are asked, a few of them.
async fn reasons(reach: &Reach, dumps: &mut Dumps, args: &SourceArgs, context: &Context) {
    let (states, _) = state::states(dumps);
    let of_namespace = |name: &str| args.namespace.as_deref().is_none_or(|ns| name.rsplit_once('.').is_some_and(|(_, n)| n == ns));
    let mut names: Vec<String> = states.into_iter().filter(|s| !s.is_fine() && of_namespace(&s.name)).map(|s| s.name).collect();
    names.dedup();
    if names.is_empty() {
        return;
    }
    if names.len() > reach::MOST {
        context.note(&format!("{} proxies are not in order; the first {} are asked why", names.len(), reach::MOST));
        names.truncate(reach::MOST);
    }
    // A proxy without its pod, such as one of a virtual machine, is not reached by way of a cluster.
    let mut found = Vec::new();
    for name in names {
        if let Ok(pod) = reach::one(reach, &name, None).await {
            found.push(pod);
        }
    }
    let own = Reach { ways: reach.ways.iter().copied().filter(|w| *w != Via::Istiod).collect(), ..reach.clone() };
    for (name, page) in reach::all(&own, found, &reach::ask(Need::Sections(STATES))).await {
        match page {
            Ok(reached) => dumps.proxies.push(Proxy { name, is_known: true, pages: vec![reached.page] }),
            Err(error) => dumps.problems.push((name, format!("it can't be asked why: {error}"))),
        }
    }
}

/// The whole name of the pod that a person means.
pub fn name(text: &str, args: &SourceArgs, context_name: Option<&str>) -> Result<PodName, Failure> {
    let pod = block_on(async {
        let reach = reach::connect(&args.reach, context_name).await?;
        reach::one(&reach, text, args.namespace.as_deref()).await
    })??;
    Ok(PodName { name: pod.name, namespace: Some(pod.namespace) })
}

/// istiod's view of a pod, and what its proxy holds.
pub fn both(args: &SourceArgs, context_name: Option<&str>, pod: &PodName) -> Result<Dumps, Failure> {
    block_on(async {
        let reach = reach::connect(&args.reach, context_name).await?;
        let pod = reach::one(&reach, &pod.to_string(), args.namespace.as_deref()).await?;
        let by = |ways: &[Via]| Reach { ways: ways.to_vec(), ..reach.clone() };
        let (view, own) = (by(&[Via::Istiod]), by(&[Via::PortForward, Via::Exec]));
        let ask = reach::ask(Need::Whole);
        let (view, own) = tokio::join!(view.page(&pod, &ask), own.page(&pod, &ask));
        let mut dumps = Dumps::default();
        let name = pod.full_name();
        for (page, list) in [(view, &mut dumps.views), (own, &mut dumps.proxies)] {
            match page {
                Ok(reached) => list.push(Proxy { name: name.clone(), is_known: true, pages: vec![reached.page] }),
                Err(error) => dumps.problems.push((name.clone(), error.to_string())),
            }
        }
        Ok(dumps)
    })?
}

/// What the proxies of two pods hold.
pub fn two(a: &str, b: &str, args: &SourceArgs, context_name: Option<&str>) -> Result<(Page, Page, Vec<String>), Failure> {
    block_on(async {
        let reach = reach::connect(&args.reach, context_name).await?;
        let mut problems = Vec::new();
        let mut pages = Vec::new();
        for text in [a, b] {
            let pod = reach::one(&reach, text, args.namespace.as_deref()).await?;
            let reached = reach.page(&pod, &reach::ask(Need::Whole)).await.map_err(|e| reach::failure(e, Need::Whole))?;
            problems.extend(reached.via.lacks().map(|lacks| format!("{}: {lacks}", pod.full_name())));
            pages.push(reached.page);
        }
        match <[Page; 2]>::try_from(pages) {
            Ok([left, right]) => Ok((left, right, problems)),
            Err(_) => Err(Failure::none("two pods are compared")),
        }
    })?
}
