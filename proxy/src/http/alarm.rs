//! A timer that is set again and again and hardly ever goes off: moving it later costs nothing, it finds out when it goes off early.

use std::cell::RefCell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `due` is reached.
    pub fn poll(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            // It went off for another one, or for this one.
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
        Poll::Pending
    }
}

/// An alarm of several that is in use: to make one is dear, and most are never reached.
pub struct Lent<'a> {
    alarm: Alarm,
    of: &'a RefCell<Vec<Alarm>>,
}

/// So many a worker keeps.
const KEPT: usize = 256;

impl Lent<'_> {
    pub fn of(alarms: &RefCell<Vec<Alarm>>) -> Lent<'_> {
        Lent { alarm: alarms.borrow_mut().pop().unwrap_or_default(), of: alarms }
    }
}

impl Deref for Lent<'_> {
    type Target = Alarm;

    fn deref(&self) -> &Alarm {
        &self.alarm
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Alarm {
        &mut self.alarm
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut alarms = self.of.borrow_mut();
        if alarms.len() < KEPT {
            alarms.push(std::mem::take(&mut self.alarm));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn reached(alarm: &mut Alarm, due: Instant) {
        std::future::poll_fn(|cx| alarm.poll(due, cx)).await;
    }

    #[test]
    fn it_goes_off_when_it_is_due_however_it_was_set_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let mut alarm = Alarm::default();
            for milliseconds in [20, 5, 40, 1] {
                let (due, later) = (Instant::now() + Duration::from_millis(milliseconds), Instant::now() + Duration::from_secs(3600));
                // Whoever asked before needs it no more.
                let _ = std::future::poll_fn(|cx| Poll::Ready(alarm.poll(later, cx))).await;
                reached(&mut alarm, due).await;
                assert!(Instant::now() >= due);
            }
        });
    }
}
