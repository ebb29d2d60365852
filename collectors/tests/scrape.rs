//! Scrapes of proxies on loopback.

use mesh_collectors::dumps::admin::{AdminError, Options};
use mesh_collectors::telemetry::ask;
use mesh_collectors::telemetry::scrape::{Target, scrape};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

/// A proxy that gives these pages, one after the other; its address.
fn proxy(pages: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let pages: Vec<String> = pages.iter().map(|p| (*p).to_owned()).collect();
    std::thread::spawn(move || {
        for page in pages {
            let Ok((stream, _)) = listener.accept() else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}", page.len());
        }
    });
    url
}

fn run(urls: &[String]) -> Result<mesh_collectors::telemetry::series::Recording, AdminError> {
    let targets: Vec<Target> = urls.iter().map(|u| Target::parse(u).expect("a target").expect("a sound one")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let options = Options { connect: Duration::from_secs(2), answer: Duration::from_secs(5), page: 1 << 20 };
    runtime.block_on(scrape(&targets, Duration::from_millis(200), options))
}

fn rate(recording: &mesh_collectors::telemetry::series::Recording, query: &str) -> Option<f64> {
    ask(&recording.store, query, 0).expect("an answer").0.first().map(|s| s.value)
}

#[test]
fn two_scrapes_make_rates_by_the_time_that_passed() {
    let one = proxy(&["m{a=\"x\"} 10\n", "m{a=\"x\"} 110\n"]);
    let two = proxy(&["m{a=\"x\"} 50\n", "m{a=\"x\"} 30\n"]);
    let dead = "http://127.0.0.1:1".to_owned();
    let recording = run(&[one.clone(), two, one, dead]).expect("a recording");
    let found = rate(&recording, "rate(m[1m])").expect("a rate");
    // 130 in 0.2 s and what the answers took; a counter that started again counts from zero.
    assert!(found > 10.0 && found <= 650.0, "{found}");
    let problems = recording.problems.join("\n");
    assert_eq!(recording.problems.len(), 2, "{problems}");
    assert!(problems.contains("started again") && problems.contains("127.0.0.1:1/stats/prometheus does not answer"), "{problems}");
}

#[test]
fn what_is_no_page_is_said_and_nobody_is_an_error() {
    let login = proxy(&["<html>Sign in</html>", "<html>Sign in</html>"]);
    let recording = run(&[login]).expect("pages, of a sort");
    assert!(recording.store.is_empty() && recording.problems.iter().any(|p| p.contains("HTML")), "{:?}", recording.problems);
    assert!(matches!(run(&["http://127.0.0.1:1".to_owned()]), Err(AdminError::Unreachable { .. })));
}
