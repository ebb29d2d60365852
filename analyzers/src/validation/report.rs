//! Reporting IST0106 (errors) and IST0133 (warnings) of one object.

use super::domain;
use crate::codes::{self, Code};
use crate::finding::{Finding, Level, Related};
use crate::rule::{Context, Sink};
use mesh_model::yaml::{Limits, parse_document};
use mesh_model::{Kind, Node, Object, Role, Source, Span, Tree};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Runs `check` over every judged object of a kind, with its spec. An object without a spec is checked as if its
/// spec were empty; one whose spec is no mapping is left alone.
pub fn each<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, kind: Kind, check: impl Fn(&mut Checks<'a, '_>, Node<'a>)) {
    for object in cx.mesh.objects(kind).iter().copied().filter(|o| o.role == Role::Judged) {
        let spec = object.spec().unwrap_or_else(|| object.name_node());
        if object.spec().is_none() || spec.is_mapping() {
            let mut checks = Checks::new(sink, object);
            if !checks.refused_by_annotation() {
                check(&mut checks, spec);
            }
        }
    }
}

/// Runs `check` over configuration that stands in a file of its own (`given`), and in `key` of the control plane's
/// ConfigMaps. What is wrong in a ConfigMap points at its whole text, and names the path in it.
pub fn each_text<'a>(
    cx: &Context<'a>,
    sink: &mut Sink<'a>,
    given: Option<&'a Object>,
    key: &str,
    make: fn(Arc<Tree>) -> Object,
    check: impl for<'l, 's> Fn(&mut Checks<'l, 's>, Node<'l>),
) {
    let maps = cx.mesh.objects(Kind::ConfigMap).iter().copied();
    let texts: Vec<_> = maps.filter_map(|c| Some((c, c.control_plane_text(key)?))).collect();
    if let Some(object) = given.filter(|g| g.root().is_mapping() && !texts.iter().any(|(_, t)| t.text() == g.source().text())) {
        check(&mut Checks::new(sink, object), object.root());
    }
    for (map, text) in texts.into_iter().filter(|(map, _)| map.role == Role::Judged) {
        let source = Source::new(key, text.text());
        let parsed = parse_document(&source, Span::new(0, source.text().len()), Limits::default());
        if let Some(error) = parsed.error.filter(|e| !e.after_document) {
            let at = source.position(error.span.start);
            let message = format!("`{key}` can't be read: in line {}, column {} of its text: {}", at.line, at.column, error.message);
            sink.report(&codes::IST0106, map, text, message).help("mend the text: istiod does not take it, and goes on with what it had");
            continue;
        }
        let Some(tree) = parsed.tree else { continue };
        if !tree.root().is_mapping() && !tree.root().is_null() {
            sink.report(&codes::IST0106, map, text, format!("`{key}` is no mapping of settings"));
            continue;
        }
        let object = make(Arc::new(tree));
        let mut within = Sink::default();
        if object.root().is_mapping() {
            check(&mut Checks::new(&mut within, &object), object.root());
        }
        for finding in within.findings {
            let path = finding.path();
            let message = if path.is_empty() { finding.message } else { format!("{} (`{path}`)", finding.message) };
            sink.report_at_level(finding.level, finding.code, map, text, message).help = finding.help;
        }
    }
}

/// Collects what is wrong with one object. The same fault is reported once an object, at its first place; the
/// other places are attached to it. Two faults are the same when their messages are, or their keys where
/// a message says more than what tells one fault from another.
pub struct Checks<'a, 's> {
    sink: &'s mut Sink<'a>,
    pub object: &'a Object,
    seen: FxHashMap<(&'static str, Box<str>), usize>,
}

/// More places than this are not attached.
const MOST_RELATED: usize = 20;

impl<'a, 's> Checks<'a, 's> {
    pub fn new(sink: &'s mut Sink<'a>, object: &'a Object) -> Checks<'a, 's> {
        Checks { sink, object, seen: FxHashMap::default() }
    }

