//! Where the parts of a proxy run: each on a thread of its own, or on a few threads that several proxies of one process share.
//!
//! A part is a future of one thread, with tasks of its own that end with it. No part waits but for events, so that proxies hold each
//! other up by what they compute alone.

use crate::access_log::WriterThread;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// What a part does, on the thread that it is on.
type Body = Pin<Box<dyn Future<Output = ()>>>;
type Begin = Box<dyn FnOnce() -> Body + Send>;

/// What a part is for: those of one sort share threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Serves connections.
    Worker,
    /// The admin port, names, the end.
    Background,
    /// Follows a control plane, and compiles what comes from it.
    ControlPlane,
}

/// Threads that several proxies share. They end with the last that has them.
#[derive(Debug)]
pub struct Threads {
    workers: Hosts,
    background: Hosts,
    control: Hosts,
    pub(crate) writer: WriterThread,
}

/// Threads of one sort, and which of them is the next one's.
#[derive(Debug)]
struct Hosts(Vec<Host>, AtomicUsize);

/// A thread that runs parts.
#[derive(Debug)]
struct Host(mpsc::UnboundedSender<(Begin, Sender<()>)>);

impl Threads {
    /// So many threads of each sort, one at least, and one that writes access logs.
    ///
    /// # Errors
    /// A thread that can't be started.
    pub fn new(of_a_sort: usize) -> std::io::Result<Threads> {
        let some = |name: &str| -> std::io::Result<Hosts> {
            let hosts = (0..of_a_sort.max(1)).map(|i| Host::start(&format!("{name}-{i}"))).collect::<std::io::Result<_>>()?;
            Ok(Hosts(hosts, AtomicUsize::new(0)))
        };
        let (workers, background, control) = (some("worker")?, some("background")?, some("control-plane")?);
        Ok(Threads { workers, background, control, writer: WriterThread::start()? })
    }
    fn host(&self, sort: Sort) -> &Host {
        let Hosts(hosts, next) = match sort {
            Sort::Worker => &self.workers,
            Sort::Background => &self.background,
            Sort::ControlPlane => &self.control,
        };
        &hosts[next.fetch_add(1, Ordering::Relaxed) % hosts.len()]
    }
}

impl Host {
    fn start(name: &str) -> std::io::Result<Host> {
        let runtime = runtime()?;
        let (to, mut parts) = mpsc::unbounded_channel::<(Begin, Sender<()>)>();
        let run = move || {
            LocalSet::new().block_on(&runtime, async move {
                while let Some((begin, done)) = parts.recv().await {
                    tokio::task::spawn_local(async move {
                        // Its tasks are its own, and end with it.
                        let own = LocalSet::new();
                        own.run_until(begin()).await;
                        drop((own, done));
                    });
                }
            });
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Host(to))
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// A part that runs.
#[derive(Debug)]
pub enum Running {
    Own(JoinHandle<()>),
    /// Ends when the part does.
    Shared(Receiver<()>),
}

impl Running {
    /// Begins a part: on a shared thread where there are such, else on a new one.
    ///
    /// # Errors
    /// No thread, or no runtime on it.
    pub fn begin<F>(threads: Option<&Threads>, sort: Sort, name: &str, body: impl FnOnce() -> F + Send + 'static) -> std::io::Result<Running>
    where
        F: Future<Output = ()> + 'static,
    {
        if let Some(threads) = threads {
            let (done, ended) = channel();
            let begin: Begin = Box::new(move || Box::pin(body()));
            // The threads live as long as this value's owner.
            let _ = threads.host(sort).0.send((begin, done));
            return Ok(Running::Shared(ended));
        }
        let runtime = runtime()?;
        let run = move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async move { body().await });
            // What still runs is dropped with its tasks before the runtime goes.
            drop(local);
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(run).map(Running::Own)
    }
    /// Waits for the end.
    pub fn join(self) {
        match self {
            Running::Own(thread) => drop(thread.join()),
            Running::Shared(ended) => drop(ended.recv()),
        }
    }
}
