//! Which functions a profile has been in, for the linker to put side by side.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The list that LLVM's linker takes (`--symbol-ordering-file`, a symbol a line): what a start runs, then what else was run; of both, what was
/// run most first. What was not run is not in it. A sidecar that rests has little more than its start in memory.
///
/// Made of what `llvm-profdata show --all-functions --counts` prints of the one and of all:
///
/// ```text
///   some_crate.1afc8d33-cgu.0;_ZN10some_crate4main17h9d5f16e361b8e174E:
///     Hash: 0x01f322e8ee3de957
///     Counters: 2
///     Block counts: [3, 0]
/// ```
///
/// The name of a function that its crate alone sees is behind its unit's.
pub fn of(start: &str, all: &str) -> String {
    let first = run(start);
    let known: BTreeSet<&str> = first.iter().copied().collect();
    let rest = run(all).into_iter().filter(|name| !known.contains(name));
    first.iter().copied().chain(rest).fold(String::new(), |mut out, name| {
        let _ = writeln!(out, "{name}");
        out
    })
}

/// The functions that were run, those that were run most first.
fn run(shown: &str) -> Vec<&str> {
    let mut all: Vec<(Reverse<u64>, &str)> = Vec::new();
    let mut name = "";
    for line in shown.lines() {
        let text = line.trim_start();
        match (line.len() - text.len(), text.strip_suffix(':')) {
            (2, Some(whole)) => name = whole.rsplit(';').next().unwrap_or(whole),
            _ => {
                let Some(counts) = text.strip_prefix("Block counts: [").and_then(|t| t.strip_suffix(']')) else { continue };
                let sum = counts.split(", ").filter_map(|n| n.parse::<u64>().ok()).fold(0, u64::saturating_add);
                if sum > 0 {
                    all.push((Reverse(sum), name));
                }
            }
        }
    }
    all.sort_unstable();
    all.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_start_runs_comes_first_and_what_was_run_most() {
        let start = "Counters:\n  a-cgu.0;_ZN1a17h1E:\n    Hash: 0x01\n    Counters: 2\n    Block counts: [1, 0]\n  main:\n    Hash: 0x03\n    Counters: 1\n    Block counts: [0]\n";
        let all = "Counters:\n  a-cgu.0;_ZN1a17h1E:\n    Hash: 0x01\n    Counters: 2\n    Block counts: [3, 1]\n  _ZN1b17h2E:\n    Hash: 0x02\n    Counters: 1\n    Block counts: [0]\n  \
                     main:\n    Hash: 0x03\n    Counters: 1\n    Block counts: [9]\nInstrumentation level: IR  entry_first = 0\nFunctions shown: 3\n";
        assert_eq!(of(start, all), "_ZN1a17h1E\nmain\n");
        assert_eq!(of("", all), "main\n_ZN1a17h1E\n");
    }
}
