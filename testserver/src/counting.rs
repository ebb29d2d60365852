//! A server of HTTP that answers everything alike and remembers what it was asked: for tests of who is asked, and of what is
//! shown when nobody answers any more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// A running one; it stops when it is dropped.
pub struct Counting {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    asked: Mutex<Vec<String>>,
    fails: AtomicBool,
    stops: AtomicBool,
}

impl Counting {
    /// Starts one on loopback that answers with this JSON.
    pub fn start(body: &'static str) -> std::io::Result<Counting> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if of_thread.stops.load(Ordering::SeqCst) {
                    return;
                }
                // Who goes away early was asking all the same.
                let _ = exchange(&stream, body, &of_thread);
            }
        });
        Ok(Counting { address, shared, thread: Some(thread) })
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// The first line of each request so far: `GET /api/v1/query?… HTTP/1.1`.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// From now on it answers 503.
    pub fn fail(&self) {
        self.shared.fails.store(true, Ordering::SeqCst);
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.shared.stops.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn exchange(stream: &TcpStream, body: &str, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // A request for a test is small.
    let mut reader = BufReader::new(stream.take(1 << 20));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    if first.is_empty() {
        return Ok(());
    }
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(first.trim().to_owned());
    let (status, body) = if shared.fails.load(Ordering::SeqCst) { ("503 Service Unavailable", "{}") } else { ("200 OK", body) };
    let mut out = stream;
    write!(out, "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}
