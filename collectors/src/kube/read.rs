//! A cluster as a snapshot.

use super::client::Cluster;
use super::discovery::{self, Resource};
use super::error::ApiError;
use super::list::{self, Listed};
use mesh_model::snapshot::Manifest;
use mesh_model::{Completeness, Kind, Object, Problem, ProblemKind, Role, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Whether Secrets are read. Their keys never are, only certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Secrets {
    #[default]
    Left,
    Read,
}

/// What of a cluster is read.
#[derive(Clone, Debug)]
pub struct What {
    pub role: Role,
    /// Index into [`Snapshot::clusters`].
    pub cluster: u16,
    pub secrets: Secrets,
    /// Where the control plane is.
    pub istio_namespace: String,
    /// Whose settings count where several control planes are there; the default one's where none is named.
    pub revision: Option<String>,
    /// Namespaces that are tried where the whole cluster may not be seen; the context's is tried as well.
    pub namespaces: Vec<String>,
    /// How long all of it may take.
    pub deadline: Duration,
}

/// Requests at once.
const AT_ONCE: usize = 8;

/// Kinds that say nothing about a mesh which the Pods do not say as well.
const NOT_LISTED: &[Kind] = &[Kind::ReplicaSet, Kind::ReplicationController, Kind::Job, Kind::Endpoints, Kind::EndpointSlice];

/// Of Helm's own records nobody reads a certificate, and they are large.
const NOT_OF_HELM: &str = "fieldSelector=type%21%3Dhelm.sh%2Frelease.v1";

/// Adds a cluster's objects to a snapshot. What could not be seen stands in `snapshot.problems` and
/// `snapshot.unseen`; only where nothing at all can be learned is that an error.
pub async fn read(cluster: &Cluster, what: &What, snapshot: &mut Snapshot) -> Result<(), ApiError> {
    let until = tokio::time::Instant::now() + what.deadline;
    let timed_out = || ApiError::TimedOut(what.deadline);
    let served = tokio::time::timeout_at(until, discovery::discover(cluster)).await.map_err(|_| timed_out())??;
    let subject = |about: &str| format!("kube:{} {about}", cluster.name);
    for (version, error) in &served.failed {
        unseen(snapshot, subject(version), error);
    }

    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for ask in asks(&served, what) {
        let (cluster, permits) = (cluster.clone(), Arc::clone(&permits));
        tasks.spawn(async move {
            let answer = match permits.acquire().await {
                Ok(_permit) => match tokio::time::timeout_at(until, ask.run(&cluster)).await {
                    Ok(answer) => answer,
                    Err(_) => Err(ApiError::TimedOut(cluster.timeout())),
                },
                Err(_) => Err(ApiError::Odd("the reader has stopped".to_owned())),
            };
            (ask, answer)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by(|a, b| a.0.cmp(&b.0));

    let all_failed = !answers.is_empty() && answers.iter().all(|(_, a)| matches!(a, Err(e) if !e.is_forbidden() && !e.is_not_found()));
    let mut forbidden = Forbidden::default();
    let mut first = None;
    for (ask, answer) in answers {
        match answer {
            Ok(listed) => add(snapshot, what, listed),
            Err(error) => {
                if ask.name.is_none() || !error.is_not_found() {
                    snapshot.unseen.insert((what.cluster, ask.resource.kind));
                    // It may hold the mesh configuration.
                    snapshot.mesh_config_unreadable |= ask.resource.kind == Kind::ConfigMap;
                }
                if error.is_forbidden() {
                    forbidden.add(&ask);
                    if ask.resource.is_namespaced() && ask.namespace.is_none() {
                        in_namespaces(cluster, &ask, what, snapshot, until).await;
                    }
                } else if !error.is_not_found() {
                    unseen(snapshot, subject(&ask.resource.plural), &error);
                    first.get_or_insert(error);
                }
            }
        }
    }
    if all_failed && let Some(error) = first {
        return Err(error);
    }
    forbidden.report(snapshot, &cluster.name);
    // Secrets are left alone on purpose, and of the ConfigMaps only the control plane's are asked for.
    if what.secrets == Secrets::Left {
        snapshot.unseen.insert((what.cluster, Kind::Secret));
    }
    snapshot.unseen.insert((what.cluster, Kind::ConfigMap));
    snapshot.completeness = Completeness::Complete;
    Ok(())
}

/// One question to the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ask {
    resource: Resource,
    namespace: Option<String>,
    /// Of one object; of all where none is given.
    name: Option<String>,
}

impl Ask {
    async fn run(&self, cluster: &Cluster) -> Result<Listed, ApiError> {
        let path = self.resource.path(self.namespace.as_deref());
        match &self.name {
            Some(name) => list::get(cluster, &self.resource, &format!("{path}/{name}")).await,
            None => list::list(cluster, &self.resource, &path, if self.resource.kind == Kind::Secret { NOT_OF_HELM } else { "" }).await,
        }
    }
}

fn asks(served: &discovery::Served, what: &What) -> Vec<Ask> {
    let mut asks = Vec::new();
    for (kind, resource) in &served.resources {
        let ask = |namespace: Option<String>, name: Option<String>| Ask { resource: resource.clone(), namespace, name };
        match kind {
            k if NOT_LISTED.contains(k) => {}
            Kind::Secret if what.secrets == Secrets::Left => {}
            // Others hold whatever their owners like, and may be many and large.
            Kind::ConfigMap => asks.push(ask(Some(what.istio_namespace.clone()), None)),
            // Their schemas are known by tables; only which ones there are, and in which versions, is asked.
            Kind::CustomResourceDefinition => asks.extend(served.definitions.iter().map(|d| ask(None, Some(d.clone())))),
            _ => asks.push(ask(None, None)),
        }
    }
    asks
}

fn add(snapshot: &mut Snapshot, what: &What, listed: Listed) {
    for mut object in listed.objects {
        object.role = what.role;
        object.cluster = what.cluster;
        if is_of_other_revision(&object, what) {
            continue;
        }
        let source = Arc::clone(object.source());
        snapshot.add(&source, Manifest { objects: vec![object], documents: 1, ..Manifest::default() });
    }
    for message in listed.odd {
        snapshot.problems.push(Problem { kind: ProblemKind::Unseen, subject: "kube".to_owned(), message, help: None, place: None });
    }
}

/// Whether an object holds the settings of another revision than the one that is asked for.
fn is_of_other_revision(object: &Object, what: &What) -> bool {
    let Some(revision) = &what.revision else { return false };
    let wanted = if revision == "default" { "istio".to_owned() } else { format!("istio-{revision}") };
    object.kind == Kind::ConfigMap && object.name() != wanted && object.at(&["data", "mesh"]).is_some()
}

/// Tries, for a kind that may not be seen in the whole cluster, the namespaces where it may be.
async fn in_namespaces(cluster: &Cluster, ask: &Ask, what: &What, snapshot: &mut Snapshot, until: tokio::time::Instant) {
    let mut namespaces: Vec<&str> = what.namespaces.iter().map(String::as_str).chain([cluster.namespace.as_str()]).filter(|n| !n.is_empty()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        let one = Ask { namespace: Some(namespace.to_owned()), ..ask.clone() };
        if let Ok(Ok(listed)) = tokio::time::timeout_at(until, one.run(cluster)).await {
            add(snapshot, what, listed);
        }
    }
}

fn unseen(snapshot: &mut Snapshot, subject: String, error: &ApiError) {
    let help = error.help().map(str::to_owned);
    snapshot.problems.push(Problem { kind: ProblemKind::Unseen, subject, message: error.to_string(), help, place: None });
}

/// Resources that may not be listed, by API group.
#[derive(Default)]
struct Forbidden(BTreeMap<(String, Option<String>), Vec<String>>);

impl Forbidden {
    fn add(&mut self, ask: &Ask) {
        let plurals = self.0.entry((ask.resource.group.clone(), ask.namespace.clone())).or_default();
        if !plurals.contains(&ask.resource.plural) {
            plurals.push(ask.resource.plural.clone());
        }
    }
    /// One problem for all, with the rules that would allow it.
    fn report(&self, snapshot: &mut Snapshot, context: &str) {
        if self.0.is_empty() {
            return;
        }
        let names: Vec<&str> = self.0.values().flatten().map(String::as_str).collect();
        let verbs = |plurals: &[String]| if plurals.iter().any(|p| p == "customresourcedefinitions") { "get, list" } else { "list" };
        let rules: Vec<String> = self
            .0
            .iter()
            .map(|((group, _), plurals)| format!("{{apiGroups: [\"{group}\"], resources: [{}], verbs: [{}]}}", plurals.join(", "), verbs(plurals)))
            .collect();
        snapshot.problems.push(Problem {
            kind: ProblemKind::Unseen,
            subject: format!("kube:{context}"),
            message: format!("this user may not list {}; what needs them is not judged", names.join(", ")),
            help: Some(format!("a ClusterRole with these rules allows it: [{}]", rules.join(", "))),
            place: None,
        });
    }
}
