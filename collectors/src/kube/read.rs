//! A cluster as a snapshot.

use super::client::Cluster;
use super::discovery::{self, Resource, Served};
use super::error::ApiError;
use super::list::{self, Listed, Odd};
use mesh_model::snapshot::Manifest;
use mesh_model::{Completeness, Kind, Object, Problem, ProblemKind, Role, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Whether Secrets are read. Their keys never are, only certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Secrets {
    #[default]
    Left,
    Read,
}

/// What of a cluster is read.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Kinds that say nothing about a mesh which the Pods do not say as well.
const NOT_LISTED: &[Kind] = &[Kind::ReplicaSet, Kind::ReplicationController, Kind::Job, Kind::Endpoints];

/// Of Helm's own records nobody reads a certificate, and they are large.
const NOT_OF_HELM: (&str, &str) = ("fieldSelector", "type!=helm.sh/release.v1");

/// Those that Kubernetes makes of Pods say nothing which the Pods do not say as well, and change with each of them. What is left
/// are the endpoints of Services without a selector.
const NOT_OF_PODS: (&str, &str) = ("labelSelector", "endpointslice.kubernetes.io/managed-by!=endpointslice-controller.k8s.io");

/// Adds a cluster's objects to a snapshot. What could not be seen stands in `snapshot.problems` and
/// `snapshot.unseen`; only where nothing at all can be learned is that an error.
pub async fn read(cluster: &Cluster, what: &What, snapshot: &mut Snapshot) -> Result<(), ApiError> {
    let until = tokio::time::Instant::now() + what.deadline;
    let found = tokio::time::timeout_at(until, discovery::discover(cluster)).await;
    let served = found.map_err(|_| ApiError::OutOfTime(what.deadline))??;
    let mut assembly = Assembly::new(&cluster.name, what, &served, snapshot);
    for (ask, answer) in answers(cluster, asks(&served, what), what, until).await {
        assembly.take(&ask, answer, None);
    }
    // What may not be seen in the whole cluster may be seen in some of its namespaces.
    let within = assembly.gaps.forbidden.iter().flat_map(|ask| ask.in_namespaces(cluster, what)).collect();
    for (ask, answer) in answers(cluster, within, what, until).await {
        assembly.take_of_namespace(&ask, answer, None);
    }
    assembly.finish()
}

/// Puts the answers of a cluster together.
pub(super) struct Assembly<'a> {
    gaps: Gaps<'a>,
    what: &'a What,
    snapshot: &'a mut Snapshot,
    answered: usize,
}

