//! `meshctl drift --from demo`: what the proxies of a demo hold is what its manifests say, until somebody keeps it from them.

use crate::common;
use common::demo::{Demo, until};
use serde_json::Value;
use std::collections::BTreeSet;

/// The exit status, how many proxies were compared, the differences as `PROXY KIND NAME`, and the whole answer.
fn drift(demo: &Demo, words: &[&str]) -> (i32, usize, BTreeSet<String>, String) {
    let run = demo.run(&[&["drift", "-o", "json"], words].concat());
    let answer: Value = serde_json::from_str(&run.out).unwrap_or_default();
    let proxies = answer["proxies"].as_array().cloned().unwrap_or_default();
    let of = |p: &Value| {
        let name = p["proxy"].as_str().unwrap_or("").to_owned();
        let all = p["differences"].as_array().cloned().unwrap_or_default();
        all.into_iter().map(|d| format!("{name} {} {}", d["section"].as_str().unwrap_or(""), d["name"].as_str().unwrap_or(""))).collect::<Vec<_>>()
    };
    (run.status, proxies.len(), proxies.iter().flat_map(of).collect(), run.out + &run.err)
}

/// All proxies hold what the manifests say.
fn in_step(demo: &Demo, words: &[&str], proxies: usize) {
    until("no drift", || drift(demo, words), |(status, count, differ, _)| (*status, *count, differ.len()) == (0, proxies, 0));
}

#[test]
fn proxies_hold_what_the_manifests_say_until_they_are_kept_from_it() {
    let demo = Demo::start(&["--rate", "5"]);
    let from = ["--from", "demo"];
    in_step(&demo, &from, 8);
    assert_eq!(demo.run(&["ps", "--drift", "--from", "demo"]).status, 0);
    // While nobody tells them, what is written is not theirs.
    let order = |words: &[&str]| assert_eq!(demo.run(&[&["demo", "break"], words].concat()).status, 0);
    order(&["lost-control-plane"]);
    let file = demo.manifests().join("traffic.yaml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let rule = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: slow, namespace: bookinfo}\nspec:\n  hosts: [details]\n  http:\n  - route: [{destination: {host: details}}]\n    timeout: 7s\n";
    std::fs::write(demo.manifests().join("more.yaml"), rule).expect("written");
    let (status, _, differ, said) = drift(&demo, &from);
    assert_eq!(status, 79, "{said}");
    let is_named = |d: &String| d.starts_with("productpage-v1.bookinfo ") && d.ends_with(" 9080");
    assert!(said.contains("7s") && differ.iter().any(is_named), "{differ:?} {said}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), text);
    order(&["--undo"]);
    in_step(&demo, &from, 8);
    std::fs::remove_file(demo.manifests().join("more.yaml")).expect("removed");
    in_step(&demo, &from, 8);
    // What they refuse they do not hold.
    order(&["rejected-configuration"]);
    until("refused", || drift(&demo, &from), |(status, _, differ, _)| *status == 79 && !differ.is_empty() && !differ.iter().any(|d| d.contains("(2)")));
    order(&["--undo"]);
    in_step(&demo, &from, 8);
}

#[test]
fn places_at_ports_of_one_address_and_two_clusters_make_no_difference() {
    let demo = Demo::start(&["--rate", "5", "--ports"]);
    in_step(&demo, &["--from", "demo"], 8);
    drop(demo);
    let demo = Demo::start(&["--rate", "5", "--clusters", "2"]);
    in_step(&demo, &["--from", "demo"], 10);
}

#[test]
fn a_generated_mesh_is_in_step() {
    let demo = Demo::start(&["--size", "6", "--rate", "5"]);
    until("no drift", || drift(&demo, &["--from", "demo:generated"]), |(status, count, differ, _)| *status == 0 && *count > 5 && differ.is_empty());
}
