//! Load of several kinds, from the core that the proxy does not have.

use super::config::Certificates;
use super::handshake;
use super::running::{Proxy, on_core};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Whether a connection is closed behind each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closes {
    Yes,
    No,
}

pub enum Load {
    Http1 { path: &'static str, closes: Closes },
    Http2,
    Handshakes,
}

/// What came of it.
pub struct Done {
    pub requests: u64,
    pub failed: u64,
}

/// What makes load, and the upstream behind it, is there.
pub fn tools() -> Result<(), String> {
    for tool in ["wrk", "h2load", "nginx", "taskset"] {
        Command::new(tool)
            .arg("--version")
            .output()
            .map_err(|e| format!("{tool}: {e}; the load needs it (Debian's packages wrk, nghttp2-client, nginx-light, util-linux)"))?;
    }
    Ok(())
}

pub fn run(load: &Load, proxy: &Proxy, certificates: &Certificates, span: Duration) -> Result<Done, String> {
    let seconds = span.as_secs();
    match load {
        Load::Http1 { path, closes } => {
            let url = format!("http://{}{path}", proxy.plain);
            // Fewer at once for large bodies, which are about bytes.
            let connections = if *path == "/" { "64" } else { "8" };
            let mut command = on_core(1, Path::new("wrk"));
            command.args(["-t", "1", "-c", connections, "-d", &format!("{seconds}s"), "-H", "x-version: v50", "-H", "user-agent: bench"]);
            if *closes == Closes::Yes {
                command.args(["-H", "connection: close"]);
            }
            wrk(&output(command.arg(url))?)
        }
        Load::Http2 => {
            let mut command = on_core(1, Path::new("h2load"));
            command.args(["-t", "1", "-c", "8", "-m", "16", "-D", &seconds.to_string(), &format!("http://{}/", proxy.plain)]);
            h2load(&output(&mut command)?)
        }
        Load::Handshakes => handshake::run(proxy.tls, certificates, span),
    }
}

pub fn output(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if !done.status.success() {
        return Err(format!("{command:?}: {}: {}", done.status, String::from_utf8_lossy(&done.stderr)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn number(text: &str) -> u64 {
    text.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0)
}

/// `12345 requests in 3.00s`, `Non-2xx or 3xx responses: 1`, `Socket errors: connect 0, read 0, write 0, timeout 0`.
fn wrk(text: &str) -> Result<Done, String> {
    let requests = text.lines().find_map(|l| l.trim().split_once(" requests in ")).map(|(n, _)| number(n)).filter(|n| *n > 0);
    let statuses = text.lines().find_map(|l| l.trim().strip_prefix("Non-2xx or 3xx responses:")).map_or(0, number);
    let errors: u64 = text.lines().find_map(|l| l.trim().strip_prefix("Socket errors:")).map_or(0, |l| l.split(',').map(number).sum());
    Ok(Done { requests: requests.ok_or_else(|| format!("wrk said nothing of requests: {text}"))?, failed: statuses + errors })
}

/// `requests: 1 total, 1 started, 1 done, 1 succeeded, 0 failed, 0 errored, 0 timeout`.
pub fn h2load(text: &str) -> Result<Done, String> {
    let line = text.lines().find(|l| l.starts_with("requests:")).ok_or_else(|| format!("h2load said nothing of requests: {text}"))?;
    let of = |what: &str| line.split(',').find(|p| p.ends_with(what)).map_or(0, number);
    Ok(Done { requests: of(" done").max(1), failed: of(" failed") + of(" errored") + of(" timeout") })
}

/// The 99th percentile of latencies at a fixed rate of HTTP/1.1, ms.
pub fn p99(proxy: &Proxy, rate: f64, span: Duration, scratch: &Path) -> Result<f64, String> {
    const CONNECTIONS: usize = 32;
    let log = scratch.join("latencies");
    let _ = std::fs::remove_file(&log);
    let each = (rate / CONNECTIONS as f64).round().max(1.0);
    let mut command = on_core(1, Path::new("h2load"));
    command.args(["--h1", "-t", "1", "-c", &CONNECTIONS.to_string(), "-D", &span.as_secs().to_string(), "--rps", &each.to_string()]);
    output(command.arg(format!("--log-file={}", log.display())).arg(format!("http://{}/", proxy.plain)))?;
    // Start in µs, status, duration in µs.
    let text = std::fs::read_to_string(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let mut all: Vec<u64> = text.lines().filter_map(|l| l.split_whitespace().nth(2)?.parse().ok()).collect();
    all.sort_unstable();
    let at = (all.len() * 99 / 100).min(all.len().saturating_sub(1));
    all.get(at).map(|us| *us as f64 / 1000.0).ok_or_else(|| "h2load logged no request".to_owned())
}
