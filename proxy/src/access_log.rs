//! Access logs: lines are put into a worker's own buffer, and buffers are written by a thread of their own. A request never
//! waits for a disk; where the thread can't follow, buffers are dropped and counted.

mod filter;

use crate::config::Compiler;
use crate::format::{Line, Subject};
use filter::Filter;
use http::HeaderName;
use mesh_envoy::engine::field::{Message, Read};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, Weak};

/// A configured log.
#[derive(Clone, Debug)]
pub struct Log {
    pub sink: Arc<Sink>,
    line: Arc<Line>,
    /// `None` for every line.
    filter: Option<Filter>,
}

/// A file that lines go to; every log of that path shares it.
#[derive(Debug)]
pub struct Sink {
    pub path: PathBuf,
    /// Its place in every worker's list of buffers.
    pub index: usize,
}

/// The files, by path.
#[derive(Debug, Default)]
pub struct Sinks(Mutex<BTreeMap<PathBuf, Arc<Sink>>>);

impl Sinks {
    pub fn get(&self, path: &str) -> Arc<Sink> {
        let path = PathBuf::from(path);
        let mut sinks = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = sinks.len();
        sinks.entry(path.clone()).or_insert_with(|| Arc::new(Sink { path, index })).clone()
    }
}

/// Formats of lines by their configuration. Every listener of a proxy has the same one, as a rule.
#[derive(Debug, Default)]
pub struct Lines(Mutex<BTreeMap<Vec<u8>, Weak<Line>>>);

impl Lines {
    fn get(&self, config: &Message<'_, '_>) -> Read<Arc<Line>> {
        let mut key = Vec::new();
        // Writing into memory does not fail.
        let _ = config.write_json(&mut key);
        let mut lines = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lines.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let line = Arc::new(line(config)?);
        lines.retain(|_, line| line.strong_count() > 0);
        lines.insert(key, Arc::downgrade(&line));
        Ok(line)
    }
}

const STDOUT: &str = "/dev/stdout";
const STDERR: &str = "/dev/stderr";

impl Log {
    /// `envoy.config.accesslog.v3.AccessLog`
    pub fn read(m: &Message<'_, '_>, compiler: &Compiler) -> Read<Log> {
        let Some((kind, config)) = m.any("typed_config")? else { return Err(m.unknown("an access log without configuration")) };
        let path = match kind.rsplit('.').next().unwrap_or(kind) {
            "FileAccessLog" => config.text("path")?,
            "StdoutAccessLog" => STDOUT,
            "StderrAccessLog" => STDERR,
            other => return Err(config.unknown(format!("the access log {other} is not supported"))),
        };
        if path.is_empty() {
            return Err(config.unknown_field("path", "a file belongs here"));
        }
        let filter = m.message("filter")?.map(|f| Filter::read(&f)).transpose()?;
        Ok(Log { sink: compiler.sinks.get(path), line: compiler.lines.get(&config)?, filter })
    }
    /// Every log of a list.
    pub fn read_all(m: &Message<'_, '_>, compiler: &Compiler) -> Read<Vec<Log>> {
        m.messages("access_log")?.iter().map(|log| Log::read(log, compiler)).collect()
    }
    /// The headers of answers that it looks at; `None` where they may be all.
    pub fn answer_headers(&self) -> Option<Vec<HeaderName>> {
        if self.filter.is_some() {
            return None;
        }
        let mut names = Vec::new();
        self.line.answer_headers(&mut names);
        Some(names)
    }
    /// Whether it looks at trailers of answers.
    pub fn tells_trailers(&self) -> bool {
        self.line.tells_trailers()
    }
    /// Whether it tells of a subject.
    fn tells_of(&self, subject: &impl Subject) -> bool {
        self.filter.as_ref().is_none_or(|f| f.takes(subject))
    }
    /// Appends the line of a request or of a connection.
    pub fn write(&self, subject: &impl Subject, out: &mut String) {
        self.line.write(subject, out);
    }
}

/// The deprecated fields of the file log, or `log_format`.
fn line(m: &Message<'_, '_>) -> Read<Line> {
    let text = |m: &Message<'_, '_>, field: &str, text: &str| crate::format::Template::parse(text).map(Line::Text).map_err(|what| m.unknown_field(field, what));
    if m.has("format") {
        return text(m, "format", m.text("format")?);
    }
    let json = |m: &Message<'_, '_>, field: &str| {
        let value = m.value(field).unwrap_or(&serde_json::Value::Null);
        Line::json(value).map_err(|(path, what)| m.unknown_field(&format!("{field}.{path}"), what))
    };
    if m.has("json_format") {
        return json(m, "json_format");
    }
    let Some(format) = m.message("log_format")? else { return Ok(Line::envoy()) };
    if format.has("json_format") {
        return json(&format, "json_format");
    }
    if let Some(source) = format.message("text_format_source")? {
        let bytes = crate::config::data_source(&source)?;
        return text(&source, "inline_string", &String::from_utf8_lossy(&bytes));
    }
    match format.text("text_format")? {
        "" => Ok(Line::envoy()),
        given => text(&format, "text_format", given),
    }
}

/// Takes what logs write to the process's standard output and error, in whole lines, where that is not to be done. It is called
/// on the thread that writes: what takes long holds up the logs of all proxies that share it.
pub type Output = Arc<dyn Fn(&str) + Send + Sync>;

