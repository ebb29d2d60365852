//! Input that is made to hurt: it ends in a finding, in bounded time and memory. The full sizes are for
//! `cargo test --release -p mesh-collectors --test hostile -- --ignored`.

use mesh_model::{ProblemKind, Role, Snapshot};

/// Reads a text as one source; how many objects there are, and what is said.
fn read(bytes: impl Into<Vec<u8>>) -> (Snapshot, Vec<String>) {
    let mut snapshot = Snapshot::new();
    mesh_collectors::manifests::add(&mut snapshot, "hostile.yaml", bytes.into(), Role::Judged, 0);
    let said = snapshot.problems.iter().map(|p| p.message.clone()).collect();
    (snapshot, said)
}

fn is_one_syntax_error(text: String) {
    let start = text.chars().take(40).collect::<String>();
    let (snapshot, said) = read(text);
    assert_eq!(snapshot.problems.iter().map(|p| p.kind).collect::<Vec<_>>(), [ProblemKind::Syntax], "{start:?}: {said:?}");
    assert!(said[0].len() < 200, "{start:?}: {said:?}");
}

/// Levels of nesting in every style, opened `n` deep.
fn nesting(n: usize) {
    let block = |open: &str| (0..n.min(3000)).map(|i| format!("{}{open}\n", " ".repeat(i))).collect::<String>();
    for text in [
        "[".repeat(n),
        "{a: ".repeat(n),
        "[{".repeat(n / 2),
        "[".repeat(n) + &"]".repeat(n),
        "{\"a\":".repeat(n) + "1" + &"}".repeat(n),
        "- ".repeat(n) + "a",
        "? ".repeat(n),
        "? - ".repeat(n / 2),
        block("a:"),
        block("-"),
    ] {
        is_one_syntax_error(text);
    }
}

#[test]
fn nesting_has_a_limit() {
    nesting(10_000);
}

fn bombs() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let prior = format!("*a{}, ", i - 1).repeat(10);
        text += &format!("a{i}: &a{i} [{}]\n", prior.trim_end_matches(", "));
    }
    is_one_syntax_error(text);
    let mut text = "m0: &m0 {a: b, c: d}\n".to_owned();
    for i in 1..40 {
        text += &format!("m{i}: &m{i} {{k{i}: *m{}, l{i}: *m{}, <<: *m{}}}\n", i - 1, i - 1, i - 1);
    }
    is_one_syntax_error(text);
    is_one_syntax_error("a: &a [*a]\n".into());
}

#[test]
fn aliases_do_not_explode() {
    bombs();
}

/// One line of `n` bytes, plain, quoted, as JSON, as a key, and never ended.
fn long_lines(n: usize) {
    for (text, objects) in [
        (format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: {}}}\n", "x".repeat(n)), 1),
        (format!("apiVersion: v1\nkind: ConfigMap\ndata: {{a: \"{}\"}}\n", "x".repeat(n)), 1),
        (format!("{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"list\": [{}1]}}", "1, ".repeat(n / 30)), 1),
        ("x".repeat(n), 0),
        (" ".repeat(n), 0),
        ("#".repeat(n), 0),
    ] {
        let (snapshot, said) = read(text);
        assert_eq!((snapshot.objects.len(), said.len()), (objects, 0), "{said:?}");
    }
    is_one_syntax_error(format!("{}: a\n", "k".repeat(n)));
    is_one_syntax_error(format!("a: \"{}", "x".repeat(n)));
    is_one_syntax_error(format!("a: '{}", "x".repeat(n)));
    is_one_syntax_error("\0".repeat(n));
    is_one_syntax_error(format!("a: {}", "\t".repeat(n) + "\u{1}"));
}

#[test]
fn long_lines_are_read() {
    long_lines(1_000_000);
}

#[test]
fn bytes_that_are_no_text_are_one_finding() {
    for byte in [0xff, 0x80, 0xc3] {
        let (snapshot, said) = read(vec![byte; 1_000_000]);
        assert_eq!((snapshot.documents, said.len()), (1, 1), "{said:?}");
    }
}

fn many_documents(n: usize) {
    let (snapshot, said) = read("a: 1\n---\n".repeat(n));
    assert_eq!((snapshot.documents, snapshot.not_objects, said.len()), (n, n, 0));
    let (snapshot, said) = read("---\n".repeat(n));
    assert_eq!((snapshot.documents, said.len()), (0, 0));
    let (_, said) = read("a: [\n---\n".repeat(n));
    assert_eq!(said.len(), n);
}

#[test]
fn many_documents_are_read() {
    many_documents(20_000);
}

#[test]
fn many_keys_are_compared_in_linear_time() {
    let keys: String = (0..200_000).map(|i| format!("k{i}: 1\n")).collect();
    let (snapshot, said) = read(format!("apiVersion: v1\nkind: ConfigMap\n{keys}k0: 2\n"));
    assert!(said.is_empty());
    assert_eq!(snapshot.objects[0].tree().duplicate_keys().count(), 1);
    let merged = format!("a: &a\n{}b:\n  <<: *a\n", keys.lines().take(20_000).map(|l| format!("  {l}\n")).collect::<String>());
    assert!(read(merged).1.is_empty());
}

#[test]
#[ignore = "minutes of CPU and a gigabyte of memory"]
fn full_sizes() {
    let timed = |name: &str, run: &dyn Fn()| {
        let start = std::time::Instant::now();
        run();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("").to_owned();
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{name}: {:.1} s, {peak}\n", start.elapsed().as_secs_f32()).as_bytes());
    };
    timed("nesting 100,000", &|| nesting(100_000));
    timed("1,000,000 documents", &|| many_documents(1_000_000));
    timed("alias bombs", &bombs);
    timed("lines of 100 MB", &|| long_lines(100_000_000));
}
