//! Any bytes are a page: the scanner ends, and what it took can be read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_metrics::text::scan;

fuzz_target!(|bytes: &[u8]| {
    let page = scan(bytes);
    for sample in &page.samples {
        assert_eq!(sample.labels().count(), sample.raw_pairs().count());
    }
});
