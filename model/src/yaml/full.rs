//! The full YAML language, through granit-parser's events: what the fast path leaves, and its reference.

use super::tree::{Builder, NodeId, Style};
use super::{Limits, Parsed, SyntaxError, scalar};
use crate::source::{Source, Span};
use granit_parser::{Event, Parser, ScalarStyle};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

struct Open {
    id: NodeId,
    mapping: bool,
    /// The next child of a mapping is a key.
    at_key: bool,
    merges: bool,
    anchor: usize,
    /// Where the last child ends.
    end: usize,
}

/// Parses one document of a source.
pub fn parse(builder: &mut Builder, source: &Arc<Source>, span: Span, limits: Limits) -> Parsed {
    let mut text = Cow::Borrowed(source.slice(span));
    let mut result = events(source, &text, span, limits, builder);
    for _ in 0..COLONS {
        let Err(error) = &result else { break };
        let at = (error.span.start - span.start) as usize;
        if !is_colon_of_text(text.as_bytes(), at) {
            break;
        }
        text.to_mut().replace_range(at..=at, "_");
        builder.truncate(0);
        result = events(source, &text, span, limits, builder);
    }
    let complete = !builder.is_empty() && builder.next(0) as usize == builder.len();
    match result {
        Ok(()) => Parsed { tree: complete.then(|| builder.finish(source, span)), error: None },
        // What follows a finished document is dropped, as Kubernetes does; but not in silence.
        Err(error) if error.after_document => Parsed { tree: Some(builder.finish(source, span)), error: Some(error) },
        Err(error) => Parsed { tree: None, error: Some(error) },
    }
}

/// So many colons of a document that granit refuses are read as text.
const COLONS: usize = 16;

/// Whether a colon is what ends a value in braces, as in `{address: 2001:db8::}`. YAML 1.2 refuses it; Kubernetes' reader
/// takes it for text, since no blank follows.
fn is_colon_of_text(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|i| text.get(i));
    before.is_some_and(|b| !b.is_ascii_whitespace()) && text.get(at) == Some(&b':') && matches!(text.get(at + 1), Some(b',' | b'}' | b']'))
}

fn fail<T>(span: Span, message: impl Into<String>) -> Result<T, SyntaxError> {
    Err(SyntaxError { span, message: message.into(), help: None, after_document: false })
}

/// Another value behind a finished document.
fn ignored(span: Span) -> SyntaxError {
    SyntaxError {
        span,
        message: "a second value follows this document without a line `---` between them; Kubernetes ignores it".into(),
        help: Some("put a line `---` between the two"),
        after_document: true,
    }
}

/// Reads a document's text, which is that of the source but for single colons.
fn events(source: &Arc<Source>, text: &str, document: Span, limits: Limits, b: &mut Builder) -> Result<(), SyntaxError> {
    let base = document.start as usize;
    let mut stack: Vec<Open> = Vec::new();
    let mut anchors: FxHashMap<usize, NodeId> = FxHashMap::default();
    let mut done = false;
    for item in Parser::new_from_str(text) {
        let (event, at) = match item {
            Ok(x) => x,
            Err(e) => {
                let offset = base + e.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                let span = Span::new(offset, offset);
                return if done { Err(ignored(span)) } else { fail(span, e.info()) };
            }
        };
        let range = at.byte_range().unwrap_or(text.len()..text.len());
        let span = Span::new(base + range.start, base + range.end.max(range.start));
        if b.len() > limits.nodes {
            return fail(span, format!("the document has more than {} values after aliases are expanded", limits.nodes));
        }
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                before_child(&mut stack, span, Child::Scalar(&value, style))?;
                let span = match stack.last() {
                    Some(top) if !top.mapping && span.is_empty() => behind_dash(source, top.end.max(b.span(top.id).start as usize), span),
                    _ => span,
                };
                let id = scalar_node(source, text.get(range).unwrap_or(""), b, &value, style, tag.as_deref().and_then(|t| t.core_suffix()), span);
                if anchor > 0 {
                    anchors.insert(anchor, id);
                }
                let end = b.span(id).end;
                after_child(&mut stack, b, source, end);
            }
            Event::MappingStart(_, anchor, _) | Event::SequenceStart(_, anchor, _) => {
                let mapping = matches!(event, Event::MappingStart(..));
                before_child(&mut stack, span, Child::Collection)?;
                if stack.len() >= limits.depth {
                    return fail(span, format!("nested more than {} levels deep", limits.depth));
                }
                let start = match stack.last() {
                    Some(top) if !mapping && top.mapping && !top.at_key => first_dash(source, b, span),
                    _ => span.start as usize,
                };
                let id = if mapping { b.open_mapping(start) } else { b.open_sequence(start) };
                stack.push(Open { id, mapping, at_key: mapping, merges: false, anchor, end: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(open) = stack.pop() else { return fail(span, "unbalanced collection") };
                // Block collections end with their last child, flow collections with their bracket.
                b.close(open.id, open.end.max(span.end as usize * usize::from(!range.is_empty())));
                if let Some(text) = colon_at_end(source, b, &open) {
                    b.truncate(open.id);
                    b.scalar(Style::Plain, text);
                } else if open.mapping {
                    if open.merges {
                        b.expand_merges(open.id, source, limits.nodes).or_else(|message| fail(b.span(open.id), message))?;
                    }
                    b.find_duplicates(open.id, source);
                }
                if open.anchor > 0 {
                    anchors.insert(open.anchor, open.id);
                }
                let end = b.span(open.id).end;
                after_child(&mut stack, b, source, end);
            }
            Event::Alias(id) => {
                before_child(&mut stack, span, Child::Collection)?;
                let Some(&target) = anchors.get(&id) else { return fail(span, "this alias refers to itself") };
                if b.len() + (b.next(target) - target) as usize > limits.nodes {
                    return fail(span, format!("aliases expand to more than {} values", limits.nodes));
                }
                if stack.len() + b.height(target) > limits.depth {
                    return fail(span, format!("aliases nest more than {} levels deep", limits.depth));
                }
                b.copy(target);
                after_child(&mut stack, b, source, span.end);
            }
            Event::DocumentStart(..) if done => return Err(ignored(span)),
            Event::DocumentEnd => done = true,
            _ => {}
        }
    }
    Ok(())
}

