//! A worker's pipes. One is held only while bytes are in it, so that few serve many connections; each has two descriptors.

use super::{Pipe, Splice, is_refused};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

/// The most pipes of a worker, where nothing else is said: so many directions may wait for a slow reader before others are copied.
pub const PIPES: usize = 64;
/// So many stay open while nobody needs them.
const KEPT: usize = 4;

#[derive(Debug)]
pub struct Pool {
    most: Cell<usize>,
    given: Cell<usize>,
    kept: RefCell<Vec<Pipe>>,
    moved: Arc<AtomicU64>,
}

impl Pool {
    /// A pool of so many pipes at most; with none of them all is copied. `moved` counts bytes that went through them.
    pub fn new(most: usize, moved: Arc<AtomicU64>) -> Rc<Pool> {
        Rc::new(Pool { most: Cell::new(most), given: Cell::new(0), kept: RefCell::default(), moved })
    }
    /// An empty pipe; `None` where there is none to be had.
    pub fn take(self: &Rc<Pool>) -> Option<Lease> {
        if self.given.get() >= self.most.get() {
            return None;
        }
        let kept = self.kept.borrow_mut().pop();
        let pipe = kept.or_else(|| Pipe::open().ok())?;
        self.given.set(self.given.get() + 1);
        Some(Lease { pipe: Some(pipe), pool: self.clone() })
    }
}

/// A pipe that is in use. It goes back when nothing is in it, and is closed otherwise.
#[derive(Debug)]
pub struct Lease {
    pipe: Option<Pipe>,
    pool: Rc<Pool>,
}

impl Lease {
    /// How many bytes are in it.
    pub fn held(&self) -> usize {
        self.pipe.as_ref().map_or(0, Pipe::held)
    }
    /// Moves up to `most` bytes of a bare stream into the pipe, which is empty; 0 at the end.
    ///
    /// # Errors
    /// Those of the socket. [`is_refused`] where the system does not move bytes of sockets: there are no more pipes then, and nothing
    /// was moved.
    pub fn poll_fill(&mut self, from: &mut impl Splice, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        let filled = ready!(from.poll_fill(pipe, most, cx)).inspect_err(|e| {
            if is_refused(e) {
                self.pool.most.set(0);
            }
        })?;
        self.pool.moved.fetch_add(filled as u64, Ordering::Relaxed);
        Poll::Ready(Ok(filled))
    }
    /// Moves bytes out of the pipe, which has some, to a bare stream.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_drain(&mut self, to: &mut impl Splice, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        to.poll_drain(pipe, cx)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.given.set(self.pool.given.get().saturating_sub(1));
        let mut kept = self.pool.kept.borrow_mut();
        if let Some(pipe) = self.pipe.take_if(|p| p.held() == 0)
            && kept.len() < KEPT
        {
            kept.push(pipe);
        }
    }
}
