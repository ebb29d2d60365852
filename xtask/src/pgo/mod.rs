//! `cargo xtask pgo`: makes target/pgo/mesh-proxy, optimized by its profile: a build that counts what it does is put under load
//! ([`training`]), and the compiler lays out and inlines the next one by these counts (rustc's `-C profile-generate` and `-C profile-use`).
//! What no load runs through is built for size, and the linker puts what was run side by side ([`order`]), which spares memory as well: the
//! kernel maps a program in pieces of 64 KiB.
//!
//! Needs what `cargo xtask bench proxy` puts load on with (wrk, h2load, nginx), and `llvm-profdata` of LLVM as new as rustc's: the component
//! `llvm-tools` of rustup, or that of a system's LLVM.

mod order;
mod training;

use crate::bench::proxy::load::{self, output};
use crate::dist::succeed;
use crate::{Outcome, root};
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn run(args: &[String]) -> Outcome {
    if let Some(arg) = args.first() {
        return Err(format!("`{arg}` is not known; there is nothing to choose"));
    }
    let rustc = Rustc::asked()?;
    // Before what takes minutes.
    let profdata = rustc.profdata()?;
    load::tools()?;
    let folder = root().join("target/pgo");
    let raw = folder.join("raw");
    if raw.exists() {
        std::fs::remove_dir_all(&raw).map_err(|e| format!("{}: {e}", raw.display()))?;
    }
    std::fs::create_dir_all(&raw).map_err(|e| format!("{}: {e}", raw.display()))?;
    let raw = raw.canonicalize().map_err(|e| format!("{}: {e}", raw.display()))?;

    println!("a build that counts");
    let counting = build(&rustc.host, &folder.join("counting"), &[format!("-Cprofile-generate={}", raw.display())])?;
    println!("load on it");
    training::run(&counting, &raw, &folder)?;

    let merged = folder.join("mesh-proxy.profdata");
    let mut found: Vec<PathBuf> = std::fs::read_dir(&raw)
        .map_err(|e| format!("{}: {e}", raw.display()))?
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "profraw"))
        .collect();
    found.sort();
    if found.is_empty() {
        return Err(format!("nothing was counted: no file in {}", raw.display()));
    }
    succeed(Command::new(&profdata).arg("merge").arg("-o").arg(&merged).args(&found))?;

    println!("the build that it is for");
    let merged = merged.canonicalize().map_err(|e| format!("{}: {e}", merged.display()))?;
    let mut flags = vec![format!("-Cprofile-use={}", merged.display())];
    // Where rustc links with LLVM's linker by itself. Others take no such list.
    if rustc.host == "x86_64-unknown-linux-gnu" {
        let (list, started) = (merged.with_extension("order"), folder.join("start.profdata"));
        let is_start = |p: &&PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(training::START));
        succeed(Command::new(&profdata).arg("merge").arg("-o").arg(&started).args(found.iter().filter(is_start)))?;
        let shown = |of: &Path| output(Command::new(&profdata).args(["show", "--all-functions", "--counts"]).arg(of));
        std::fs::write(&list, order::of(&shown(&started)?, &shown(&merged)?)).map_err(|e| format!("{}: {e}", list.display()))?;
        flags.extend(["-Clink-arg=-Wl,--no-warn-symbol-ordering".to_owned(), format!("-Clink-arg=-Wl,--symbol-ordering-file={}", list.display())]);
    }
    let optimized = build(&rustc.host, &folder.join("optimized"), &flags)?;
    let made = place();
    std::fs::copy(&optimized, &made).map_err(|e| format!("{}: {e}", optimized.display()))?;
    println!("{}", made.strip_prefix(root()).unwrap_or(&made).display());
    Ok(())
}

fn place() -> PathBuf {
    root().join("target/pgo").join(format!("mesh-proxy{}", std::env::consts::EXE_SUFFIX))
}

/// The program that the task made.
///
/// # Errors
/// Where it was not run.
pub fn made() -> Result<PathBuf, String> {
    Some(place()).filter(|p| p.exists()).ok_or_else(|| "there is no target/pgo/mesh-proxy; `cargo xtask pgo` makes it".to_owned())
}

/// Builds the sidecar with flags of rustc. With a target named, programs that only run during the build are spared them.
fn build(host: &str, target: &Path, flags: &[String]) -> Result<PathBuf, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["rustc", "--release", "--locked", "--package", "mesh-proxy", "--bin", "mesh-proxy", "--target", host]);
    // Stripped of symbols as well, which a release build for developers keeps.
    command.args(["--", "-C", "strip=symbols"]);
    let flags = [std::env::var("RUSTFLAGS").unwrap_or_default(), flags.join(" ")].join(" ");
    succeed(command.env("RUSTFLAGS", flags.trim()).env("CARGO_TARGET_DIR", target).current_dir(root()))?;
    Ok(target.join(host).join("release").join(format!("mesh-proxy{}", std::env::consts::EXE_SUFFIX)))
}

/// What the compiler says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Rustc {
    /// The target of its own machine: `x86_64-unknown-linux-gnu`.
    host: String,
    /// Major version of its LLVM.
    llvm: u32,
}

impl Rustc {
    fn asked() -> Result<Rustc, String> {
        let text = output(Command::new("rustc").arg("-vV"))?;
        Rustc::of(&text).ok_or_else(|| format!("rustc does not say its host and its LLVM:\n{text}"))
    }
    fn of(text: &str) -> Option<Rustc> {
        let after = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)).map(str::trim);
        Some(Rustc { host: after("host:")?.to_owned(), llvm: major(after("LLVM version:")?)? })
    }
    /// The tool that merges counts: rustup's, or one of a system's LLVM that is new enough to read this compiler's.
    fn profdata(&self) -> Result<PathBuf, String> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let own = Path::new(sysroot.trim()).join("lib/rustlib").join(&self.host).join("bin/llvm-profdata");
        if own.exists() {
            return Ok(own);
        }
        let newer = (self.llvm..self.llvm + 4).flat_map(|n| [format!("llvm-profdata-{n}"), format!("/usr/lib/llvm-{n}/bin/llvm-profdata")]);
        let is_new = |name: &String| {
            let said = Command::new(name).arg("--version").output().ok();
            said.and_then(|o| of_llvm(&String::from_utf8_lossy(&o.stdout))).is_some_and(|n| n >= self.llvm)
        };
        ["llvm-profdata".to_owned()].into_iter().chain(newer).find(is_new).map(PathBuf::from).ok_or_else(|| {
            format!("no llvm-profdata of LLVM {} or newer: `rustup component add llvm-tools`, or the system's package llvm-{}", self.llvm, self.llvm)
        })
    }
}

/// `22` of `22.1.2`.
fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The major version that a tool of LLVM tells, whoever packaged it: `Debian LLVM version 22.1.8`.
fn of_llvm(text: &str) -> Option<u32> {
    text.lines().find_map(|l| major(l.split_once("LLVM version ")?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let text = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        assert_eq!(Rustc::of(text), Some(Rustc { host: "x86_64-unknown-linux-gnu".to_owned(), llvm: 22 }));
        assert_eq!(Rustc::of("rustc 1.95.0\n"), None);
        assert_eq!(of_llvm("Debian LLVM version 14.0.6\n  Optimized build.\n"), Some(14));
        assert_eq!(of_llvm("LLVM (http://llvm.org/):\n  LLVM version 22.1.2-rust-1.95.0-stable\n"), Some(22));
        assert_eq!(of_llvm(""), None);
    }
}
