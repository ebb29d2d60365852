//! Bytes both ways between two connections. Each direction ends by itself: what one side has finished sending, the other side
//! is told, and may still answer. A side that takes nothing holds the other one back.

use crate::http1::room;
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The most that is read at once, and so the most that waits in one direction.
const CHUNK: usize = room::LARGE;

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// Both sides have finished.
    Both,
    /// Nothing was sent for long.
    Idle,
    /// It lasted as long as it may.
    Late,
    /// A socket failed: which side's.
    Failed(Side, io::Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Upstream,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// What was read and not yet written.
    waiting: Vec<u8>,
    at: usize,
    state: State,
}

/// Bytes so far, to be seen whatever ends the copying.
#[derive(Debug, Default)]
pub struct Bytes {
    pub of_client: Cell<u64>,
    pub of_upstream: Cell<u64>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The source has finished; what waits is still written.
    Finishing,
    Done,
}

impl Way {
    /// Goes on as far as the sockets let it; ready at its end. `moved` is set where bytes went through.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        (from, source): (&mut R, Side),
        to: &mut W,
        scratch: &mut [u8],
        (count, moved): (&Cell<u64>, &mut bool),
    ) -> Poll<Result<(), (Side, io::Error)>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let sink = if source == Side::Client { Side::Upstream } else { Side::Client };
        loop {
            while self.at < self.waiting.len() {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.waiting[self.at..])).map_err(|e| (sink, e))?;
                if n == 0 {
                    return Poll::Ready(Err((sink, io::ErrorKind::WriteZero.into())));
                }
                self.at += n;
                *moved = true;
            }
            if !self.waiting.is_empty() {
                (self.waiting, self.at) = (Vec::new(), 0);
            }
            match self.state {
                State::Done => return Poll::Ready(Ok(())),
                State::Finishing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).or_else(gone).map_err(|e| (sink, e))?;
                    self.state = State::Done;
                    return Poll::Ready(Ok(()));
                }
                State::Open => {}
            }
            let mut buf = ReadBuf::new(scratch);
            let read = match Pin::new(&mut *from).poll_read(cx, &mut buf) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    // What TLS has not sent yet goes out before the wait.
                    ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|e| (sink, e))?;
                    return Poll::Pending;
                }
            };
            match read {
                Err(e) => return Poll::Ready(Err((source, e))),
                Ok(()) if buf.filled().is_empty() => self.state = State::Finishing,
                Ok(()) => {
                    let bytes = buf.filled();
                    count.set(count.get() + bytes.len() as u64);
                    *moved = true;
                    // Most of it goes out at once, and is never kept.
                    let mut at = 0;
                    while at < bytes.len() {
                        match Pin::new(&mut *to).poll_write(cx, &bytes[at..]) {
                            Poll::Ready(Ok(0)) => return Poll::Ready(Err((sink, io::ErrorKind::WriteZero.into()))),
                            Poll::Ready(Ok(n)) => at += n,
                            Poll::Ready(Err(e)) => return Poll::Ready(Err((sink, e))),
                            Poll::Pending => {
                                self.waiting = bytes[at..].to_vec();
                                return Poll::Pending;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A peer that is gone already needs not be told of the end.
fn gone(e: io::Error) -> io::Result<()> {
    if matches!(e.kind(), io::ErrorKind::NotConnected | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) { Ok(()) } else { Err(e) }
}

/// What a connection may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub idle: Option<Duration>,
    pub until: Option<Instant>,
}

/// Copies until the end. `scratch` is a worker's: between two polls nothing is in it.
pub async fn both_ways<C, U>(client: &mut C, upstream: &mut U, limits: Limits, scratch: &RefCell<Vec<u8>>, bytes: &Bytes) -> Ended
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut idle: Option<(Duration, Pin<Box<Sleep>>, Instant)> = limits.idle.map(|span| (span, Box::pin(tokio::time::sleep(span)), Instant::now()));
    let mut end: Option<Pin<Box<Sleep>>> = limits.until.map(|at| Box::pin(tokio::time::sleep_until(at)));
    std::future::poll_fn(|cx| {
        let mut moved = false;
        let polled = {
            let mut scratch = scratch.borrow_mut();
            scratch.resize(CHUNK, 0);
            let going_up = up.poll(cx, (client, Side::Client), upstream, &mut scratch, (&bytes.of_client, &mut moved));
            (going_up, down.poll(cx, (upstream, Side::Upstream), client, &mut scratch, (&bytes.of_upstream, &mut moved)))
        };
        match polled {
            (Poll::Ready(Err((side, e))), _) | (_, Poll::Ready(Err((side, e)))) => return Poll::Ready(Ended::Failed(side, e)),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(Ended::Both),
            _ => {}
        }
        if end.as_mut().is_some_and(|e| e.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Ended::Late);
        }
        if let Some((span, timer, last)) = &mut idle {
            if moved {
                *last = Instant::now();
            }
            while timer.as_mut().poll(cx).is_ready() {
                if last.elapsed() >= *span {
                    return Poll::Ready(Ended::Idle);
                }
                timer.as_mut().reset(*last + *span);
            }
        }
        Poll::Pending
    })
    .await
}
