//! `meshctl graph`: formats, hostile names, what could not be seen, exit statuses.

use crate::common;
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
    let hostile = "we\"b\u{1b}[31m];<x>\u{202e}\n%%{init: {}}%%";
    let all = [
        series(labels("destination", hostile, "200"), 3.0),
        series(labels("destination", hostile, "500"), 1.0),
        series(labels("destination", "api", "200"), 20.0),
    ];
    serde_json::json!({"series": all, "clusterName": "c"}).to_string()
}

fn is_unsafe(c: char) -> bool {
    matches!(c, '\u{1b}' | '\u{202e}')
}

#[test]
fn formats() {
    let dir = folder(&[("mesh.json", &series())]);
    let text = meshctl(dir.path(), &["graph", "--series", "mesh.json"]);
    assert_eq!(text.status, 0, "{}", text.err);
    let lines: Vec<&str> = text.out.lines().collect();
    assert!(lines[0].starts_with("FROM ") && lines[1].starts_with("shop/api ") && lines[1].contains(" 20.00/s  0.0% "), "{}", text.out);
    assert!(lines[2].starts_with("shop/we\"b\u{fffd}[31m") && lines[2].contains(" 25.0% ") && lines[2].ends_with(" Failure"), "{}", text.out);
    assert!(lines[3..].contains(&"Not healthy:") && lines.last() == Some(&"3 nodes, 2 edges; rates as recorded"), "{}", text.out);
    assert!(!text.out.contains(is_unsafe), "{}", text.out);

    let json = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "json", "--now", "2026-01-01T00:00:00Z"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((value["complete"].as_bool(), value["nodes"].as_array().map(Vec::len)), (Some(true), Some(3)));
    assert_eq!((&value["queryTime"], &value["duration"]), (&serde_json::json!(1_767_225_600), &serde_json::Value::Null));
    let rates: Vec<f64> = value["edges"].as_array().into_iter().flatten().filter_map(|e| e["rate"].as_f64()).collect();
    assert_eq!(rates, [20.0, 4.0]);

    let dot = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "dot"]).out;
    assert!(dot.contains("we\\\"b") && !dot.contains(is_unsafe) && dot.contains("color=red"), "{dot}");
    let mermaid = meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", "mermaid", "--services"]).out;
    assert!(
        mermaid.contains("we#34;b") && !mermaid.contains("%%{") && !mermaid.contains(is_unsafe) && mermaid.contains("([\"shop/cart (service)\"])"),
        "{mermaid}"
    );
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
    let args = ["graph", "--before", "before", "--page", "after", "--over", "60s", "-o", "json"];
    let run = meshctl(dir.path(), &args);
    let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    assert_eq!(run.status, 75, "{}", run.err);
    assert_eq!(value["complete"], false);
    assert!(value["problems"][0].as_str().is_some_and(|p| p.starts_with("after:2:")), "{}", run.out);
    assert_eq!((value["edges"][0]["rate"].as_f64(), value["duration"].as_i64()), (Some(10.0), Some(60)));
    assert_eq!(value["edges"][0]["responses"]["200"]["flags"]["UF,URX"].as_f64(), Some(10.0));

    let login = meshctl(dir.path(), &["graph", "--before", "before", "--page", "login.html"]);
    assert!(login.status != 0 && (login.err + &login.out).contains("HTML"), "{}", login.out);
}

#[test]
fn what_a_file_can_not_tell_is_said() {
    let mut broken: serde_json::Value = serde_json::from_str(&series()).expect("JSON");
    broken["objects"] = serde_json::json!([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, 7]);
    let mut short: serde_json::Value = serde_json::from_str(&series()).expect("JSON");
    for one in short["series"].as_array_mut().into_iter().flatten() {
        one.as_object_mut().map(|o| o.remove("rate"));
        one["values"] = serde_json::json!([[1000, 60], [1060, 120]]);
    }
    let files = [("mesh.json", series()), ("broken.json", broken.to_string()), ("short.json", short.to_string())];
    let dir = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    for (args, problem) in [
        (vec!["graph", "--series", "mesh.json", "-n", "shop,shpo"], "-n shpo"),
        (vec!["graph", "--series", "broken.json"], "no Kubernetes object"),
        (vec!["graph", "--series", "short.json"], "span 60 s"),
    ] {
        let run = meshctl(dir.path(), &args);
        assert_eq!(run.status, 75, "{args:?}: {}", run.err);
        assert!(run.err.contains(problem) && run.out.contains("shop/cart"), "{args:?}: {}{}", run.err, run.out);
    }
    let whole = meshctl(dir.path(), &["graph", "--series", "short.json", "--since", "61s"]);
    assert!(whole.status == 0 && whole.out.contains("1.00/s"), "{}{}", whole.err, whole.out);
}

