//! The page of `graph -o html` in a headless Chromium: it is loaded as a file, moved, zoomed, searched and asked, and says nothing on
//! its console.

use crate::common;
use common::{component, folder, meshctl};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Before the page's own script: what goes wrong is kept.
const WATCH: &str = "<script>window.wrong = [];
addEventListener('error', e => wrong.push(String(e.message)));
addEventListener('securitypolicyviolation', e => wrong.push('policy: ' + e.violatedDirective));
for (const level of ['error', 'warn']) console[level] = (...all) => wrong.push(level + ': ' + all.join(' '));
</script>";

/// After it: a user's hand. What the page shows then is left in the document.
const HAND: &str = "<pre id=\"told\"></pre><script>
const told = {};
const view = () => document.querySelector('main svg').getAttribute('viewBox').split(' ').map(Number);
const svgElement = document.querySelector('main svg');
const area = svgElement.getBoundingClientRect();
// What lies at a point is what a click there reaches.
const at = (x, y, type, more) => document.elementFromPoint(x, y).dispatchEvent(
  new (type.startsWith('pointer') ? PointerEvent : type === 'wheel' ? WheelEvent : MouseEvent)(type, {bubbles: true, cancelable: true, clientX: x, clientY: y, ...more}));
const click = (x, y) => { at(x, y, 'pointerdown'); at(x, y, 'pointerup'); at(x, y, 'click'); };
const middle = element => { const b = element.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; };
const titled = (sort, text) => [...document.querySelectorAll(sort)].find(e => e.querySelector('title').textContent.includes(text));
told.whole = view();
at(area.x + 5, area.y + 5, 'wheel', {deltaY: -100});
told.zoomed = view();
at(area.x + 300, area.y + 40, 'pointerdown');
at(area.x + 200, area.y + 90, 'pointermove');
at(area.x + 200, area.y + 90, 'pointerup');
told.moved = view();
at(area.x + 200, area.y + 90, 'dblclick');
told.back = view();
const search = document.getElementById('search');
search.value = 'ratings';
search.dispatchEvent(new Event('input'));
told.count = document.getElementById('count').textContent;
told.dim = document.querySelectorAll('.node.dim').length;
told.shown = [...document.querySelectorAll('.node:not(.dim) title')].map(e => e.textContent).sort();
search.value = '';
search.dispatchEvent(new Event('input'));
told.dimAfter = document.querySelectorAll('.dim').length;
const edge = titled('.edge', 'bookinfo/productpage-v1 → bookinfo/reviews-v1');
click(...middle(edge.querySelector('text')));
told.edge = document.getElementById('said').innerText;
told.chosen = [...document.querySelectorAll('.chosen')].map(e => e.id === edge.id);
// A line is hit beside its hairline too.
const line = edge.querySelector('.hit'), end = line.getPointAtLength(line.getTotalLength() - 12).matrixTransform(line.getScreenCTM());
told.hit = document.elementFromPoint(end.x, end.y + 3)?.closest('.edge')?.id === edge.id;
click(...middle(titled('.node', 'bookinfo/productpage-v1')));
told.node = document.getElementById('said').innerText;
[...document.querySelectorAll('#said button')].find(b => b.textContent.includes('details')).click();
told.followed = document.querySelector('#said h3').textContent;
told.elements = document.querySelectorAll('x, b.bad, img, iframe, link').length;
told.wrong = wrong;
document.getElementById('told').textContent = JSON.stringify(told);
</script>";

