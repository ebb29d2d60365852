//! Cutting a stream into documents, textually, as Kubernetes' YAML reader does.

use crate::source::Span;

/// One document of a stream: the bytes between two separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub span: Span,
}

/// The documents of a text, and the lines at which Kubernetes would stop to read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    pub chunks: Vec<Chunk>,
    /// Lines that begin with `---` and go on with something else than a comment. YAML may allow them, Kubernetes'
    /// reader does not.
    pub bad_separators: Vec<Span>,
}

/// The documents of a text. A separator is a line that begins with `---` and holds nothing else but white space or a
/// comment; a line such as `--- b: 2` opens a document that it is itself part of.
pub fn documents(text: &str) -> Vec<Chunk> {
    split(text).chunks
}

/// The same, with the lines at which Kubernetes would stop.
pub fn split(text: &str) -> Documents {
    let bytes = text.as_bytes();
    let mut out = Documents::default();
    let mut start = usize::from(text.starts_with('\u{feff}')) * 3;
    let mut at = start;
    let finder = memchr::memmem::Finder::new(b"---");
    while let Some(found) = finder.find(&bytes[at..]) {
        let i = at + found;
        let opens_line = i == start || matches!(bytes[i - 1], b'\n' | b'\r');
        if !opens_line {
            at = i + 3;
            continue;
        }
        let end = memchr::memchr2(b'\n', b'\r', &bytes[i..]).map_or(bytes.len(), |n| i + n);
        let rest = &text[i + 3..end];
        let trimmed = rest.trim_start_matches([' ', '\t']);
        at = end;
        if trimmed.is_empty() || trimmed.starts_with('#') {
            push(&mut out.chunks, text, start, i);
            start = end;
        } else {
            out.bad_separators.push(Span::new(i, end));
            if trimmed.len() < rest.len() {
                push(&mut out.chunks, text, start, i);
                start = i;
            }
        }
    }
    push(&mut out.chunks, text, start, bytes.len());
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
        assert_eq!(parts("a: 1\n---#x\nb: 2"), ["a: 1", "b: 2"]);
        assert_eq!(parts("a: 1\n--- b: 2\n---\nc: 3"), ["a: 1", "--- b: 2", "c: 3"]);
        assert_eq!(parts("a: '\n----\n'"), ["a: '\n----\n'"]);
        let bad = |text| split(text).bad_separators.iter().map(|s| s.start).collect::<Vec<_>>();
        assert_eq!((bad("a: 1\n--- b: 2\n--- # c\n"), bad("----\n"), bad(" --- a\n")), (vec![5], vec![0], vec![]));
        assert_eq!(parts("\u{feff}---\na: 1\n---\n\u{feff}b: 1"), ["a: 1", "b: 1"]);
    }
}
