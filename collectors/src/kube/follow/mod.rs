//! A cluster whose objects are kept up to date: each kind is listed once, and then watched.
//!
//! A list comes as a stream where the server serves that (`sendInitialEvents`), in pages where it does not. What breaks is
//! taken up where it was left; what the server has forgotten by then (410) is listed anew. Where there is no right to watch, the
//! list is asked for again and again. A thread of its own does all that, until the [`Followed`] is dropped.

mod state;

use super::client::{Cluster, Options};
use super::discovery;
use super::error::{ApiError, ConnectError};
use super::list::{self, Odd};
use super::read::{Ask, Assembly, What, asks};
use super::watch::{Event, Start, Watch};
use mesh_model::{Object, Snapshot};
use state::{Changed, Collection, Part, Shared, collection, is_same};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Where there is no right to watch, a list is asked for so often.
const POLL: Duration = Duration::from_secs(15);
/// After a failure the next try waits so long, and twice as long each time.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What the server serves is looked at so often, and single objects: definitions come and go.
const DISCOVERY: Duration = Duration::from_secs(60);

/// A cluster that is followed.
pub struct Followed {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Why a cluster gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FollowError {
    Connect(ConnectError),
    /// There is no thread for it.
    Thread(String),
    Api {
        /// The context.
        cluster: String,
        error: ApiError,
    },
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FollowError::Connect(error) => error.fmt(f),
            FollowError::Thread(message) => write!(f, "a cluster can't be followed: {message}"),
            FollowError::Api { cluster, error } => {
                let name = if cluster.is_empty() { String::new() } else { format!("cluster {cluster}: ") };
                write!(f, "{name}{error}{}", error.help().map_or_else(String::new, |h| format!("; {h}")))
            }
        }
    }
}

impl std::error::Error for FollowError {}

