//! The fast path and the full parser agree on every document, and neither panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_model::yaml::{Limits, compare_paths, documents};
use mesh_model::{Source, Span};

fuzz_target!(|bytes: &[u8]| {
    let source = Source::from_bytes("fuzz", bytes.to_vec());
    let whole = Span::new(0, source.text().len());
    for span in documents(source.text()).into_iter().map(|c| c.span).chain([whole]) {
        if let Err(difference) = compare_paths(&source, span, Limits::default()) {
            panic!("{:?}\n{difference}", source.slice(span));
        }
    }
});