/// What a worker fills.
#[derive(Debug, Default)]
pub struct Buffers {
    /// With the lines of each text.
    by_sink: Vec<(Option<Arc<Sink>>, String, u64)>,
}

/// A buffer is handed on when it has so many bytes.
const FULL: usize = 64 * 1024;
/// Buffers on their way to the thread, at most.
const QUEUED: usize = 256;
/// Where several proxies share the thread, so many times that.
const PROXIES: usize = 16;

impl Buffers {
    /// Adds the line of a request or of a connection to a log.
    pub fn add(&mut self, log: &Log, subject: &impl Subject, writer: &Writer) {
        if !log.tells_of(subject) {
            return;
        }
        let index = log.sink.index;
        if self.by_sink.len() <= index {
            self.by_sink.resize_with(index + 1, Default::default);
        }
        let (sink, text, lines) = &mut self.by_sink[index];
        sink.get_or_insert_with(|| log.sink.clone());
        if text.capacity() == 0 {
            // A line behind which it is full fits as well.
            text.reserve(FULL + 2048);
        }
        log.write(subject, text);
        *lines += 1;
        if text.len() >= FULL {
            writer.send(&log.sink, std::mem::take(text), std::mem::take(lines));
        }
    }
    /// Hands everything on.
    pub fn flush(&mut self, writer: &Writer) {
        for (sink, text, lines) in &mut self.by_sink {
            if let (Some(sink), false) = (sink, text.is_empty()) {
                writer.send(sink, std::mem::take(text), std::mem::take(lines));
            }
        }
    }
}

/// The way to the thread that writes.
#[derive(Clone, Debug)]
pub struct Writer {
    thread: WriterThread,
    outlet: Arc<Outlet>,
    dropped: Arc<AtomicU64>,
}

/// A thread that writes, of one proxy or of several.
#[derive(Clone, Debug)]
pub struct WriterThread(SyncSender<(Arc<Outlet>, Job)>);

/// What one proxy's lines come out of, beside files.
struct Outlet {
    complain: Box<dyn Fn(String) + Send + Sync>,
    output: Option<Output>,
}

impl std::fmt::Debug for Outlet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outlet")
    }
}

#[derive(Debug)]
enum Job {
    Write(Arc<Sink>, String),
    /// Opens the files again: a rotation moved them.
    Reopen,
    /// Answers when everything before it was written.
    Barrier(SyncSender<()>),
}

impl WriterThread {
    /// # Errors
    /// No thread can be started.
    pub fn start() -> std::io::Result<WriterThread> {
        WriterThread::with(QUEUED * PROXIES)
    }
    fn with(queued: usize) -> std::io::Result<WriterThread> {
        let (sender, receiver) = sync_channel(queued);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || run(&receiver))?;
        Ok(WriterThread(sender))
    }
}

impl Writer {
    /// Starts the thread, or takes one that others have too. `complain` hears of files that can't be written.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(thread: Option<&WriterThread>, complain: impl Fn(String) + Send + Sync + 'static, output: Option<Output>) -> std::io::Result<Writer> {
        let thread = thread.cloned().map_or_else(|| WriterThread::with(QUEUED), Ok)?;
        Ok(Writer { thread, outlet: Arc::new(Outlet { complain: Box::new(complain), output }), dropped: Arc::default() })
    }
    fn send(&self, sink: &Arc<Sink>, text: String, lines: u64) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.thread.0.try_send((self.outlet.clone(), Job::Write(sink.clone(), text))) {
            self.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
    /// Lines that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
    pub fn reopen(&self) {
        let _ = self.thread.0.try_send((self.outlet.clone(), Job::Reopen));
    }
    /// Waits until what was handed on before is written. Not for a worker.
    pub fn wait(&self) {
        let (done, finished) = sync_channel(1);
        if self.thread.0.send((self.outlet.clone(), Job::Barrier(done))).is_ok() {
            let _ = finished.recv_timeout(std::time::Duration::from_secs(5));
        }
    }
}

fn run(receiver: &Receiver<(Arc<Outlet>, Job)>) {
    let mut files: BTreeMap<PathBuf, std::fs::File> = BTreeMap::new();
    while let Ok((outlet, job)) = receiver.recv() {
        let Outlet { complain, output } = &*outlet;
        match job {
            Job::Reopen => files.clear(),
            Job::Barrier(done) => drop(done.send(())),
            Job::Write(sink, text) => {
                if let Some(output) = output.as_ref().filter(|_| matches!(sink.path.to_str(), Some(STDOUT | STDERR))) {
                    output(&text);
                    continue;
                }
                if !files.contains_key(&sink.path) {
                    match open(&sink.path) {
                        Ok(file) => drop(files.insert(sink.path.clone(), file)),
                        Err(e) => complain(format!("access log {}: {e}", sink.path.display())),
                    }
                }
                if let Some(file) = files.get_mut(&sink.path)
                    && let Err(e) = file.write_all(text.as_bytes())
                {
                    complain(format!("access log {}: {e}", sink.path.display()));
                    files.remove(&sink.path);
                }
            }
        }
    }
}

/// New files are for their owner alone.
fn open(path: &std::path::Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
