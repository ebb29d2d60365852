//! Standard output and error, and files: the only places that print.

use crate::args::ColorWhen;
use crate::context::Notes;
use crate::status::Failure;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::Path;

/// Writes an answer whole. A reader that has gone is no failure.
pub fn answer(text: &str, out: Option<&Path>, color: ColorWhen) -> Result<(), Failure> {
    stream(out, color, &mut |sink| sink.text(text))
}

/// Where an answer goes piece by piece.
pub struct Sink<'w> {
    to: BufWriter<Box<dyn Write + 'w>>,
    style: Styled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Styled {
    Yes,
    No,
}

impl Sink<'_> {
    /// Writes text; its escape sequences, which no piece ends in the middle of, are left out where they are not wanted.
    pub fn text(&mut self, piece: &str) -> std::io::Result<()> {
        match self.style {
            Styled::Yes => self.to.write_all(piece.as_bytes()),
            Styled::No => anstream::adapter::strip_str(piece).try_for_each(|part| self.to.write_all(part.as_bytes())),
        }
    }
}

/// Writes JSON; no unsafe character stands raw in it.
impl Write for Sink<'_> {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        match std::str::from_utf8(piece) {
            Ok(text) => self.to.write_all(crate::term::safe_json_piece(text).as_bytes())?,
            Err(_) => self.to.write_all(piece)?,
        }
        Ok(piece.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// Gives an answer as it is made. A reader that has gone is no failure.
pub fn stream(out: Option<&Path>, color: ColorWhen, give: &mut dyn FnMut(&mut Sink<'_>) -> std::io::Result<()>) -> Result<(), Failure> {
    let mut run = |to: Box<dyn Write + '_>, style: Styled| {
        let mut sink = Sink { to: BufWriter::with_capacity(64 << 10, to), style };
        give(&mut sink).and_then(|()| sink.to.flush())
    };
    if let Some(path) = out {
        let written = private(path).and_then(|file| run(Box::new(file), Styled::No));
        return written.map_err(|e| Failure::Other(format!("{}: {e}", path.display())));
    }
    let stdout = std::io::stdout();
    let style = match color {
        ColorWhen::Always => Styled::Yes,
        ColorWhen::Never => Styled::No,
        ColorWhen::Auto if anstream::AutoStream::choice(&stdout) == anstream::ColorChoice::Never => Styled::No,
        ColorWhen::Auto => Styled::Yes,
    };
    match run(Box::new(stdout.lock()), style) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(e) => Err(Failure::Other(format!("standard output: {e}"))),
    }
}

/// A new file that only its owner reads.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Writes a file that only its owner reads.
pub fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = private(path).and_then(|mut f| f.write_all(bytes));
    written.map_err(|e| Failure::Other(format!("{}: {e}", path.display())))
}

/// Writes a file that anybody may read: one that holds nothing of a mesh.
pub fn public_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, bytes).map_err(|e| Failure::Other(format!("{}: {e}", path.display())))
}

/// A line on standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", crate::term::safe(text));
}

/// Lines on standard error.
pub fn notes(text: &str) {
    for line in text.lines() {
        note(line);
    }
}

/// Whether somebody sits before both ends, who can be asked.
pub fn can_confirm() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks on the terminal; only a clear yes is one.
pub fn confirm(question: &str) -> bool {
    let _ = write!(std::io::stderr().lock(), "{} [y/N] ", crate::term::safe(question));
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// A line on a terminal that is overwritten by the next and gone at the end. It appears only when work takes long.
pub struct Progress {
    state: Option<std::sync::Arc<State>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    phase: std::sync::Mutex<String>,
    done: std::sync::atomic::AtomicBool,
}

impl Progress {
    /// Nothing is shown where standard error is no terminal, or quiet is asked for.
    pub fn start(notes: Notes) -> Progress {
        if notes == Notes::Quiet || !std::io::stderr().is_terminal() {
            return Progress { state: None, thread: None };
        }
        let state = std::sync::Arc::new(State::default());
        let shared = std::sync::Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            std::thread::park_timeout(std::time::Duration::from_millis(500));
            let mut shown = false;
            while !shared.done.load(std::sync::atomic::Ordering::Acquire) {
                let phase = shared.phase.lock().map(|p| p.clone()).unwrap_or_default();
                let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K{}", crate::term::safe(&phase));
                shown = true;
                std::thread::park_timeout(std::time::Duration::from_millis(100));
            }
            if shown {
                let _ = write!(std::io::stderr().lock(), "\r\u{1b}[K");
            }
        });
        Progress { state: Some(state), thread: Some(thread) }
    }
    pub fn phase(&self, text: impl FnOnce() -> String) {
        if let Some(state) = &self.state
            && let Ok(mut phase) = state.phase.lock()
        {
            *phase = text();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            state.done.store(true, std::sync::atomic::Ordering::Release);
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