/// An item of a list that a colon ends, as in `[2001:db8::]`: YAML 1.2 takes it for a mapping of one key, Kubernetes'
/// reader for a text, since no blank follows the colon.
fn colon_at_end(source: &Source, b: &Builder, mapping: &Open) -> Option<Span> {
    let (key, value) = (mapping.id + 1, mapping.id + 2);
    if !mapping.mapping || b.len() != value as usize + 1 || !b.is_plain_scalar(key) || !b.span(value).is_empty() {
        return None;
    }
    let bytes = source.text().as_bytes();
    let Span { start, end } = b.span(key);
    let braced = bytes.get(b.span(mapping.id).start as usize) == Some(&b'{');
    let behind = (bytes.get(end as usize), bytes.get(end as usize + 1));
    (!braced && matches!(behind, (Some(b':'), Some(b',' | b']')))).then_some(Span { start, end: end + 1 })
}

/// Where a list under the key that was just added starts: at its first dash. A list that is not indented deeper than
/// its key is announced behind the dash.
fn first_dash(source: &Source, b: &Builder, announced: Span) -> usize {
    let key = b.span(b.len() as NodeId - 1);
    let text = source.slice(Span { start: key.end, end: announced.start });
    let rest = skip_comments(text.trim_start().strip_prefix(':').unwrap_or(""));
    if rest.starts_with('-') { announced.start as usize - rest.len() } else { announced.start as usize }
}

/// The place of an empty item: right behind its dash, not behind a comment that follows.
fn behind_dash(source: &Source, from: usize, announced: Span) -> Span {
    let text = source.slice(Span { start: from as u32, end: announced.start });
    // An empty value ends before its colon.
    let text = text.trim_start();
    match skip_comments(text.strip_prefix(':').unwrap_or(text)).strip_prefix('-') {
        Some(rest) => Span::new(announced.start as usize - rest.len(), announced.start as usize - rest.len()),
        None => announced,
    }
}

fn skip_comments(text: &str) -> &str {
    let mut rest = text.trim_start();
    while rest.starts_with('#') {
        rest = rest.find(['\n', '\r']).map_or("", |n| rest[n..].trim_start());
    }
    rest
}

enum Child<'a> {
    Scalar(&'a str, ScalarStyle),
    Collection,
}

fn before_child(stack: &mut [Open], span: Span, child: Child<'_>) -> Result<(), SyntaxError> {
    let Some(top) = stack.last_mut() else { return Ok(()) };
    if !top.mapping || !top.at_key {
        return Ok(());
    }
    match child {
        Child::Collection => fail(span, "a mapping or list cannot be a key; a template such as `{{ … }}` must be rendered or quoted"),
        Child::Scalar("<<", ScalarStyle::Plain) => {
            top.merges = true;
            Ok(())
        }
        Child::Scalar(..) => Ok(()),
    }
}

fn after_child(stack: &mut [Open], b: &mut Builder, source: &Source, end: u32) {
    let Some(top) = stack.last_mut() else { return };
    top.end = top.end.max(end as usize);
    if !top.mapping {
        return;
    }
    if top.at_key {
        let key = b.len() as NodeId - 1;
        if b.is_plain_scalar(key)
            && let Some(canonical) = scalar::canonical_key(b.text(source, key))
        {
            b.set_text(key, &canonical);
        }
        b.mark_key(key, source);
    }
    top.at_key = !top.at_key;
}

fn scalar_node(source: &Source, written: &str, b: &mut Builder, value: &str, style: ScalarStyle, tag: Option<&str>, span: Span) -> NodeId {
    let mut span = span;
    let mut style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    };
    if matches!(style, Style::Literal | Style::Folded) {
        // Trailing blank lines are no place to point at.
        let text = source.slice(span);
        span.end = span.start + text.trim_ascii_end().len() as u32;
    }
    if span.is_empty() && style == Style::Plain {
        return if tag == Some("str") { b.scalar_owned(Style::DoubleQuoted, span, "") } else { b.scalar(Style::Plain, span) };
    }
    match tag {
        Some("str") if style == Style::Plain => style = Style::DoubleQuoted,
        Some("int" | "float" | "bool" | "null") => return b.scalar_owned(Style::Plain, span, value),
        _ => {}
    }
    let quote = u32::from(matches!(style, Style::SingleQuoted | Style::DoubleQuoted));
    let inner = Span { start: span.start + quote, end: span.end.saturating_sub(quote) };
    let written = written.get(quote as usize..quote as usize + inner.len()).unwrap_or("");
    if !inner.is_empty() && written == value && (quote == 0 || matches!(source.text().as_bytes()[span.start as usize], b'"' | b'\'')) {
        b.scalar(style, span)
    } else {
        b.scalar_owned(style, span, value)
    }
}
