//! `meshctl tui` in a real pseudo-terminal: opened, walked, read, resized, suspended, killed, left.
#![cfg(unix)]

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A debug build on a busy machine needs its time; a right one is found at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is opened, here and for the pictures that a screen is compared with.
const ARGUMENTS: [&str; 5] = ["tui", "testdata/recorded/bookinfo", "testdata/bookinfo", "--now", "2026-11-22T12:00:00Z"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Session {
    child: Box<dyn Child + Send + Sync>,
    // Held: the terminal goes away with it.
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    /// What the terminal shows, and every byte that came.
    seen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    reader: JoinHandle<()>,
    /// Whether the reader is to let go of the terminal at the next byte.
    closes: Arc<AtomicBool>,
}

fn nonzero(n: u16) -> std::num::NonZeroU16 {
    std::num::NonZeroU16::new(n).expect("not zero")
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// meshctl with its arguments, behind the words of another program if there are any.
fn command(before: &[&str]) -> CommandBuilder {
    command_of(before, &ARGUMENTS)
}

fn command_of(before: &[&str], arguments: &[&str]) -> CommandBuilder {
    let words = before.iter().chain(&[env!("CARGO_BIN_EXE_meshctl")]).chain(arguments);
    let mut command = CommandBuilder::from_argv(words.map(OsString::from).collect());
    command.cwd(root());
    for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent"), ("KUBECONFIG", "/nonexistent")] {
        command.env(name, value);
    }
    command
}

/// The rows of the screen that a key leads to at a size, below the top line, which says an age.
fn drawn(columns: u16, rows: u16, key: &str) -> Vec<String> {
    let size = format!("{columns}x{rows}");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_meshctl"))
        .args(ARGUMENTS)
        .args(["--picture", "-", "--size", &size, "--keys", key])
        .env("KUBECONFIG", "/nonexistent")
        .current_dir(root())
        .output()
        .expect("meshctl runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    below_the_top(&String::from_utf8(output.stdout).expect("UTF-8"), rows)
}

fn below_the_top(screen: &str, rows: u16) -> Vec<String> {
    let lines = screen.lines().map(|l| l.trim_end().to_owned()).chain(std::iter::repeat(String::new()));
    lines.take(rows.into()).skip(1).collect()
}

/// Waits for the end of a program; one that does not end is killed.
fn end_of(child: &mut dyn Child) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    None
}

impl Session {
    fn open(columns: u16, rows: u16) -> Session {
        Session::start(columns, rows, command(&[]))
    }
    fn start(columns: u16, rows: u16, command: CommandBuilder) -> Session {
        let pty = native_pty_system().openpty(size(columns, rows)).expect("a pseudo-terminal");
        let child = pty.slave.spawn_command(command).expect("meshctl starts");
        let mut reader = pty.master.try_clone_reader().expect("a reader");
        let seen = Arc::new(Mutex::new((vt100::Parser::new(nonzero(rows), nonzero(columns), 0), Vec::new())));
        let closes = Arc::new(AtomicBool::new(false));
        let (shared, is_closing) = (Arc::clone(&seen), Arc::clone(&closes));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 || is_closing.load(Ordering::Relaxed) {
                    return;
                }
                let mut seen = shared.lock().expect("not poisoned");
                seen.0.process(&buffer[..n]);
                seen.1.extend_from_slice(&buffer[..n]);
            }
        });
        let keys = pty.master.take_writer().expect("a writer");
        Session { child, master: pty.master, keys, seen, reader, closes }
    }
    /// The window gets another size. The emulator has it first, so that nothing of the new size is drawn on the old one.
    fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().expect("not poisoned").0.screen_mut().set_size(nonzero(rows), nonzero(columns));
        self.master.resize(size(columns, rows)).expect("it is resized");
    }
    /// Waits until the screen is what a key leads to at this size.
    fn wait_for_size(&self, columns: u16, rows: u16, key: &str) {
        let want = drawn(columns, rows, key);
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if below_the_top(&screen, rows) == want {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "not drawn at {columns}x{rows}:\n{screen}\nwanted:\n{}", want.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// The window is closed: nobody holds the other end of the terminal any more.
    fn hang_up(mut self) -> Box<dyn Child + Send + Sync> {
        self.closes.store(true, Ordering::Relaxed);
        // Something is drawn, so that the reader wakes up.
        self.keys("7");
        self.reader.join().expect("the reader ends");
        self.child
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
    /// Waits until the cursor is shown in the row that is marked as selected.
    fn wait_for_cursor(&self) {
        let start = Instant::now();
        loop {
            let is_there = {
                let seen = self.seen.lock().expect("not poisoned");
                let screen = seen.0.screen();
                let (row, _) = screen.cursor_position();
                !screen.hide_cursor() && screen.contents().lines().nth(row.into()).is_some_and(|l| l.contains('▶'))
            };
            if is_there {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the cursor is not on the selected row:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("it is typed");
    }
    /// Its exit status, once everything that it wrote was seen.
    fn ended(&mut self) -> ExitStatus {
        let status = end_of(&mut *self.child).unwrap_or_else(|| panic!("it does not end:\n{}", self.screen()));
        // Nobody holds the other end of the terminal now, so reading ends.
        let start = Instant::now();
        while !self.reader.is_finished() && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        status
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
    // Screen readers follow the cursor: it stands on the selected row, also when that is another one.
    s.wait_for_cursor();
    s.keys("j");
    s.wait_for_cursor();
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

/// A recording of the mesh with its traffic and its faults, made by `snapshot record`.
fn recording(dir: &Path) -> String {
    let file = dir.join("mesh.rec").display().to_string();
    let words = [
        "snapshot",
        "record",
        &file,
        "--from",
        "testdata/recorded/bookinfo",
        "--from",
        "testdata/traffic/bookinfo.json",
        "--count",
        "2",
        "--interval",
        "1100ms",
    ];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_meshctl")).args(words).current_dir(root()).output().expect("meshctl runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("2 snapshots"), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

#[test]
fn on_a_recording_one_walks_to_the_failing_edge_and_reads_its_cause() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = recording(dir.path());
    for (columns, rows) in [(120, 40), (40, 12)] {
        let mut s = Session::start(columns, rows, command_of(&[], &["tui", &file]));
        s.wait("What is wrong now");
        s.wait("2/2");
        // Back to the moment before, and on to the graph, which stands at the node into which most requests fail.
        s.keys("<");
        s.wait("1/2");
        s.keys("2");
        s.wait("▸ graph");
        s.keys("\r");
        let screen = s.wait("LIKELY CAUSE");
        assert!(screen.contains("fail:"), "{screen}");
        s.keys("q");
        s.wait("▸ graph");
        s.keys("q");
        s.wait("What is wrong now");
        s.keys("q");
        assert!(s.ended().success());
        assert!(s.is_restored(), "{:?}", s.screen());
    }
    // Where even the time line has no room.
    let mut s = Session::start(40, 10, command_of(&[], &["tui", &file]));
    s.wait("What is wrong now");
    s.keys("2");
    s.wait("▸ graph");
    s.keys("\r");
    s.wait("LIKELY CAUSE");
    s.keys("q");
    s.wait("▸ graph");
    s.keys("\u{3}");
    assert!(s.ended().success());
    assert!(s.is_restored(), "{:?}", s.screen());
}

/// tmux on a socket of its own; it is ended, whatever happens.
struct Tmux(PathBuf);

impl Tmux {
    fn run(&self, words: &[&str]) -> Option<String> {
        let output = std::process::Command::new("tmux").arg("-S").arg(&self.0).args(["-f", "/dev/null"]).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
    fn wait(&self, what: &str) -> String {
        let start = Instant::now();
        loop {
            let screen = self.run(&["capture-pane", "-p", "-t", "mesh"]).unwrap_or_default();
            if screen.contains(what) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "`{what}` never came:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    fn keys(&self, keys: &[&str]) {
        assert!(self.run(&[&["send-keys", "-t", "mesh"], keys].concat()).is_some(), "it is typed");
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.run(&["kill-server"]);
    }
}

#[test]
#[allow(clippy::print_stderr)]
fn in_tmux_it_opens_walks_and_leaves_the_window_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let tmux = Tmux(dir.path().join("socket"));
    let shell = ["new-session", "-d", "-s", "mesh", "-x", "120", "-y", "40", "-c", env!("CARGO_MANIFEST_DIR"), "env", "PS1=ready ", "LANG=C.UTF-8", "sh"];
    if tmux.run(&shell).is_none() {
        eprintln!("SKIPPED: tmux can't be started here");
        return;
    }
    let line =
        format!("XDG_CONFIG_HOME=/nonexistent {} tui ../testdata/recorded/bookinfo --series ../testdata/traffic/bookinfo.json", env!("CARGO_BIN_EXE_meshctl"));
    tmux.wait("ready");
    tmux.keys(&[&line, "Enter"]);
    tmux.wait("What is wrong now");
    tmux.keys(&["2"]);
    tmux.wait("bookinfo");
    tmux.keys(&["Enter"]);
    let screen = tmux.wait("LIKELY CAUSE");
    assert!(screen.contains("suspect"), "{screen}");
    tmux.keys(&["C-z"]);
    tmux.wait("ready");
    tmux.keys(&["fg", "Enter"]);
    tmux.wait("LIKELY CAUSE");
    tmux.keys(&["C-c"]);
    let screen = tmux.wait("ready");
    assert!(!screen.contains("LIKELY CAUSE"), "{screen}");
}

#[test]
fn a_new_size_is_drawn_also_when_a_key_comes_with_it() {
    let mut s = Session::open(120, 40);
    s.wait("What is wrong now");
    s.resize(40, 10);
    s.wait_for_size(40, 10, "");
    // A signal and a key that are there at once: the program sees both when it goes on.
    s.signal("STOP");
    s.resize(100, 30);
    s.keys("5");
    s.signal("CONT");
    s.wait_for_size(100, 30, "5");
    s.resize(40, 10);
    s.wait_for_size(40, 10, "5");
    s.keys("\u{3}");
    assert!(s.ended().success());
    assert!(s.is_restored(), "{:?}", s.screen());
}

#[test]
fn it_ends_when_its_terminal_goes_away() {
    let ignores = ["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""];
    let mut is_not_told = command(&[]);
    // Of another session's terminal nobody tells that it is gone: no signal comes.
    is_not_told.set_controlling_tty(false);
    for (how, command) in [("told by SIGHUP", command(&[])), ("SIGHUP is ignored", command(&ignores)), ("not told", is_not_told)] {
        let s = Session::start(80, 24, command);
        s.wait("What is wrong now");
        let mut child = s.hang_up();
        assert!(end_of(&mut *child).is_some(), "{how}: it goes on without a terminal");
    }
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
fn the_terminal_says_whether_it_is_light() {
    let mut command = command(&[]);
    ["NO_COLOR", "COLORFGBG"].iter().for_each(|name| command.env_remove(name));
    command.env("COLORTERM", "truecolor");
    let mut s = Session::start(100, 30, command);
    s.wait("What is wrong now");
    let has = |s: &Session, part: &str| String::from_utf8_lossy(&s.seen.lock().expect("not poisoned").1).contains(part);
    assert!(has(&s, "\u{1b}]11;?\u{7}"), "it is asked");
    // The text of the light colours, which the dark ones do not have.
    let light = "38;2;36;41;47";
    assert!(!has(&s, light));
    s.keys("\u{1b}]11;rgb:ffff/ffff/eeee\u{7}");
    let start = Instant::now();
    while !has(&s, light) {
        assert!(start.elapsed() < PATIENCE, "the colours are dark still\n{}", s.screen());
        std::thread::sleep(Duration::from_millis(20));
    }
    // Nothing of the answer was taken for keys.
    assert!(s.screen().contains("What is wrong now") && !s.screen().contains("does nothing here"), "{}", s.screen());
    s.keys("\u{3}");
    assert!(s.ended().success());
}

#[test]
fn colours_and_characters_are_those_that_the_terminal_says_it_has() {
    struct Case(&'static [(&'static str, &'static str)], &'static str, &'static [&'static str]);
    // What is set, a part that must be among the bytes, and parts that must not.
    let cases = [
        Case(&[("COLORTERM", "truecolor")], "\u{1b}[38;2;", &[]),
        Case(&[], "\u{1b}[38;5;", &["38;2;"]),
        Case(&[("TERM", "xterm")], "\u{1b}[38;5;", &["38;2;", "38;5;255", "38;5;243"]),
        Case(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")], "\u{1b}[1", &["38;2;", "38;5;"]),
        Case(&[("LANG", "C")], "+", &["─", "▸", "·"]),
    ];
    for Case(variables, has, lacks) in cases {
        let mut command = command(&[]);
        for name in ["COLORTERM", "NO_COLOR", "COLORFGBG", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(name);
        }
        variables.iter().for_each(|(name, value)| command.env(name, value));
        let mut s = Session::start(100, 30, command);
        s.wait("What is wrong now");
        s.keys("C");
        s.wait("copied: ");
        s.keys("\u{3}");
        assert!(s.ended().success());
        let seen = s.seen.lock().expect("not poisoned");
        let bytes = String::from_utf8_lossy(&seen.1);
        assert!(bytes.contains(has), "{variables:?}: {has:?} is not there");
        assert!(bytes.contains("\u{1b}]52;c;"), "{variables:?}: nothing was copied");
        for part in lacks {
            assert!(!bytes.contains(part), "{variables:?}: {part:?} is there");
        }
    }
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut s = Session::open(80, 24);
    s.wait("What is wrong now");
    let count = |s: &Session| s.seen.lock().expect("not poisoned").1.len();
    // The last frames may be on their way, and the age in the top line changes each minute: silence comes between.
    let start = Instant::now();
    loop {
        let before = count(&s);
        std::thread::sleep(Duration::from_millis(2_500));
        if count(&s) == before {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it goes on writing:\n{}", s.screen());
    }
    s.keys("q");
    assert!(s.ended().success());
}

#[test]
fn a_cluster_that_changes_is_read_again_by_itself() {
    use mesh_testserver::apiserver::{Data, Faults, Resource, Server};
    use serde_json::json;
    let mut data = Data::default();
    let mut add = |group: &str, plural: &str, kind: &str, items| {
        data.add(Resource { group: group.into(), version: "v1".into(), plural: plural.into(), kind: kind.into(), is_namespaced: kind != "Namespace", items });
    };
    let service = |host: &str| json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": host}}]}]}});
    add("", "namespaces", "Namespace", vec![json!({"metadata": {"name": "shop"}})]);
    add("", "services", "Service", vec![json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"name": "http", "port": 80}]}})]);
    add("networking.istio.io", "virtualservices", "VirtualService", vec![service("web")]);
    let server = Server::start(data, Faults::default()).expect("a server");
    let dir = tempfile::tempdir().expect("a folder");
    let kubeconfig = dir.path().join("config");
    std::fs::write(&kubeconfig, server.kubeconfig("dev", "token", "shop")).expect("a kubeconfig");
    let mut command = CommandBuilder::from_argv([env!("CARGO_BIN_EXE_meshctl"), "tui", "kube"].map(OsString::from).into());
    command.cwd(dir.path());
    for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("XDG_CONFIG_HOME", "/nonexistent")] {
        command.env(name, value);
    }
    command.env("KUBECONFIG", &kubeconfig);
    let mut s = Session::start(120, 30, command);
    s.wait("What is wrong now");
    assert!(!s.screen().contains("IST0101"), "{}", s.screen());
    server.apply("networking.istio.io/v1/virtualservices", service("nowhere"));
    s.wait("IST0101");
    let lists = server.counts().requests().into_iter().filter(|r| r.starts_with("/api/v1/services?")).count();
    assert_eq!(lists, 1, "{:?}", server.counts().requests());
    s.keys("q");
    assert!(s.ended().success());
}

/// A port that answers every `/stats/prometheus` with ten requests more than before, and knows nothing else. It ends with the test.
fn proxy_page() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut count = 0;
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
            while !request.windows(4).any(|w| w == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let (status, body) = if request.starts_with(b"GET /stats/prometheus") {
                count += 10;
                let labels = "reporter=\"destination\",source_workload=\"web\",source_workload_namespace=\"shop\",source_canonical_service=\"web\",source_canonical_revision=\"v1\",source_cluster=\"c\",destination_cluster=\"c\",destination_workload=\"cart-v1\",destination_workload_namespace=\"shop\",destination_canonical_service=\"cart\",destination_canonical_revision=\"v1\",destination_service=\"cart.shop.svc.cluster.local\",destination_service_name=\"cart\",destination_service_namespace=\"shop\",request_protocol=\"http\",response_code=\"200\",response_flags=\"-\",connection_security_policy=\"mutual_tls\"";
                ("200 OK", format!("# TYPE istio_requests_total counter\nistio_requests_total{{{labels}}} {count}\n"))
            } else {
                ("404 Not Found", "nothing here".to_owned())
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_page_of_metrics_is_scraped_again_and_again() {
    let address = proxy_page();
    let mut s = Session::start(120, 30, command_of(&[], &["tui", &address, "--refresh", "1s"]));
    s.wait("What is wrong now");
    s.keys("2");
    // One scrape makes no rates; the second one comes by itself.
    s.wait("cart-v1");
    s.keys("3");
    s.wait("CALLED BY 1");
    s.keys("C");
    s.wait(&format!("copied: meshctl tui --no-tui --open shop/cart-v1 {address}"));
    s.keys("\u{3}");
    assert!(s.ended().success());
    // A page alone is scraped twice for an answer that is given once.
    let words = ["tui", &format!("{address}/stats/prometheus"), "cart", "--no-tui", "--interval", "1s"];
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_meshctl")).args(words).current_dir(root()).output().expect("meshctl runs");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("CALLED BY 1") && out.contains("shop/web"), "{out}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_source_that_fails_is_named_and_what_it_gave_stays_with_its_age() {
    use mesh_testserver::counting::Counting;
    const ANSWER: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"reporter":"destination","source_workload":"web","source_workload_namespace":"shop","source_canonical_service":"web","source_canonical_revision":"v1","destination_workload":"cart-v1","destination_workload_namespace":"shop","destination_canonical_service":"cart","destination_canonical_revision":"v1","destination_service":"cart.shop.svc.cluster.local","destination_service_name":"cart","destination_service_namespace":"shop","request_protocol":"http","response_code":"200","response_flags":"-","connection_security_policy":"mutual_tls"},"value":[1795348800,"10"]}]}}"#;
    let prometheus = Counting::start(ANSWER).expect("a server");
    let jaeger = Counting::start(r#"{"data":[]}"#).expect("a server");
    let words = ["tui", "testdata/bookinfo", "--prometheus", &prometheus.url(), "--jaeger", &jaeger.url(), "--refresh", "1s"];
    let mut s = Session::start(120, 40, command_of(&[], &words));
    s.keys("2");
    s.wait("cart-v1");
    prometheus.fail();
    s.wait(" old · ●");
    assert!(s.screen().contains("cart-v1"), "{}", s.screen());
    s.keys("1");
    s.wait("Namespaces · ");
    s.wait(" failed");
    s.keys("4");
    s.wait("IST0101");
    s.keys("8");
    s.wait("Logs: not available");
    // No screen has shown traces yet.
    assert_eq!(jaeger.asked(), [] as [String; 0]);
    s.keys("5");
    // Once they were read.
    s.wait("Duration over time");
    s.keys("\u{3}");
    assert!(s.ended().success());
    assert!(!jaeger.asked().is_empty());
}

#[test]
fn what_a_request_would_do_is_asked_while_the_screen_goes_on() {
    let mut s = Session::start(120, 40, command_of(&[], &["tui", "testdata/test/dumps", "--open", "proxies"]));
    s.wait("Listeners");
    s.keys("wreviews:9080/reviews/0 -H 'end-user: jason'\r");
    s.wait("forwarded over mutual");
    s.keys("C");
    s.wait("copied: meshctl route");
    s.keys("\u{1b}");
    s.wait("Listeners");
    s.keys("\u{3}");
    assert!(s.ended().success());
}
