//! What a rule is, what it gets, and where it reports.

use crate::codes::Code;
use crate::finding::{Finding, Level};
use crate::schema::Fault;
use mesh_model::{Node, Object, Role};
use mesh_resolver::Mesh;
use std::collections::BTreeMap;

/// One check. `codes` are all that it can emit.
pub struct Rule {
    /// Kebab-case; the stem of its file.
    pub name: &'static str,
    pub codes: &'static [&'static Code],
    /// istioctl's name of the analyzer, for `--list-analyzers`; "" where it has none.
    pub analyzer: &'static str,
    pub run: for<'a> fn(&Context<'a>, &mut Sink<'a>),
}

/// Options that change what rules say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Minor version of Istio 1.x whose schema counts.
    pub istio_minor: u16,
}

impl Default for Options {
    fn default() -> Self {
        Options { istio_minor: *crate::schema::ISTIO_MINORS.end() }
    }
}

/// Everything a rule may look at.
pub struct Context<'a> {
    pub mesh: &'a Mesh<'a>,
    pub options: &'a Options,
    /// What is wrong with the form of objects; the schema rules report it.
    pub faults: Vec<Fault<'a>>,
}

/// Why a reference was not judged: its target may exist outside the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotJudged {
    HostOutside,
    SubsetOutside,
    WorkloadOutside,
    GatewayOutside,
    SecretOutside,
    ServiceAccountOutside,
    NamespaceOutside,
    ObjectOutside,
    /// Ambient mode is not modelled yet.
    Ambient,
    /// The mesh configuration is not in the input.
    MeshConfig,
    /// A rule of a custom resource definition that would cost too much.
    CrdRule,
}

impl NotJudged {
    /// What is said in the summary: "3 hosts in namespaces …".
    pub fn describe(self) -> &'static str {
        match self {
            NotJudged::HostOutside => "host in a namespace whose services are not in the input",
            NotJudged::SubsetOutside => "subset of a host whose DestinationRules are not in the input",
            NotJudged::WorkloadOutside => "selector in a namespace whose workloads are not in the input",
            NotJudged::GatewayOutside => "gateway in a namespace whose gateways are not in the input",
            NotJudged::SecretOutside => "secret in a namespace whose secrets are not in the input",
            NotJudged::ServiceAccountOutside => "service account in a namespace whose service accounts are not in the input",
            NotJudged::NamespaceOutside => "namespace that is not in the input",
            NotJudged::ObjectOutside => "reference to an object that is not in the input",
            NotJudged::Ambient => "check that would need ambient mode to be modelled",
            NotJudged::MeshConfig => "check that needs the mesh configuration",
            NotJudged::CrdRule => "object with a rule of its CustomResourceDefinition that is too large to be evaluated here",
        }
    }
}

/// Namespaces of Kubernetes itself, which are no part of the mesh: nothing there is judged.
const KUBERNETES_OWN: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

fn is_kubernetes_own(object: &Object) -> bool {
    let namespace = if object.kind == mesh_model::Kind::Namespace { object.name() } else { object.namespace() };
    KUBERNETES_OWN.contains(&namespace)
}

/// Where a rule reports. Findings on objects that are only consulted are dropped here, in one place.
#[derive(Default)]
pub struct Sink<'a> {
    pub findings: Vec<Finding<'a>>,
    pub not_judged: BTreeMap<NotJudged, usize>,
    dropped: Option<Box<Finding<'a>>>,
}

impl<'a> Sink<'a> {
    /// Reports at the code's own level.
    pub fn report(&mut self, code: &'static Code, object: &'a Object, at: Node<'a>, message: impl Into<String>) -> &mut Finding<'a> {
        let level = code.level;
        self.report_at_level(level, code, object, at, message)
    }
    pub fn report_at_level(&mut self, level: Level, code: &'static Code, object: &'a Object, at: Node<'a>, message: impl Into<String>) -> &mut Finding<'a> {
        let finding = Finding { code, level, object, at, message: message.into(), help: None, related: Vec::new(), fix: None };
        if object.role != Role::Judged || is_kubernetes_own(object) {
            return self.dropped.insert(Box::new(finding));
        }
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
    /// Counts a reference that was not judged.
    pub fn not_judged(&mut self, reason: NotJudged) {
        *self.not_judged.entry(reason).or_default() += 1;
    }
    pub fn merge(&mut self, other: Sink<'a>) {
        self.findings.extend(other.findings);
        for (reason, n) in other.not_judged {
            *self.not_judged.entry(reason).or_default() += n;
        }
    }
}
