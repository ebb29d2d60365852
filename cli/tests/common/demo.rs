//! A demo that runs, for tests that ask it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::time::{Duration, Instant};

/// How long a busy machine may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Demos that may run beside each other, and those that must not: what is slow because the machine is busy would be named too.
static TURN: RwLock<()> = RwLock::new(());

/// Whether others may run meanwhile.
enum Turn {
    Shared(#[expect(dead_code, reason = "held until the demo has ended")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held until the demo has ended")] RwLockWriteGuard<'static, ()>),
}

impl Turn {
    fn shared() -> Turn {
        Turn::Shared(TURN.read().unwrap_or_else(PoisonError::into_inner))
    }
    fn alone() -> Turn {
        Turn::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner))
    }
}

pub struct Demo {
    pub process: Child,
    /// Given back when the process has ended. The second one of a test has the first one's.
    _turn: Option<Turn>,
    /// Where demos tell of themselves: those of other tests are not met.
    states: Arc<tempfile::TempDir>,
    /// What it says on standard error until it is ready.
    pub said: Vec<String>,
    /// And after that.
    later: mpsc::Receiver<String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As a person ends it, so that its folders go.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

/// The program as tests of demos run it.
pub fn meshctl(states: &Path) -> Command {
    let mut command = super::command(states);
    command.env("XDG_RUNTIME_DIR", states).env_remove("MESHCTL_JAEGER").env_remove("MESHCTL_ZIPKIN");
    command
}

/// The folder of a demo that has not started yet.
pub fn states() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().expect("a folder"))
}

impl Demo {
    pub fn start(arguments: &[&str]) -> Demo {
        Demo::within(states(), Some(Turn::shared()), arguments)
    }
    /// No other demo of these tests runs beside it.
    pub fn alone(arguments: &[&str]) -> Demo {
        Demo::within(states(), Some(Turn::alone()), arguments)
    }
    /// A second one, which tells of itself at the same place.
    pub fn beside(&self, arguments: &[&str]) -> Demo {
        Demo::within(self.states.clone(), None, arguments)
    }
    fn within(states: Arc<tempfile::TempDir>, turn: Option<Turn>, arguments: &[&str]) -> Demo {
        let mut command = meshctl(states.path());
        command.args(["demo", "--for", "15m"]).args(arguments);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = BufReader::new(process.stderr.take().expect("stderr"));
        let (to, later) = mpsc::channel();
        // Nobody waits for a full pipe.
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).for_each(|l| drop(to.send(l))));
        let mut said: Vec<String> = Vec::new();
        let end = Instant::now() + PATIENCE;
        // Of the commands to type next it is the last.
        while !said.last().is_some_and(|l| l.starts_with("  meshctl why")) {
            let line = later.recv_timeout(end.saturating_duration_since(Instant::now()));
            said.push(line.unwrap_or_else(|e| panic!("{e}: {:?} {said:?}", process.try_wait())));
        }
        Demo { process, _turn: turn, states, said, later }
    }

    pub fn run(&self, words: &[&str]) -> super::Run {
        super::run(meshctl(self.states.path()).args(words).output().expect("it runs"))
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.states.path()
    }

    /// The commands that it says to type next, without the first word.
    pub fn next(&self) -> Vec<&str> {
        self.said.iter().filter_map(|l| l.strip_prefix("  meshctl ")).collect()
    }

    /// What it has said since it was ready, or since this was asked last.
    pub fn heard(&self) -> Vec<String> {
        self.later.try_iter().collect()
    }

    /// What its state file says.
    pub fn state(&self) -> Value {
        let files = std::fs::read_dir(self.states.path().join("meshctl/demos")).expect("a folder").flatten();
        let states = files.filter_map(|f| serde_json::from_str::<Value>(&std::fs::read_to_string(f.path()).ok()?).ok());
        let own = states.into_iter().find(|s| s["pid"].as_u64() == Some(u64::from(self.process.id())));
        own.expect("a state")
    }

    /// The folder of its manifests.
    pub fn manifests(&self) -> PathBuf {
        self.state()["manifests"].as_str().expect("a folder").into()
    }

    /// Ends it by a signal; nothing of it is left.
    pub fn end(&mut self, signal: &str) {
        let state = self.state();
        let folders: Vec<&str> = ["manifests", "logs"].iter().filter_map(|key| state[*key].as_str()).collect();
        assert!(folders.iter().all(|f| Path::new(f).exists()), "{folders:?}");
        let told = Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill");
        assert!(told.success());
        assert_eq!(self.process.wait().expect("an end").code(), Some(0));
        assert!(!folders.iter().any(|f| Path::new(f).exists()), "{folders:?} are left");
        let left: Vec<_> = std::fs::read_dir(self.states.path().join("meshctl/demos")).expect("a folder").flatten().map(|e| e.path()).collect();
        let is_of_it = |f: &PathBuf| std::fs::read_to_string(f).unwrap_or_default().contains(state["token"].as_str().expect("a token"));
        assert!(!left.iter().any(is_of_it), "its state is left: {left:?}");
        for address in ["gateway", "prometheus", "jaeger", "control_plane", "control"].map(|key| state[key].as_str().expect("an address")) {
            assert!(TcpStream::connect(address).is_err(), "{address} is left");
        }
    }

    pub fn logs(&self) -> PathBuf {
        self.state()["logs"].as_str().expect("a folder").into()
    }

    /// An answer of Prometheus' or Jaeger's API (`prometheus`, `jaeger`).
    pub fn ask(&self, whom: &str, path: &str) -> Value {
        let address = self.state()[whom].as_str().expect("an address").to_owned();
        json(&address, path)
    }

    /// Requests so far, by labels.
    pub fn requests(&self, by: &str) -> BTreeMap<Vec<String>, u64> {
        totals(&self.ask("prometheus", &total_query(by)), by)
    }

    /// Traces that one service took part in, as Jaeger gives them.
    pub fn traces(&self, service: &str) -> Vec<Value> {
        let answer = self.ask("jaeger", &format!("/api/traces?service={service}&limit=1500"));
        answer["data"].as_array().cloned().unwrap_or_else(|| panic!("{answer}"))
    }
}

/// The JSON of a page.
pub fn json(address: &str, path: &str) -> Value {
    let text = page(address, path);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// The body of a page.
pub fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { joined(body) } else { body.to_owned() }
}

/// The chunks of a body.
fn joined(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        out.push_str(after.get(..size).unwrap_or(after));
        rest = after.get(size + 2..).unwrap_or("");
    }
    out
}

pub fn total_query(by: &str) -> String {
    format!("/api/v1/query?query=sum%20by%20({by})%20(istio_requests_total)")
}

pub fn totals(answer: &Value, by: &str) -> BTreeMap<Vec<String>, u64> {
    let of = |s: &Value| by.split(',').map(|l| s["metric"][l].as_str().unwrap_or("").to_owned()).collect();
    let number = |s: &Value| s["value"][1].as_str().and_then(|v| v.parse::<f64>().ok()).unwrap_or(-1.0) as u64;
    answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer}")).iter().map(|s| (of(s), number(s))).collect()
}

/// Asks again and again until an answer is as it should be.
pub fn until<T: std::fmt::Debug>(what: &str, mut ask: impl FnMut() -> T, holds: impl Fn(&T) -> bool) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask();
        if holds(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{what}: {answer:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}
