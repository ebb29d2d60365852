//! Cutting a stream into documents, textually, as Kubernetes' YAML reader does.

use crate::source::Span;

/// One document of a stream: the bytes between two separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub span: Span,
}

/// The documents of a text. A separator is a line that begins with `---` and holds nothing else but white
/// space or a comment; a line such as `--- b: 2` belongs to the document it opens.
pub fn documents(text: &str) -> Vec<Chunk> {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut start = usize::from(text.starts_with('\u{feff}')) * 3;
    let mut at = start;
    let finder = memchr::memmem::Finder::new(b"---");
    while let Some(found) = finder.find(&bytes[at..]) {
        let i = at + found;
        let opens_line = i == start || i == 0 || matches!(bytes[i - 1], b'\n' | b'\r') || i == 3 && text.starts_with('\u{feff}');
        let end = memchr::memchr2(b'\n', b'\r', &bytes[i..]).map_or(bytes.len(), |n| i + n);
        let rest = &text[i + 3..end];
        let trimmed = rest.trim_start_matches([' ', '\t']);
        if opens_line && (trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())) {
            push(&mut out, text, start, i);
            start = end;
            at = end;
        } else {
            at = i + 3;
        }
    }
    push(&mut out, text, start, bytes.len());
    out
}

fn push(out: &mut Vec<Chunk>, text: &str, start: usize, end: usize) {
    let mut start = start;
    while matches!(text.as_bytes().get(start), Some(b'\n' | b'\r')) && start < end {
        start += 1;
    }
    if text[start..end].starts_with('\u{feff}') {
        start += 3;
    }
    if !text[start..end].trim().is_empty() {
        out.push(Chunk { span: Span::new(start, end) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        documents(text).iter().map(|c| text[c.span.start as usize..c.span.end as usize].trim()).collect()
    }

    #[test]
    fn splits_like_kubernetes() {
        assert_eq!(parts("a: 1\n---\nb: 2\n--- # note\nc: 3\n"), ["a: 1", "b: 2", "c: 3"]);
        assert_eq!(parts("---\n---\n\n---\na: 1"), ["a: 1"]);
        assert_eq!(parts("a: '\n---\n'"), ["a: '", "'"]);
        assert_eq!(parts("a: x---\nb: 1\r\n---\r\nc: 2"), ["a: x---\nb: 1", "c: 2"]);
        assert_eq!(parts("\u{feff}---\na: 1\n---\n\u{feff}b: 1"), ["a: 1", "b: 1"]);
    }
}
