//! `cargo xtask`: generators, benchmarks and packaging. One module a task; a new task is a module and a line in [`TASKS`].

// A command line tool for developers: it prints and exits.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod crds;
mod dist;
mod docs;
mod envoy;
mod envoy_types;
mod pgo;
mod pictures;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

/// What a task answers: nothing, or why it failed.
type Outcome = Result<(), String>;

struct Task {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// Every task, in the order of the help text.
const TASKS: &[Task] = &[
    Task {
        name: "bench",
        about: "analyze [SERVICES…]: measure `meshctl analyze` on a generated mesh; resolver [SERVICES]: the translation for one proxy; graph: from answers to a graph, and the page scanner; inspect [SERVICES]: tables of a large config dump, and decisions of the matching engine; proxy [--pgo] [CASE…]: what requests cost at mesh-proxy and at a real Envoy; tui: the graph's layout and frames",
        run: bench::run,
    },
    Task { name: "crds", about: "DIR: make the schema tables from the CRDs in DIR", run: crds::run },
    Task { name: "dist", about: "[--pgo]: build what a release holds: the stripped binaries, completions, manual pages, checksums", run: dist::run },
    Task { name: "docs", about: "[--check]: write docs/rules/ from the rules' own doc comments", run: docs::run },
    Task { name: "envoy", about: "FILE: make the table of Envoy's messages from a FileDescriptorSet of its API", run: envoy::run },
    Task { name: "envoy-types", about: "FILE: make the Rust types of the messages in envoy_types.txt from the same", run: envoy_types::run },
    Task { name: "pgo", about: "make target/pgo/mesh-proxy: optimized by what a run of it under load does", run: pgo::run },
    Task { name: "pictures", about: "draw docs/pictures/ with `meshctl tui`", run: pictures::run },
    Task { name: "soak", about: "[SECONDS]: the sidecar under load while all around it changes", run: soak::run },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        usage();
        return ExitCode::from(64);
    };
    let Some(task) = TASKS.iter().find(|t| t.name == name) else {
        eprintln!("xtask: no task `{name}`");
        usage();
        return ExitCode::from(64);
    };
    match (task.run)(rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {name}: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    eprintln!("usage: cargo xtask TASK");
    for task in TASKS {
        eprintln!("  {:11} {}", task.name, task.about);
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
