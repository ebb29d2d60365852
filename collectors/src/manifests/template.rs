//! Documents that are templates nobody rendered: they are said, not judged, and cost the documents around them nothing.

use memchr::memmem::find;
use mesh_model::snapshot::Manifest;
use mesh_model::yaml::{Limits, parse_document};
use mesh_model::{Object, Source, Span};
use std::collections::HashSet;
use std::sync::Arc;

/// How many documents of a source are templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Templates {
    None,
    /// So many, beside others.
    Some(usize),
    All,
}

/// Takes the documents that are templates out of a manifest.
pub fn take_out(source: &Arc<Source>, manifest: &mut Manifest) -> Templates {
    if !has_actions(source.text()) {
        return Templates::None;
    }
    let mut found: HashSet<Span> = HashSet::new();
    found.extend(manifest.errors.iter().map(|(document, _)| *document).filter(|document| is_template(source.slice(*document))));
    found.extend(manifest.objects.iter().filter(|o| is_unrendered(o)).map(|o| o.tree().span()));
    if found.is_empty() {
        return Templates::None;
    }
    // What stands beside a template and has actions too waits for the same values.
    let mut documents: Vec<Span> = manifest.objects.iter().map(|o| o.tree().span()).collect();
    documents.dedup();
    found.extend(documents.into_iter().filter(|document| has_actions(source.slice(*document))));
    manifest.errors.retain(|(document, _)| !found.contains(document));
    manifest.objects.retain(|o| !found.contains(&o.tree().span()));
    if manifest.objects.is_empty() && manifest.errors.is_empty() { Templates::All } else { Templates::Some(found.len()) }
}

fn has_actions(text: &str) -> bool {
    ["{{", "{%"].iter().any(|open| find(text.as_bytes(), open.as_bytes()).is_some())
}

/// Whether an object has actions where it says what it is.
fn is_unrendered(object: &Object) -> bool {
    [object.api_version(), object.kind_name(), object.name(), object.written_namespace()].iter().any(|t| t.contains("{{"))
}

/// Whether a document that can't be read is a template: it has actions that steer a template, or with words in the place
/// of its actions it can be read.
fn is_template(document: &str) -> bool {
    const STEERING: &[&str] = &["if", "else", "end", "range", "with", "define", "include", "template", "block", "toYaml"];
    let actions = || document.split("{{").skip(1).map(|action| action.trim_start_matches('-').trim_start());
    if find(document.as_bytes(), b"{%").is_some() || actions().any(|a| STEERING.iter().any(|word| a.strip_prefix(word).is_some_and(ends_word))) {
        return true;
    }
    if actions().next().is_none() {
        return false;
    }
    let filled = filled(document);
    let length = filled.len();
    let source = Source::new("", filled);
    parse_document(&source, Span::new(0, length), Limits::default()).error.is_none()
}

fn ends_word(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The text with a word in the place of each action.
fn filled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((_, after)) = action.split_once("}}") else {
            out.push_str("{{");
            rest = action;
            continue;
        };
        out.push('x');
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_told_from_broken_documents() {
        for template in
            ["name: {{ .Values.name }}", "a:\n{{- if .x }}\n  b: c\n{{- end }}\n", "{% for x in y %}", "a: {{ .x }}\nb: \"{{ \"q\" }}\"", "{{ .all }}"]
        {
            assert!(is_template(template), "{template}");
        }
        for broken in ["a: [", "a: \"{{ $value }}\"\nb: [", "a: '{{ x }}'\n\tb: c", "expr: '{{ endpoint }}", "a: {{ x"] {
            assert!(!is_template(broken), "{broken}");
        }
    }
}