/// The document as it is after its scripts, and what the browser said.
fn load(chromium: &Path, folder: &Path, page: &str) -> (String, String) {
    let profile = folder.join("profile");
    let mut child = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1400,800", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("file://{}", folder.join(page).display()))
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(folder.join("dom")).expect("a file"))
        .stderr(std::fs::File::create(folder.join("said")).expect("a file"))
        .spawn()
        .expect("Chromium runs");
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        if child.try_wait().expect("a process").is_some() {
            break;
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            panic!("Chromium does not end");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let text = |name: &str| String::from_utf8_lossy(&std::fs::read(folder.join(name)).expect("a file")).into_owned();
    (text("dom"), text("said"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

#[test]
fn the_page_is_moved_zoomed_searched_and_explains_in_a_browser() {
    let Some(chromium) = component("chromium") else { return };
    let here = folder(&[]);
    let series = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/traffic/bookinfo.json").display().to_string();
    let run = meshctl(here.path(), &["graph", "--series", &series, "-o", "html", "--out", "mesh.html"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let page = std::fs::read_to_string(here.path().join("mesh.html")).expect("the page");
    // As it is: nothing on the console.
    let (dom, said) = load(&chromium, here.path(), "mesh.html");
    assert!(dom.contains("class=\"node\"") && !said.contains("CONSOLE"), "{said}");

    let driven = page.replacen("<script type=\"application/json\"", &format!("{WATCH}<script type=\"application/json\""), 1).replacen(
        "</body>",
        &format!("{HAND}</body>"),
        1,
    );
    common::write(here.path(), &[("driven.html", &driven)]);
    let (dom, said) = load(&chromium, here.path(), "driven.html");
    let text = dom.split_once("id=\"told\">").and_then(|(_, rest)| rest.split_once("</pre>")).map_or("", |(text, _)| text);
    let told: Value =
        serde_json::from_str(&text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")).unwrap_or_else(|e| panic!("{e}: {text}\n{said}"));
    assert_eq!(told["wrong"], serde_json::json!([]), "{said}");
    let [whole, zoomed, moved, back] = ["whole", "zoomed", "moved", "back"].map(|k| numbers(&told[k]));
    assert!(zoomed[2] < whole[2] * 0.9 && zoomed[3] < whole[3] * 0.9, "{told}");
    assert!(moved[0] > zoomed[0] && moved[1] < zoomed[1] && (moved[2] - zoomed[2]).abs() < 1e-6, "dragged left and down: {told}");
    assert_eq!(back, whole);
    assert_eq!(told["shown"], serde_json::json!(["bookinfo/ratings (service)", "bookinfo/ratings-v1"]));
    assert_eq!((told["count"].as_str(), told["dim"].as_u64(), told["dimAfter"].as_u64()), (Some("2 of 11"), Some(9), Some(0)));
    let edge = told["edge"].as_str().unwrap_or_default();
    for says in [
        "bookinfo/productpage-v1 → bookinfo/reviews-v1",
        "http",
        "rate",
        "mutual TLS",
        "response code 504",
        "flag UT",
        "meshctl graph --why-edge bookinfo/productpage-v1 bookinfo/reviews-v1",
    ] {
        assert!(edge.contains(says), "{says}: {edge}");
    }
    assert_eq!((&told["chosen"], &told["hit"]), (&serde_json::json!([true]), &Value::Bool(true)));
    let node = told["node"].as_str().unwrap_or_default();
    assert!(node.contains("Called by") && node.contains("istio-ingressgateway") && node.contains("Calls"), "{node}");
    assert!(told["followed"].as_str().is_some_and(|t| t.contains("details")), "{told}");
}

#[test]
fn names_from_outside_are_text_in_a_browser() {
    let Some(chromium) = component("chromium") else { return };
    let bad = "</script><b class='bad'>x</b><img src=x onerror=wrong.push('run')>";
    let series = serde_json::json!({"series": [{"metric": "istio_requests_total", "rate": 1.0, "labels": {
        "reporter": "destination", "source_workload": bad, "source_workload_namespace": "a", "destination_workload": "cart", "destination_workload_namespace": "a",
        "source_canonical_service": bad, "destination_canonical_service": "cart", "destination_service": "cart.a", "destination_service_name": "cart",
        "destination_service_namespace": "a", "source_cluster": "c", "destination_cluster": "c", "source_canonical_revision": "v1",
        "destination_canonical_revision": "v1", "request_protocol": "http", "response_code": "200", "response_flags": "-"}}]});
    let here = folder(&[("mesh.json", &series.to_string())]);
    let run = meshctl(here.path(), &["graph", "--series", "mesh.json", "-o", "html"]);
    assert_eq!(run.status, 0, "{}", run.err);
    let hand = "<pre id=\"told\"></pre><script>for (const e of document.querySelectorAll('.node,.edge')) e.dispatchEvent(new MouseEvent('click', {bubbles: true}));
document.getElementById('told').textContent = JSON.stringify([document.querySelectorAll('.bad, img').length, wrong.length, document.getElementById('said').textContent.length > 10]);</script>";
    let driven = run.out.replacen("<script type=\"application/json\"", &format!("{WATCH}<script type=\"application/json\""), 1).replacen(
        "</body>",
        &format!("{hand}</body>"),
        1,
    );
    common::write(here.path(), &[("driven.html", &driven)]);
    let (dom, said) = load(&chromium, here.path(), "driven.html");
    assert!(dom.contains("id=\"told\">[0,0,true]<"), "{dom}\n{said}");
}