impl<'a> Assembly<'a> {
    pub fn new(context: &'a str, what: &'a What, served: &Served, snapshot: &'a mut Snapshot) -> Assembly<'a> {
        let mut gaps = Gaps { context, cluster: what.cluster, forbidden: Vec::new(), first: None };
        gaps.of_discovery(snapshot, served);
        Assembly { gaps, what, snapshot, answered: 0 }
    }
    /// The answer to a question about the whole cluster. `late` is why it may be old.
    pub fn take(&mut self, ask: &Ask, answer: Result<Listed, ApiError>, late: Option<ApiError>) {
        match answer {
            Ok(listed) => self.listed(ask, listed, late),
            Err(error) => self.gaps.of_answer(self.snapshot, ask.clone(), error),
        }
    }
    /// The answer in one namespace where the whole cluster may not be seen: without one nothing more is missing.
    pub fn take_of_namespace(&mut self, ask: &Ask, answer: Result<Listed, ApiError>, late: Option<ApiError>) {
        if let Ok(listed) = answer {
            self.listed(ask, listed, late);
        }
    }
    /// Why nothing new may be known of the whole cluster.
    pub fn trouble(&mut self, why: &str) {
        let subject = format!("kube:{}", self.gaps.context);
        let message = format!("it can't be followed now, and is shown as it was: {why}");
        self.snapshot.problems.push(Problem { kind: ProblemKind::Unseen, subject, message, help: None, place: None });
    }
    /// Only where nothing at all could be learned is that an error.
    pub fn finish(self) -> Result<(), ApiError> {
        let Assembly { gaps, what, snapshot, answered } = self;
        match gaps.first {
            Some(error) if answered == 0 => return Err(error),
            _ => report_forbidden(snapshot, gaps.context, &gaps.forbidden),
        }
        // Secrets are left alone on purpose, and of the ConfigMaps only the control plane's are asked for.
        if what.secrets == Secrets::Left {
            snapshot.unseen.insert((what.cluster, Kind::Secret));
        }
        snapshot.unseen.insert((what.cluster, Kind::ConfigMap));
        snapshot.completeness = Completeness::Complete;
        Ok(())
    }

    fn listed(&mut self, ask: &Ask, listed: Listed, late: Option<ApiError>) {
        self.answered += 1;
        if let Some(why) = late {
            let subject = format!("kube:{} {}", self.gaps.context, ask.resource.plural);
            let (message, help) = (format!("they can't be followed now, and are shown as they were: {why}"), why.help().map(Into::into));
            self.snapshot.problems.push(Problem { kind: ProblemKind::Unseen, subject, message, help, place: None });
        }
        self.gaps.of_objects(self.snapshot, ask.resource.kind, &listed.odd);
        add(self.snapshot, self.what, listed.objects);
    }
}

/// Asks all at once, as far as the connection allows; the answers in the order of the questions.
async fn answers(cluster: &Cluster, asks: Vec<Ask>, what: &What, until: tokio::time::Instant) -> Vec<(Ask, Result<Listed, ApiError>)> {
    let mut tasks = tokio::task::JoinSet::new();
    for ask in asks {
        let (cluster, deadline) = (cluster.clone(), what.deadline);
        tasks.spawn(async move {
            let answer = tokio::time::timeout_at(until, ask.run(&cluster)).await;
            (ask, answer.unwrap_or(Err(ApiError::OutOfTime(deadline))))
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    answers
}

/// One question to the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ask {
    pub resource: Resource,
    pub namespace: Option<String>,
    /// Of one object; of all where none is given.
    pub name: Option<String>,
}

impl Ask {
    pub async fn run(&self, cluster: &Cluster) -> Result<Listed, ApiError> {
        match &self.name {
            Some(_) => list::get(cluster, &self.resource, &self.path()).await,
            None => list::list(cluster, &self.resource, &self.path(), self.selector()).await,
        }
    }
    pub fn path(&self) -> String {
        let path = self.resource.path(self.namespace.as_deref());
        self.name.as_ref().map_or_else(|| path.clone(), |name| format!("{path}/{name}"))
    }
    /// Which objects of the kind, as a parameter of the request: of fields or of labels; empty for all.
    pub fn selector(&self) -> (&'static str, &'static str) {
        match self.resource.kind {
            Kind::Secret => NOT_OF_HELM,
            Kind::EndpointSlice => NOT_OF_PODS,
            _ => ("fieldSelector", ""),
        }
    }
    /// The same question of some namespaces, where the whole cluster may not be seen.
    pub fn in_namespaces(&self, cluster: &Cluster, what: &What) -> Vec<Ask> {
        if !self.resource.is_namespaced() || self.namespace.is_some() {
            return Vec::new();
        }
        namespaces(cluster, what).into_iter().map(|n| Ask { namespace: Some(n), ..self.clone() }).collect()
    }
}

pub(super) fn asks(served: &Served, what: &What) -> Vec<Ask> {
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

fn add(snapshot: &mut Snapshot, what: &What, objects: Vec<Object>) {
    for mut object in objects {
        object.role = what.role;
        object.cluster = what.cluster;
        if is_of_other_revision(&object, what) {
            continue;
        }
        let source = Arc::clone(object.source());
        snapshot.add(&source, Manifest { objects: vec![object], documents: 1, ..Manifest::default() });
    }
}

/// Whether an object holds the settings of another revision than the one that is asked for.
fn is_of_other_revision(object: &Object, what: &What) -> bool {
    let Some(revision) = &what.revision else { return false };
    let wanted = if revision == "default" { "istio".to_owned() } else { format!("istio-{revision}") };
    object.kind == Kind::ConfigMap && object.name() != wanted && object.at(&["data", "mesh"]).is_some()
}

/// Namespaces that are named, and the context's.
fn namespaces(cluster: &Cluster, what: &What) -> BTreeSet<String> {
    what.namespaces.iter().chain([&cluster.namespace]).filter(|n| !n.is_empty()).cloned().collect()
}

/// What of a cluster could not be seen.
struct Gaps<'a> {
    context: &'a str,
    /// Index into [`Snapshot::clusters`].
    cluster: u16,
    /// What this user may not ask.
    forbidden: Vec<Ask>,
    /// The first error of all.
    first: Option<ApiError>,
}

impl Gaps<'_> {
    fn unseen(&self, snapshot: &mut Snapshot, kind: Kind) {
        snapshot.unseen.insert((self.cluster, kind));
        // It may hold the mesh configuration.
        snapshot.mesh_config_unreadable |= kind == Kind::ConfigMap;
    }
    fn problem(&mut self, snapshot: &mut Snapshot, about: &str, error: ApiError) {
        let help = error.help().map(Into::into);
        let subject = format!("kube:{} {about}", self.context);
        snapshot.problems.push(Problem { kind: ProblemKind::Unseen, subject, message: error.to_string(), help, place: None });
        self.first.get_or_insert(error);
    }
    /// Groups that did not say what they serve.
    fn of_discovery(&mut self, snapshot: &mut Snapshot, served: &Served) {
        for kind in served.unknown() {
            self.unseen(snapshot, kind);
        }
        for failed in &served.failed {
            self.problem(snapshot, &discovery::api_version(&failed.group, &failed.version), failed.error.clone());
        }
    }
    /// Objects that are there and could not be read: the kind is not wholly known.
    fn of_objects(&self, snapshot: &mut Snapshot, kind: Kind, odd: &[Odd]) {
        for Odd { subject, message, .. } in odd {
            self.unseen(snapshot, kind);
            snapshot.problems.push(Problem {
                kind: ProblemKind::Unseen,
                subject: subject.clone(),
                message: message.clone(),
                help: Some(format!("what needs {} is not judged", kind.name()).into()),
                place: None,
            });
        }
    }
    fn of_answer(&mut self, snapshot: &mut Snapshot, ask: Ask, error: ApiError) {
        if ask.name.is_some() && error.is_not_found() {
            // One object that is not there.
            return;
        }
        self.unseen(snapshot, ask.resource.kind);
        if error.is_forbidden() {
            self.first.get_or_insert(error);
            self.forbidden.push(ask);
        } else {
            self.problem(snapshot, &ask.resource.plural, error);
        }
    }
}

/// One problem for all that may not be asked, with the rules that would allow it.
fn report_forbidden(snapshot: &mut Snapshot, context: &str, forbidden: &[Ask]) {
    if forbidden.is_empty() {
        return;
    }
    // By namespace, group and verb.
    let mut rules: BTreeMap<(Option<&str>, &str, &str), Vec<&str>> = BTreeMap::new();
    for ask in forbidden {
        let verb = if ask.name.is_some() { "get" } else { "list" };
        let plurals = rules.entry((ask.namespace.as_deref(), &ask.resource.group, verb)).or_default();
        if !plurals.contains(&ask.resource.plural.as_str()) {
            plurals.push(&ask.resource.plural);
        }
    }
    let mut names = Vec::new();
    let mut roles: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for ((namespace, group, verb), plurals) in &rules {
        names.extend(plurals.iter().map(|p| namespace.map_or_else(|| (*p).to_owned(), |n| format!("{p} in {n}"))));
        roles.entry(*namespace).or_default().push(format!("{{apiGroups: [\"{group}\"], resources: [{}], verbs: [{verb}]}}", plurals.join(", ")));
    }
    let roles = roles.iter().map(|(namespace, rules)| {
        let role = namespace.map_or_else(|| "a ClusterRole".to_owned(), |n| format!("a Role in {n}"));
        format!("{role} with these rules allows it: [{}]", rules.join(", "))
    });
    snapshot.problems.push(Problem {
        kind: ProblemKind::Unseen,
        subject: format!("kube:{context}"),
        message: format!("this user may not read {}; what needs them is not judged", names.join(", ")),
        help: Some(roles.collect::<Vec<_>>().join("; ").into()),
        place: None,
    });
}
