//! Sources that are asked beside each other, all within one time: one that is silent costs what it would have said, and nothing else.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How much later than a source's own limit it is given up: what it has by then counts.
const GRACE: Duration = Duration::from_millis(250);

/// The time of all that are asked.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    until: Instant,
    wait: Duration,
}

/// What one source will say.
pub struct Pending<T> {
    told: Receiver<T>,
    until: Instant,
}

impl Round {
    /// The time runs from now on.
    pub fn begin(wait: Duration) -> Round {
        Round { until: Instant::now() + wait, wait }
    }

    /// All of it: the limit of sources that are asked at its beginning.
    pub fn whole(&self) -> Duration {
        self.wait
    }

    /// Asks on a thread of its own. One that has not ended when the time is over is left behind.
    pub fn ask<T: Send + 'static>(&self, ask: impl FnOnce() -> T + Send + 'static) -> Pending<T> {
        self.ask_many(move |tell| _ = tell.send(ask()))
    }

    /// The same of what is said piece by piece.
    pub fn ask_many<T: Send + 'static>(&self, ask: impl FnOnce(Sender<T>) + Send + 'static) -> Pending<T> {
        let (tell, told) = channel();
        // Where there is no thread to be had nobody tells anything.
        drop(std::thread::Builder::new().spawn(move || ask(tell)));
        Pending { told, until: self.until + GRACE }
    }

    /// Names a source that said nothing, and what is missing without it.
    pub fn silent(&self, what: &str, without: &str) -> String {
        format!("{what}: no answer within {} s; without it {without} (--within gives it longer)", self.wait.as_secs_f64())
    }
}

impl<T> Pending<T> {
    /// The answer; `None` where it did not come in time.
    pub fn take(self) -> Option<T> {
        self.next()
    }

    fn next(&self) -> Option<T> {
        self.told.recv_timeout(self.until.saturating_duration_since(Instant::now())).ok()
    }

    /// All that came in time.
    pub fn all(self) -> Vec<T> {
        std::iter::from_fn(|| self.next()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    #[test]
    fn who_is_silent_keeps_nobody() {
        let round = Round::begin(Duration::from_millis(20));
        let (never, last) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (at, behind) = (Arc::clone(&never), Arc::clone(&last));
        let silent = round.ask(move || at.wait());
        let some = round.ask_many(move |tell| {
            let _ = (tell.send(1), tell.send(2));
            behind.wait();
            let _ = tell.send(3);
        });
        assert_eq!(round.ask(|| 7).take(), Some(7));
        assert_eq!(some.all(), [1, 2]);
        assert!(silent.take().is_none());
        never.wait();
        last.wait();
    }

    #[test]
    fn a_source_that_breaks_says_nothing() {
        let round = Round::begin(Duration::from_secs(60));
        let began = Instant::now();
        assert_eq!(round.ask_many(|_: Sender<u8>| {}).take(), None);
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
