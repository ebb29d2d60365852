//! A real Prometheus over given samples. `.ci/install-components` installs one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The metric's name is the label `__name__`.
pub type Labels = BTreeMap<String, String>;

/// Milliseconds since the epoch, and values.
pub type Points = Vec<(i64, f64)>;

/// A running Prometheus on loopback; it ends when it is dropped.
pub struct Prometheus {
    process: Child,
    pub port: u16,
    folder: PathBuf,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The binary, with promtool beside it. With MESHCTL_COMPONENTS set it must be there: that is an error then.
pub fn find() -> Result<Option<PathBuf>, String> {
    let named = std::env::var_os("MESHCTL_COMPONENTS").map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components"));
    let found = std::fs::canonicalize(folder.join("prometheus")).ok().filter(|p| p.with_file_name("promtool").is_file());
    if found.is_none() && named.is_some() {
        return Err("MESHCTL_COMPONENTS has no prometheus with promtool beside it".to_owned());
    }
    Ok(found)
}

/// What `--version` says.
pub fn version(binary: &Path) -> std::io::Result<String> {
    let output = Command::new(binary).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts one that holds the samples.
pub fn start(binary: &Path, series: &[(Labels, Points)]) -> Result<Prometheus, String> {
    let io = |e: std::io::Error| e.to_string();
    let (port, folder) = place()?;
    std::fs::write(folder.join("page"), page(series)).map_err(io)?;
    std::fs::write(folder.join("config"), "global: {}\n").map_err(io)?;
    let made = Command::new(binary.with_file_name("promtool"))
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .arg(folder.join("page"))
        .arg(folder.join("data"))
        .output()
        .map_err(io)?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    launch(binary, folder, port)
}

/// Starts one that scrapes the targets of a configuration.
pub fn start_scraping(binary: &Path, config: &str) -> Result<Prometheus, String> {
    let (port, folder) = place()?;
    std::fs::write(folder.join("config"), config).map_err(|e| e.to_string())?;
    launch(binary, folder, port)
}

/// A free port and a folder of its own.
fn place() -> Result<(u16, PathBuf), String> {
    let io = |e: std::io::Error| e.to_string();
    let port = crate::ports::free_address().port();
    let folder = std::env::temp_dir().join(format!("meshctl-prometheus-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(io)?;
    Ok((port, folder))
}

fn launch(binary: &Path, folder: PathBuf, port: u16) -> Result<Prometheus, String> {
    let process = Command::new(binary)
        .arg(format!("--config.file={}", folder.join("config").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .args(["--storage.tsdb.retention.time=100y", "--log.level=error"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| e.to_string())?;
    let prometheus = Prometheus { process, port, folder };
    let deadline = Instant::now() + Duration::from_secs(60);
    while get(port, "/-/ready").is_none_or(|(status, _)| status != 200) {
        if Instant::now() > deadline {
            return Err("it did not become ready".to_owned());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(prometheus)
}

fn page(series: &[(Labels, Points)]) -> String {
    let mut by_name: BTreeMap<&str, String> = BTreeMap::new();
    for (labels, points) in series {
        let name = labels.get("__name__").map_or("", String::as_str);
        let block: Vec<String> = labels.iter().filter(|(n, _)| *n != "__name__").map(|(n, v)| format!("{n}=\"{v}\"")).collect();
        let text = by_name.entry(name).or_default();
        for (at, value) in points {
            let value = if value.is_nan() { "NaN".to_owned() } else { value.to_string() };
            let _ = writeln!(text, "{name}{{{}}} {value} {}.{:03}", block.join(","), at / 1000, at % 1000);
        }
    }
    by_name.iter().map(|(name, text)| format!("# TYPE {name} unknown\n{text}")).collect::<String>() + "# EOF\n"
}

/// Status and body.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
