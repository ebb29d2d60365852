//! A translation that takes changes in is what a whole translation would be.

use mesh_model::snapshot::read_manifest;
use mesh_model::yaml::Limits;
use mesh_model::{Object, Role, Snapshot, Source};
use mesh_resolver::Mesh;
use mesh_resolver::translate::{ControlPlane, Interception, Model, Origin, Proxy, ProxyKind, Revised, Translation};
use proptest::prelude::*;

/// Objects, each with the contents that it may have.
const SLOTS: &[&[&str]] = &[
    &[
        "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: reviews}, ports: [{name: http, port: 9080}, {name: tcp, port: 9090}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: reviews, namespace: shop}, spec: {clusterIP: 10.0.0.1, selector: {app: cart}, ports: [{name: http, port: 80}]}}",
    ],
    &[
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop}, spec: {clusterIP: 10.0.0.3, selector: {app: cart}, ports: [{port: 9080}, {name: db, port: 3306}]}}",
        "{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: shop, annotations: {networking.istio.io/exportTo: web}}, spec: {clusterIP: None, ports: [{name: http, port: 9080}]}}",
    ],
    &[
        "{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, version: v1}}, spec: {serviceAccountName: cart}, status: {podIP: 10.1.0.1}}",
        "{apiVersion: v1, kind: Pod, metadata: {name: cart-1, namespace: shop, labels: {app: cart, version: v2}}, spec: {}, status: {podIP: 10.1.0.2}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web}, spec: {hosts: [api.example.com, '*.wild.com'], resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP}]}}",
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: out, namespace: web}, spec: {hosts: [cart.shop.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 9080, name: http, protocol: HTTP}, {number: 81, name: more, protocol: HTTP}], endpoints: [{address: 1.2.3.4}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}], trafficPolicy: {tls: {mode: DISABLE}}}}",
        "{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: x, namespace: shop}, spec: {host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: user}}, tunnel: {}}}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: STRICT}}}",
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: p, namespace: shop}, spec: {mtls: {mode: DISABLE}}}",
    ],
    &[
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {rules: [{from: [{source: {namespaces: [web]}}]}]}}",
        "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: k, namespace: shop}, spec: {action: DENY, rules: [{}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: Sidecar, metadata: {name: s, namespace: web}, spec: {egress: [{port: {number: 9080, name: http, protocol: HTTP}, hosts: ['*/cart.shop.svc.cluster.local']}, {hosts: ['./*', shop/reviews.shop.svc.cluster.local]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: EnvoyFilter, metadata: {name: s, namespace: web}, spec: {}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{uri: {prefix: /a}}], route: [{destination: {host: reviews, subset: v1}}]}, {route: [{destination: {host: reviews}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{route: [{destination: {host: cart}, weight: 20}, {destination: {host: reviews}, weight: 80}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{port: 80}], timeout: 3s, route: [{destination: {host: reviews}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{match: [{sourceLabels: {app: web}}], fault: {delay: {exponentialDelay: 1s}}, route: [{destination: {host: nowhere.example.com}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews, other.example.com], http: [{redirect: {uri: /b}}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], http: [{delegate: {name: leaf}}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], tcp: [{route: [{destination: {host: cart, port: {number: 3306}}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: shop}, spec: {hosts: [reviews], exportTo: ['.'], http: [{directResponse: {status: 418}}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: web}, spec: {hosts: ['*.shop.svc.cluster.local', api.example.com], http: [{route: [{destination: {host: api.example.com}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b, namespace: web}, spec: {hosts: ['*.shop.svc.cluster.local', api.example.com], http: [{headers: {request: {set: {x: '1'}}}, route: [{destination: {host: api.example.com}, weight: 1}, {destination: {host: reviews.shop.svc.cluster.local, port: {number: 9090}}, weight: 1}]}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: leaf, namespace: shop}, spec: {http: [{match: [{uri: {prefix: /two}}], route: [{destination: {host: cart}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: leaf, namespace: shop}, spec: {http: [{route: [{destination: {host: reviews}}]}]}}",
    ],
    &[
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: many, namespace: web}, spec: {hosts: [one.example.com, two.example.com], http: [{route: [{destination: {host: cart.shop.svc.cluster.local}}]}]}}",
        "{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: many, namespace: web}, spec: {hosts: [one.example.com, two.example.com], http: [{match: [{uri: {exact: /x}}], rewrite: {uri: /y}, route: [{destination: {host: cart.shop.svc.cluster.local}}]}, {retries: {attempts: 2}, route: [{destination: {host: cart.shop.svc.cluster.local}}]}]}}",
    ],
];

fn proxy(kind: ProxyKind, namespace: &str) -> Proxy {
    Proxy {
        kind,
        id: format!("p.{namespace}"),
        addresses: vec!["10.1.0.9".to_owned()],
        namespace: namespace.to_owned(),
        labels: [("app".to_owned(), namespace.to_owned())].into(),
        dns_domain: format!("{namespace}.svc.cluster.local"),
        interception: Interception::Redirect,
        auto_allocated_addresses: true,
        network_view: Vec::new(),
        metadata: None,
    }
}

/// By slot the content it has, if it is there.
type State = Vec<Option<usize>>;

fn snapshot(state: &State) -> Snapshot {
    let text: String = state.iter().zip(SLOTS).filter_map(|(s, slot)| Some(format!("---\n{}\n", slot[(*s)?]))).collect();
    let source = Source::new("objects", text);
    let mut out = Snapshot::new();
    out.add(&source, read_manifest(&source, Role::Judged, 0, Limits::default()));
    assert!(out.problems.is_empty(), "{:?}", out.problems);
    out
}

