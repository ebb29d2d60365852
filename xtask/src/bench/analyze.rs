//! `cargo xtask bench analyze [SERVICES…]`: cost and findings of `meshctl analyze --complete` on a generated mesh.
//!
//! The generator stands outside of this repository (`../shared/bench/gen_manifests.py`); without it there is
//! nothing to measure. It is Python, and so is the little program that runs a command and reads its resource usage.

use crate::{Outcome, root};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const RUNS: usize = 5;

/// Runs a command and prints its CPU seconds, seconds on the clock, peak memory in KiB and exit status. What the
/// command prints goes to the file named first.
const MEASURE: &str = "\
import os, sys, time
start = time.monotonic()
pid = os.fork()
if pid == 0:
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, time.monotonic() - start, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
";

#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub cpu: f64,
    pub wall: f64,
    pub mib: f64,
    pub status: i64,
}

pub fn run(args: &[String]) -> Outcome {
    let generator = root().join("../shared/bench/gen_manifests.py");
    if !generator.is_file() {
        return Err(format!("{} is not there: the benchmark needs the generator of its meshes", generator.display()));
    }
    let sizes: Vec<u32> = match args {
        [] => vec![10_000, 20_000],
        args => args.iter().map(|a| a.parse().map_err(|_| format!("`{a}` is no number of services"))).collect::<Result<_, _>>()?,
    };
    status(Command::new("cargo").args(["build", "--release", "--package", "meshctl"]).current_dir(root()))?;
    let binary = root().join("target/release/meshctl");
    let scratch = root().join("target/bench");
    std::fs::create_dir_all(&scratch).map_err(|e| e.to_string())?;

    let mut starts = Vec::new();
    for _ in 0..20 {
        starts.push(measure(&scratch.join("version"), &binary, &["--version"])?.wall);
    }
    println!("meshctl --version: {:.1} ms", 1000.0 * starts.iter().copied().fold(f64::INFINITY, f64::min));

    let mut first: Option<(u32, f64)> = None;
    for size in sizes {
        let input = scratch.join(size.to_string());
        if !input.join("seeded.json").is_file() {
            status(Command::new("python3").arg(&generator).arg(&input).arg(size.to_string()).args(["--layout", "single"]))?;
        }
        let (best, output) = best_of(&scratch, &binary, &input)?;
        println!("{size} services: {:.2} s CPU, {:.2} s on the clock, {:.0} MiB, exit status {}", best.cpu, best.wall, best.mib, best.status);
        match first {
            None => first = Some((size, best.cpu)),
            Some((smaller, cpu)) => println!("  {:.2} times the CPU of {smaller}", best.cpu / cpu),
        }
        compare(&output, &input.join("seeded.json"))?;
    }
    Ok(())
}

fn best_of(scratch: &Path, binary: &Path, input: &Path) -> Result<(Cost, PathBuf), String> {
    let output = scratch.join("findings.json");
    let manifest = input.join("single/all.yaml").display().to_string();
    let mut best: Option<Cost> = None;
    for _ in 0..RUNS {
        let cost = measure(&output, binary, &["analyze", "--complete", "-o", "json", &manifest])?;
        let lesser = |a: f64, b: Option<f64>| b.map_or(a, |b| a.min(b));
        best = Some(Cost { cpu: lesser(cost.cpu, best.map(|b| b.cpu)), wall: lesser(cost.wall, best.map(|b| b.wall)), ..cost });
    }
    Ok((best.ok_or("no run")?, output))
}

pub(super) fn status(command: &mut Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(e) => Err(format!("{command:?}: {e}")),
    }
}

pub(super) fn measure(output: &Path, binary: &Path, args: &[&str]) -> Result<Cost, String> {
    let result = Command::new("python3").args(["-c", MEASURE]).arg(output).arg(binary).args(args).output().map_err(|e| format!("python3: {e}"))?;
    let text = String::from_utf8_lossy(&result.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|w| w.parse().ok()).collect();
    match numbers[..] {
        [cpu, wall, kib, status] => Ok(Cost { cpu, wall, mib: kib / 1024.0, status: status as i64 }),
        _ => Err(format!("{} could not be measured: {}", binary.display(), String::from_utf8_lossy(&result.stderr))),
    }
}

/// Compares findings at Warning and above with those that the generator put in.
fn compare(findings: &Path, seeded: &Path) -> Outcome {
    let read = |path: &Path| -> Result<Vec<Value>, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))
    };
    let (findings, seeded) = (read(findings)?, read(seeded)?);
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let mut found: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for f in findings.iter().filter(|f| text(f, "level") != "Info") {
        found.entry((text(f, "code"), text(f, "origin"))).or_default().push(text(f, "message"));
    }
    // A seeded mistake of level Info is below what is compared.
    let info: std::collections::BTreeSet<(String, String)> =
        findings.iter().filter(|f| text(f, "level") == "Info").map(|f| (text(f, "code"), text(f, "origin"))).collect();
    let wanted: std::collections::BTreeSet<(String, String)> = seeded.iter().map(|s| (text(s, "code"), text(s, "resource"))).collect();
    let missed: Vec<_> = wanted.iter().filter(|w| !found.contains_key(w) && !info.contains(w)).collect();
    let extra: Vec<_> = found.iter().filter(|(k, _)| !wanted.contains(k)).collect();
    println!("  {} of {} seeded mistakes found, {} others at Warning and above", wanted.len() - missed.len(), wanted.len(), extra.len());
    let mut by_code: BTreeMap<String, usize> = BTreeMap::new();
    missed.iter().for_each(|(code, _)| *by_code.entry(format!("missed {code}")).or_default() += 1);
    extra.iter().for_each(|((code, _), _)| *by_code.entry(format!("extra {code}")).or_default() += 1);
    by_code.iter().for_each(|(what, n)| println!("    {n} {what}"));
    // One of each, to look at.
    for (code, origin) in first_of_each(&missed, |m| &m.0) {
        println!("    missed: {code} {origin}");
    }
    for ((code, origin), messages) in first_of_each(&extra, |e| &e.0.0) {
        println!("    extra: {code} {origin}: {}", messages.first().map_or("", String::as_str));
    }
    Ok(())
}

fn first_of_each<T>(list: &[T], code: impl Fn(&T) -> &String) -> impl Iterator<Item = &T> {
    list.iter().enumerate().filter(move |(i, item)| *i == 0 || code(&list[i - 1]) != code(item)).map(|(_, item)| item)
}
