//! Reporting IST0106 (errors) and IST0133 (warnings) of one object.

use crate::codes::{self, Code};
use crate::finding::{Finding, Level, Related};
use crate::rule::{Context, Sink};
use mesh_model::{Kind, Node, Object, Role, Span};
use rustc_hash::FxHashMap;

/// Runs `check` over every judged object of a kind, with its spec. An object without a spec is checked as if its
/// spec were empty; one whose spec is no mapping is left alone.
pub fn each<'a>(cx: &Context<'a>, sink: &mut Sink<'a>, kind: Kind, check: impl Fn(&mut Checks<'a, '_>, Node<'a>)) {
    for object in cx.mesh.objects(kind).iter().copied().filter(|o| o.role == Role::Judged) {
        let spec = object.spec().unwrap_or_else(|| object.name_node());
        if object.spec().is_none() || spec.is_mapping() {
            let mut checks = Checks { sink, object, seen: FxHashMap::default() };
            if !checks.refused_by_annotation() {
                check(&mut checks, spec);
            }
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

impl<'a> Checks<'a, '_> {
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
    pub fn help(self, text: impl Into<String>) -> Self {
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
