//! The processes that are measured, and the upstream behind them. Loopback only; all of them end with their values.

use super::Tools;
use super::config::Certificates;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No start takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Envoy,
    Ours,
    /// What makes the same calls and nothing else (`proxy/examples/floor.rs`).
    Floor,
}

impl Kind {
    pub const BOTH: [Kind; 2] = [Kind::Envoy, Kind::Ours];
    pub const ALL: [Kind; 3] = [Kind::Envoy, Kind::Ours, Kind::Floor];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Envoy => "Envoy",
            Kind::Ours => "mesh-proxy",
            Kind::Floor => "floor",
        }
    }
}

pub struct Proxy {
    process: Child,
    admin: SocketAddr,
    pub plain: SocketAddr,
    /// The listener of mTLS; that in the clear where there is none.
    pub tls: SocketAddr,
    /// From the start of the process until its admin port says that it is live.
    pub ready_after: Duration,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of loopback that nobody has yet.
pub fn free_port() -> Result<u16, String> {
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
    held.local_addr().map(|a| a.port()).map_err(|e| e.to_string())
}

/// A command on a core, where there are several.
pub fn on_core(core: usize, program: &Path) -> Command {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut command = Command::new("taskset");
    command.args(["-c", &core.min(cores - 1).to_string()]).arg(program);
    command
}

impl Proxy {
    /// Starts a proxy with one worker; the ports of its listeners and of its admin page are put into the bootstrap.
    pub fn start(kind: Kind, tools: &Tools, bootstrap: &Value) -> Result<Proxy, String> {
        let mut command = on_core(0, if kind == Kind::Envoy { &tools.envoy } else { &tools.mesh_proxy });
        if kind == Kind::Envoy {
            command.args(["--disable-hot-restart", "--file-flush-interval-msec", "1000"]);
        }
        Proxy::launch(kind.name(), command, bootstrap, &tools.scratch)
    }
    /// Starts what a command says with a bootstrap, in which ports that are 0 get numbers.
    pub fn launch(name: &str, mut command: Command, bootstrap: &Value, scratch: &Path) -> Result<Proxy, String> {
        let mut bootstrap = bootstrap.clone();
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let admin = local(free_port()?);
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = admin.port().into();
        let mut listeners = Vec::new();
        for listener in bootstrap["static_resources"]["listeners"].as_array_mut().into_iter().flatten() {
            let port = &mut listener["address"]["socket_address"]["port_value"];
            let given = port.as_u64().and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
            let address = local(given.map_or_else(free_port, Ok)?);
            *port = address.port().into();
            listeners.push(address);
        }
        let path = scratch.join(format!("{name}.json"));
        std::fs::write(&path, bootstrap.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
        command.arg("-c").arg(&path).args(["--concurrency", "1", "-l", "error"]).stdout(Stdio::null()).stderr(Stdio::inherit());
        let start = Instant::now();
        let process = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        // One whose listeners come from a control plane has none yet.
        let plain = listeners.first().copied().unwrap_or(admin);
        let mut proxy = Proxy { process, admin, plain, tls: listeners.get(1).copied().unwrap_or(plain), ready_after: Duration::ZERO };
        while !has_page(admin, "ready") {
            if start.elapsed() > PATIENCE || proxy.process.try_wait().is_ok_and(|s| s.is_some()) {
                return Err(format!("{name} did not start with {}", path.display()));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        proxy.ready_after = start.elapsed();
        Ok(proxy)
    }
    /// Starts the floor.
    pub fn floor(tools: &Tools, upstream: SocketAddr, certificates: &Certificates) -> Result<Proxy, String> {
        let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (plain, tls) = (local(free_port()?), local(free_port()?));
        let path = tools.scratch.join("floor.pem");
        let pem = [&*certificates.root, &certificates.leaf, &certificates.key].concat();
        std::fs::write(&path, pem).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut command = on_core(0, &tools.floor);
        command.arg(plain.port().to_string()).arg(upstream.port().to_string()).arg(tls.port().to_string()).arg(&path);
        let start = Instant::now();
        let process = command.stdout(Stdio::null()).spawn().map_err(|e| format!("{}: {e}", tools.floor.display()))?;
        let mut proxy = Proxy { process, admin: plain, plain, tls, ready_after: Duration::ZERO };
        // A connection to the port of TLS that says nothing would keep the others waiting.
        while TcpStream::connect(plain).is_err() {
            if start.elapsed() > PATIENCE || proxy.process.try_wait().is_ok_and(|s| s.is_some()) {
                return Err("the floor did not start".to_owned());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        proxy.ready_after = start.elapsed();
        Ok(proxy)
    }
    /// Has it end by itself, as it does on SIGTERM, and waits for that.
    pub fn end(mut self) -> Result<(), String> {
        let asked = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status().map_err(|e| format!("kill: {e}"))?;
        let end = Instant::now() + PATIENCE;
        while asked.success() && Instant::now() < end {
            match self.process.try_wait().map_err(|e| e.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("it ended with {status}")),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        Err(format!("it did not end within {PATIENCE:?} of being asked to"))
    }
    /// Asks for a page of the admin port.
    pub fn ask(&self, page: &str) -> Result<(), String> {
        if has_page(self.admin, page) { Ok(()) } else { Err(format!("http://{}/{page} does not answer", self.admin)) }
    }
    /// CPU seconds, user and system, so far.
    pub fn cpu(&self) -> Result<f64, String> {
        let text = self.proc("stat")?;
        // The name of the program may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |i: usize| fields.get(i).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
        // Ticks of 10 ms on all Linux there is.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }
    /// Memory in use, MB.
    pub fn memory(&self) -> Result<f64, String> {
        let text = self.proc("status")?;
        let kib = text.lines().find_map(|l| l.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|k| k * 1024.0 / 1e6).ok_or_else(|| "no VmRSS".to_owned())
    }
    fn proc(&self, file: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))
    }
}

/// Whether an admin port has a page.
fn has_page(admin: SocketAddr, page: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else { return false };
    let mut answer = Vec::new();
    let asked = write!(stream, "GET /{page} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200")
}

/// nginx with a small answer, and one of 1 MiB.
pub struct Upstream {
    process: Child,
    pub address: SocketAddr,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Upstream {
    pub fn start(scratch: &Path) -> Result<Upstream, String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let folder = scratch.join("nginx");
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        std::fs::write(folder.join("1m"), vec![b'x'; 1 << 20]).map_err(|e| e.to_string())?;
        let place = folder.display();
        let mut text =
            format!("daemon off; master_process off; pid {place}/pid; error_log {place}/error.log;\nevents {{ worker_connections 4096; }}\nhttp {{\n");
        for what in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(text, "{what}_temp_path {place}/{what};");
        }
        let _ = writeln!(
            text,
            "access_log off; keepalive_requests 1000000000; keepalive_timeout 600; sendfile on; tcp_nodelay on;\nserver {{ listen {address}; root {place}; location = / {{ return 200 \"{}\"; }} location = /1m {{ }} }} }}",
            "hello ".repeat(33)
        );
        let config = folder.join("nginx.conf");
        std::fs::write(&config, text).map_err(|e| e.to_string())?;
        let mut command = on_core(1, Path::new("nginx"));
        let process = command.arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(|e| format!("nginx: {e}"))?;
        let upstream = Upstream { process, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > PATIENCE {
                return Err(format!("nginx did not start with {}", config.display()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(upstream)
    }
}
