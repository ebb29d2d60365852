//! `cargo xtask soak [SECONDS]`: the sidecar under load while configuration, certificates and upstreams change; ten minutes where
//! nothing else is said. It is the test `proxy/tests/soak.rs`, optimized and longer.

use crate::{Outcome, root};
use std::process::Command;

const SECONDS: u64 = 600;

pub fn run(args: &[String]) -> Outcome {
    let seconds = match args {
        [] => SECONDS,
        [n] => n.parse().map_err(|_| format!("`{n}` is no number of seconds"))?,
        _ => return Err("one number of seconds at most".into()),
    };
    let mut command = Command::new("cargo");
    command.args(["test", "--release", "--package", "mesh-proxy", "--test", "soak", "--", "--nocapture"]);
    match command.env("MESHCTL_SOAK_SECONDS", seconds.to_string()).current_dir(root()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(e) => Err(format!("cargo: {e}")),
    }
}
