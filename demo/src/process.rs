//! Proxies as processes of their own: this program, started again, or an Envoy. An order goes in by standard input, whose end
//! ends the process: none outlives the demo, however that ends.

use crate::workload::Workload;
use mesh_proxy::Proxy;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::Settings;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a process of its own is started.
#[derive(Clone, Debug)]
pub struct Program {
    pub path: PathBuf,
    /// Words that make it call [`serve`].
    pub arguments: Vec<String>,
}

/// Which proxies have processes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those that are Envoys: they can't be anything else.
    Envoys,
}

/// Which processes there are beside the demo's own.
#[derive(Clone, Debug)]
pub struct Processes {
    pub program: Program,
    pub which: Which,
    /// Programs of Envoys that stand before workloads in place of mesh-proxies, by `NAME` or `NAME.NAMESPACE`.
    pub envoys: BTreeMap<String, PathBuf>,
}

impl Processes {
    /// Whether the proxy of a workload has one.
    pub fn has(&self, workload: &Workload) -> bool {
        self.which == Which::All || self.envoy(workload).is_some()
    }
    /// The Envoy that stands before a workload.
    pub fn envoy(&self, workload: &Workload) -> Option<&PathBuf> {
        self.envoys.get(&workload.id()).or_else(|| self.envoys.get(&workload.name))
    }
    /// The first name of [`Processes::envoys`] that is none of these workloads, given as `NAME.NAMESPACE`.
    pub fn unknown(&self, workloads: &[String]) -> Option<&str> {
        let is_one = |name: &str| workloads.iter().any(|w| w == name || w.split_once('.').is_some_and(|(n, _)| n == name));
        self.envoys.keys().map(String::as_str).find(|name| !is_one(name))
    }
}

/// What such a process is told first, on one line.
#[derive(Serialize, Deserialize)]
pub struct Order {
    /// In Envoy's JSON. It holds a token: it is never an argument, nor in a file that others can read.
    pub bootstrap: Value,
    pub hostname: String,
    /// How long connections may go on at the end, in milliseconds.
    pub drain: u64,
    /// An Envoy that is to run in place of a mesh-proxy.
    pub envoy: Option<PathBuf>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the proxy of {}", self.hostname)
    }
}

/// What it answers, on one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    /// Where its admin port is.
    Admin(SocketAddr),
    Error(String),
}

/// How long a proxy may take until it has an admin port, and to end.
const START: Duration = Duration::from_secs(30);
const END: Duration = Duration::from_secs(5);

/// A proxy in a process of its own; it ends when this is dropped.
#[derive(Debug)]
pub struct Apart {
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    /// Who reads what it writes, and holds on to where that goes.
    reader: Option<JoinHandle<()>>,
    pub admin: SocketAddr,
}

