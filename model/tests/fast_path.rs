//! The fast path must answer exactly as the full parser does, wherever it answers.

use mesh_model::yaml::{Limits, compare_paths, documents, parse_document};
use mesh_model::{Source, Span};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

/// Compares both on every document of a text; how many the fast path read.
fn agree(text: &str) -> usize {
    let source = Source::new("test", text);
    let whole = Span::new(0, text.len());
    let chunks = documents(text).into_iter().map(|c| c.span).chain([whole]);
    chunks
        .filter(|span| match compare_paths(&source, *span, Limits::default()) {
            Ok(read) => read,
            Err(difference) => panic!("{:?}\n{difference}", source.slice(*span)),
        })
        .count()
}

const DOCUMENTS: &[&str] = &[
    "a: b\nc:\n  d: 1\n  e:\nf: ~\n",
    "a:\n- b\n- c: 1\n  d: 2\n-\n- - x\n  - y\ne: {a: b, c: [1, 2]}\n",
    "a:\n- # c\n  b: c\n-\n\n  - d\n",
    "a: |\n  x\n\n  y\n\nb: >-\n  x\n  y\n\n  z\n# c\nc: |+\n  x\n\n\nd: e\n",
    "a:\n- |\n x\n- >-\n  y\n  z",
    "a: |\n  x\n # c\nb: c",
    "a: x\n  y\n\n  z\nb: \"x\n  y\"\nc: 'it''s\n\n  so'\n",
    "- a\n  b\n- c: d\n    e\n",
    "# hi\n\na: b # c\n\n  # end\nb: #c\n  d\n",
    "\"a\": \"\\u00e9\\n\"\n'b' : c\n",
    "{\"a\": {\"b\": [1, -2.5, true, null, \"x\\\\\"]},\n\t\"c\": []\n}\n",
    "a: [b,\n  c,\n  ]\nd: {e: f,\n  g: \"h\"}\n",
    "a:\r\n  b: c\r\n  d: |\r\n    e\r\n    f\r\ng: h\r\n",
    "y: 1\ny: 2\nyes: 3\n010: a\n8: b\n",
    "a: b:c#d\ne: http://x/y?z=1#f\ng: -x\nh: 10.0.0.0/8\n",
    "a: é\nß: \"ü\"\n",
    "a: [1.2.3.4, 001:db8::]\nb: [x:, y, x::y]\n",
    "a: {b: c:, d: e}\nb: {c: 2001:db8::}\n",
    "x",
    "- \"a\"\n- 'b': c\n",
    "a:\n-\n a: \n- ",
];

#[test]
fn known_documents_are_read_fast_and_alike() {
    for text in DOCUMENTS {
        assert_ne!(agree(text), 0, "the fast path gives up on {text:?}");
    }
}

/// sigs.k8s.io/yaml ends a plain text at a colon only where a blank follows, also before `,` and `]`.
#[test]
fn a_colon_at_the_end_of_an_item_is_text() {
    for text in ["a: [1.2.3.4, 001:db8::]\n", "x: &x y\na: [1.2.3.4, 001:db8::]\n"] {
        let source = Source::new("test", text);
        let tree = parse_document(&source, Span::new(0, text.len()), Limits::default()).tree.expect("a document");
        let items: Vec<_> = tree.root().list("a").map(|n| (n.text(), source.slice(n.span()))).collect();
        assert_eq!(items, [("1.2.3.4", "1.2.3.4"), ("001:db8::", "001:db8::")], "{text}");
    }
}

/// What the fast path must not take: the full parser decides.
#[test]
fn what_it_does_not_know_is_left_to_the_full_parser() {
    for text in [
        "a: &x b\nc: *x\n",
        "a: !!str 1\n",
        "a:\n  <<: {b: c}\n",
        "? a\n: b\n",
        "\ta: b\n",
        "a:\n\tb: c\n",
        "a: b\u{0}\n",
        "a: b\u{85}c\n",
        "a: {{ .Values.x }}\n",
        "a: b: c\n",
        "a: b\n c: d\n",
        "a:\n  b: c\n d: e\n",
        "a: 'x\n",
        "a: [b\n",
        "--- a: b\n",
        "%YAML 1.1\n",
        "a: b\n...\nc: d\n",
        "{a: b}\nc: d\n",
        "{\"a\":1}\n{\"b\":2}\n",
        "a: |\n   x\n  y\n",
        "a: @b\n",
    ] {
        let source = Source::new("test", text);
        assert_eq!(compare_paths(&source, Span::new(0, text.len()), Limits::default()), Ok(false), "{text:?}");
    }
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| ["yaml", "yml", "json"].iter().any(|k| e == *k)) {
            out.push(path);
        }
    }
}

