//! `mesh-proxy`: a sidecar that takes Envoy's configuration.

mod allocator;

use clap::Parser;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::config::{Compiler, Snapshot};
use mesh_proxy::logging::{self, Levels, Logger};
use mesh_proxy::options::{Level, Mode, Options};
use mesh_proxy::server::{Proxy, Settings, StartError};
use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The proxy's own log: a line a message, to standard error or a file.
#[derive(Clone)]
struct Log {
    levels: Arc<Levels>,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl Log {
    fn open(options: &Options) -> std::io::Result<Log> {
        let out: Box<dyn Write + Send> = match &options.log_path {
            Some(path) => Box::new(std::fs::OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(std::io::stderr()),
        };
        let levels = Levels::new(options.log_level);
        levels.follow(options.component_log_level.as_deref().unwrap_or(""));
        Ok(Log { levels: Arc::new(levels), out: Arc::new(Mutex::new(out)) })
    }
    fn write(&self, logger: Logger, level: Level, text: &str) {
        if !self.levels.take(logger, level) {
            return;
        }
        // What configuration says may hold control characters.
        let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
        if let Ok(mut out) = self.out.lock() {
            // Nobody is left to tell if this fails.
            let _ = writeln!(out, "[mesh-proxy] [{}] [{}] {clean}", logger.name(), logging::word(level));
        }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let log = match Log::open(&options) {
        Ok(log) => log,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "mesh-proxy: the log can't be opened: {e}");
            return ExitCode::FAILURE;
        }
    };
    match run(&options, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            log.write(Logger::Main, Level::Critical, &why);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, log: &Log) -> Result<(), String> {
    let bootstrap = Bootstrap::load(options).map_err(|e| e.to_string())?;
    for finding in &bootstrap.harmless {
        log.write(Logger::Config, Level::Debug, &format!("without effect: {finding}"));
    }
    if options.mode != Mode::Serve {
        Snapshot::compile(bootstrap.resources(), &Compiler::default()).map_err(|list| StartError::Configuration(list).to_string())?;
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "configuration OK");
        return Ok(());
    }
    let complain_log = log.clone();
    let settings = Settings {
        workers: options.concurrency.filter(|n| *n > 0).unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        drain: Duration::from_secs(options.drain_time_s),
        flush: Duration::from_millis(options.file_flush_interval_msec.max(1)),
        hostname: std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".to_owned(), |h| h.trim().to_owned()),
        kept: options.last_good_path.clone(),
        jaeger_agent: options.jaeger_agent,
        complain: Arc::new(move |logger, what| complain_log.write(logger, Level::Warning, what)),
        output: None,
        levels: log.levels.clone(),
        pipes: options.splice_pipes,
        threads: None,
        settled: Arc::new(allocator::give_back),
    };
    let proxy = Proxy::start(bootstrap, &settings).map_err(|e| e.to_string())?;
    allocator::give_back();
    for (name, address) in proxy.listeners() {
        log.write(Logger::Main, Level::Info, &format!("listener {name} on {address}"));
    }
    if let (Some(path), Some(admin)) = (&options.admin_address_path, proxy.admin) {
        std::fs::write(path, admin.to_string()).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    follow_signals(&proxy, log)?;
    proxy.wait();
    log.write(Logger::Main, Level::Info, "done");
    Ok(())
}

/// The first SIGTERM or SIGINT drains, a second one ends at once; SIGUSR1 opens access logs again.
fn follow_signals(proxy: &Proxy, log: &Log) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    let (shared, log) = (proxy.shared().clone(), log.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| format!("signals can't be followed: {e}"))?;
    let (mut terminate, mut interrupt, mut user) = {
        let _context = runtime.enter();
        let open = |kind| signal(kind).map_err(|e| format!("signals can't be followed: {e}"));
        (open(SignalKind::terminate())?, open(SignalKind::interrupt())?, open(SignalKind::user_defined1())?)
    };
    // Not joined: it ends with the process.
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let mut asked = false;
            loop {
                tokio::select! {
                    _ = user.recv() => {
                        shared.writer.reopen();
                        continue;
                    }
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                let phase = if asked { mesh_proxy::Phase::Stopping } else { mesh_proxy::Phase::Draining };
                log.write(Logger::Main, Level::Info, if asked { "asked twice: ending now" } else { "draining" });
                shared.advance(phase);
                asked = true;
            }
        });
    });
    Ok(())
}
