//! `meshctl graph`: formats, hostile names, what could not be seen, exit statuses.

mod common;

use common::{folder, meshctl};

/// Two workloads and an edge whose source has a name that a terminal and Graphviz would obey.
fn series() -> String {
    let labels = |reporter: &str, source: &str, code: &str| {
        serde_json::json!({
            "reporter": reporter, "source_cluster": "c", "source_workload_namespace": "shop", "source_workload": source,
            "source_canonical_service": source, "source_canonical_revision": "v1", "destination_cluster": "c",
            "destination_service_namespace": "shop", "destination_service": "cart.shop.svc.cluster.local", "destination_service_name": "cart",
            "destination_workload_namespace": "shop", "destination_workload": "cart-v1", "destination_canonical_service": "cart",
            "destination_canonical_revision": "v1", "request_protocol": "http", "response_code": code, "response_flags": "-"
        })
    };
    let series = |labels: serde_json::Value, rate: f64| serde_json::json!({"metric": "istio_requests_total", "labels": labels, "rate": rate});
    let hostile = "we\"b\u{1b}[31m];<x>";
    let all = [
        series(labels("destination", hostile, "200"), 3.0),
        series(labels("destination", hostile, "500"), 1.0),
        series(labels("destination", "api", "200"), 20.0),
    ];
    serde_json::json!({"series": all, "clusterName": "c"}).to_string()
}

#[test]
fn formats() {
    let dir = folder(&[("mesh.json", &series())]);
    let text = meshctl(dir.path(), &["graph", "--series", "mesh.json"]);
    assert_eq!(text.status, 0, "{}", text.err);
    assert!(!text.out.contains('\u{1b}') && text.out.contains("20.00/s") && text.out.contains("25.0%") && text.out.contains("Failure"), "{}", text.out);

    let json = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((value["complete"].as_bool(), value["nodes"].as_array().map(Vec::len)), (Some(true), Some(3)));
    let rates: Vec<f64> = value["edges"].as_array().into_iter().flatten().filter_map(|e| e["rate"].as_f64()).collect();
    assert_eq!(rates, [20.0, 4.0]);

    let dot = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "dot"]).out;
    assert!(dot.contains("we\\\"b") && !dot.contains('\u{1b}') && dot.contains("color=red"), "{dot}");
    let mermaid = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "mermaid", "--services"]).out;
    assert!(mermaid.contains("we#34;b") && !mermaid.contains('\u{1b}') && mermaid.contains("([\"shop/cart (service)\"])"), "{mermaid}");
    let kiali = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "kiali", "--type", "app"]).out;
    let value: serde_json::Value = serde_json::from_str(&kiali).expect("JSON");
    assert_eq!(value["graphType"], "app");
}

#[test]
fn saved_pages_make_rates_and_what_was_not_understood_is_said() {
    let line = |n: u32| {
        format!(
            "istio_requests_total{{reporter=\"destination\",source_workload_namespace=\"a\",source_workload=\"w\",source_canonical_service=\"w\",\
             source_canonical_revision=\"v1\",destination_service_namespace=\"a\",destination_service=\"s\",destination_service_name=\"s\",\
             destination_workload_namespace=\"a\",destination_workload=\"s-v1\",destination_canonical_service=\"s\",destination_canonical_revision=\"v1\",\
             request_protocol=\"http\",response_code=\"200\",response_flags=\"UF,URX\"}} {n}\n"
        )
    };
    let dir = folder(&[("before", &line(100)), ("after", &(line(700) + "broken{\n")), ("login.html", "<html>Sign in</html>")]);
    let args = ["graph", "--before", "before", "--page", "after", "--over", "60s", "--since", "60s", "-o", "json"];
    let run = meshctl(dir.path(), &args);
    let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(run.status, 75, "{}", run.err);
    assert_eq!(value["complete"], false);
    assert!(value["problems"][0].as_str().is_some_and(|p| p.starts_with("after:2:")), "{}", run.out);
    assert_eq!(value["edges"][0]["responses"]["200"]["flags"]["UF,URX"], value["edges"][0]["rate"]);

    let login = meshctl(dir.path(), &["graph", "--before", "before", "--page", "login.html"]);
    assert!(login.status != 0 && (login.err + &login.out).contains("HTML"), "{}", login.out);
}

#[test]
fn refusals() {
    let dir = folder(&[("mesh.json", &series()), ("broken.json", "{\"series\": [{\"metric\": 1}]}"), ("empty.json", "{\"series\":[]}")]);
    for (args, status, part) in [
        (vec!["graph"], 64, "--series"),
        (vec!["graph", "--series", "none.json"], 65, "none.json"),
        (vec!["graph", "--series", "broken.json"], 65, "broken.json:1:"),
        (vec!["graph", "--series", "empty.json"], 65, "no series names a namespace"),
        (vec!["graph", "--series", "mesh.json", "-o", "svg"], 64, "text, json"),
        (vec!["graph", "--series", "mesh.json", "--type", "pod"], 64, "workload"),
        (vec!["graph", "--series", "mesh.json", "--since", "soon"], 64, "--since"),
        (vec!["graph", "--series", "mesh.json", "--kiali-request", "/api/namespaces/graph?namespaces=x&boxBy=planet"], 64, "boxBy"),
    ] {
        let run = meshctl(dir.path(), &args);
        assert_eq!(run.status, status, "{args:?}: {}", run.err);
        assert!(run.err.contains(part), "{args:?}: {}", run.err);
    }
}