#[test]
fn fixtures_are_read_alike_and_nearly_all_of_them_fast() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata"), &mut found);
    let texts: Vec<String> = found.iter().filter_map(|p| std::fs::read_to_string(p).ok()).collect();
    let all: usize = texts.iter().map(|text| documents(text).len() + 1).sum();
    let fast: usize = texts.iter().map(|text| agree(text)).sum();
    // Whole texts of several documents are left to the full parser, and so are broken ones.
    let whole = texts.iter().filter(|text| documents(text).len() != 1).count();
    let share = fast as f64 / (all - whole) as f64;
    assert!(all > 100 && share > 0.85, "{fast} of {} documents are read fast", all - whole);
}

/// A value in block or flow style.
fn value(depth: u32) -> BoxedStrategy<String> {
    let word = prop_oneof![
        "[a-z]{1,5}",
        "-?[0-9]{1,4}",
        "[a-zA-Z./:#-]{1,8}",
        Just("y".to_owned()),
        Just("~".to_owned()),
        Just(String::new()),
        "\"[a-z \\\\n:#]{0,6}\"",
        "'[a-z \":#]{0,6}'",
        Just("|\n  x\n  y\n".to_owned()),
        Just(">-\n  x\n\n  y".to_owned()),
        Just("a\n  b".to_owned()),
        Just("[a, {b: c}, \"d\"]".to_owned()),
        Just("{}".to_owned()),
        Just("x # y".to_owned()),
    ];
    if depth == 0 {
        return word.boxed();
    }
    let indented = |text: String, by: usize| text.replace('\n', &format!("\n{}", " ".repeat(by)));
    prop_oneof![
        2 => word,
        3 => (prop::collection::vec(("[a-c]{1,2}|\"k\"|on|'q'", value(depth - 1), 0usize..4), 1..4)).prop_map(move |entries| {
            entries.into_iter().map(|(k, v, i)| format!("{k}:{}", join(&indented(v, i), i))).collect::<Vec<_>>().join("\n")
        }),
        3 => (prop::collection::vec((value(depth - 1), 0usize..4), 1..4)).prop_map(move |items| {
            items.into_iter().map(|(v, i)| format!("-{}", join(&indented(v, i.max(2)), i))).collect::<Vec<_>>().join("\n")
        }),
    ]
    .boxed()
}

/// Puts a value behind a key or dash: on the same line, or on the next.
fn join(text: &str, indent: usize) -> String {
    if text.contains(": ") || text.starts_with('-') || indent == 3 { format!("\n{}{text}", " ".repeat(indent)) } else { format!(" {text}") }
}

/// A known document with one place changed.
fn mutated() -> impl Strategy<Value = String> {
    (0..DOCUMENTS.len(), any::<prop::sample::Index>(), 0usize..4, "[ \t\n\r:#,\\-\\[\\]{}\"'|>&*!?%@~xy01.<\u{85}\u{feff}]{0,3}").prop_map(
        |(document, at, cut, insert)| {
            let mut chars: Vec<char> = DOCUMENTS[document].chars().collect();
            let from = at.index(chars.len());
            let to = (from + cut).min(chars.len());
            chars.splice(from..to, insert.chars());
            chars.into_iter().collect()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_documents_are_read_alike(text in value(3)) {
        agree(&text);
    }

    #[test]
    fn changed_documents_are_read_alike(text in mutated()) {
        agree(&text);
    }

    #[test]
    fn any_text_is_read_alike(text in "[ a-c01\n\t:#,\\-\\[\\]{}\"'|>&*~]{0,40}") {
        agree(&text);
    }
}
