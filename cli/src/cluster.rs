//! Clusters as sources: who asks, and what becomes of what can't be seen.

use crate::args::{ConnectArgs, KubeArgs};
use crate::context::Context;
use crate::followers::Followers;
use crate::status::Failure;
use crate::worlds;
use mesh_collectors::kube::{self, Cluster, ConnectError, FollowError, Secrets, What};
use mesh_model::snapshot::Manifest;
use mesh_model::{Completeness, Object, ProblemKind, Role, Snapshot};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// A cluster that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The current context where none is named.
    pub context: Option<String>,
    pub role: Role,
}

impl Source {
    /// `kube` or `kube:CONTEXT`; `None` for any other word.
    pub fn parse(word: &str, role: Role) -> Option<Source> {
        match word.strip_prefix("kube") {
            Some("") => Some(Source { context: None, role }),
            Some(rest) => rest.strip_prefix(':').filter(|c| !c.is_empty()).map(|context| Source { context: Some(context.to_owned()), role }),
            None => None,
        }
    }
    pub fn name(&self) -> String {
        self.context.as_ref().map_or_else(|| "kube".to_owned(), |c| format!("kube:{c}"))
    }
}

/// How clusters are read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    options: kube::Options,
    secrets: Secrets,
    revision: Option<String>,
    istio_namespace: String,
    namespaces: Vec<String>,
    followers: Option<Arc<Followers>>,
    /// How long all answers of a cluster may take, where it is one source among others.
    within: Option<Duration>,
}

/// How a cluster is asked, of the current context.
pub fn options(args: &ConnectArgs) -> Result<kube::Options, Failure> {
    let nanos = mesh_model::duration::parse(&args.kubeclient_timeout).and_then(|n| u64::try_from(n).ok());
    let timeout = nanos
        .filter(|n| *n > 0)
        .map(Duration::from_nanos)
        .ok_or_else(|| Failure::usage(format!("--kubeclient-timeout takes a time such as 30s, not `{}`", args.kubeclient_timeout)))?;
    Ok(kube::Options {
        kubeconfig: args.kubeconfig.clone(),
        context: None,
        impersonate: args.impersonate.clone(),
        impersonate_groups: args.impersonate_group.clone(),
        timeout: kube::Timeout(timeout),
    })
}

/// What a command takes to find its cluster, or in place of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takes {
    /// `--kubeconfig` and `--from`.
    KubeconfigAndSources,
    /// `--kubeconfig`, and nothing but a cluster.
    Kubeconfig,
    /// `--from`, and clusters by KUBECONFIG.
    #[default]
    Sources,
    /// The same, or metrics alone.
    SourcesOrMetrics,
}

impl Takes {
    fn help(self) -> &'static str {
        match self {
            Takes::KubeconfigAndSources => "name one with --kubeconfig, or give a source with --from",
            Takes::Kubeconfig => "name one with --kubeconfig: this command asks a cluster and reads no files",
            Takes::Sources => "name one in KUBECONFIG, or with -f what to answer from: manifests, config dumps, folders of both, or a recording",
            Takes::SourcesOrMetrics => {
                "name one in KUBECONFIG, or with -f what to answer from: manifests, config dumps, folders of both, or a recording; --prometheus alone tells which calls fail"
            }
        }
    }
}

/// Why a command that asks a cluster has no answer.
pub fn no_connection(error: ConnectError, takes: Takes) -> Failure {
    match error {
        ConnectError::NoKubeconfig => Failure::usage(format!("{error}; {}", takes.help())),
        ConnectError::UnknownContext { .. } | ConnectError::NoContext { .. } => Failure::usage(error.to_string()),
        _ => Failure::none(error.to_string()),
    }
}

/// What is read beside clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Clusters,
    FilesToo,
}

/// A cluster is read within so many requests' time.
const ROUNDS: u32 = 4;