#[test]
fn pictures_hold_every_name_escaped_and_nothing_from_elsewhere() {
    let dir = folder(&[("mesh.json", &series())]);
    let run = |format| meshctl(dir.path(), &["graph", "--series", "mesh.json", "-o", format]).out;
    let tree = run("tree");
    assert!(tree.starts_with("shop/api\n└─ shop/cart-v1") && tree.contains("http 20.00/s") && !tree.contains(is_unsafe), "{tree}");
    let matrix = run("matrix");
    assert!(matrix.lines().any(|l| l.starts_with("1 shop/api") && l.ends_with(" . o .")), "{matrix}");
    assert!(matrix.contains('X') && !matrix.contains(is_unsafe), "{matrix}");
    let svg = run("svg");
    assert!(svg.starts_with("<svg ") && svg.contains("&lt;x&gt;") && !svg.contains("<x>") && !svg.contains(is_unsafe), "{svg}");
    assert!(svg.matches("class=\"node\"").count() == 3 && svg.matches("class=\"edge\"").count() == 2, "{svg}");
    let html = run("html");
    assert!(!html.contains("<x>") && !html.contains(is_unsafe) && !html.contains("src=") && !html.contains("href="), "{html}");
    let data = html.split_once("id=\"data\">").and_then(|(_, rest)| rest.split_once("</script>")).expect("the data").0;
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((data["nodes"].as_array().map(Vec::len), data["edges"].as_array().map(Vec::len)), (Some(3), Some(2)));
    assert_eq!(data["edges"][0]["calls"][0]["responses"]["200"]["hosts"]["cart.shop.svc.cluster.local"].as_f64(), Some(20.0));
}

#[test]
fn questions_to_a_graph() {
    let dir = folder(&[("mesh.json", &series())]);
    let json = |args: &[&str]| -> serde_json::Value {
        let run = meshctl(dir.path(), &[&["graph"], args, &["--series", "mesh.json", "-o", "json"]].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        serde_json::from_str(&run.out).expect("JSON")
    };
    let path = json(&["path", "api", "shop/cart-v1"]);
    assert_eq!((path["paths"][0]["success"].as_f64(), path["paths"][0]["leastRate"].as_f64()), (Some(1.0), Some(20.0)));
    let impact = json(&["impact", "cart-v1"]);
    assert_eq!((impact["hurt"][0]["node"].as_str(), impact["hurt"][0]["rate"].as_f64()), (Some("shop/api"), Some(20.0)));
    assert_eq!(json(&["cycles"])["cycles"], serde_json::json!([]));
    let text = meshctl(dir.path(), &["graph", "path", "api", "cart-v1", "--series", "mesh.json"]).out;
    assert!(text.contains("→ shop/cart-v1  http 20.00/s") && text.contains("gets through: 100.0%"), "{text}");
    let impact = meshctl(dir.path(), &["graph", "impact", "cart-v1", "--series", "mesh.json"]).out;
    assert!(impact.lines().nth(1).is_some_and(|l| l.starts_with("shop/api ") && l.ends_with(" yes")) && !impact.contains(is_unsafe), "{impact}");
    let near = meshctl(dir.path(), &["graph", "impact", "crat-v1", "--series", "mesh.json"]);
    assert!(near.status == 1 && near.err.contains("did you mean cart-v1?"), "{}", near.err);
}

#[test]
fn the_golden_signals_of_workloads_services_and_calls() {
    let mut series: serde_json::Value = serde_json::from_str(&series()).expect("JSON");
    let labels = series["series"][2]["labels"].clone();
    let all = series["series"].as_array_mut().expect("series");
    for (le, rate) in [("100", 10.0), ("200", 20.0), ("+Inf", 20.0)] {
        let mut labels = labels.clone();
        labels["le"] = serde_json::json!(le);
        all.push(serde_json::json!({"metric": "istio_request_duration_milliseconds_bucket", "labels": labels, "rate": rate}));
    }
    let dir = folder(&[("mesh.json", &series.to_string())]);
    let rows = |args: &[&str]| {
        let run = meshctl(dir.path(), &[&["top", "--series", "mesh.json", "-o", "json"], args].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        let value: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
        value["rows"].as_array().expect("rows").clone()
    };
    let workloads = rows(&[]);
    assert_eq!((workloads.len(), workloads[0]["name"].as_str(), workloads[0]["requests"].as_f64()), (1, Some("shop/cart-v1"), Some(24.0)));
    assert_eq!((workloads[0]["p50Ms"].as_f64(), workloads[0]["p95Ms"].as_f64()), (Some(100.0), Some(190.0)));
    let services = rows(&["--by", "service"]);
    assert_eq!((services[0]["name"].as_str(), services[0]["p95Ms"].as_f64()), (Some("shop/cart (service)"), Some(190.0)));
    let calls = rows(&["api", "--by", "edge"]);
    assert_eq!((calls.len(), calls[0]["name"].as_str(), calls[0]["p95Ms"].as_f64()), (1, Some("shop/api → shop/cart-v1"), Some(190.0)));
    let worst = rows(&["--by", "edge", "--sort", "errors", "--most", "1"]);
    assert!(worst[0]["errorPercent"].as_f64() == Some(25.0) && worst[0]["p95Ms"].is_null(), "{worst:?}");
    let text = meshctl(dir.path(), &["top", "--series", "mesh.json", "--by", "edge"]).out;
    assert!(text.contains("190ms") && text.ends_with("2 rows; rates as recorded\n") && !text.contains(is_unsafe), "{text}");
    assert_eq!(meshctl(dir.path(), &["top", "--series", "mesh.json", "--by", "pod"]).status, 64);
}

#[test]
fn finding_hiding_and_what_leaves_the_mesh() {
    let dir = folder(&[("mesh.json", &series())]);
    let edges = |args: &[&str]| {
        let run = meshctl(dir.path(), &[&["graph", "--series", "mesh.json", "-o", "json"], args].concat());
        let value: serde_json::Value = serde_json::from_str(&run.out).unwrap_or_else(|e| panic!("{e}: {}", run.err));
        value["edges"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((edges(&["--find", "%httperr > 5"]), edges(&["--hide", "name = cart"]), edges(&["--hide", "name = api", "--find", "! healthy"])), (1, 0, 1));
    let wrong = meshctl(dir.path(), &["graph", "--series", "mesh.json", "--find", "name = "]);
    assert!(wrong.status == 64 && wrong.err.contains("at character 8"), "{}", wrong.err);
    let egress = meshctl(dir.path(), &["graph", "--series", "mesh.json", "--egress"]);
    assert!(egress.status == 0 && egress.out.starts_with("Nothing was seen") && egress.out.contains("not judged"), "{}", egress.out);
}

/// A Prometheus of our own, until the test's process ends.
fn prometheus(series: &str) -> String {
    let recording = mesh_collectors::telemetry::series::read("f", series).expect("series");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let store = std::sync::Arc::new(std::sync::RwLock::new(recording.store));
            let served = mesh_collectors::telemetry::serve::serve(listener, store, Default::default(), Default::default());
            let _ = tokio::time::timeout(std::time::Duration::from_secs(120), served).await;
        });
    });
    url
}

