//! Findings as they are printed, compared and counted: owned, and of one world like of many.

use crate::fingerprint::{Fingerprint, Hasher};
use crate::suppress::relative;
use mesh_analyzers::{Code, Finding, Level, codes};
use mesh_model::yaml::NodeId;
use mesh_model::{Node, Object, Position, Problem, Snapshot, Source, Span};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// A range of a source.
#[derive(Clone, Debug)]
pub struct Place {
    pub source: Arc<Source>,
    pub span: Span,
    /// The bytes that may be shown of it: the object it belongs to. `None` where nothing may, as in Secrets.
    pub visible: Option<Span>,
}

impl Place {
    /// The place of a value in an object.
    pub fn of_node(object: &Object, node: Node<'_>) -> Place {
        Place { source: Arc::clone(node.source()), span: node.span(), visible: visible(object, node) }
    }
    pub fn file(&self) -> &str {
        self.source.name()
    }
    pub fn start(&self) -> Position {
        self.source.position(self.span.start)
    }
    /// Block collections end where the next thing begins; their range ends with their last character.
    pub fn end(&self) -> Position {
        let text = self.source.slice(self.span);
        self.source.position(self.span.start + text.trim_end().len() as u32)
    }
}

/// The bytes of the object around a node, unless they are secret.
fn visible(object: &Object, node: Node<'_>) -> Option<Span> {
    let root = if Arc::ptr_eq(object.source(), node.source()) { object.root() } else { node.tree().root() };
    if mesh_analyzers::secrets::may_hold(object, node) { None } else { Some(root.span()) }
}

/// What a finding is about.
#[derive(Clone, Debug)]
pub enum About {
    /// An object, and the field in it; `None` for a value that does not stand in its document.
    Object { object: Object, field: Option<NodeId> },
    /// A file, by its path, where there is no object.
    File(Arc<str>),
}

impl About {
    fn value(object: &Object, at: Node<'_>) -> About {
        let is_own = std::ptr::eq(at.tree(), object.root().tree());
        About::Object { object: object.clone(), field: is_own.then(|| at.id()) }
    }
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug)]
pub struct Related {
    object: Object,
    pub label: String,
    pub place: Place,
}

impl Related {
    pub fn origin(&self) -> String {
        self.object.origin()
    }
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

/// The names that many findings share.
#[derive(Clone, Debug)]
pub struct Names {
    pub world: Arc<str>,
    pub clusters: Vec<Arc<str>>,
}

impl Names {
    pub fn of(snapshot: &Snapshot) -> Names {
        Names { world: snapshot.world.as_str().into(), clusters: snapshot.clusters.iter().map(|c| c.as_str().into()).collect() }
    }
}

/// A finding. There may be a million of them: what the object, the document and the source say is asked of them when
/// it is printed.
#[derive(Clone, Debug)]
pub struct Entry {
    pub code: &'static Code,
    pub level: Level,
    pub age: Option<Age>,
    pub about: About,
    pub world: Arc<str>,
    pub cluster: Arc<str>,
    pub message: String,
    pub help: Option<Cow<'static, str>>,
    pub place: Option<Place>,
    pub related: Box<[Related]>,
    pub fix: Option<Box<Fix>>,
    pub fingerprint: Fingerprint,
}

impl Entry {
    /// The entry of a finding.
    pub fn new(finding: Finding<'_>, names: &Names) -> Entry {
        let object = finding.object;
        let about = About::value(object, finding.at);
        let place = Place::of_node(object, finding.at);
        let cluster = names.clusters.get(usize::from(object.cluster)).cloned().unwrap_or_default();
        let mut hash = Hasher::default();
        hash.text(finding.code.id).text(&cluster).text(object.kind_name()).text(object.namespace()).text(object.name()).text(&finding.path());
        if place.visible.is_some() {
            hash.value(finding.at);
        }
        let related = |r: mesh_analyzers::Related<'_>| Related { object: r.object.clone(), label: r.label, place: Place::of_node(r.object, r.at) };
        Entry {
            code: finding.code,
            level: finding.level,
            age: None,
            about,
            world: Arc::clone(&names.world),
            cluster,
            message: finding.message,
            help: finding.help,
            related: finding.related.into_iter().map(related).collect(),
            fix: finding
                .fix
                .filter(|_| place.visible.is_some())
                .map(|f| Box::new(Fix { title: f.title, place: Place { span: f.span, ..place.clone() }, replacement: f.replacement })),
            place: Some(place),
            fingerprint: hash.finish(),
        }
    }

