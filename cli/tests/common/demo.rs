//! A demo that runs, for tests that ask it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a busy machine may take for anything.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub struct Demo {
    pub process: Child,
    /// Where demos tell of themselves: those of other tests are not met.
    states: tempfile::TempDir,
    /// What it says on standard error until it is ready.
    pub said: Vec<String>,
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

impl Demo {
    pub fn start(arguments: &[&str]) -> Demo {
        let states = tempfile::tempdir().expect("a folder");
        let mut process =
            meshctl(states.path()).args(["demo", "--for", "15m"]).args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines();
        let mut said = Vec::new();
        while !said.last().is_some_and(|l: &String| l.contains("meshctl why")) {
            said.push(lines.next().unwrap_or_else(|| panic!("it ended: {said:?}")).expect("text"));
        }
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Demo { process, states, said }
    }

    pub fn run(&self, words: &[&str]) -> super::Run {
        super::run(meshctl(self.states.path()).args(words).output().expect("it runs"))
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.states.path()
    }

    /// What its state file says.
    pub fn state(&self) -> Value {
        let text = std::fs::read_to_string(self.states.path().join("meshctl/demos/bookinfo.json")).expect("a state");
        serde_json::from_str(&text).expect("JSON")
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