impl Followed {
    /// Begins to follow, on a thread of its own.
    pub fn start(options: Options, what: What) -> std::io::Result<Followed> {
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("cluster".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = run(&options, &what, &of_thread) => {}
                    _ = stopped => {}
                }
            });
            // A login program that hangs keeps nobody.
            runtime.shutdown_background();
        })?;
        Ok(Followed { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Adds the objects as they are now to a snapshot, as [`super::read()`] does; the context's name. The first time this waits
    /// until every list has had its answer, `within` at most. What can't be followed now is named as a problem, beside what was
    /// known of it before. Beside the name stands the generation that was read.
    pub fn read(&self, what: &What, within: Duration, snapshot: &mut Snapshot) -> Result<(String, u64), FollowError> {
        let until = Instant::now() + within;
        let mut state = self.shared.lock();
        while !state.is_settled() {
            match &state.trouble {
                Some(trouble) if !state.knows_something() => return Err(trouble.clone()),
                Some(_) => break,
                None => {}
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { break };
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let Some(served) = &state.served else {
            return Err(FollowError::Api { cluster: state.name.clone(), error: ApiError::OutOfTime(within) });
        };
        let mut assembly = Assembly::new(&state.name, what, served, snapshot);
        for (ask, part) in &state.parts {
            assembly.take(ask, part.answer(within), part.late.clone());
        }
        for (ask, part) in &state.within {
            assembly.take_of_namespace(ask, part.answer(within), part.late.clone());
        }
        if let Some(trouble) = &state.trouble {
            assembly.trouble(&trouble.to_string());
        }
        assembly.finish().map(|()| (state.name.clone(), state.generation)).map_err(|error| FollowError::Api { cluster: state.name.clone(), error })
    }

    /// Counts the changes so far.
    pub fn generation(&self) -> u64 {
        self.shared.lock().generation
    }

    /// Waits until something has changed since a generation; whether it has.
    pub fn wait(&self, since: u64, within: Duration) -> bool {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, within, |state| state.generation == since);
        waited.unwrap_or_else(PoisonError::into_inner).0.generation != since
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // While a program logs in, the thread does not see it; it ends with the process then.
        if self.shared.lock().served.is_some()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

/// The waits between failures.
struct Waits(Duration);

impl Waits {
    fn new() -> Waits {
        Waits(FIRST_WAIT)
    }
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
    }
}

async fn run(options: &Options, what: &What, shared: &Arc<Shared>) {
    let mut waits = Waits::new();
    loop {
        match Cluster::connect(options).await {
            Ok(cluster) => {
                shared.change(|state| {
                    state.name.clone_from(&cluster.name);
                    Changed::No
                });
                let error = follow(&cluster, what, shared, &mut waits).await;
                shared.trouble(FollowError::Api { cluster: cluster.name.clone(), error });
            }
            Err(error) => shared.trouble(FollowError::Connect(error)),
        }
        // The kubeconfig may have other credentials by then.
        waits.wait().await;
    }
}

/// Follows until the server does not say what it serves, or refuses the credentials.
async fn follow(cluster: &Cluster, what: &What, shared: &Arc<Shared>, waits: &mut Waits) -> ApiError {
    let (expired, mut expiries) = mpsc::channel(1);
    let mut tasks: BTreeMap<Ask, JoinSet<()>> = BTreeMap::new();
    loop {
        match discovery::discover(cluster).await {
            Ok(served) => {
                *waits = Waits::new();
                let wanted: BTreeSet<Ask> = asks(&served, what).into_iter().collect();
                shared.change(|state| state.serve(served, &wanted));
                tasks.retain(|ask, _| wanted.contains(ask));
                for ask in wanted {
                    tasks.entry(ask).or_insert_with_key(|ask| {
                        let (ask, cluster, shared, expired, what) = (ask.clone(), cluster.clone(), Arc::clone(shared), expired.clone(), what.clone());
                        let mut set = JoinSet::new();
                        set.spawn(async move { follow_all(&cluster, &ask, &what, &shared, &expired).await });
                        set
                    });
                }
            }
            Err(error) if tasks.is_empty() || is_login(&error) => return error,
            // What is followed goes on.
            Err(_) => {}
        }
        tokio::select! {
            error = expiries.recv() => if let Some(error) = error { return error },
            () = tokio::time::sleep(DISCOVERY) => {}
        }
    }
}

fn is_login(error: &ApiError) -> bool {
    matches!(error, ApiError::Status { code: 401, .. })
}

/// Follows a list; where it may not be seen in the whole cluster, in the namespaces that may be meant.
async fn follow_all(cluster: &Cluster, ask: &Ask, what: &What, shared: &Arc<Shared>, expired: &mpsc::Sender<ApiError>) {
    let within = ask.in_namespaces(cluster, what);
    let mut parts = JoinSet::new();
    loop {
        let error = follow_one(cluster, ask, shared).await;
        if is_login(&error) {
            shared.change(|state| state.part(ask).refuse(error.clone()));
            let _ = expired.send(error).await;
            return;
        }
        let is_forbidden = error.is_forbidden();
        shared.change(|state| {
            if is_forbidden && parts.is_empty() {
                state.within.extend(within.iter().map(|w| (w.clone(), Part::default())));
            }
            state.part(ask).refuse(error)
        });
        if is_forbidden && parts.is_empty() {
            for ask in within.clone() {
                let (cluster, shared) = (cluster.clone(), Arc::clone(shared));
                parts.spawn(async move {
                    loop {
                        let error = follow_one(&cluster, &ask, &shared).await;
                        shared.change(|state| state.part(&ask).refuse(error));
                        tokio::time::sleep(POLL).await;
                    }
                });
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Follows one list until that fails in a way that waiting does not mend.
async fn follow_one(cluster: &Cluster, ask: &Ask, shared: &Shared) -> ApiError {
    let mut waits = Waits::new();
    loop {
        let first = beginning(cluster, ask, shared).await;
        let (mut version, mut watch) = match first {
            Ok(first) => first,
            Err(error) => match keeps(error, ask, shared) {
                Some(end) => return end,
                None => {
                    waits.wait().await;
                    continue;
                }
            },
        };
        // Single objects have no version of a list.
        if version.is_empty() {
            tokio::time::sleep(DISCOVERY).await;
            continue;
        }
        loop {
            let opened = match watch.take() {
                Some(watch) => Ok(watch),
                None => Watch::open(cluster, &ask.path(), ask.selector(), Start::Version(&version)).await,
            };
            let error = match opened {
                Ok(mut open) => {
                    shared.change(|state| state.part(ask).late(None));
                    let since = tokio::time::Instant::now();
                    let ended = tell(cluster, ask, shared, &mut open, &mut version).await;
                    if since.elapsed() > FIRST_WAIT {
                        waits = Waits::new();
                    }
                    match ended {
                        // Ended by the server, as it does from time to time, or broken: it is taken up where it was.
                        Ok(()) | Err(ApiError::Unreachable(_) | ApiError::TimedOut(_)) => {
                            waits.wait().await;
                            continue;
                        }
                        Err(error) => error,
                    }
                }
                // It may be listed, but not watched.
                Err(error) if error.is_forbidden() => {
                    tokio::time::sleep(POLL).await;
                    break;
                }
                Err(error) => error,
            };
            // What is forgotten is listed anew; so is what can't be read, which would only come again.
            if error.is_expired() || matches!(error, ApiError::Odd(_)) {
                waits.wait().await;
                break;
            }
            if let Some(end) = keeps(error, ask, shared) {
                return end;
            }
            waits.wait().await;
        }
    }
}

/// Notes an error that may pass, and gives back one that does not by itself.
fn keeps(error: ApiError, ask: &Ask, shared: &Shared) -> Option<ApiError> {
    if is_login(&error) || error.is_forbidden() || error.is_not_found() {
        return Some(error);
    }
    shared.change(|state| state.part(ask).refuse(error));
    None
}

/// All that there is, with its version ("" where it has none), and the watch that goes on from there if one is open already.
async fn beginning(cluster: &Cluster, ask: &Ask, shared: &Shared) -> Result<(String, Option<Watch>), ApiError> {
    if ask.name.is_none() && cluster.streams_lists.load(Ordering::Relaxed) {
        match streamed(cluster, ask).await {
            Ok((collection, version, watch)) => {
                shared.change(|state| state.part(ask).replace(collection));
                return Ok((version, Some(watch)));
            }
            // An etcd before 3.4.31 ends it with 500; a server without streaming lists refuses the parameter.
            Err(ApiError::Status { code: 400 | 422 | 500, .. }) => cluster.streams_lists.store(false, Ordering::Relaxed),
            // Who may list may not always watch.
            Err(ApiError::Status { code: 403, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let listed = ask.run(cluster).await?;
    let version = listed.version.clone();
    shared.change(|state| state.part(ask).replace(collection(listed)));
    Ok((version, None))
}

/// A streaming list: its objects come as events, and a bookmark ends them.
async fn streamed(cluster: &Cluster, ask: &Ask) -> Result<(Collection, String, Watch), ApiError> {
    let _permit = cluster.permit().await?;
    let mut watch = Watch::open(cluster, &ask.path(), ask.selector(), Start::Beginning).await?;
    let mut out = Collection::new();
    loop {
        let event = tokio::time::timeout(cluster.timeout, watch.next()).await.map_err(|_| ApiError::TimedOut(cluster.timeout))??;
        match event {
            Some(Event::Applied { json, .. }) => {
                let (key, one) = read(cluster, ask, &json);
                out.insert(key, one);
            }
            Some(Event::Deleted { namespace, name, .. }) => drop(out.remove(&(namespace, name))),
            Some(Event::Bookmark { version, ends_the_list: true }) => return Ok((out, version, watch)),
            Some(Event::Bookmark { .. }) => {}
            None => return Err(ApiError::Unreachable("a streaming list ended before its end".to_owned())),
        }
    }
}

fn read(cluster: &Cluster, ask: &Ask, json: &str) -> ((String, String), Result<Object, Odd>) {
    match list::one(json, &ask.resource, &cluster.name) {
        Ok(object) => ((object.namespace().to_owned(), object.name().to_owned()), Ok(object)),
        Err(odd) => (odd.key.clone().unwrap_or_else(|| (String::new(), odd.subject.clone())), Err(odd)),
    }
}

/// Takes over what a watch tells, until it ends.
async fn tell(cluster: &Cluster, ask: &Ask, shared: &Shared, watch: &mut Watch, version: &mut String) -> Result<(), ApiError> {
    while let Some(event) = watch.next().await? {
        match event {
            Event::Bookmark { version: now, .. } => *version = now,
            Event::Applied { version: now, json } => {
                *version = now;
                let (key, one) = read(cluster, ask, &json);
                shared.change(|state| match &mut state.part(ask).known {
                    Some(Ok(known)) if known.get(&key).is_some_and(|old| is_same(old, &one)) => Changed::No,
                    Some(Ok(known)) => {
                        known.insert(key, one);
                        Changed::Yes
                    }
                    _ => Changed::No,
                });
            }
            Event::Deleted { version: now, namespace, name } => {
                *version = now;
                shared.change(|state| match &mut state.part(ask).known {
                    Some(Ok(known)) => {
                        if known.remove(&(namespace, name)).is_some() {
                            Changed::Yes
                        } else {
                            Changed::No
                        }
                    }
                    _ => Changed::No,
                });
            }
        }
    }
    Ok(())
}
