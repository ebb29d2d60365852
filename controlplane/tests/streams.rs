//! Proxies that behave badly, and callers that want what is not theirs: nothing is lost, and nobody gets in.

mod support;

use mesh_controlplane::ca::{Authority, Identity};
use mesh_controlplane::resource::Type;
use mesh_envoy::api::tls::Secret;
use rcgen::{CertificateParams, KeyPair, SanType};
use std::time::Duration;
use support::client::{Stream, certificate, node, runtime, tls};
use support::{now, plane, plane_with, shop, until};
use tonic::Code;

fn request(uri: Option<&str>) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.subject_alt_names = uri.iter().map(|u| SanType::URI((*u).try_into().expect("a URI"))).collect();
    (params.serialize_request(&key).expect("a request").pem().expect("PEM"), key.serialize_pem())
}

#[test]
fn a_proxy_that_nobody_knows_gets_what_its_metadata_says_and_no_key() {
    let plane = plane(shop(), None);
    runtime().block_on(async {
        let mut s = Stream::open(plane.channel().await, None).await.expect("a stream");
        s.ask(Some(node("stranger-1", "elsewhere", "x")), Type::Cluster, &[]).await;
        let clusters = s.answer().await.expect("clusters");
        assert!(clusters.resources.len() >= 6, "{}", clusters.resources.len());
        s.ask(None, Type::Secret, &["default", "ROOTCA"]).await;
        let secrets = s.answer().await.expect("secrets");
        let names: Vec<String> = secrets.resources.iter().filter_map(|r| r.unpack::<Secret>()).map(|s| s.name).collect();
        assert_eq!(names, ["ROOTCA"]);
    });
    assert!(plane.said().iter().any(|l| l.contains("gets no secret default")), "{:?}", plane.said());
}

#[test]
fn a_secret_that_comes_later_reaches_who_asked_for_it() {
    let plane = plane(shop(), None);
    let token = plane.running.token(Identity::new("cluster.local", "shop", "page")).expect("a token");
    runtime().block_on(async {
        let mut s = Stream::open(plane.channel().await, Some(&token)).await.expect("a stream");
        s.ask(Some(node("page-v1", "shop", "page")), Type::Secret, &["ROOTCA", "kubernetes://late", "kubernetes://other/late"]).await;
        let first = s.answer().await.expect("the root");
        s.confirm(&first, &["ROOTCA", "kubernetes://late", "kubernetes://other/late"], None).await;
        let of = |namespace: &str| {
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: late, namespace: {namespace}}}\ndata: {{tls.crt: Y2VydA==, tls.key: a2V5}}\n")
        };
        plane.write("late.yaml", &format!("{}---\n{}", of("shop"), of("other")));
        let second = s.answer().await.expect("the Secret");
        let names: Vec<String> = second.resources.iter().filter_map(|r| r.unpack::<Secret>()).map(|s| s.name).collect();
        assert!(names.contains(&"kubernetes://late".to_owned()) && !names.contains(&"kubernetes://other/late".to_owned()), "{names:?}");
    });
}

