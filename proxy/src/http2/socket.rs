//! A client's bytes on their way to `h2`, which tells of a head when all of it is there, and of one that never ends nothing.

use super::frames::Frames;
use super::heads::Heads;
use crate::config::manager::Timeouts;
use crate::downstream::stream::Stream;
use crate::http::timeouts::Late;
use crate::http::wire::Wire;
use bytes::{Buf, BytesMut};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

pub struct Socket {
    stream: Stream,
    /// What was read to see which HTTP it is.
    early: BytesMut,
    frames: Frames,
    heads: Rc<RefCell<Heads>>,
    wire: Arc<Wire>,
    /// What a head may take, and what it is late for then.
    limit: Option<(std::time::Duration, Late)>,
    /// Of the head that has begun, and its stream.
    head: Option<(Pin<Box<Sleep>>, u32)>,
    /// Bytes were given, and nobody had the time to look at what they ask for.
    is_fresh: bool,
    /// How the stream ended, where that is still to be told.
    broken: Option<io::Error>,
}

impl Socket {
    pub fn new(stream: Stream, early: BytesMut, wire: Arc<Wire>, timeouts: &Timeouts) -> Socket {
        let limit = Late::of_head(timeouts);
        Socket { stream, early, frames: Frames::default(), heads: Rc::default(), wire, limit, head: None, is_fresh: false, broken: None }
    }
    /// What becomes of the heads that are read here.
    pub fn heads(&self) -> Rc<RefCell<Heads>> {
        self.heads.clone()
    }
    /// Says so once a head that has begun took too long. Whoever serves the connection ends it: others may be answered on it.
    fn watch_head(&mut self, cx: &mut Context<'_>) {
        let (stream, Some((span, late))) = (self.frames.head(), self.limit) else { return };
        if stream == 0 {
            self.head = None;
            return;
        }
        if self.wire.late().is_some() {
            return;
        }
        if self.head.as_ref().is_none_or(|(_, of)| *of != stream) {
            self.head = Some((Box::pin(tokio::time::sleep_until(Instant::now() + span)), stream));
        }
        if let Some((timer, _)) = &mut self.head
            && timer.as_mut().poll(cx).is_ready()
        {
            self.wire.set_late(late);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let read = if let Some(e) = this.broken.take() {
            Poll::Ready(Err(e))
        } else if this.early.is_empty() {
            Pin::new(&mut this.stream).poll_read(cx, buf)
        } else {
            let n = buf.remaining().min(this.early.len());
            buf.put_slice(&this.early[..n]);
            this.early.advance(n);
            if this.early.is_empty() {
                this.early = BytesMut::new();
            }
            Poll::Ready(Ok(()))
        };
        // `h2` throws away what was asked for where it sees the end at once, and a reset: an end is told after that.
        let is_end = read.is_ready() && buf.filled().len() == before;
        if std::mem::replace(&mut this.is_fresh, read.is_ready() && !is_end) && is_end {
            if let Poll::Ready(Err(e)) = read {
                this.broken = Some(e);
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        match read {
            Poll::Ready(_) => this.frames.feed(&buf.filled()[before..], |stream| this.heads.borrow_mut().begin(stream)),
            Poll::Pending => this.watch_head(cx),
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = written {
            self.heads.borrow_mut().sent(&buf[..n]);
        }
        written
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(mut left)) = written {
            let mut heads = self.heads.borrow_mut();
            for buf in bufs {
                let n = left.min(buf.len());
                heads.sent(&buf[..n]);
                left -= n;
            }
        }
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
