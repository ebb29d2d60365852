//! A future beside others in one task, which is looked at only when it was woken itself: those that wait for what hardly ever happens
//! cost nothing while the others go on.

use futures_util::task::AtomicWaker;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Goes with one future, and has to be given that one each time.
pub struct Aside {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    /// It was woken since it was looked at, or nobody has looked yet.
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl Default for Aside {
    fn default() -> Aside {
        let bell = Arc::new(Bell { rang: AtomicBool::new(true), task: AtomicWaker::new() });
        Aside { waker: bell.clone().into(), bell }
    }
}

impl Aside {
    pub fn poll<F: Future>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // Before the look, so that no ring is missed.
        self.bell.task.register(cx.waker());
        if !self.bell.rang.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        future.poll(&mut Context::from_waker(&self.waker))
    }
    /// It is to be looked at the next time, though nothing woke it.
    pub fn ring(&self) {
        self.bell.rang.store(true, Ordering::Release);
    }
    /// Whether it was woken since it was looked at.
    pub fn has_rung(&self) -> bool {
        self.bell.rang.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::pin;
    use std::rc::Rc;

    #[tokio::test]
    async fn it_is_looked_at_when_it_was_woken_and_not_otherwise() {
        let (looks, notify) = (Cell::new(0), Rc::new(tokio::sync::Notify::new()));
        let mut inner = pin!(notify.notified());
        let mut future = pin!(std::future::poll_fn(|cx| {
            looks.set(looks.get() + 1);
            inner.as_mut().poll(cx)
        }));
        let aside = Aside::default();
        for _ in 0..3 {
            let polled = std::future::poll_fn(|cx| Poll::Ready(aside.poll(future.as_mut(), cx).is_ready())).await;
            assert_eq!((polled, looks.get()), (false, 1));
        }
        let ring = async {
            tokio::task::yield_now().await;
            notify.notify_one();
        };
        let ended = std::future::poll_fn(|cx| aside.poll(future.as_mut(), cx));
        tokio::join!(ended, ring);
        assert_eq!(looks.get(), 2);
    }
}
