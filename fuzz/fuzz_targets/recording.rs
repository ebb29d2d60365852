//! Any bytes as a recording or an archive of one moment: no panic, bounded, and what is read has the paths of pages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_collectors::dumps::Limits;
use mesh_collectors::recording::{Reader, archive};
use std::io::Write;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { page: 1 << 22, total: 1 << 24, entries: 1000, ratio: 300 };
    let _ = archive::read(Path::new("fuzz"), bytes, limits);
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("bytes");
    let Ok(mut reader) = Reader::open(file.path()) else { return };
    for place in 0..reader.moments().len() {
        let _ = reader.load(place);
    }
});
