//! Any bytes are an answer of Prometheus: an error, or elements that a store takes or refuses.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_collectors::telemetry::prometheus::vector;
use mesh_metrics::series::{Limits, NAME, Store};

fuzz_target!(|bytes: &[u8]| {
    let mut store = Store::new(Limits::default());
    let _ = vector(bytes, |element| {
        let labels = element.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref()));
        let _ = store.add_rate(labels.chain([(NAME, "m")]), element.value);
    });
});
