//! Any bytes as a format and the lines below it: nothing panics, and what a reader takes out of a line stands in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_envoy::access_log::replay;

fuzz_target!(|bytes: &[u8]| replay(&String::from_utf8_lossy(bytes)));
