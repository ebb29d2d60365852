use super::{Answer, Protocol, Request, Step, Stream};
use crate::resource::{Resource, Resources, Type};
use mesh_envoy::api::{cluster::Cluster, endpoint::ClusterLoadAssignment, listener::Listener, route::RouteConfiguration};
use std::sync::Arc;

/// A configuration of a listener with a route configuration to each cluster; a cluster's content is its second word.
fn world(version: &str, clusters: &[(&str, &str)]) -> Arc<Resources> {
    let mut out = Resources::empty(version);
    for (name, content) in clusters {
        let mut cluster = Resource::new(name, &Cluster { name: (*name).to_owned(), alt_stat_name: (*content).to_owned(), ..Cluster::default() });
        cluster.wants_endpoints = true;
        out.insert(Type::Cluster, cluster);
        out.insert(Type::Endpoint, Resource::new(name, &ClusterLoadAssignment { cluster_name: (*name).to_owned(), ..Default::default() }));
    }
    out.insert(Type::Listener, Resource::new("l", &Listener { name: "l".into(), ..Listener::default() }));
    let all: Vec<&str> = clusters.iter().map(|(n, _)| *n).collect();
    out.insert(
        Type::Route,
        Resource::new(
            "r",
            &RouteConfiguration { name: "r".into(), internal_only_headers: all.iter().map(|s| (*s).to_owned()).collect(), ..Default::default() },
        ),
    );
    out.seal();
    Arc::new(out)
}

fn ask(kind: Type, names: &[&str]) -> Request {
    Request { type_url: kind.url().into(), names: names.iter().map(|n| (*n).to_owned()).collect(), ..Request::default() }
}

fn ack(answer: &Answer, names: &[&str]) -> Request {
    Request { nonce: answer.nonce.clone(), ..ask(answer.kind, names) }
}

fn nack(answer: &Answer, names: &[&str]) -> Request {
    Request { error: Some("no".into()), ..ack(answer, names) }
}

/// What was sent: type and names.
fn said(list: &[Answer]) -> Vec<String> {
    list.iter()
        .map(|a| {
            format!(
                "{} {}{}",
                a.kind.short(),
                a.resources.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join(","),
                a.removed.iter().map(|r| format!(" -{r}")).collect::<String>()
            )
        })
        .collect()
}

/// A stream of state of the world whose proxy has taken all of the first world.
fn settled(first: &Arc<Resources>, names: &[&str]) -> Stream {
    let mut s = Stream::new(Protocol::StateOfTheWorld, "x", Arc::clone(first));
    for (kind, names) in [(Type::Cluster, &[][..]), (Type::Endpoint, names), (Type::Listener, &[]), (Type::Route, &["r"])] {
        let out = s.request(&ask(kind, names), 0);
        assert_eq!(out.len(), 1, "{kind:?}");
        assert!(s.request(&ack(&out[0], names), 1).is_empty());
    }
    s
}

#[test]
fn nothing_is_sent_twice_and_only_what_changed() {
    let first = world("1", &[("a", ""), ("b", "")]);
    let mut s = settled(&first, &["a", "b"]);
    // The same content again.
    assert!(s.update(world("2", &[("a", ""), ("b", "")]), 2).is_empty());
    assert_eq!(s.step(), Step::Done);
    // One cluster differs: state of the world says all clusters, and the endpoints that a new cluster waits for.
    let out = s.update(world("3", &[("a", "new"), ("b", "")]), 3);
    assert_eq!(said(&out), ["cds a,b", "eds a"]);
}

#[test]
fn clusters_come_before_routes_and_go_after_them() {
    let mut s = settled(&world("1", &[("a", "")]), &["a"]);
    let out = s.update(world("2", &[("b", "")]), 2);
    // Both clusters: routes still lead to the old one.
    assert_eq!(said(&out), ["cds a,b"]);
    assert!(s.request(&ack(&out[0], &[]), 3).is_empty(), "the endpoints of b are not there yet");
    let nonce = s.subscriptions[&Type::Endpoint].nonce.clone();
    let out = s.request(&Request { nonce, ..ask(Type::Endpoint, &["a", "b"]) }, 4);
    assert_eq!(said(&out), ["eds b"]);
    let out = s.request(&ack(&out[0], &["a", "b"]), 5);
    assert_eq!((said(&out), s.step()), (vec!["rds r".to_owned()], Step::Routes));
    let out = s.request(&ack(&out[0], &["r"]), 6);
    assert_eq!((said(&out), s.step()), (vec!["cds b -a".to_owned()], Step::Done));
}

