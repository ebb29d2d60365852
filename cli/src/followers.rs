//! Clusters that are followed by a command which answers again and again: each list is read once, and then only what changes.

use mesh_collectors::kube::{FollowError, Followed, Options, What};
use mesh_model::Snapshot;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The clusters that were read so far, each followed since then.
#[derive(Default)]
pub struct Followers(Mutex<Vec<Follower>>);

struct Follower {
    options: Options,
    what: What,
    followed: Arc<Followed>,
    /// The change up to which it was read.
    seen: Option<u64>,
}

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Followers")
    }
}

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(50);

impl Followers {
    /// Adds what a cluster holds now to a snapshot; the name of its context. It is followed from the first time on.
    pub fn read(&self, options: &Options, what: &What, snapshot: &mut Snapshot) -> Result<String, FollowError> {
        let followed = self.get(options, what)?;
        let (name, generation) = followed.read(what, what.deadline, snapshot)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(follower) = all.iter_mut().find(|f| Arc::ptr_eq(&f.followed, &followed)) {
            follower.seen = Some(generation);
        }
        Ok(name)
    }

    fn get(&self, options: &Options, what: &What) -> Result<Arc<Followed>, FollowError> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find(|f| f.options == *options && f.what == *what) {
            return Ok(Arc::clone(&found.followed));
        }
        let followed = Arc::new(Followed::start(options.clone(), what.clone()).map_err(|e| FollowError::Thread(e.to_string()))?);
        all.push(Follower { options: options.clone(), what: what.clone(), followed: Arc::clone(&followed), seen: None });
        Ok(followed)
    }

    /// Whether a cluster has changed since it was read.
    pub fn have_changed(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|f| f.seen != Some(f.followed.generation()))
    }

    /// Waits until a cluster has changed, so long at most.
    pub fn wait(&self, within: Duration) {
        let until = Instant::now() + within;
        while !self.have_changed() && Instant::now() < until {
            std::thread::sleep(LOOK.min(within));
        }
    }
}
