//! TLS handshakes under way. They cost memory before anybody is known: each worker has so many, and the one that has lasted longest makes
//! room for another. Clients that begin and never end keep nobody out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Of one worker.
pub const MOST: usize = 1000;

pub struct Underway {
    most: usize,
    next: Cell<u64>,
    /// In the order in which they began; a sender that is dropped ends its handshake.
    list: RefCell<VecDeque<(u64, oneshot::Sender<()>)>>,
}

/// A handshake that counts, as long as it lasts.
pub struct Turn<'u> {
    of: &'u Underway,
    id: u64,
    gone: oneshot::Receiver<()>,
}

impl Underway {
    pub fn new(most: usize) -> Underway {
        Underway { most, next: Cell::new(0), list: RefCell::default() }
    }
    pub fn begin(&self) -> Turn<'_> {
        let id = self.next.replace(self.next.get() + 1);
        let (sender, gone) = oneshot::channel();
        let mut list = self.list.borrow_mut();
        list.push_back((id, sender));
        if list.len() > self.most {
            list.pop_front();
        }
        Turn { of: self, id, gone }
    }
}

impl Turn<'_> {
    /// Completes when the handshake has to make room.
    pub async fn over(&mut self) {
        let _ = (&mut self.gone).await;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut list = self.of.list.borrow_mut();
        if let Ok(at) = list.binary_search_by_key(&self.id, |(id, _)| *id) {
            list.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_over(turn: &mut Turn<'_>) -> bool {
        pin!(turn.over()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_oldest_makes_room_and_those_that_end_leave_room() {
        let all = Underway::new(2);
        let (mut a, mut b) = (all.begin(), all.begin());
        assert!(!is_over(&mut a) && !is_over(&mut b));
        drop(b);
        let mut c = all.begin();
        assert!(!is_over(&mut a) && !is_over(&mut c));
        let mut d = all.begin();
        assert!(is_over(&mut a) && !is_over(&mut c) && !is_over(&mut d));
        drop((a, c, d));
        assert!(all.list.borrow().is_empty());
    }
}
