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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    /// Two ends of a connection.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.expect("a connection"), other.expect("a connection").0)
    }

    fn pool(most: usize) -> Rc<Pool> {
        Pool::new(most, Arc::default())
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn there_are_as_many_pipes_as_there_may_be_and_they_come_back() {
        let pool = pool(KEPT + 2);
        for _ in 0..3 {
            let leases: Vec<Lease> = std::iter::from_fn(|| pool.take()).collect();
            assert_eq!(leases.len(), KEPT + 2);
            drop(leases);
            assert_eq!((pool.given.get(), pool.kept.borrow().len()), (0, KEPT));
        }
        assert!(super::Pool::new(0, Arc::default()).take().is_none());
    }

    #[test]
    fn bytes_of_one_connection_are_never_given_to_another() {
        run(async {
            let (pool, (mut sender, from)) = (pool(2), pair().await);
            let (to, mut receiver) = pair().await;
            let (mut from, mut to) = (crate::upstream::io::Socket::from(from), crate::upstream::io::Socket::from(to));
            sender.write_all(b"one").await.expect("sent");
            let mut first = pool.take().expect("a pipe");
            assert_eq!(std::future::poll_fn(|cx| first.poll_fill(&mut from, 100, cx)).await.expect("bytes"), 3);
            // What is in it must go first.
            let again = first.poll_fill(&mut from, 100, &mut Context::from_waker(Waker::noop()));
            assert!(matches!(again, Poll::Ready(Err(_))) && first.held() == 3);
            drop(first);
            assert!(pool.kept.borrow().is_empty(), "what is left in a pipe goes with it");
            sender.write_all(b"two and more").await.expect("sent");
            let mut second = pool.take().expect("a pipe");
            assert_eq!(std::future::poll_fn(|cx| second.poll_fill(&mut from, 3, cx)).await.expect("bytes"), 3, "never more than was asked for");
            while second.held() > 0 {
                std::future::poll_fn(|cx| second.poll_drain(&mut to, cx)).await.expect("sent");
            }
            let mut got = [0; 3];
            receiver.read_exact(&mut got).await.expect("bytes");
            assert_eq!((&got, pool.moved.load(Ordering::Relaxed)), (b"two", 6));
            drop(second);
            assert_eq!(pool.kept.borrow().len(), 1);
        });
    }

    #[test]
    fn where_the_system_moves_nothing_there_are_no_more_pipes() {
        run(async {
            let (pool, (one, _other)) = (pool(2), tokio::net::UnixStream::pair().expect("a pair"));
            let mut socket = crate::upstream::io::Socket::from(one);
            let mut pipe = pool.take().expect("a pipe");
            let filled = std::future::poll_fn(|cx| pipe.poll_fill(&mut socket, 100, cx)).await;
            assert!(filled.is_err_and(|e| is_refused(&e)) && pool.take().is_none());
        });
    }
}
