//! `logs -f`: lines as they come. A log that breaks off is taken up behind its last line, and of a workload the pods that come
//! are followed as well.

use super::line::{Said, Shown};
use crate::args::logs::LogsArgs;
use crate::context::Context;
use crate::reach::MOST;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use mesh_collectors::kube::logs::{LogLine, LogOf};
use mesh_collectors::kube::pods::{self, Pod, PodChange, ProxyKind, Target};
use mesh_collectors::kube::{ApiError, Cluster};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Between two tries to take up a log.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The pods whose logs are followed.
pub struct Follow<'f> {
    pub cluster: &'f Cluster,
    pub args: &'f LogsArgs,
    pub shown: &'f Shown,
    pub context: &'f Context,
}

/// What is known of the pods, and which of them are followed.
struct Pods {
    known: BTreeMap<String, Pod>,
    /// Containers whose logs have not ended, by pod.
    followed: BTreeMap<String, usize>,
    /// Those whose logs have ended.
    ended: Vec<String>,
}

/// A container's log that has ended, and why if not by itself.
struct Ended {
    pod: String,
    problem: Option<String>,
}

impl Follow<'_> {
    /// Prints lines until all logs end, or nobody reads.
    pub async fn run(&self, found: Vec<Pod>, wanted: impl Fn(&Pod) -> Vec<LogOf>) -> Outcome {
        let (sender, mut lines) = mpsc::channel(256);
        let mut tasks: JoinSet<Ended> = JoinSet::new();
        let mut pods = Pods { known: BTreeMap::new(), followed: BTreeMap::new(), ended: Vec::new() };
        let start = |pod: &Pod, logs: Vec<LogOf>, tasks: &mut JoinSet<Ended>, pods: &mut Pods| {
            pods.followed.insert(pod.full_name(), logs.len());
            for of in logs {
                let (cluster, sender, pod) = (self.cluster.clone(), sender.clone(), pod.full_name());
                tasks.spawn(async move { Ended { problem: container(&cluster, of, &sender).await, pod } });
            }
        };
        for pod in &found {
            start(pod, wanted(pod), &mut tasks, &mut pods);
        }
        let mut changes = self.changes().await?;
        let mut problems: Vec<String> = Vec::new();
        // Our own sender stays open: it is over when no log and no pod may be to come any more.
        while !tasks.is_empty() || changes.is_some() {
            tokio::select! {
                Some(said) = lines.recv() => self.print(&said)?,
                Some(ended) = tasks.join_next() => {
                    let Ok(Ended { pod, problem }) = ended else { continue };
                    problems.extend(problem);
                    let left = pods.followed.get(&pod).map_or(0, |n| n.saturating_sub(1));
                    if left > 0 {
                        pods.followed.insert(pod, left);
                    } else {
                        pods.followed.remove(&pod);
                        pods.ended.push(pod);
                    }
                }
                change = next(&mut changes) => match change {
                    Some(PodChange::There(pod)) => drop(pods.known.insert(pod.full_name(), *pod)),
                    Some(PodChange::Gone { namespace, name }) => drop(pods.known.remove(&format!("{name}.{namespace}"))),
                    None => changes = None,
                },
            }
            while let Some(pod) = self.joins(&pods) {
                self.context.note(&format!("{} is followed now", pod.full_name()));
                let logs = wanted(&pod).into_iter().map(|of| LogOf { since: String::new(), tail: None, ..of }).collect();
                start(&pod, logs, &mut tasks, &mut pods);
            }
        }
        while let Ok(said) = lines.try_recv() {
            self.print(&said)?;
        }
        for problem in &problems {
            stdio::note(&format!("error: not seen: {problem}"));
        }
        Ok(if problems.is_empty() { Status::Fine } else { self.context.partial })
    }

    fn print(&self, said: &Said) -> Result<(), Failure> {
        if self.shown.keeps(said) { self.context.answer(&said.text_line(self.shown)) } else { Ok(()) }
    }

    /// What becomes of the pods of a workload or of a selection; nothing of a single pod.
    async fn changes(&self) -> Result<Option<mpsc::Receiver<PodChange>>, Failure> {
        let args = self.args;
        let selected = match (&args.pod, &args.which.selector) {
            (Some(text), _) => {
                let target = Target::parse(text, args.namespace.as_deref()).map_err(Failure::usage)?;
                pods::selection(self.cluster, &target).await.map_err(|e| Failure::none(format!("cluster {}: {e}", self.cluster.name)))?
            }
            (None, Some(selector)) => Some((args.namespace.clone().unwrap_or_else(|| self.cluster.namespace.clone()), selector.clone())),
            (None, None) => None,
        };
        Ok(selected.map(|(namespace, selector)| {
            let (sender, receiver) = mpsc::channel(64);
            let cluster = self.cluster.clone();
            // Where pods may not be listed any more, those that are followed go on.
            tokio::spawn(async move { drop(pods::changes(&cluster, &namespace, &selector, &sender).await) });
            receiver
        }))
    }

    /// A pod that is to be followed as well: of each workload one, or every one with --all-pods.
    fn joins(&self, pods: &Pods) -> Option<Pod> {
        if pods.followed.len() >= MOST {
            return None;
        }
        let workload = |p: &Pod| if self.args.pod.is_some() { String::new() } else { p.owner.clone() };
        let is_taken = |p: &Pod| !self.args.which.all_pods && pods.followed.keys().filter_map(|n| pods.known.get(n)).any(|f| workload(f) == workload(p));
        let runs = |p: &&Pod| p.proxy() == Some(ProxyKind::Envoy) && p.phase == "Running" && !p.is_ending;
        let is_new = |p: &&Pod| !pods.followed.contains_key(&p.full_name()) && !pods.ended.contains(&p.full_name());
        // Before it is known which pods there are, none is missing.
        if pods.followed.keys().any(|n| !pods.known.contains_key(n)) && !self.args.which.all_pods {
            return None;
        }
        pods.known.values().filter(runs).filter(is_new).find(|p| !is_taken(p)).cloned()
    }
}

