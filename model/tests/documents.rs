//! Documents as trees and objects: lists, paths, and bounds that hold in wide and deep ones.

use mesh_model::snapshot::{Manifest, read_manifest};
use mesh_model::yaml::{Limits, Node, parse_document};
use mesh_model::{Kind, Role, Source, Span, Tree};

fn manifest(text: &str) -> Manifest {
    read_manifest(&Source::new("m.yaml", text), Role::Judged, 0, Limits::default())
}

fn parsed(text: &str) -> Result<Tree, String> {
    let source = Source::new("m.yaml", text);
    let parsed = parse_document(&source, Span::new(0, text.len()), Limits::default());
    parsed.tree.ok_or_else(|| parsed.error.expect("a tree or an error").message)
}

#[test]
fn items_of_typed_lists_are_read_like_those_of_a_list() {
    let read = manifest(
        "apiVersion: v1
kind: ServiceList
items:
- metadata: {name: a, namespace: shop}
- {apiVersion: v1, kind: Pod, metadata: {name: b}}
- just text
---
{apiVersion: networking.istio.io/v1, kind: VirtualServiceList, items: [{metadata: {name: c}, spec: {hosts: [c]}}]}
---
{apiVersion: v1, kind: PodList, items: null}
---
{apiVersion: v1, kind: List, items: [{metadata: {name: d}}]}
",
    );
    let said: Vec<_> = read.objects.iter().map(|o| (o.kind, o.api_version(), o.origin(), o.name_node().position().line)).collect();
    assert_eq!(
        said,
        [
            (Kind::Service, "v1", "Service shop/a".to_owned(), 4),
            (Kind::Pod, "v1", "Pod b".to_owned(), 5),
            (Kind::VirtualService, "networking.istio.io/v1", "VirtualService c".to_owned(), 8),
        ]
    );
    assert_eq!((read.not_objects, read.objects[2].group()), (2, "networking.istio.io"));
}

#[test]
fn paths_name_every_value_below_a_node() {
    let tree = parsed("a:\n- b: {c: [x, y]}\n  'd.e/f': 1\ng: {h: }\n").expect("a tree");
    let all: Vec<String> = (0..tree.len() as u32).map(|id| tree.node(id).path_from(tree.root())).collect();
    let c = "a[0].b.c";
    let f = "a[0][\"d.e/f\"]";
    assert_eq!(all, ["", "a", "a", "a[0]", "a[0].b", "a[0].b", c, c, &format!("{c}[0]"), &format!("{c}[1]"), f, f, "g", "g", "g.h", "g.h"]);
    let keys: Vec<_> = (0..6).map(|id| tree.node(id).key()).collect();
    assert_eq!((keys, tree.root().parent()), (vec![None, Some("a"), Some("a"), None, Some("b"), Some("b")], None));
    let b = tree.root().at(&["a"]).and_then(|a| a.items().next()?.get("b")).expect("b");
    assert_eq!(b.get("c").map(|c| c.path_from(b)), Some("c".to_owned()));
    assert_eq!(tree.root().get("g").or(tree.root().get_entry("g").map(|(_, v)| v)).map(|g| g.path_from(b)), Some(String::new()));
}

#[test]
fn aliases_nest_no_deeper_than_the_limit() {
    let deep = |n: usize, inner: &str| format!("{}{inner}{}", "[".repeat(n), "]".repeat(n));
    let text = format!("- &a {}\n- {}\n", deep(150, "x"), deep(100, "*a"));
    assert_eq!(parsed(&text).map(|_| ()), Err("aliases nest more than 200 levels deep".to_owned()));
    let text = format!("- &a {}\n- {}\n", deep(100, "x"), deep(90, "*a"));
    assert!(parsed(&text).is_ok());
}

/// The time is no part of the test, but with the square of it the test would not end.
#[test]
fn many_merge_keys_cost_no_more_than_their_values() {
    let entries: String = (0..40_000).map(|i| format!("- {{<<: *base, name: \"a\\t{i}\"}}\n")).collect();
    let tree = parsed(&format!("- &base {{kind: x, text: \"b\\tc\"}}\n{entries}")).expect("a tree");
    let last = tree.root().items().last().expect("an entry");
    assert_eq!((last.text_of("name"), last.text_of("text"), last.len()), ("a\t39999", "b\tc", 3));
}

#[test]
fn nested_merge_keys_are_bounded() {
    // Each level copies all that is below it.
    let wide: String = (0..2000).map(|i| format!("k{i}: v, ")).collect();
    let text = format!("- &a {{x: y}}\n- {}{{{wide}}}{}\n", "{<<: *a, in: ".repeat(150), "}".repeat(150));
    let source = Source::new("m.yaml", text.as_str());
    let parsed = parse_document(&source, Span::new(0, text.len()), Limits { nodes: 100_000, ..Limits::default() });
    assert_eq!(parsed.error.map(|e| e.message), Some("merge keys expand to more values than a document may have".to_owned()));
}

#[test]
fn large_mappings_are_compared_regardless_of_order() {
    let n = 20_000;
    let map = |keys: &mut dyn Iterator<Item = usize>| keys.map(|i| format!("k{i}: {i}, ")).collect::<String>();
    let (up, down) = (map(&mut (0..n)), map(&mut (0..n).rev()));
    let tree = parsed(&format!("- {{{up}}}\n- {{{down}}}\n- {{{up}extra: 1}}\n")).expect("a tree");
    let all: Vec<Node<'_>> = tree.root().items().collect();
    assert!(all[0].same_value(all[1]) && !all[0].same_value(all[2]));
}

#[test]
fn a_text_that_is_cut_off_says_so() {
    let mut bytes = b"a: 1\n---\nb: ".to_vec();
    bytes.extend(std::iter::repeat_n(0xff, 2000));
    bytes.extend(b"\n---\nc: 1\n");
    let source = Source::from_bytes("m.yaml", bytes);
    let errors = read_manifest(&source, Role::Judged, 0, Limits::default()).errors;
    let said: Vec<_> = errors.iter().map(|(_, e)| e.message.as_str()).collect();
    assert_eq!(said, ["the byte at offset 12 of the file is no UTF-8, as are many more: what follows byte 1012 is not read"]);
}
