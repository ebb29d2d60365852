//! `meshctl tui` in a real pseudo-terminal: opened, walked, read, resized, suspended, killed, left.
#![cfg(unix)]

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A debug build on a busy machine needs its time; a right one is found at once.
const PATIENCE: Duration = Duration::from_secs(60);

struct Session {
    child: Box<dyn Child + Send + Sync>,
    // Held: the terminal goes away with it.
    _master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    /// What the terminal shows, and every byte that came.
    seen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
}

fn nonzero(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).expect("not zero")
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Session {
    fn open(columns: u16, rows: u16) -> Session {
        let pty = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_meshctl"));
        command.args(["tui", "testdata/recorded/bookinfo", "testdata/bookinfo", "--now", "2026-11-22T12:00:00Z"]);
        command.cwd(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent"), ("KUBECONFIG", "/nonexistent")] {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).expect("meshctl starts");
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let seen = Arc::new(Mutex::new((vt100::Parser::new(nonzero(rows), nonzero(columns), 0), Vec::new())));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 {
                    return;
                }
                let mut seen = shared.lock().expect("not poisoned");
                seen.0.process(&buffer[..n]);
                seen.1.extend_from_slice(&buffer[..n]);
            }
        });
        let keys = pty.master.take_writer().expect("a writer");
        Session { child, _master: pty.master, keys, seen }
    }
    fn screen(&self) -> String {
        self.seen.lock().expect("not poisoned").0.screen().contents()
    }
    fn wait(&self, what: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(what) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "`{what}` never came:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it is typed");
    }
    fn ended(&mut self) -> portable_pty::ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                // The last bytes may still be on their way.
                std::thread::sleep(Duration::from_millis(200));
                return status;
            }
            if start.elapsed() > PATIENCE {
                let _ = self.child.kill();
                panic!("it does not end:\n{}", self.screen());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    fn signal(&self, name: &str) {
        let pid = self.child.process_id().expect("a process").to_string();
        assert!(std::process::Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs").success());
    }
    /// Whether the terminal is as it was: the ordinary screen, the cursor shown, mouse and paste given back.
    fn is_restored(&self) -> bool {
        let seen = self.seen.lock().expect("not poisoned");
        let bytes = String::from_utf8_lossy(&seen.1);
        let last = |on: &str, off: &str| bytes.rfind(off) > bytes.rfind(on);
        !seen.0.screen().alternate_screen()
            && !seen.0.screen().hide_cursor()
            && last("\u{1b}[?1000h", "\u{1b}[?1000l")
            && last("\u{1b}[?2004h", "\u{1b}[?2004l")
    }
}

#[test]
fn it_opens_walks_reads_and_leaves() {
    let mut s = Session::open(120, 40);
    s.wait("What is wrong now");
    s.keys("\r");
    s.wait("Findings");
    s.keys("x");
    s.wait("What it checks");
    s.keys("2");
    s.wait("configuration, not traffic");
    s.keys("C");
    s.wait("copied: meshctl tui --no-tui --open graph");
    s.keys("5");
    s.wait("Traces: not available");
    s.keys("\u{3}");
    assert!(s.ended().success());
    assert!(s.is_restored(), "{:?}", s.screen());
}

#[test]
fn killed_and_suspended_it_gives_the_terminal_back() {
    let mut s = Session::open(80, 24);
    s.wait("What is wrong now");
    s.keys("\u{1a}");
    let start = Instant::now();
    while !s.is_restored() {
        assert!(start.elapsed() < PATIENCE, "not restored before the suspend");
        std::thread::sleep(Duration::from_millis(20));
    }
    s.signal("CONT");
    s.keys("7");
    s.wait("Certificates by expiry");
    s.signal("TERM");
    assert!(!s.ended().success());
    assert!(s.is_restored(), "{:?}", s.screen());
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut s = Session::open(80, 24);
    s.wait("What is wrong now");
    std::thread::sleep(Duration::from_millis(500));
    let count = |s: &Session| s.seen.lock().expect("not poisoned").1.len();
    let before = count(&s);
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(count(&s), before);
    s.keys("q");
    assert!(s.ended().success());
}