impl Access {
    pub fn new(args: &KubeArgs, istio_namespace: &str, namespaces: &[String], context: &Context) -> Result<Access, Failure> {
        Ok(Access {
            options: options(&args.connect)?,
            secrets: if args.with_secrets { Secrets::Read } else { Secrets::Left },
            revision: args.revision.clone(),
            istio_namespace: istio_namespace.to_owned(),
            namespaces: namespaces.to_vec(),
            followers: context.followers.clone(),
            within: None,
        })
    }

    /// The same with a time in which all answers of a cluster come, or are missing.
    pub fn within(mut self, within: Option<Duration>) -> Access {
        if let Some(within) = within {
            self.options.timeout = kube::Timeout(self.options.timeout.0.min(within));
        }
        Access { within, ..self }
    }

    /// For a command that serves what its clusters hold; no Secrets, whose keys are never read.
    pub fn of_control_plane(connect: &ConnectArgs, followers: &Arc<Followers>) -> Result<Access, Failure> {
        let followers = Some(Arc::clone(followers));
        Ok(Access { options: options(connect)?, istio_namespace: "istio-system".to_owned(), followers, ..Access::default() })
    }

    /// Reads clusters into a snapshot; their contexts. The first one has no name of its own while it is the only one. What
    /// could not be seen is added to `unseen`; where `input` has nothing beside clusters that give nothing, that is an error.
    pub fn read_all(&self, sources: &[Source], input: Input, snapshot: &mut Snapshot, unseen: &mut Vec<String>) -> Result<Vec<String>, Failure> {
        let mut failed = Vec::new();
        let mut names = Vec::new();
        for read in self.read_each(sources) {
            match read {
                // Those of --cluster come behind these.
                Ok((name, part)) => {
                    put(part, u16::try_from(names.len()).unwrap_or(u16::MAX), snapshot);
                    names.push(name);
                }
                Err(error) => failed.push(error),
            }
        }
        if input == Input::Clusters && names.is_empty() && !failed.is_empty() {
            return Err(failed.swap_remove(0).into());
        }
        unseen.extend(failed.iter().map(ToString::to_string));
        if !failed.is_empty() {
            // Of a cluster that is missing nothing is known.
            snapshot.completeness = Completeness::Part;
        }
        if names.len() > 1 || !snapshot.clusters.iter().all(String::is_empty) {
            snapshot.clusters.splice(..snapshot.clusters.len().min(1), names.iter().cloned());
        }
        let of_clusters: Vec<_> = snapshot.problems.extract_if(.., |p| p.kind == ProblemKind::Unseen).collect();
        unseen.extend(of_clusters.into_iter().map(|p| format!("{}: {}{}", p.subject, p.message, self.help(p.help.as_deref()))));
        Ok(names)
    }

    /// What to do, behind what is wrong. Where a cluster is one source among others its time is not a flag of the cluster's.
    fn help(&self, help: Option<&str>) -> String {
        match help {
            Some(h) if self.within.is_some() && h.contains("--kubeclient-timeout") => "; --within gives it longer".to_owned(),
            Some(h) => format!("; {h}"),
            None => String::new(),
        }
    }

    /// Reads each cluster into a snapshot of its own, beside each other: one that is slow takes no time from the rest. In the
    /// order of the sources, with the names of their contexts.
    fn read_each(&self, sources: &[Source]) -> Vec<Result<(String, Snapshot), ClusterError>> {
        let one = move |source: &Source| {
            let mut part = Snapshot::new();
            self.read(source, &mut part).map(|name| (name, part))
        };
        if let [only] = sources {
            return vec![one(only)];
        }
        std::thread::scope(|scope| {
            let asked: Vec<_> = sources.iter().map(|source| scope.spawn(move || one(source))).collect();
            let broken = |_| Err(ClusterError::Unreadable("reading it broke off".to_owned()));
            asked.into_iter().map(|thread| thread.join().unwrap_or_else(broken)).collect()
        })
    }

