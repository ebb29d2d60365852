//! Recorded lines and wrapped ones, and what the fuzz target does over them on any compiler.

use mesh_envoy::access_log::{Field, Layer, Line, Reader, Unwrapper, replay};
use std::path::Path;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/access-log").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    entries: usize,
    broken: usize,
    other: usize,
}

fn count(text: &str) -> Count {
    let (reader, mut unwrapper, mut count) = (Reader::default(), Unwrapper::default(), Count::default());
    for line in text.lines() {
        unwrapper.lines(line, &mut |inner, _, layer| {
            let read = reader.read(inner);
            match (&read, layer) {
                (Line::Entry(_), _) => count.entries += 1,
                (_, Layer::Wrapped) => {}
                (Line::Broken(_), _) => count.broken += 1,
                (Line::Other, _) => count.other += 1,
            }
            matches!(read, Line::Entry(_))
        });
    }
    count
}

#[test]
fn every_recorded_line_is_read_whole() {
    for (name, lines) in [("istio-text.log", 22), ("istio-json.log", 22)] {
        let text = fixture(name);
        assert_eq!(count(&text), Count { entries: text.lines().count(), ..Count::default() }, "{name}");
        assert!(text.lines().count() >= lines, "{name}");
        for line in text.lines() {
            let Line::Entry(e) = Reader::default().read(line) else { panic!("{line}") };
            assert!(!e.text(Field::StartTime).is_empty() && !e.text(Field::DownstreamLocalAddress).is_empty(), "{line}");
            assert!(e.code() > 0 || e.flags().count() > 0, "{line}");
        }
    }
}

#[test]
fn wrapped_lines_are_read_and_others_counted() {
    // The first line is a format; three lines are an application's or the agent's, one is broken.
    assert_eq!(count(&fixture("wrapped.log")), Count { entries: 13, broken: 1, other: 4 });
}

#[test]
fn nothing_panics_on_pieces_of_lines() {
    for name in ["istio-text.log", "istio-json.log", "wrapped.log"] {
        let text = fixture(name);
        for cut in 0..64 {
            let mut end = text.len() - text.len() * cut / 64;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            replay(&text[..end]);
            replay(&text[end..]);
        }
    }
}