#[test]
fn certificates_are_for_their_own_caller_alone() {
    let plane = plane(shop(), None);
    let page = Identity::new("cluster.local", "shop", "page");
    let token = plane.running.token(page.clone()).expect("a token");
    let code = |r: Result<Vec<String>, tonic::Status>| r.map_err(|s| s.code());
    runtime().block_on(async {
        let (own, key) = request(Some(&page.to_string()));
        let chain = certificate(plane.channel().await, Some(&token), &own).await.expect("a certificate");
        assert_eq!(chain.last().map(String::as_str), Some(plane.running.root()));
        let (other, _) = request(Some("spiffe://cluster.local/ns/shop/sa/reviews"));
        assert_eq!(code(certificate(plane.channel().await, Some(&token), &other).await), Err(Code::PermissionDenied));
        assert_eq!(code(certificate(plane.channel().await, None, &own).await), Err(Code::Unauthenticated));
        assert_eq!(code(certificate(plane.channel().await, Some("made-up"), &own).await), Err(Code::Unauthenticated));
        // The certificate stands for its owner, by TLS, and renews itself.
        let at = plane.running.tls.expect("TLS");
        let by_certificate = tls(at, plane.running.root(), Some((&chain[0], &key))).await.expect("TLS");
        assert!(certificate(by_certificate.clone(), None, &own).await.is_ok());
        assert_eq!(code(certificate(by_certificate, None, &other).await), Err(Code::PermissionDenied));
        assert_eq!(code(certificate(tls(at, plane.running.root(), None).await.expect("TLS"), None, &own).await), Err(Code::Unauthenticated));
        // One of another authority is nobody's.
        let foreign = Authority::self_signed("cluster.local", now()).expect("an authority").issue(&page, now()).expect("a certificate");
        let refused = match tls(at, plane.running.root(), Some((&foreign.chain, &foreign.key))).await {
            Ok(channel) => certificate(channel, None, &own).await.is_err(),
            Err(_) => true,
        };
        assert!(refused);
        // A stream whose node says that it is somebody else.
        for (namespace, account) in [("other", "page"), ("shop", "reviews")] {
            let mut s = Stream::open(plane.channel().await, Some(&token)).await.expect("a stream");
            s.ask(Some(node("x-1", namespace, account)), Type::Cluster, &[]).await;
            assert_eq!(s.answer().await.map_err(|s| s.code()).err(), Some(Code::PermissionDenied));
        }
        let mut s = Stream::open(plane.channel().await, Some("made-up")).await.expect("a stream");
        s.ask(Some(node("page-v1", "shop", "page")), Type::Cluster, &[]).await;
        assert_eq!(s.answer().await.map_err(|s| s.code()).err(), Some(Code::PermissionDenied));
    });
    let metrics = plane.page("/metrics");
    assert!(metrics.contains("citadel_server_authentication_failure_count"), "{metrics}");
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let authority = Authority::self_signed("cluster.local", now()).expect("an authority").with_lifetime(Duration::from_secs(2), 0.5);
    let plane = plane_with(shop(), None, authority, 100);
    let token = plane.running.token(Identity::new("cluster.local", "shop", "page")).expect("a token");
    runtime().block_on(async {
        let mut s = Stream::open(plane.channel().await, Some(&token)).await.expect("a stream");
        s.ask(Some(node("page-v1", "shop", "page")), Type::Secret, &["default"]).await;
        let first = s.answer().await.expect("a certificate");
        s.confirm(&first, &["default"], None).await;
        let second = s.answer().await.expect("the next one");
        assert_ne!(first.resources, second.resources);
    });
}

#[test]
fn who_refuses_for_ever_is_shown_and_costs_two_answers_a_change() {
    let plane = plane(shop(), None);
    let text = plane.read("traffic.yaml");
    runtime().block_on(async {
        let mut s = Stream::open(plane.channel().await, None).await.expect("a stream");
        s.ask(Some(node("page-v1", "shop", "page")), Type::Cluster, &[]).await;
        let mut answers = 0;
        let first = s.answer().await.expect("clusters");
        s.confirm(&first, &[], Some("cluster x: \u{1b}[31mno")).await;
        for round in 0..5 {
            let subset = format!("\n  - {{name: extra{round}, labels: {{version: v1}}}}");
            plane.write(
                "traffic.yaml",
                &text.replace("\n  - {name: v2, labels: {version: v2}}", &format!("\n  - {{name: v2, labels: {{version: v2}}}}{subset}")),
            );
            // With those that are to go and without them; refused ones are not sent again by themselves.
            while let Ok(answer) = tokio::time::timeout(Duration::from_millis(700), s.from.message()).await {
                answers += 1;
                s.confirm(&answer.expect("a stream").expect("clusters"), &[], Some("no")).await;
            }
        }
        assert!((5..=10).contains(&answers), "{answers}");
        let page = tokio::task::spawn_blocking({
            let http = plane.running.http;
            move || support::get(http, "/debug/syncz", "localhost").1
        });
        let page = page.await.expect("a page");
        assert!(page.contains("\"refused\"") && page.contains(&format!("\"count\":{}", answers + 1)), "{page}");
    });
    assert!(plane.page("/metrics").contains("pilot_total_xds_rejects{type=\"cds\"}"));
}

