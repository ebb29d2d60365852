//! A real Envoy with a bootstrap of the test's, on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The Envoy that `.ci/install-components` installed; `None` where there is none.
pub fn find() -> Option<PathBuf> {
    super::component("envoy")
}

/// A running Envoy; it ends with this.
pub struct Envoy {
    process: Child,
    pub folder: tempfile::TempDir,
    /// As `--from` takes it.
    pub admin: String,
    /// Where its admin port is, unless it is a socket of the file system.
    pub address: SocketAddr,
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the admin port of a started Envoy is.
#[derive(Clone, Copy)]
pub enum Admin {
    Tcp,
    Unix,
}

impl Envoy {
    /// Starts it in a folder of its own, into which the bootstrap may write; `bootstrap` gets the folder and the JSON of the
    /// admin port's address.
    pub fn start(program: &Path, admin: Admin, bootstrap: impl FnOnce(&Path, &str) -> String) -> Envoy {
        let folder = super::folder(&[]);
        let socket = folder.path().join("admin.sock").display().to_string();
        let port = mesh_testserver::ports::free_address().port();
        let (address, source) = match admin {
            Admin::Tcp => (format!("{{\"socket_address\": {{\"address\": \"127.0.0.1\", \"port_value\": {port}}}}}"), format!("http://127.0.0.1:{port}")),
            Admin::Unix => (format!("{{\"pipe\": {{\"path\": \"{socket}\"}}}}"), format!("unix:{socket}")),
        };
        let bootstrap = bootstrap(folder.path(), &address);
        super::write(folder.path(), &[("bootstrap.yaml", &bootstrap)]);
        let log = std::fs::File::create(folder.path().join("envoy.log")).expect("a log");
        let mut command = Command::new(program);
        command.arg("-c").arg(folder.path().join("bootstrap.yaml")).args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("Envoy starts");
        let mut envoy = Envoy { process, folder, admin: source, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) };
        let until = Instant::now() + Duration::from_secs(60);
        let answers = || match admin {
            Admin::Tcp => TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok_and(ready),
            Admin::Unix => std::os::unix::net::UnixStream::connect(&socket).is_ok_and(ready),
        };
        while !answers() {
            let gone = envoy.process.try_wait().ok().flatten();
            assert!(gone.is_none() && Instant::now() < until, "Envoy is not ready: {}", envoy.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        envoy
    }

    /// What it has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }
}

/// Whether Envoy serves, by its own word.
fn ready(mut stream: impl Read + Write) -> bool {
    let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("LIVE")
}