/// The object of each slot.
fn by_slot<'a>(state: &State, snapshot: &'a Snapshot) -> Vec<Option<&'a Object>> {
    let mut objects = snapshot.objects.iter();
    state.iter().map(|s| s.and_then(|_| objects.next())).collect()
}

fn shown(t: &Translation<'_>) -> String {
    let name = |o: &Origin<'_>| (o.object.origin(), Mesh::path(o.object, o.node));
    let names = |o: &[Origin<'_>]| o.iter().map(name).collect::<Vec<_>>();
    let mut out = String::new();
    for l in &t.listeners {
        out += &format!("{} {:?}\n", serde_json::to_string(&l.message).expect("JSON"), names(&l.origins));
    }
    for c in &t.clusters {
        out += &format!("{} {:?}\n", serde_json::to_string(&c.message).expect("JSON"), names(&c.origins));
    }
    for r in &t.routes {
        let parts: Vec<_> = r.parts.iter().map(|(p, o)| (*p, name(o))).collect();
        out += &format!("{} {:?} {parts:?}\n", serde_json::to_string(&r.message).expect("JSON"), names(&r.origins));
    }
    for e in &t.endpoints {
        out += &format!("{}\n", serde_json::to_string(&e.message).expect("JSON"));
    }
    for n in &t.not_judged {
        out += &format!("{:?} {}\n", n.origin.map(|o| name(&o)), n.what);
    }
    out
}

/// Goes through the states, taking in what can be; says which changes were, and holds each answer against the whole one.
fn follow(states: &[State], proxy: &Proxy) -> Vec<Revised> {
    let snapshots: Vec<Snapshot> = states.iter().map(snapshot).collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < states.len() {
        let mesh = Mesh::new(&snapshots[at]);
        let model = Model::new(&mesh);
        let mut open = model.open(proxy.clone(), ControlPlane::default());
        let mut now = by_slot(&states[at], &snapshots[at]);
        assert_eq!(shown(open.translation()), shown(&model.translate(proxy)));
        loop {
            at += 1;
            let (Some(state), Some(next)) = (states.get(at), snapshots.get(at)) else { return out };
            let objects = by_slot(state, next);
            let changed: Vec<usize> = (0..SLOTS.len()).filter(|i| state[*i] != states[at - 1][*i]).collect();
            let pairs: Option<Vec<(usize, &Object, &Object)>> = changed.iter().map(|i| Some((*i, now[*i]?, objects[*i]?))).collect();
            // What comes or goes needs a whole translation.
            let Some(pairs) = pairs else {
                out.push(Revised::Whole);
                break;
            };
            let mut all = Revised::Done(Vec::new());
            for (i, old, new) in pairs {
                let before = shown(open.translation());
                all = open.revise(old, new);
                if all == Revised::Whole {
                    assert_eq!(before, shown(open.translation()), "a change that is not taken in changes nothing");
                    break;
                }
                now[i] = Some(new);
            }
            out.push(all.clone());
            if all == Revised::Whole {
                break;
            }
            let mesh = Mesh::new(next);
            assert_eq!(shown(open.translation()), shown(&Model::new(&mesh).translate(proxy)), "{state:?} after {:?}", states[at - 1]);
        }
    }
    out
}

fn first() -> State {
    SLOTS.iter().map(|_| Some(0)).collect()
}

/// The first state with one slot that has other contents in turn.
fn turns(slot: usize, contents: &[usize]) -> Vec<State> {
    let with = |c: &usize| {
        let mut state = first();
        // Nothing narrows what is seen.
        state[7] = None;
        state[slot] = Some(*c);
        state
    };
    contents.iter().map(with).collect()
}

#[test]
fn new_contents_of_a_virtual_service_are_taken_in() {
    let web = proxy(ProxyKind::Sidecar, "web");
    let done = |slot: usize, contents: &[usize]| follow(&turns(slot, contents), &web).iter().map(|r| *r != Revised::Whole).collect::<Vec<_>>();
    assert_eq!(done(8, &[0, 1, 3, 0]), [true, true, true]);
    assert_eq!(done(9, &[0, 1, 0]), [true, true]);
    assert_eq!(done(11, &[0, 1, 0]), [true, true]);
    // Other hosts, a delegate, bytes, other viewers.
    for other in [4, 5, 6, 8] {
        assert_eq!(done(8, &[0, other, 0]), [false, false], "{other}");
    }
    assert_eq!(done(10, &[0, 1]), [false]);
    assert_eq!(follow(&turns(8, &[0, 1]), &proxy(ProxyKind::Router, "web")), [Revised::Whole]);
}

#[test]
fn other_objects_need_a_whole_translation() {
    let web = proxy(ProxyKind::Sidecar, "web");
    for slot in [0, 1, 2, 3, 4, 5, 6] {
        assert_eq!(follow(&turns(slot, &[0, 1]), &web), [Revised::Whole], "{slot}");
    }
}

fn change() -> impl Strategy<Value = (usize, Option<usize>)> {
    // Mostly VirtualServices: they are what is taken in.
    prop_oneof![1 => 0..8usize, 4 => 8..SLOTS.len()]
        .prop_flat_map(|slot| (Just(slot), prop_oneof![1 => Just(None), 6 => (0..SLOTS[slot].len()).prop_map(Some)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_sequence_of_changes(start in proptest::collection::vec(any::<bool>(), SLOTS.len()), changes in proptest::collection::vec(change(), 1..8)) {
        let mut state: State = start.iter().map(|there| there.then_some(0)).collect();
        let mut states = vec![state.clone()];
        for (slot, content) in changes {
            state[slot] = content;
            states.push(state.clone());
        }
        for namespace in ["shop", "web"] {
            follow(&states, &proxy(ProxyKind::Sidecar, namespace));
        }
    }
}