/// The next change; never one where nothing is told of changes.
async fn next(changes: &mut Option<mpsc::Receiver<PodChange>>) -> Option<PodChange> {
    match changes {
        Some(changes) => changes.recv().await,
        None => std::future::pending().await,
    }
}

/// Follows a container's log until its pod is gone or done, and takes it up where it breaks off; why not, if it can't be read.
async fn container(cluster: &Cluster, mut of: LogOf, sender: &mpsc::Sender<Said>) -> Option<String> {
    let mut wait = FIRST_WAIT;
    let mut last = None;
    loop {
        let (own, mut incoming) = mpsc::channel::<LogLine>(256);
        let forward = async {
            let mut came = false;
            while let Some(line) = incoming.recv().await {
                came = true;
                let at = line.at.clone();
                let said = Said::new(&of, line);
                // The API knows seconds: what came before within the same one comes again.
                if last.as_ref().is_some_and(|last| said.is_before_or_at(last)) {
                    continue;
                }
                if !at.is_empty() {
                    last = Some(said.clone());
                }
                if sender.send(said).await.is_err() {
                    break;
                }
            }
            came
        };
        let (ended, came) = tokio::join!(cluster.follow(&of, own), forward);
        if sender.is_closed() {
            return None;
        }
        if came {
            wait = FIRST_WAIT;
        }
        match ended {
            Err(error) if error.is_not_found() => return None,
            Err(error) if error.is_forbidden() || matches!(error, ApiError::Status { code: 401, .. }) => {
                return Some(format!("{}.{} {}: {error}", of.pod, of.namespace, of.container));
            }
            // Broken off, not begun yet, or asked for patience.
            Err(_) => {}
            Ok(()) if is_over(cluster, &of).await => return None,
            Ok(()) => {}
        }
        if let Some(last) = &last {
            of.since.clone_from(&last.at);
            of.tail = None;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Whether a pod says nothing any more. What can't be known is not over.
async fn is_over(cluster: &Cluster, of: &LogOf) -> bool {
    match pods::object(cluster, &format!("/api/v1/namespaces/{}/pods/{}", of.namespace, of.pod)).await {
        Ok(pod) => matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")),
        Err(error) => error.is_not_found(),
    }
}