#[test]
fn a_live_prometheus_gives_the_graph_that_its_series_give() {
    let dir = folder(&[("mesh.json", &series()), ("token", "s3cret")]);
    let url = prometheus(&series());
    let graph = |args: &[&str]| {
        let run = meshctl(dir.path(), &[&["graph", "-o", "json", "--now", "2026-01-01T00:00:00Z"], args].concat());
        assert_eq!(run.status, 0, "{}", run.err);
        serde_json::from_str::<serde_json::Value>(&run.out).expect("JSON")
    };
    let (live, saved) = (graph(&["--prometheus", &url, "--since", "5m"]), graph(&["--series", "mesh.json"]));
    assert_eq!((&live["nodes"], &live["edges"]), (&saved["nodes"], &saved["edges"]));
    assert_eq!((live["duration"].as_i64(), live["queryTime"].as_i64()), (Some(300), Some(1_767_225_600)));

    let nobody = meshctl(dir.path(), &["graph", "--prometheus", "http://127.0.0.1:1"]);
    assert!(nobody.status == 1 && nobody.err.contains("does not answer"), "{} {}", nobody.status, nobody.err);
    let other = meshctl(dir.path(), &["graph", "--prometheus", &url, "--prom-label", "cluster=none"]);
    assert!(other.status == 65 && other.err.contains("no series names a namespace"), "{} {}", other.status, other.err);
    for (args, part) in [
        (vec!["--prometheus", "http://u:s3cret@a:9090"], "--prom-user"),
        (vec!["--prometheus", &url, "--prom-label", "1=2"], "--prom-label"),
        (vec!["--prometheus", &url, "--prom-header", "s3cret"], "NAME: VALUE"),
        (vec!["--prometheus", &url, "--at", "noon"], "--at"),
    ] {
        let run = meshctl(dir.path(), &[&["graph"], args.as_slice()].concat());
        assert!(run.status == 64 && run.err.contains(part) && !run.err.contains("s3cret"), "{args:?}: {} {}", run.status, run.err);
    }
}