impl Apart {
    /// Starts one; its last argument is its name, for those who list processes. What it says goes to a file, and `output` takes
    /// the lines that it writes after its answer: its access log.
    ///
    /// # Errors
    /// A program that can't be started, or its own word why it does not serve.
    pub fn start(name: &str, program: &Program, order: &Order, log: &Path, output: impl Fn(&str) + Send + 'static) -> Result<Apart, String> {
        let bad = |e: &dyn std::fmt::Display| format!("{}: {e}", program.path.display());
        let errors = own_file(log, true).map_err(|e| format!("{}: {e}", log.display()))?;
        let mut command = Command::new(&program.path);
        command.args(&program.arguments).arg(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        // An interruption is of the demo, which ends them.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|e| bad(&e))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut apart = Apart { child, stdin: Mutex::new(stdin), reader: None, admin: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let (to, answer) = mpsc::channel();
        if let Some(stdout) = stdout {
            // Nobody waits for a full pipe.
            let read = move || {
                let mut stdout = BufReader::new(stdout);
                let mut line = String::new();
                let _ = stdout.read_line(&mut line);
                let _ = to.send(line);
                let mut line = Vec::new();
                while stdout.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                    output(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            };
            apart.reader = Some(std::thread::Builder::new().name("log".into()).spawn(read).map_err(|e| bad(&e))?);
        }
        let text = serde_json::to_string(order).map_err(|e| bad(&e))?;
        if let Some(stdin) = apart.stdin.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            stdin.write_all(text.as_bytes()).and_then(|()| stdin.write_all(b"\n")).map_err(|e| bad(&e))?;
        }
        let line = answer.recv_timeout(START).map_err(|_| format!("no answer within {} seconds; {} says more", START.as_secs(), log.display()))?;
        match serde_json::from_str(&line) {
            Ok(Answer::Admin(admin)) => apart.admin = admin,
            Ok(Answer::Error(why)) => return Err(why),
            Err(_) => return Err(format!("it ended at once; {} says more", log.display())),
        }
        Ok(apart)
    }

    /// Tells it to end, and does not wait.
    pub fn stop(&self) {
        drop(self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.stop();
        let end = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        // One that was killed itself has left its Envoy behind, which is of its group.
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
        // What the reader holds is to be taken away with the demo.
        let end = Instant::now() + END;
        while self.reader.as_ref().is_some_and(|r| !r.is_finished()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A file for this user alone.
fn own_file(path: &Path, is_log: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).append(is_log).truncate(!is_log);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Runs the proxy that an order on `input` asks for, answers on `output` where its admin port is, and returns when the input
/// ends or the proxy does.
///
/// # Errors
/// Why there is no proxy; the answer says it too.
pub fn serve(input: impl Read + Send + 'static, output: &mut dyn Write, say: Arc<dyn Fn(&str) + Send + Sync>) -> Result<(), String> {
    let mut input = BufReader::new(input);
    let mut line = String::new();
    input.read_line(&mut line).map_err(|e| e.to_string())?;
    let order: Order = serde_json::from_str(&line).map_err(|_| "this is a part of `meshctl demo --processes`, which starts it".to_owned())?;
    let mut answer = |a: &Answer| {
        let line = serde_json::to_string(a).unwrap_or_default() + "\n";
        output.write_all(line.as_bytes()).and_then(|()| output.flush()).map_err(|e| e.to_string())
    };
    let started = match &order.envoy {
        Some(program) => Envoy::start(program, &order).map(|e| (e.admin, Running::Envoy(e))),
        None => proxy(&order, say).and_then(|p| Ok((p.admin.ok_or("it has no admin port")?, Running::Proxy(p)))),
    };
    let (admin, running) = match started {
        Ok(started) => started,
        Err(why) => {
            answer(&Answer::Error(why.clone()))?;
            return Err(why);
        }
    };
    answer(&Answer::Admin(admin))?;
    let (to, ended) = mpsc::channel();
    let wait = move || {
        let _ = io::copy(&mut input, &mut io::sink());
        let _ = to.send(());
    };
    std::thread::Builder::new().name("parent".into()).spawn(wait).map_err(|e| e.to_string())?;
    match running {
        Running::Proxy(proxy) => {
            let _ = ended.recv();
            proxy.stop();
        }
        Running::Envoy(mut envoy) => while ended.recv_timeout(Duration::from_millis(100)) == Err(mpsc::RecvTimeoutError::Timeout) && envoy.lives() {},
    }
    Ok(())
}

enum Running {
    Proxy(Proxy),
    Envoy(Envoy),
}

fn proxy(order: &Order, say: Arc<dyn Fn(&str) + Send + Sync>) -> Result<Proxy, String> {
    let bootstrap = Bootstrap::new(order.bootstrap.clone()).map_err(|e| e.to_string())?;
    let settings = Settings {
        drain: Duration::from_millis(order.drain),
        hostname: order.hostname.clone(),
        complain: Arc::new(move |_, what| say(what)),
        ..Settings::default()
    };
    Proxy::start(bootstrap, &settings).map_err(|e| e.to_string())
}

/// An Envoy that ends with this.
struct Envoy {
    child: Child,
    admin: SocketAddr,
    _folder: crate::folders::Own,
}

impl Envoy {
    /// Starts it, and waits until it has written where its admin port is.
    fn start(program: &Path, order: &Order) -> Result<Envoy, String> {
        let bad = |e: &dyn std::fmt::Display| format!("{}: {e}", program.display());
        let folder = crate::folders::own("envoy-").map_err(|e| bad(&e))?;
        let (bootstrap, admin) = (folder.path().join("bootstrap.json"), folder.path().join("admin"));
        own_file(&bootstrap, false).and_then(|mut f| f.write_all(order.bootstrap.to_string().as_bytes())).map_err(|e| bad(&e))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&bootstrap).arg("--admin-address-path").arg(&admin).args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning"]);
        // Its access log goes where this process's would, and not after the ten seconds that are usual.
        command.args(["--file-flush-interval-msec", "1000"]).stdout(Stdio::inherit());
        let mut child = command.stdin(Stdio::null()).spawn().map_err(|e| bad(&e))?;
        let end = Instant::now() + START;
        loop {
            if let Some(admin) = std::fs::read_to_string(&admin).ok().and_then(|t| t.trim().parse().ok()) {
                // It was read: the token need not lie there.
                let _ = std::fs::remove_file(&bootstrap);
                return Ok(Envoy { child, admin, _folder: folder });
            }
            match child.try_wait() {
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(20)),
                Ok(Some(status)) => return Err(bad(&format!("it ended at once, with {status}"))),
                other => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(bad(&format!("no admin port within {} seconds: {other:?}", START.as_secs())));
                }
            }
        }
    }
    fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