#[test]
fn a_storm_of_proxies_is_bounded_and_leaves_nothing_behind() {
    let plane = plane_with(shop(), None, Authority::self_signed("cluster.local", now()).expect("an authority"), 150);
    runtime().block_on(async {
        for _ in 0..2 {
            let channel = plane.channel().await;
            let mut open = Vec::new();
            for i in 0..200 {
                // A hundred streams a connection at most.
                let channel = if i % 50 == 0 { plane.channel().await } else { channel.clone() };
                let s = Stream::open(if i < 50 { channel } else { plane.channel().await }, None).await;
                let Ok(s) = s else { continue };
                s.ask(Some(node(&format!("page-{i}"), "shop", "page")), Type::Cluster, &[]).await;
                open.push(s);
            }
            let (mut served, mut refused) = (0, 0);
            for s in &mut open {
                match s.answer().await {
                    Ok(_) => served += 1,
                    Err(status) if status.code() == Code::ResourceExhausted => refused += 1,
                    Err(status) => panic!("{status}"),
                }
            }
            assert_eq!((served, refused), (150, 50));
            drop(open);
            drop(channel);
            for _ in 0..500 {
                if plane.running.connected() == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(plane.running.connected(), 0);
        }
    });
    until("the pages are served yet", || plane.page("/ready") == "ready\n");
}

/// Bytes of this process in memory; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[test]
fn proxies_that_come_again_and_again_starve_nobody_and_pile_up_nothing() {
    let plane = plane(shop(), None);
    let text = plane.read("traffic.yaml");
    let with_subset = |round: usize| {
        text.replace(
            "\n  - {name: v2, labels: {version: v2}}",
            &format!("\n  - {{name: v2, labels: {{version: v2}}}}\n  - {{name: extra{round}, labels: {{version: v1}}}}"),
        )
    };
    let mut sizes = Vec::new();
    runtime().block_on(async {
        // One that stays: it gets every change in the middle of the storm.
        let mut calm = Stream::open(plane.channel().await, None).await.expect("a stream");
        calm.ask(Some(node("page-v1", "shop", "page")), Type::Cluster, &[]).await;
        let first = calm.answer().await.expect("clusters");
        calm.confirm(&first, &[], None).await;
        for round in 0..8 {
            plane.write("traffic.yaml", &with_subset(round));
            let mut storm = tokio::task::JoinSet::new();
            for i in 0..200 {
                let channel = plane.channel().await;
                storm.spawn(async move {
                    let mut s = Stream::open(channel, None).await?;
                    s.ask(Some(node(&format!("page-{i}"), "shop", "page")), Type::Cluster, &[]).await;
                    let clusters = s.answer().await?;
                    // Half of them are gone at once, and others refuse.
                    if i % 2 == 0 {
                        s.confirm(&clusters, &[], (i % 4 == 0).then_some("no")).await;
                    }
                    Ok::<usize, tonic::Status>(clusters.resources.len())
                });
            }
            let wanted = format!("extra{round}");
            loop {
                let answer = calm.answer().await.expect("a change in the storm");
                calm.confirm(&answer, &[], None).await;
                if answer.resources.iter().any(|r| String::from_utf8_lossy(&r.value).contains(&wanted)) {
                    break;
                }
            }
            while let Some(served) = storm.join_next().await {
                let count = served.expect("it ends").unwrap_or_else(|e| panic!("round {round}: {e}"));
                assert!(count >= 6, "{count}");
            }
            for _ in 0..1500 {
                if plane.running.connected() == 1 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert_eq!(plane.running.connected(), 1, "round {round}");
            sizes.extend(resident());
        }
    });
    // The first rounds fill pools; later ones add nothing that stays.
    if let [_, _, early, .., last] = sizes[..] {
        assert!(last < early + (32 << 20), "{sizes:?}");
    }
}

#[test]
fn pages_are_for_this_machine_and_change_nothing() {
    let plane = plane(shop(), None);
    let at = plane.running.http;
    assert_eq!(support::get(at, "/debug/syncz", "evil.example.com").0, 403);
    assert!(support::send(at, b"POST /debug/syncz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert_eq!(support::get(at, "/debug/nothing", "localhost").0, 404);
    assert_eq!(support::get(at, "/debug/config_dump?proxyID=a.b", "localhost").0, 404);
    let services = plane.json("/debug/registryz");
    let hosts: Vec<&str> = services.as_array().into_iter().flatten().filter_map(|s| s["hostname"].as_str()).collect();
    assert_eq!(hosts, ["gateway.shop.svc.cluster.local", "page.shop.svc.cluster.local", "reviews.shop.svc.cluster.local"]);
    assert!(plane.json("/debug/configz").as_array().is_some_and(|l| l.len() == 6));
    assert!(plane.json("/debug/endpointz").get("reviews.shop.svc.cluster.local").is_some());
    assert_eq!(plane.json("/debug/connections")["totalClients"], 0);
    assert!(plane.page("/version").starts_with("meshctl-"));
    assert!(plane.page("/metrics").contains("pilot_services 3"));
}