#[test]
fn refusals() {
    let dir = folder(&[("mesh.json", &series()), ("broken.json", "{\"series\": [{\"metric\": 1}]}"), ("empty.json", "{\"series\":[]}")]);
    for (args, status, part) in [
        (vec!["graph"], 64, "--prometheus"),
        (vec!["graph", "--series", "none.json"], 65, "none.json"),
        (vec!["graph", "--series", "broken.json"], 65, "broken.json:1:"),
        (vec!["graph", "--series", "empty.json"], 65, "no series names a namespace"),
        (vec!["graph", "--series", "mesh.json", "-o", "png"], 64, "text, tree"),
        (vec!["graph", "--from", "http://u:p@a:1"], 64, "without a user"),
        (vec!["graph", "--from", "http://127.0.0.1:1"], 1, "does not answer"),
        (vec!["graph", "path", "web", "cart", "--series", "mesh.json"], 1, "nothing in the graph is called web"),
        (vec!["graph", "--series", "mesh.json", "--type", "pod"], 64, "workload"),
        (vec!["graph", "--series", "mesh.json", "--since", "soon"], 64, "--since"),
        (vec!["graph", "--series", "mesh.json", "--kiali-request", "/api/namespaces/graph?namespaces=x&boxBy=planet"], 64, "boxBy"),
    ] {
        let run = meshctl(dir.path(), &args);
        assert_eq!(run.status, status, "{args:?}: {}", run.err);
        assert!(run.err.contains(part), "{args:?}: {}", run.err);
    }
}

/// A pod of each kind, and what ztunnel and the sidecar count.
#[test]
fn ambient_workloads_and_native_sidecars_are_in_the_mesh_and_encrypted() {
    let pod = |name: &str, is_ambient: bool| {
        let mut pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{name}-1"), "namespace": "shop", "labels": {"app": name, "service.istio.io/canonical-name": name}},
            "spec": {"containers": [{"name": "app", "image": "i"}]}, "status": {"phase": "Running"}
        });
        if is_ambient {
            pod["metadata"]["annotations"] = serde_json::json!({"ambient.istio.io/redirection": "enabled"});
        } else {
            pod["spec"]["initContainers"] = serde_json::json!([{"name": "istio-proxy", "image": "i", "restartPolicy": "Always"}]);
        }
        pod
    };
    let series = |metrics: &[&str], extra: serde_json::Value| {
        let mut labels = serde_json::json!({
            "reporter": "destination", "source_cluster": "c", "source_workload_namespace": "shop", "source_workload": "web-1",
            "source_canonical_service": "web", "source_canonical_revision": "latest", "destination_cluster": "c",
            "destination_service_namespace": "shop", "destination_service": "cart.shop.svc.cluster.local", "destination_service_name": "cart",
            "destination_workload_namespace": "shop", "destination_workload": "cart-1", "destination_canonical_service": "cart",
            "destination_canonical_revision": "latest", "response_flags": "-", "connection_security_policy": "mutual_tls",
            "source_principal": "spiffe://cluster.local/ns/shop/sa/web", "destination_principal": "spiffe://cluster.local/ns/shop/sa/cart"
        });
        extra.as_object().into_iter().flatten().for_each(|(k, v)| labels[k] = v.clone());
        let mut objects = ["web", "cart"].map(|n| pod(n, metrics.len() > 1)).to_vec();
        if metrics.len() > 1 {
            let labels = serde_json::json!({"istio.io/dataplane-mode": "ambient"});
            objects.push(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}));
        }
        let all: Vec<serde_json::Value> = metrics.iter().map(|m| serde_json::json!({"metric": m, "labels": labels, "rate": 10.0})).collect();
        serde_json::json!({"series": all, "objects": objects, "clusterName": "c"}).to_string()
    };
    let ambient = series(&["istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total"], serde_json::json!({"app": "ztunnel", "reporter": "source"}));
    let sidecar = series(&["istio_requests_total"], serde_json::json!({"request_protocol": "http", "response_code": "200"}));
    let dir = folder(&[("ambient.json", &ambient), ("native.json", &sidecar)]);
    for name in ["ambient", "native"] {
        let series = format!("{name}.json");
        let args = ["graph", "--series", &series];
        let text = meshctl(dir.path(), &args);
        assert!(text.status == 0 && text.out.contains("shop/cart") && !text.out.contains("plaintext"), "{name}: {} {}{}", text.status, text.out, text.err);
        let json = meshctl(dir.path(), &[&args[..], &["-o", "json"]].concat());
        assert!(!json.out.contains("plaintext") && !json.out.contains("out of mesh") && !json.out.contains("outOfMesh"), "{name}: {}", json.out);
        let value: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
        assert!(value["edges"].as_array().is_some_and(|e| e.len() == 1), "{name}: {}", json.out);
        assert_eq!(json.out.contains("ambient"), name == "ambient", "{}", json.out);
        assert!(text.out.contains(" 100% "), "{name}: {}\n{}", text.out, json.out);
    }
}
