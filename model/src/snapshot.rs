//! The snapshot: everything that was seen of one world, and what could not be seen.

use crate::kind::Kind;
use crate::object::{Object, Role};
use crate::source::{Source, Span};
use crate::yaml::{Builder, Chunk, Documents, Limits, SyntaxError, Tree, parse_document, parse_document_with, split};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// `2026-11-22` (days to civil date after Howard Hinnant's public algorithm).
    pub fn date(self) -> String {
        let z = self.0.div_euclid(86_400) + 719_468;
        let era = z.div_euclid(146_097);
        let of_era = z.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let m = (5 * of_year + 2) / 153;
        let month = if m < 10 { m + 3 } else { m - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{:02}", of_year - (153 * m + 2) / 5 + 1)
    }
}

/// How much of the mesh the input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Completeness {
    /// A part: what is not there may exist elsewhere.
    #[default]
    Part,
    /// All of it: what is not there does not exist.
    Complete,
}

/// What sort of problem was met. The analyzers give the first two a code: they are findings. The rest is said
/// beside the findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// A document that is not valid YAML or JSON (MSH0001); the documents around it are read.
    Syntax,
    /// Text behind the end of a document, which Kubernetes ignores (MSH0006).
    Ignored,
    /// An unrendered Helm template; not judged.
    HelmTemplate,
    /// A kustomization, and the bases and patches that only it makes whole; not judged.
    Kustomize,
    /// Something asked for that could not be read (exit status 65).
    Unreadable,
    /// A part of a live source that could not be seen (exit status 75).
    Unseen,
}

/// Something that was met while reading, with its place.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Path or source that it is about.
    pub subject: String,
    /// What is wrong, in one sentence without advice.
    pub message: String,
    /// What to do or to type.
    pub help: Option<Cow<'static, str>>,
    pub place: Option<(Arc<Source>, Span)>,
}

/// What exists in one world. Objects stand in input order.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// "" for the ordinary, single world.
    pub world: String,
    pub objects: Vec<Object>,
    /// Names by [`Object::cluster`]; at least one, "" when unnamed.
    pub clusters: Vec<String>,
    pub problems: Vec<Problem>,
    /// Objects whose kind is unknown, by `apiVersion/kind`.
    pub unknown_kinds: BTreeMap<String, usize>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    pub documents: usize,
    /// MeshConfig given on its own (a file, or `mesh` of a control plane's ConfigMap, that of `istio` first).
    pub mesh_config: Option<Object>,
    /// A control plane's ConfigMap has a `mesh` that can't be read: what it says is not known.
    pub mesh_config_unreadable: bool,
    mesh_config_of_revision: bool,
    /// MeshNetworks given as a file; it counts instead of `meshNetworks` of the `istio` ConfigMap.
    pub mesh_networks: Option<Object>,
    pub completeness: Completeness,
    /// Kinds of which not all objects could be seen, though the rest is complete, by [`Object::cluster`].
    pub unseen: BTreeSet<(u16, Kind)>,
    /// The instant at which ages and expiries are judged.
    pub as_of: Timestamp,
}

/// What one source text holds.
#[derive(Debug, Default)]
pub struct Manifest {
    pub objects: Vec<Object>,
    /// The bytes of a document, and what is wrong in it.
    pub errors: Vec<(Span, SyntaxError)>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    pub documents: usize,
}

/// Reads the objects of a manifest: YAML or JSON, several documents, `kind: List` opened. A list's items share
/// their document's tree, so each keeps its own position.
pub fn read_manifest(source: &Arc<Source>, role: Role, cluster: u16, limits: Limits) -> Manifest {
    use rayon::prelude::*;
    let Documents { chunks, bad_separators } = split(source.text());
    let read = |builder: &mut Builder, chunk: &Chunk| Document::read(builder, source, chunk.span, role, cluster, limits);
    let parsed: Vec<Document> = if chunks.len() < 16 {
        let mut builder = Builder::default();
        chunks.iter().map(|c| read(&mut builder, c)).collect()
    } else {
        chunks.par_iter().with_min_len(32).map_init(Builder::default, read).collect()
    };
    let mut out = Manifest { documents: chunks.len(), ..Manifest::default() };
    out.objects.reserve(parsed.len());
    for (chunk, document) in chunks.iter().zip(parsed) {
        out.errors.extend(document.error.map(|error| (chunk.span, *error)));
        out.objects.extend(document.objects);
        out.not_objects += document.not_objects;
    }
    if !out.objects.is_empty() {
        // One fault is one finding, though the document that such a line opens is mostly no YAML either.
        out.errors.retain(|(document, _)| bad_separators.binary_search_by_key(&document.start, |s| s.start).is_err());
        // Files without objects may be written for readers that allow it.
        out.errors.extend(bad_separators.into_iter().map(|span| {
            let error = SyntaxError {
                span,
                message: "only a comment may follow `---` on its line; Kubernetes' reader refuses the rest of the file".into(),
                help: Some("put what follows on a line of its own"),
                after_document: false,
            };
            (span, error)
        }));
        out.errors.sort_by_key(|(_, error)| error.span.start);
    }
    out
}

