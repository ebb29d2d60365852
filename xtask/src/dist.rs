//! `cargo xtask dist`: what a release holds, in target/dist: the stripped binaries in an archive with their licence,
//! completions and manual pages, and the checksums of all that. With `--pgo` mesh-proxy is the one that `cargo xtask pgo` makes.

use crate::Outcome;
use std::path::Path;
use std::process::Command;

pub fn run(args: &[String]) -> Outcome {
    let root = crate::root();
    let profiled = match args {
        [] => None,
        [arg] if arg == "--pgo" => {
            crate::pgo::run(&[])?;
            Some(crate::pgo::made()?)
        }
        _ => return Err(format!("`{}` is not known; there is --pgo", args.join(" "))),
    };
    let target = host()?;
    let dist = root.join("target/dist");
    let name = format!("meshctl-{}-{target}", env!("CARGO_PKG_VERSION"));
    let folder = dist.join(&name);
    if dist.exists() {
        std::fs::remove_dir_all(&dist).map_err(|e| e.to_string())?;
    }
    for sub in ["completions", "man"] {
        std::fs::create_dir_all(folder.join(sub)).map_err(|e| e.to_string())?;
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let suffix = std::env::consts::EXE_SUFFIX;
    for program in ["meshctl", "mesh-proxy"] {
        let file = format!("{program}{suffix}");
        if let Some(made) = profiled.as_ref().filter(|_| program == "mesh-proxy") {
            copy(made, &folder.join(&file))?;
            continue;
        }
        // Stripped of symbols as well, which a release build for developers keeps.
        let build = ["rustc", "--release", "--locked", "--package", program, "--bin", program, "--", "-C", "strip=symbols"];
        succeed(Command::new(&cargo).current_dir(&root).args(build))?;
        copy(&root.join("target/release").join(&file), &folder.join(&file))?;
    }
    let binary = folder.join(format!("meshctl{suffix}"));
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        copy(&root.join(file), &folder.join(file))?;
    }
    // The binary knows its shells and its commands; a list here would go stale.
    succeed(Command::new(&binary).args(["completion", "--all"]).arg(folder.join("completions")))?;
    succeed(Command::new(&binary).args(["man", "--all"]).arg(folder.join("man")))?;
    let archive = format!("{name}.tar.gz");
    succeed(Command::new("tar").current_dir(&dist).args(["--create", "--gzip", "--file", &archive, &name]))?;
    std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    let sums = checksums(&dist, &archive)?;
    write(&dist.join(format!("{name}.sha256")), sums.as_bytes())?;
    println!("target/dist/{archive}\n{}", sums.trim_end());
    Ok(())
}

fn host() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|e| format!("rustc: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|l| l.strip_prefix("host: ")).map(str::to_owned).ok_or_else(|| "rustc does not say its host".to_owned())
}

/// With the system's own tool: GNU's, else that of the BSDs and macOS.
fn checksums(dir: &Path, file: &str) -> Result<String, String> {
    for (program, arguments) in [("sha256sum", &[file][..]), ("shasum", &["-a", "256", file])] {
        if let Ok(output) = Command::new(program).current_dir(dir).args(arguments).output()
            && output.status.success()
        {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
    }
    Err("neither sha256sum nor shasum can be run".to_owned())
}

/// Runs a command, and waits until it has ended well.
pub fn succeed(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

fn copy(from: &Path, to: &Path) -> Outcome {
    std::fs::copy(from, to).map(|_| ()).map_err(|e| format!("{}: {e}", from.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Outcome {
    std::fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}
