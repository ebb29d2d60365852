//! Any lines are a request to the query API, a path and names and values of parameters: the answer is JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_metrics::api::{Request, answer};
use mesh_metrics::promql::Options;
use mesh_metrics::series::{Limits, NAME, Store};

fuzz_target!(|text: &str| {
    let mut store = Store::new(Limits::default());
    for at in 0..20 {
        let _ = store.append([(NAME, "a"), ("b", "c")], at * 15_000, at as f64);
    }
    let mut lines = text.split('\n').map(str::to_owned);
    let path = lines.next().unwrap_or_default();
    let mut parameters = Vec::new();
    while let Some(name) = lines.next() {
        parameters.push((name, lines.next().unwrap_or_default()));
    }
    let response = answer(&store, &Request { path: &path, parameters: &parameters, now: 300_000 }, &Options { samples: 10_000, ..Options::default() });
    assert!(serde_json::from_str::<serde_json::Value>(&response.body).is_ok());
});