    /// Metadata annotations that no user's object may carry. True when the object is refused for one.
    fn refused_by_annotation(&mut self) -> bool {
        for (key, value) in self.object.annotations() {
            let message = match key.text() {
                "istio.io/dry-run" if self.object.kind == Kind::AuthorizationPolicy => {
                    let action = self.object.spec().map_or("", |s| s.text_of("action"));
                    if !matches!(action, "" | "ALLOW" | "DENY") {
                        format!("annotation `istio.io/dry-run` is only for the actions ALLOW and DENY, not {action}")
                    } else if !matches!(value.text(), "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false" | "False") {
                        format!("annotation `istio.io/dry-run` is `{}`, neither true nor false", value.text())
                    } else {
                        continue;
                    }
                }
                "istio.io/dry-run" => {
                    format!("annotation `istio.io/dry-run` does not apply to a {}", self.object.kind_name())
                }
                "internal.istio.io/webhook-always-reject" => "annotation `internal.istio.io/webhook-always-reject` makes Istio refuse the object".to_owned(),
                key @ ("internal.istio.io/parents" | "internal.istio.io/parent-namespace") => {
                    format!("annotation `{key}` is Istio's own and refused on users' objects")
                }
                _ => continue,
            };
            self.error(key, message).help("remove the annotation");
            return true;
        }
        false
    }

    /// IST0106: Istio refuses the object.
    pub fn error(&mut self, at: Node<'a>, message: impl Into<String>) -> Said<'_, 'a> {
        let message = message.into();
        self.report(&codes::IST0106, at, None, message)
    }

    /// IST0133: accepted, but probably not what was meant.
    pub fn warn(&mut self, at: Node<'a>, message: impl Into<String>) -> Said<'_, 'a> {
        let message = message.into();
        self.report(&codes::IST0133, at, None, message)
    }

    /// [`Checks::error`], where faults with one `key` are one fault whatever their messages.
    pub fn error_once(&mut self, key: &str, at: Node<'a>, message: impl Into<String>) -> Said<'_, 'a> {
        let message = message.into();
        self.report(&codes::IST0106, at, Some(key), message)
    }

    /// [`Checks::warn`], where faults with one `key` are one fault whatever their messages.
    pub fn warn_once(&mut self, key: &str, at: Node<'a>, message: impl Into<String>) -> Said<'_, 'a> {
        let message = message.into();
        self.report(&codes::IST0133, at, Some(key), message)
    }

    /// Any code, by key or else by message.
    pub fn report(&mut self, code: &'static Code, at: Node<'a>, key: Option<&str>, message: String) -> Said<'_, 'a> {
        let identity = (code.id, key.unwrap_or(&message).into());
        if let Some(&index) = self.seen.get(&identity) {
            if let Some(first) = self.sink.findings.get_mut(index)
                && first.at != at
                && first.related.len() < MOST_RELATED
            {
                let label = if first.message == message { "here too".to_owned() } else { message };
                first.related.push(Related { object: self.object, at, label });
            }
            return Said(None);
        }
        self.seen.insert(identity, self.sink.findings.len());
        Said(Some(self.sink.report(code, self.object, at, message)))
    }

    /// Reports an error for a domain name that was judged.
    pub fn valid_domain(&mut self, at: Node<'a>, judged: Result<(), String>) {
        if let Err(message) = judged {
            self.error_once(&domain::fault_key(at.text()), at, message);
        }
    }

    /// Reports an error for a value that was judged.
    pub fn valid(&mut self, at: Node<'a>, judged: Result<(), String>) {
        if let Err(message) = judged {
            self.error(at, message);
        }
    }
}

/// What was just reported; nothing when the fault was reported before.
pub struct Said<'f, 'a>(Option<&'f mut Finding<'a>>);

impl<'a> Said<'_, 'a> {
    pub fn help(self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.map_or(Said(None), |f| {
            f.help(text);
            Said(Some(f))
        })
    }
    pub fn level(self, level: Level) -> Self {
        self.0.map_or(Said(None), |f| {
            f.level(level);
            Said(Some(f))
        })
    }
    pub fn related(self, object: &'a Object, at: Node<'a>, label: impl Into<String>) -> Self {
        self.0.map_or(Said(None), |f| {
            f.related(object, at, label);
            Said(Some(f))
        })
    }
    /// Another place in the same object.
    pub fn related_here(self, at: Node<'a>, label: impl Into<String>) -> Self {
        self.0.map_or(Said(None), |f| {
            f.related(f.object, at, label);
            Said(Some(f))
        })
    }
    pub fn fix(self, title: impl Into<String>, span: Span, replacement: impl Into<String>) -> Self {
        self.0.map_or(Said(None), |f| {
            f.fix(title, span, replacement);
            Said(Some(f))
        })
    }
    /// Suggests another value for the scalar reported, where it was written plainly.
    pub fn fix_value(self, value: &str) -> Self {
        self.0.map_or(Said(None), |f| {
            if f.at.is_scalar() && !f.at.text().is_empty() && f.at.source().slice(f.at.span()) == f.at.text() {
                let span = f.at.span();
                f.fix(format!("replace with `{value}`"), span, value);
            }
            Said(Some(f))
        })
    }
}