    /// Reads a cluster into a snapshot; the name of its context.
    fn read(&self, source: &Source, snapshot: &mut Snapshot) -> Result<String, ClusterError> {
        let options = kube::Options { context: source.context.clone(), ..self.options.clone() };
        let what = What {
            role: source.role,
            cluster: 0,
            secrets: self.secrets,
            istio_namespace: self.istio_namespace.clone(),
            revision: self.revision.clone(),
            namespaces: self.namespaces.clone(),
            deadline: self.within.unwrap_or(options.timeout.0 * ROUNDS),
        };
        if let Some(followers) = &self.followers {
            return followers.read(&options, &what, snapshot).map_err(|e| match e {
                FollowError::Connect(error) => ClusterError::Connect(error),
                other => ClusterError::Unreadable(other.to_string()),
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| ClusterError::Unreadable(e.to_string()))?;
        let read = runtime.block_on(async {
            let cluster = Cluster::connect(&options).await.map_err(ClusterError::Connect)?;
            let read = kube::read(&cluster, &what, snapshot).await;
            read.map_err(|e| ClusterError::Unreadable(format!("cluster {}: {e}{}", cluster.name, self.help(e.help()))))?;
            Ok(cluster.name)
        });
        // A login program that hangs must not keep us.
        runtime.shutdown_background();
        read
    }
}

/// Adds what one cluster holds to the snapshot of all.
fn put(part: Snapshot, cluster: u16, snapshot: &mut Snapshot) {
    for mut object in part.objects {
        object.cluster = cluster;
        let source = Arc::clone(object.source());
        snapshot.add(&source, Manifest { objects: vec![object], documents: 1, ..Manifest::default() });
    }
    snapshot.problems.extend(part.problems);
    snapshot.unseen.extend(part.unseen.into_iter().map(|(_, kind)| (cluster, kind)));
    snapshot.mesh_config_unreadable |= part.mesh_config_unreadable;
    snapshot.completeness = part.completeness;
}

/// Why a cluster gave nothing.
#[derive(Debug)]
enum ClusterError {
    Connect(ConnectError),
    Unreadable(String),
}

impl std::fmt::Display for ClusterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClusterError::Connect(error) => error.fmt(f),
            ClusterError::Unreadable(message) => f.write_str(message),
        }
    }
}

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        match error {
            ClusterError::Connect(ConnectError::NoKubeconfig) => Failure::usage(worlds::NOTHING),
            ClusterError::Connect(error) => no_connection(error, Takes::KubeconfigAndSources),
            error @ ClusterError::Unreadable(_) => Failure::none(error.to_string()),
        }
    }
}

/// What to type to analyse something is no help to who asks a cluster something else.
pub fn as_asked(failure: Failure, takes: Takes) -> Failure {
    match failure {
        Failure::Usage(text) if text == worlds::NOTHING => no_connection(ConnectError::NoKubeconfig, takes),
        other => other,
    }
}

/// An object of a file takes the place of the one with its name that a cluster holds. The first `of_clusters` objects are
/// those of clusters; how many of them are left.
pub fn forget_replaced(snapshot: &mut Snapshot, of_clusters: usize) -> usize {
    let before = snapshot.objects.len();
    let key = |o: &Object| (o.kind, o.cluster, o.namespace().to_owned(), o.name().to_owned());
    let files: HashSet<_> = snapshot.objects[of_clusters..].iter().map(key).collect();
    if files.is_empty() {
        return of_clusters;
    }
    let mut place = 0;
    snapshot.objects.retain(|o| {
        place += 1;
        place > of_clusters || !files.contains(&key(o))
    });
    of_clusters - (before - snapshot.objects.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kube_is_a_cluster() {
        assert_eq!(Source::parse("kube", Role::Judged).map(|s| s.context), Some(None));
        assert_eq!(Source::parse("kube:prod", Role::Judged).map(|s| s.context), Some(Some("prod".to_owned())));
        for word in ["kube/", "kube.yaml", "kubernetes", "kube:", "./kube"] {
            assert_eq!(Source::parse(word, Role::Judged), None, "{word}");
        }
    }
}