/// What one document holds.
struct Document {
    objects: Objects,
    error: Option<Box<SyntaxError>>,
    not_objects: usize,
}

impl Document {
    fn read(builder: &mut Builder, source: &Arc<Source>, span: Span, role: Role, cluster: u16, limits: Limits) -> Document {
        let parsed = parse_document_with(builder, source, span, limits);
        let mut document = Document { objects: Objects::default(), error: parsed.error.map(Box::new), not_objects: 0 };
        if let Some(tree) = parsed.tree.map(Arc::new).filter(|tree| !tree.root().is_null()) {
            document.not_objects = push_objects(&mut document.objects, &tree, 0, role, cluster);
        }
        document
    }
}

/// The objects of a document: mostly one, which needs no list.
#[derive(Default)]
struct Objects {
    first: Option<Object>,
    rest: Vec<Object>,
}

impl Objects {
    fn push(&mut self, object: Object) {
        if self.first.is_none() {
            self.first = Some(object);
        } else {
            self.rest.push(object);
        }
    }
}

impl IntoIterator for Objects {
    type Item = Object;
    type IntoIter = std::iter::Chain<std::option::IntoIter<Object>, std::vec::IntoIter<Object>>;
    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

/// Adds the objects at a node; how many values there are none.
fn push_objects(out: &mut Objects, tree: &Arc<Tree>, node: u32, role: Role, cluster: u16) -> usize {
    match Object::new(tree, node) {
        Some(object) => push_object(out, object, role, cluster),
        None => 1,
    }
}

fn push_object(out: &mut Objects, mut object: Object, role: Role, cluster: u16) -> usize {
    let items = if object.kind_name().ends_with("List") { object.root().get_entry("items").map(|(_, items)| items) } else { None };
    match items {
        // `items: null` is what an empty list looks like when Go wrote it.
        Some(items) if items.is_sequence() || items.is_null() => {
            // A nested list opens too; the depth limit of the parser bounds this.
            let open = |item: crate::Node<'_>| match Object::item(&object, item.id()) {
                Some(item) => push_object(out, item, role, cluster),
                None => push_objects(out, object.tree(), item.id(), role, cluster),
            };
            items.items().map(open).sum()
        }
        _ => {
            object.role = role;
            object.cluster = cluster;
            out.push(object);
            0
        }
    }
}

impl Snapshot {
    pub fn new() -> Snapshot {
        Snapshot { clusters: vec![String::new()], ..Snapshot::default() }
    }
    /// The name of an object's cluster; "" for the only one.
    pub fn cluster_name(&self, object: &Object) -> &str {
        self.clusters.get(object.cluster as usize).map_or("", String::as_str)
    }
    /// `mesh` of a control plane's ConfigMap. That of the default revision counts before others.
    fn read_mesh_config(&mut self, map: &Object) {
        let Some(text) = map.control_plane_text("mesh") else { return };
        if self.mesh_config.is_some() && !(map.name() == "istio" && self.mesh_config_of_revision) {
            return;
        }
        let source = Source::new(format!("{} (mesh of ConfigMap {})", map.source().name(), map.name()), text.text());
        let parsed = parse_document(&source, Span::new(0, source.text().len()), Limits::default());
        // What follows a whole document is not read by istiod either.
        self.mesh_config_unreadable |= parsed.error.is_some_and(|e| !e.after_document);
        if let Some(tree) = parsed.tree {
            self.mesh_config = Some(Object::mesh_config(Arc::new(tree)));
            self.mesh_config_of_revision = map.name() != "istio";
        }
    }
    /// Adds a manifest's objects and problems.
    pub fn add(&mut self, source: &Arc<Source>, manifest: Manifest) {
        self.documents += manifest.documents;
        self.not_objects += manifest.not_objects;
        self.objects.reserve(manifest.objects.len());
        for object in manifest.objects {
            if object.kind == crate::Kind::Other {
                *self.unknown_kinds.entry(format!("{}/{}", object.api_version(), object.kind_name())).or_default() += 1;
            }
            self.read_mesh_config(&object);
            self.objects.push(object);
        }
        for (_, error) in manifest.errors {
            self.problems.push(Problem {
                kind: if error.after_document { ProblemKind::Ignored } else { ProblemKind::Syntax },
                subject: source.name().to_owned(),
                message: error.message,
                help: error.help.map(Cow::Borrowed),
                place: Some((Arc::clone(source), error.span)),
            });
        }
    }
}