    /// The entry of something that belongs to a file and to no object.
    ///
    /// Its fingerprint has the file's path from the folder `base`, so that it is the same from wherever it is asked.
    pub fn of_file(code: &'static Code, file: &Arc<str>, message: &str, world: &Arc<str>, base: &Path) -> Entry {
        let mut hash = Hasher::default();
        hash.text(code.id).text("File").text(&relative(file, base).to_string_lossy()).text(message);
        Entry {
            code,
            level: code.level,
            age: None,
            about: About::File(Arc::clone(file)),
            world: Arc::clone(world),
            cluster: Arc::default(),
            message: message.to_owned(),
            help: None,
            place: None,
            related: Box::default(),
            fix: None,
            fingerprint: hash.finish(),
        }
    }

    /// The entry of a problem that is a finding; `file` is its subject.
    pub fn of_problem(problem: &Problem, file: &Arc<str>, code: &'static Code, world: &Arc<str>, base: &Path) -> Entry {
        let place =
            problem.place.as_ref().map(|(source, span)| Place { source: Arc::clone(source), span: *span, visible: Shown::around(source, *span).visible() });
        Entry { help: problem.help.clone(), place, ..Entry::of_file(code, file, &problem.message, world, base) }
    }

    /// An ignore that matches nothing.
    pub fn of_unused(object: Option<&Object>, place: Place, message: &str, world: &Arc<str>, base: &Path) -> Entry {
        let of_file = Entry::of_file(&codes::MSH0004, &place.file().into(), message, world, base);
        let mut entry = Entry { place: Some(place), ..of_file };
        if let Some(object) = object {
            let mut hash = Hasher::default();
            hash.text("MSH0004").text(object.kind_name()).text(object.namespace()).text(object.name()).text(message);
            entry.about = About::Object { object: object.clone(), field: None };
            entry.fingerprint = hash.finish();
        }
        entry
    }

    /// `Kind [ns/]name`, or `File PATH` for what belongs to no object.
    pub fn origin(&self) -> String {
        match &self.about {
            About::Object { object, .. } => object.origin(),
            About::File(path) => format!("File {path}"),
        }
    }
    /// The file, by the place or, where there is none, by what it is about.
    pub fn file(&self) -> &str {
        match (&self.place, &self.about) {
            (Some(place), _) => place.file(),
            (None, About::File(path)) => path,
            (None, About::Object { object, .. }) => object.source().name(),
        }
    }
    /// The effective namespace; "" where there is none.
    pub fn namespace(&self) -> &str {
        match &self.about {
            About::Object { object, .. } => object.namespace(),
            About::File(_) => "",
        }
    }
    /// Path of the field in its object; "" for the object itself.
    pub fn path(&self) -> String {
        match &self.about {
            About::Object { object, field: Some(field) } => object.tree().node(*field).path_from(object.root()),
            About::Object { field: None, .. } | About::File(_) => String::new(),
        }
    }
}

/// The document around a place, as it may be shown though it could not be read: not if it may be a Secret.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub document: Span,
    is_secret: bool,
}

impl Shown {
    pub fn around(source: &Source, span: Span) -> Shown {
        let text = source.text();
        let at = (span.start as usize).min(text.len());
        // Inside a character there is no document to show.
        let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else { return Shown { document: span, is_secret: true } };
        let start = before.rfind("\n---").map_or(0, |i| i + 1);
        let end = after.find("\n---").map_or(text.len(), |i| at + i);
        Shown { document: Span::new(start, end), is_secret: text.get(start..end).is_none_or(|document| document.contains("Secret")) }
    }
    pub fn visible(self) -> Option<Span> {
        (!self.is_secret).then_some(self.document)
    }
}
