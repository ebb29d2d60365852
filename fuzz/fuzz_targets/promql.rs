//! Any text is a query: it is refused at a place within it, or evaluated over a small store.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_metrics::promql::{Options, parse, query};
use mesh_metrics::series::{Limits, NAME, Store};

fuzz_target!(|text: &str| {
    let mut store = Store::new(Limits::default());
    for at in 0..20 {
        let _ = store.append([(NAME, "a"), ("b", "c")], at * 15_000, at as f64);
        let _ = store.append([(NAME, "a_bucket"), ("le", "+Inf")], at * 15_000, at as f64);
    }
    match parse(text) {
        Ok(expr) => drop(query(&store, &expr, 300_000, &Options { samples: 10_000, ..Options::default() })),
        Err(error) => assert!(error.span.start <= text.len() && !error.render(text).is_empty()),
    }
});
