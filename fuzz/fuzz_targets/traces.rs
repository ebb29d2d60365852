//! Any text as traces: no panic, every span has a place, and the critical path has no gap.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_model::traces::{critical_path, self_times, summary, traces};

fuzz_target!(|text: &str| {
    let Ok(found) = mesh_collectors::traces::read("fuzz", text) else { return };
    let all = traces(found.spans);
    for trace in &all {
        let path = critical_path(trace);
        assert!(path.windows(2).all(|w| w[0].to == w[1].from));
        assert_eq!(self_times(trace).len(), trace.spans.len());
    }
    let _ = summary(&all);
});
