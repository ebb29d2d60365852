//! Decisions as they are made, for those who follow them: a bounded queue each. A worker waits for none of them; what finds no
//! room is counted and told.

use super::{Decision, Wanted};
use crate::http::exchange::Exchange;
use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::Waker;

/// Decisions that wait for one follower at most.
pub const ROOM: usize = 1024;
/// Followers at once.
pub const MOST: usize = 8;

#[derive(Debug, Default)]
pub struct Feed {
    /// Where nobody follows, a request costs a look at this.
    is_followed: AtomicBool,
    followers: RwLock<Vec<Arc<Follower>>>,
}

/// Somebody who follows.
#[derive(Debug, Default)]
pub struct Follower {
    wanted: Wanted,
    queue: Mutex<VecDeque<Decision>>,
    dropped: AtomicU64,
    waker: AtomicWaker,
}

impl Feed {
    /// From now on. `None`: there are enough of them already.
    pub fn follow(&self, wanted: Wanted) -> Option<Arc<Follower>> {
        let mut followers = self.followers.write().unwrap_or_else(PoisonError::into_inner);
        if followers.len() >= MOST {
            return None;
        }
        let follower = Arc::new(Follower { wanted, ..Follower::default() });
        followers.push(follower.clone());
        self.is_followed.store(true, Ordering::Release);
        Some(follower)
    }
    pub fn leave(&self, follower: &Arc<Follower>) {
        let mut followers = self.followers.write().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|f| !Arc::ptr_eq(f, follower));
        self.is_followed.store(!followers.is_empty(), Ordering::Release);
    }
    /// A request is over.
    pub fn note(&self, exchange: &Exchange) {
        if !self.is_followed.load(Ordering::Acquire) {
            return;
        }
        // Held for a moment by who comes or goes.
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        self.give(&followers, Decision::of(exchange));
    }
    fn give(&self, followers: &[Arc<Follower>], decision: Decision) {
        followers.iter().filter(|f| f.wanted.holds(&decision)).for_each(|f| f.give(&decision));
    }
}

impl Follower {
    fn give(&self, decision: &Decision) {
        // It is held for a moment only, by who takes what is there.
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.len() < ROOM {
            queue.push_back(decision.clone());
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        drop(queue);
        self.waker.wake();
    }
    /// What came since the last time, and how many did not find room.
    pub fn take(&self, waker: &Waker) -> (VecDeque<Decision>, u64) {
        self.waker.register(waker);
        let queue = std::mem::take(&mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner));
        (queue, self.dropped.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_bounded_and_say_what_they_lost() {
        let feed = Feed::default();
        let mut failed = Wanted::default();
        failed.take("status", "5xx").expect("a parameter").expect("a status");
        let (all, some) = (feed.follow(Wanted::default()).expect("room"), feed.follow(failed).expect("room"));
        let list = feed.followers.read().expect("unbroken").clone();
        for n in 0..ROOM + 5 {
            feed.give(&list, Decision { status: if n == 3 { 503 } else { 200 }, ..Decision::nothing() });
        }
        let (got, dropped) = all.take(Waker::noop());
        assert_eq!((got.len(), dropped), (ROOM, 5));
        let (got, dropped) = some.take(Waker::noop());
        assert_eq!((got.len(), dropped, got[0].status), (1, 0, 503));
        assert_eq!(all.take(Waker::noop()).0.len(), 0);
        assert_eq!((0..MOST + 2).filter_map(|_| feed.follow(Wanted::default())).count(), MOST - 2);
        feed.leave(&all);
        assert!(feed.follow(Wanted::default()).is_some() && feed.follow(Wanted::default()).is_none());
    }
}
