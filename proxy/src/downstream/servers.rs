//! Tasks that serve connections one after the other: what serving one takes is a large thing to make and to move, and where each request
//! comes on a connection of its own it would be made for each.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

/// Tasks that wait for a connection at most.
const KEPT: usize = 32;

/// Where a task waits for what it is to serve.
struct Seat<T> {
    next: Cell<Next<T>>,
    waker: Cell<Option<Waker>>,
}

enum Next<T> {
    Nothing,
    Serve(T),
    Leave,
}

impl<T> Seat<T> {
    fn call(&self, next: Next<T>) {
        self.next.set(next);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        match self.next.replace(Next::Nothing) {
            Next::Serve(what) => Poll::Ready(Some(what)),
            Next::Leave => Poll::Ready(None),
            Next::Nothing => {
                self.waker.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

type Free<T> = RefCell<Vec<Rc<Seat<T>>>>;

/// Those of one worker. When it goes, they end with the connections that they have.
pub struct Servers<T> {
    free: Rc<Free<T>>,
}

impl<T> Default for Servers<T> {
    fn default() -> Servers<T> {
        Servers { free: Rc::default() }
    }
}

impl<T: 'static> Servers<T> {
    /// Serves something in a task, with a future of `serve` where a new one is needed.
    pub fn take<F: Future<Output = ()> + 'static>(&self, what: T, serve: impl Fn(T) -> F + 'static) {
        let seat = self.free.borrow_mut().pop();
        match seat {
            Some(seat) => seat.call(Next::Serve(what)),
            // A task moves what it is given several times: this moves once.
            None => drop(tokio::task::spawn_local(Box::pin(sit(what, serve, Rc::downgrade(&self.free))))),
        }
    }
}

impl<T> Drop for Servers<T> {
    fn drop(&mut self) {
        self.free.borrow_mut().drain(..).for_each(|seat| seat.call(Next::Leave));
    }
}

async fn sit<T, F: Future<Output = ()>>(first: T, serve: impl Fn(T) -> F, free: Weak<Free<T>>) {
    let seat = Rc::new(Seat { next: Cell::new(Next::Serve(first)), waker: Cell::default() });
    while let Some(what) = std::future::poll_fn(|cx| seat.poll_next(cx)).await {
        serve(what).await;
        match free.upgrade() {
            Some(free) if free.borrow().len() < KEPT => free.borrow_mut().push(seat.clone()),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    /// What is served, and which task did it.
    type Done = Rc<RefCell<Vec<(u32, tokio::task::Id)>>>;

    #[tokio::test]
    async fn tasks_serve_one_after_the_other_and_leave_with_their_worker() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (servers, done) = (Servers::default(), Done::default());
                let list = done.clone();
                let serve = move |(n, until): (u32, oneshot::Receiver<()>)| {
                    let done = list.clone();
                    async move {
                        let _ = until.await;
                        done.borrow_mut().push((n, tokio::task::id()));
                    }
                };
                let begin = |n| {
                    let (end, until) = oneshot::channel();
                    servers.take((n, until), serve.clone());
                    end
                };
                let settle = async |n: usize| {
                    while done.borrow().len() < n {
                        tokio::task::yield_now().await;
                    }
                    tokio::task::yield_now().await;
                };
                // More at once than are kept.
                let many: Vec<_> = (0..40).map(begin).collect();
                drop(many);
                settle(40).await;
                assert_eq!(servers.free.borrow().len(), KEPT);
                drop(begin(40));
                settle(41).await;
                let tasks: Vec<_> = done.borrow().iter().map(|(_, task)| *task).collect();
                assert!(tasks[..40].contains(&tasks[40]));
                let last = begin(41);
                tokio::task::yield_now().await;
                let free = Rc::downgrade(&servers.free);
                drop(servers);
                assert!(free.upgrade().is_none());
                drop(last);
                settle(42).await;
                assert_eq!(done.borrow().last().map(|(n, _)| *n), Some(41));
            })
            .await;
        // Nobody waits for ever.
        local.await;
    }

    /// What goes wrong with one connection costs no other.
    #[tokio::test]
    async fn a_task_that_panics_takes_nothing_with_it() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let (servers, done) = (Servers::default(), Rc::<Cell<u32>>::default());
                let count = done.clone();
                let serve = move |panics: bool| {
                    let done = count.clone();
                    async move {
                        assert!(!panics, "on purpose");
                        done.set(done.get() + 1);
                    }
                };
                for panics in [false, true, false, true, true, false] {
                    servers.take(panics, serve.clone());
                    for _ in 0..8 {
                        tokio::task::yield_now().await;
                    }
                }
                assert_eq!((done.get(), servers.free.borrow().len()), (3, 1));
            })
            .await;
    }
}
