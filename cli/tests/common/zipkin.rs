//! A real Zipkin on loopback.

use super::component;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running Zipkin; it ends with this.
pub struct Zipkin {
    process: Child,
    pub port: u16,
}

impl Drop for Zipkin {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Zipkin {
    /// `None` where there is none.
    pub fn start() -> Option<Zipkin> {
        let jar = component("zipkin.jar")?;
        let port = mesh_testserver::ports::free_address().port();
        let process = Command::new("java")
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar"])
            .arg(&jar)
            .args(["--armeria.ports[0].address=127.0.0.1", &format!("--armeria.ports[0].port={port}")])
            .env("QUERY_PORT", port.to_string())
            .env("STORAGE_TYPE", "mem")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("java runs");
        Some(Zipkin { process, port })
    }

    /// Waits until it answers.
    pub fn ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(240);
        while mesh_testserver::prometheus::get(self.port, "/health").is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "Zipkin did not become ready");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Head and body of the answer.
pub fn post(port: u16, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    write!(stream, "POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
