//! Findings as they are printed, compared and counted: owned, with positions worked out.

use crate::fingerprint::{Fingerprint, Hasher};
use crate::suppress::relative;
use mesh_analyzers::{Code, Finding, Level, codes};
use mesh_model::{Node, Object, Position, Problem, Snapshot, Source, Span};
use std::path::Path;
use std::sync::Arc;

/// A range of a source, as people and as editors count.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: Arc<Source>,
    pub span: Span,
    pub start: Position,
    pub end: Position,
    /// The bytes that may be shown of it: the object it belongs to. `None` where nothing may, as in Secrets.
    pub visible: Option<Span>,
}

impl Place {
    pub fn new(source: &Arc<Source>, span: Span, visible: Option<Span>) -> Place {
        let start = source.position(span.start);
        let end = source.position(trimmed_end(source, span));
        Place { source: Arc::clone(source), span, start, end, visible }
    }
    /// The place of a value in an object.
    pub fn of_node(object: &Object, node: Node<'_>) -> Place {
        Place::new(node.source(), node.span(), visible(object, node))
    }
    /// The place of a comment, of which nothing but the comment is shown: the value before it may be secret.
    pub fn of_comment(source: &Arc<Source>, span: Span) -> Place {
        Place::new(source, span, document_without_secret(source, span).map(|_| span))
    }
    pub fn file(&self) -> &str {
        self.source.name()
    }
}

/// Block collections end where the next thing begins; their range ends with their last character.
fn trimmed_end(source: &Source, span: Span) -> u32 {
    let text = source.slice(span);
    span.start + text.trim_end().len() as u32
}

/// The bytes of the object around a node, unless they are secret.
fn visible(object: &Object, node: Node<'_>) -> Option<Span> {
    let root = if Arc::ptr_eq(object.source(), node.source()) { object.root() } else { node.tree().root() };
    if mesh_analyzers::secrets::may_hold(object, node) { None } else { Some(root.span()) }
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug)]
pub struct Related {
    pub origin: String,
    pub label: String,
    pub place: Place,
}

/// A change that would mend it.
#[derive(Clone, Debug)]
pub struct Fix {
    pub title: String,
    pub place: Place,
    pub replacement: String,
}

/// Whether a finding was there before, where that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    New,
    Known,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub code: &'static Code,
    pub level: Level,
    /// `Kind [ns/]name`, or `File PATH` for what belongs to no object.
    pub origin: String,
    /// The effective namespace; "" where there is none.
    pub namespace: String,
    pub world: String,
    pub cluster: String,
    pub message: String,
    pub help: Option<String>,
    pub place: Option<Place>,
    /// Path of the field in its object; "" for the object itself.
    pub path: String,
    pub related: Vec<Related>,
    pub fix: Option<Fix>,
    pub fingerprint: Fingerprint,
    pub age: Option<Age>,
}

impl Entry {
    /// The entry of a finding.
    pub fn new(finding: &Finding<'_>, snapshot: &Snapshot) -> Entry {
        let object = finding.object;
        let path = finding.path();
        let place = Place::of_node(object, finding.at);
        let cluster = snapshot.cluster_name(object);
        let mut hash = Hasher::default();
        hash.text(finding.code.id).text(cluster).text(object.kind_name()).text(object.namespace()).text(object.name()).text(&path);
        if place.visible.is_some() {
            hash.value(finding.at);
        }
        Entry {
            code: finding.code,
            level: finding.level,
            origin: object.origin(),
            namespace: object.namespace().to_owned(),
            world: snapshot.world.clone(),
            cluster: cluster.to_owned(),
            message: finding.message.clone(),
            help: finding.help.clone(),
            path,
            related: finding
                .related
                .iter()
                .map(|r| Related { origin: r.object.origin(), label: r.label.clone(), place: Place::of_node(r.object, r.at) })
                .collect(),
            fix: finding.fix.as_ref().filter(|_| place.visible.is_some()).map(|f| Fix {
                title: f.title.clone(),
                place: Place::new(&place.source, f.span, place.visible),
                replacement: f.replacement.clone(),
            }),
            place: Some(place),
            fingerprint: hash.finish(),
            age: None,
        }
    }

    /// The entry of something that belongs to a file and to no object.
    ///
    /// Its fingerprint has the file's path from the folder `base`, so that it is the same from wherever it is asked.
    pub fn of_file(code: &'static Code, file: &str, message: &str, world: &str, base: &Path) -> Entry {
        let mut hash = Hasher::default();
        hash.text(code.id).text("File").text(&relative(file, base).to_string_lossy()).text(message);
        Entry {
            code,
            level: code.level,
            origin: format!("File {file}"),
            namespace: String::new(),
            world: world.to_owned(),
            cluster: String::new(),
            message: message.to_owned(),
            help: None,
            place: None,
            path: String::new(),
            related: Vec::new(),
            fix: None,
            fingerprint: hash.finish(),
            age: None,
        }
    }

    /// The entry of a problem that is a finding.
    pub fn of_problem(problem: &Problem, code: &'static Code, world: &str, base: &Path) -> Entry {
        let place = problem.place.as_ref().map(|(source, span)| Place::new(source, *span, document_without_secret(source, *span)));
        Entry { help: problem.help.clone(), place, ..Entry::of_file(code, &problem.subject, &problem.message, world, base) }
    }

    /// An ignore that matches nothing.
    pub fn of_unused(object: Option<&Object>, place: Place, message: &str, world: &str, base: &Path) -> Entry {
        let of_file = Entry::of_file(&codes::MSH0004, place.source.name(), message, world, base);
        let mut entry = Entry { place: Some(place), ..of_file };
        if let Some(object) = object {
            let mut hash = Hasher::default();
            hash.text("MSH0004").text(object.kind_name()).text(object.namespace()).text(object.name()).text(message);
            entry.origin = object.origin();
            entry.namespace = object.namespace().to_owned();
            entry.fingerprint = hash.finish();
        }
        entry
    }
}

/// What may be shown around a place in a document that could not be read: its bytes, unless it may be a Secret.
fn document_without_secret(source: &Arc<Source>, span: Span) -> Option<Span> {
    let text = source.text();
    let at = (span.start as usize).min(text.len());
    let start = text.get(..at)?.rfind("\n---").map_or(0, |i| i + 1);
    let end = text.get(at..)?.find("\n---").map_or(text.len(), |i| at + i);
    let document = text.get(start..end)?;
    if document.contains("Secret") { None } else { Some(Span::new(start, end)) }
}
