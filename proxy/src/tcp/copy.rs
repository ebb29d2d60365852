//! Bytes both ways between two connections. Each direction ends by itself: what one side has finished sending, the other side
//! is told, and may still answer. A side that takes nothing holds the other one back. Where much comes and both are sockets and nothing
//! else, the kernel moves the bytes (`crate::splice`).

use crate::http1::room;
use crate::splice::{self, Lease, Pool, Splice};
use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// The most that is read at once, and so the most that waits in one direction.
pub const CHUNK: usize = room::LARGE;

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
    /// The same where the kernel moves it. There is one only while bytes are in it.
    pipe: Option<Lease>,
    flow: Flow,
    state: State,
}

/// How bytes come.
#[derive(Debug, Default, PartialEq, Eq)]
enum Flow {
    /// In pieces that are as well copied.
    #[default]
    Little,
    Much,
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

/// What a worker has for it.
#[derive(Clone, Copy, Debug)]
pub struct Means<'w> {
    /// Between two polls nothing is in it.
    pub scratch: &'w RefCell<Vec<u8>>,
    pub pipes: &'w Rc<Pool>,
}

impl Way {
    /// Goes on as far as the sockets let it; ready at its end. `moved` is set where bytes went through.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        (from, source): (&mut R, Side),
        to: &mut W,
        (scratch, pipes): (&mut [u8], &Rc<Pool>),
        (count, moved): (&Cell<u64>, &mut bool),
    ) -> Poll<Result<(), (Side, io::Error)>>
    where
        R: AsyncRead + Splice + Unpin,
        W: AsyncWrite + Splice + Unpin,
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
            while let Some(pipe) = self.pipe.as_mut().filter(|p| p.held() > 0) {
                ready!(pipe.poll_drain(to, cx)).map_err(|e| (sink, e))?;
                *moved = true;
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
            let splices = self.flow == Flow::Much && from.is_bare() && to.is_bare();
            self.pipe = if splices { self.pipe.take().or_else(|| pipes.take()) } else { None };
            if let Some(pipe) = &mut self.pipe {
                let Poll::Ready(filled) = pipe.poll_fill(from, scratch.len(), cx) else {
                    self.pipe = None;
                    return Poll::Pending;
                };
                match filled {
                    // It is read instead. Kept, the pipe would be tried again, and for ever.
                    Err(e) if splice::is_refused(&e) => self.pipe = None,
                    Err(e) => return Poll::Ready(Err((source, e))),
                    Ok(0) => (self.state, self.pipe) = (State::Finishing, None),
                    Ok(n) => {
                        count.set(count.get() + n as u64);
                        *moved = true;
                        if n < splice::LITTLE {
                            self.flow = Flow::Little;
                        }
                    }
                }
                continue;
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
                    if bytes.len() >= splice::MUCH {
                        self.flow = Flow::Much;
                    }
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
    /// Bytes that may wait in one direction; never more than [`CHUNK`], and never less than is worth a call.
    pub buffer: usize,
}

/// Less is not waited with.
const LEAST: usize = 4 * 1024;

/// Goes on until the end.
pub async fn both_ways<C, U>(client: &mut C, upstream: &mut U, limits: Limits, means: Means<'_>, bytes: &Bytes) -> Ended
where
    C: AsyncRead + AsyncWrite + Splice + Unpin,
    U: AsyncRead + AsyncWrite + Splice + Unpin,
{
    let (mut up, mut down) = (Way::default(), Way::default());
    let most = limits.buffer.clamp(LEAST, CHUNK);
    let mut idle: Option<(Duration, Pin<Box<Sleep>>, Instant)> = limits.idle.map(|span| (span, Box::pin(tokio::time::sleep(span)), Instant::now()));
    let mut end: Option<Pin<Box<Sleep>>> = limits.until.map(|at| Box::pin(tokio::time::sleep_until(at)));
    std::future::poll_fn(|cx| {
        let mut moved = false;
        let polled = {
            let mut scratch = means.scratch.borrow_mut();
            scratch.resize(CHUNK, 0);
            let going_up = up.poll(cx, (client, Side::Client), upstream, (&mut scratch[..most], means.pipes), (&bytes.of_client, &mut moved));
            (going_up, down.poll(cx, (upstream, Side::Upstream), client, (&mut scratch[..most], means.pipes), (&bytes.of_upstream, &mut moved)))
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    /// A stream that passes for a socket, and can't be spliced.
    struct Odd {
        io: DuplexStream,
        tries: usize,
    }

    impl Splice for Odd {
        fn is_bare(&self) -> bool {
            true
        }
        fn poll_fill(&mut self, _: &mut splice::Pipe, _: usize, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
            self.tries += 1;
            assert!(self.tries < 10, "it is tried again and again");
            Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
        }
    }

    impl AsyncRead for Odd {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Odd {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.io).poll_write(cx, buf)
        }
        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(cx)
        }
        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }
    }

    #[test]
    fn what_the_system_does_not_move_is_copied() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            const SIZE: usize = 4 * CHUNK;
            let odd = || tokio::io::duplex(CHUNK);
            let ((mut sender, from), (mut receiver, to)) = (odd(), odd());
            let (mut client, mut upstream) = (Odd { io: from, tries: 0 }, Odd { io: to, tries: 0 });
            let (scratch, pipes, bytes) = (RefCell::default(), Pool::new(2, std::sync::Arc::default()), Bytes::default());
            let limits = Limits { buffer: CHUNK, ..Limits::default() };
            let means = Means { scratch: &scratch, pipes: &pipes };
            let sends = async {
                sender.write_all(&vec![7; SIZE]).await.expect("sent");
                sender.shutdown().await.expect("finished");
            };
            let receives = async {
                let mut got = Vec::new();
                receiver.read_to_end(&mut got).await.expect("received");
                receiver.shutdown().await.expect("finished");
                got
            };
            let (ended, (), got) = tokio::join!(both_ways(&mut client, &mut upstream, limits, means, &bytes), sends, receives);
            assert!(matches!(ended, Ended::Both) && got.len() == SIZE && client.tries == 1, "{ended:?} {} {}", got.len(), client.tries);
        });
    }
}
