//! `certs` on dumps, and on a cluster that test servers play.

use crate::common;
use common::mesh::{Mesh, objects};
use common::{folder, meshctl};
use mesh_testserver::admin::Admin;
use mesh_testserver::apiserver::Faults;
use serde_json::{Value, json};

/// A root and a leaf that it signed, for a SPIFFE id; in PEM.
fn issued(authority: &str, id: &str, until: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut root = rcgen::CertificateParams::default();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::OrganizationName, authority);
    root.serial_number = Some(authority.as_bytes().to_vec().into());
    let certificate = root.self_signed(&key).expect("a root").pem();
    let issuer = rcgen::Issuer::new(root, key);
    let mut leaf = rcgen::CertificateParams::default();
    leaf.subject_alt_names.push(rcgen::SanType::URI(id.try_into().expect("a URI")));
    leaf.not_before = rcgen::date_time_ymd(2026, 11, 1);
    leaf.not_after = rcgen::date_time_ymd(until, 12, 1);
    let leaf = leaf.signed_by(&rcgen::KeyPair::generate().expect("a key"), &issuer).expect("a leaf").pem();
    (certificate, leaf)
}

fn dump(node: &str, (root, leaf): &(String, String)) -> String {
    let secret = |name: &str, body: Value| json!({"name": name, "secret": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret", "name": name, body["key"].as_str().unwrap_or(""): body["value"]}});
    json!({"configs": [
        {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": {"id": format!("sidecar~10.0.0.1~{node}~x")}}},
        {"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump", "dynamic_active_secrets": [
            secret("default", json!({"key": "tls_certificate", "value": {"certificate_chain": {"inline_string": leaf}, "private_key": {"inline_string": "planted-secret"}}})),
            secret("ROOTCA", json!({"key": "validation_context", "value": {"trusted_ca": {"inline_string": root}}})),
        ]},
    ]})
    .to_string()
}

#[test]
fn a_fleet_is_told_by_expiry_and_by_trust() {
    let (a, b, old) =
        (issued("A", "spiffe://td/ns/shop/sa/cart", 2027), issued("B", "spiffe://td/ns/web/sa/web", 2028), issued("A", "spiffe://td/ns/shop/sa/old", 2025));
    let dir = folder(&[("cart/config_dump.json", &dump("cart-1.shop", &a)), ("web/config_dump.json", &dump("web-1.web", &b))]);
    let run = meshctl(dir.path(), &["certs", "--from", ".", "--now", "2026-11-22T11:40:00Z"]);
    assert_eq!(run.status, 79, "{}{}", run.out, run.err);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[1].contains("2027-12-01") && lines[1].contains("cart-1.shop") && lines[1].contains("spiffe://td/ns/shop/sa/cart") && lines[1].contains("O=A"),
        "{}",
        run.out
    );
    assert!(lines[2].contains("2028-12-01") && lines[2].ends_with("valid"), "{}", run.out);
    assert!(run.out.contains("cart-1.shop and web-1.web have no root in common"), "{}", run.out);
    for format in ["table", "json", "yaml", "csv"] {
        assert!(!meshctl(dir.path(), &["certs", "--from", ".", "-o", format]).out.contains("planted-secret"));
    }
    std::fs::write(dir.path().join("web/config_dump.json"), dump("web-1.web", &(a.0.clone(), old.1))).expect("a file");
    let run = meshctl(dir.path(), &["certs", "--from", ".", "-o", "json", "--now", "2026-11-22T11:40:00Z"]);
    let json: Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!((run.status, &json["distrust"], &json["certificates"][0]["why"]), (79, &json!([]), &json!("expired")), "{json}");
    assert_eq!(meshctl(dir.path(), &["certs", "--from", "cart", "--now", "2026-11-22T11:40:00Z"]).status, 0);
}

#[test]
fn a_cluster_is_asked_one_pod_a_workload() {
    let mut data = objects();
    let admin = Admin::start([("/config_dump".to_owned(), dump("web-1.web", &issued("A", "spiffe://td/ns/web/sa/web", 2027)))].into()).expect("an admin port");
    data.forward("web", "web-1", 15000, admin.address());
    let mut faults = Faults::default();
    faults.forbidden.insert("pods/exec".to_owned());
    let mesh = Mesh::bare(data, faults);
    let run = mesh.meshctl(&["certs"]);
    assert!(run.status == 75 && run.out.contains("spiffe://td/ns/web/sa/web") && run.err.contains("cart-1.shop is not reached"), "{}{}", run.out, run.err);
    assert!(run.err.contains("asks 2 proxies: cart-1.shop, web-1.web"), "{}", run.err);
    assert_eq!(admin.requests(), ["GET /config_dump?mask=static_secrets,dynamic_active_secrets,dynamic_warming_secrets"]);
    let run = mesh.meshctl(&["certs", "deployment/web.web"]);
    assert!(run.status == 0 && run.out.contains("web-1.web"), "{}{}", run.out, run.err);
}