#[test]
fn delta_sends_differences_and_takes_up_where_an_earlier_stream_ended() {
    let first = world("1", &[("a", ""), ("b", "")]);
    let held = first.of(Type::Cluster).values().map(|r| (r.name.clone(), r.version.clone())).collect();
    let mut s = Stream::new(Protocol::Delta, "x", Arc::clone(&first));
    let mut request = Request { type_url: Type::Cluster.url().into(), held, ..Request::default() };
    request.held.insert("gone".into(), "1".into());
    let out = s.request(&request, 0);
    assert_eq!(said(&out), ["cds  -gone"]);
    s.request(&Request { nonce: out[0].nonce.clone(), held: Default::default(), ..request.clone() }, 1);
    let out = s.request(&Request { type_url: Type::Endpoint.url().into(), subscribe: vec!["a".into(), "nowhere".into()], ..Request::default() }, 2);
    assert_eq!(said(&out), ["eds a -nowhere"]);
    s.request(&Request { type_url: Type::Endpoint.url().into(), nonce: out[0].nonce.clone(), ..Request::default() }, 3);
    // Asked for again by name it is sent again.
    let out = s.request(&Request { type_url: Type::Endpoint.url().into(), subscribe: vec!["a".into()], ..Request::default() }, 4);
    assert_eq!(said(&out), ["eds a"]);
    s.request(&Request { type_url: Type::Endpoint.url().into(), nonce: out[0].nonce.clone(), ..Request::default() }, 5);
    let out = s.update(world("2", &[("a", "")]), 6);
    // Nobody asked for listeners or routes: nothing is waited for.
    assert_eq!(said(&out), ["cds  -b"]);
}

#[test]
fn who_refuses_for_ever_gets_an_answer_a_change_of_each_type() {
    let mut s = settled(&world("1", &[("a", "")]), &["a"]);
    let mut answers = 0;
    for i in 0..50 {
        let out = s.update(world(&format!("{i}"), &[("a", if i % 2 == 0 { "x" } else { "y" })]), i);
        for a in out {
            answers += 1;
            let names: &[&str] = if a.kind == Type::Endpoint { &["a"] } else { &[] };
            assert!(s.request(&nack(&a, names), i).is_empty(), "no answer to a refusal");
        }
    }
    assert!(answers <= 100, "{answers}");
    let clusters = &s.subscriptions[&Type::Cluster];
    assert!(clusters.is_refused() && clusters.refused.as_ref().is_some_and(|r| r.reason == "no"));
    assert_eq!(clusters.refusals, 50);
}

#[test]
fn who_says_nothing_is_sent_nothing_more_of_that_type() {
    let mut s = settled(&world("1", &[("a", "")]), &["a"]);
    assert_eq!(said(&s.update(world("2", &[("a", "x")]), 2)), ["cds a", "eds a"]);
    for i in 3..20 {
        assert!(s.update(world(&format!("{i}"), &[("a", "z"), ("b", "")]), i).is_empty());
    }
    // After its time routes go out all the same.
    assert_eq!(said(&s.overdue(30)), ["rds r"]);
}

#[test]
fn an_old_nonce_changes_nothing_and_a_dropped_subscription_is_answered_again() {
    let mut s = settled(&world("1", &[("a", "")]), &["a"]);
    assert!(s.request(&Request { nonce: "older".into(), ..ask(Type::Endpoint, &[]) }, 2).is_empty());
    assert!(s.subscriptions[&Type::Endpoint].has("a"));
    let nonce = s.subscriptions[&Type::Route].nonce.clone();
    assert_eq!(said(&s.request(&Request { nonce, ..ask(Type::Route, &["r"]) }, 3)), ["rds r"]);
}

#[test]
fn types_that_nobody_serves_are_noted_and_bounded() {
    let mut s = Stream::new(Protocol::Delta, "x", world("1", &[]));
    for i in 0..100 {
        assert!(s.request(&Request { type_url: format!("t/{i}"), ..Request::default() }, 0).is_empty());
    }
    assert_eq!(s.foreign.len(), super::FOREIGN);
}
