//! A client's bytes on their way to hyper, which takes more than Envoy does, knows nothing of answers before the answer, and
//! leaves heads that never end without one.

use super::framing::{Framing, Upgrade, Wrong};
use super::head::{Upgrades, finish_answer};
use super::spelling::{Names, Spelling};
use super::spelt::Answers;
use super::timeouts::Late;
use super::wire::Wire;
use crate::config::manager::Manager;
use crate::downstream::stream::Stream;
use crate::message::HeaderMap;
use http::{HeaderValue, header};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// After what is wrong nothing comes any more.
pub struct Client {
    stream: Stream,
    /// What was read to see which HTTP it is.
    early: Vec<u8>,
    framing: Framing,
    is_over: bool,
    /// Bytes were given, and nobody had the time to look at what they ask for.
    is_fresh: bool,
    /// How the stream ended, where that is still to be told.
    broken: Option<io::Error>,
    wire: Arc<Wire>,
    manager: Arc<Manager>,
    /// The beginning of a line that may be `expect`: it is shown when the line is there.
    held: Vec<u8>,
    /// Goes off when the head that has begun took too long.
    head: Option<(Pin<Box<Sleep>>, Late)>,
    /// Bytes of our own that go out before hyper's.
    own: Vec<u8>,
    /// Whether all that hyper gave was sent.
    is_flushed: bool,
    /// Follows what it gives, where names of headers are spelt otherwise than it does.
    answers: Option<Box<Answers>>,
}

/// What no parser takes for part of a head.
const REFUSED: &[u8] = b"\0\r\n\r\n";

impl Client {
    pub fn new(stream: Stream, early: Vec<u8>, framing: Framing, wire: Arc<Wire>, manager: Arc<Manager>) -> Client {
        Client {
            stream,
            early,
            framing,
            is_over: false,
            is_fresh: false,
            broken: None,
            wire,
            manager,
            held: Vec::new(),
            head: None,
            own: Vec::new(),
            is_flushed: true,
            answers: None,
        }
    }
    /// Has names of headers spelt as those who answer say.
    pub fn spelling(mut self) -> Client {
        self.answers = Some(Box::new(Answers::new(self.manager.format)));
        self
    }

    /// Looks at what was read behind `before`, and takes back what is wrong, or may not be seen yet.
    fn check(&mut self, buf: &mut ReadBuf<'_>, before: usize) -> io::Result<()> {
        let framing = &mut self.framing;
        let asks = framing.asks();
        let upgrade = if asks { self.wire.take_upgrade().unwrap_or(Upgrade::Undecided) } else { Upgrade::Undecided };
        let fed = framing.feed(&buf.filled()[before..], upgrade);
        let fragments = framing.take_fragments();
        if !fragments.is_empty() {
            self.wire.add_fragments(fragments);
        }
        if framing.asks() {
            self.wire.take_upgrade();
        }
        if let Some(keeping) = self.manager.format.keeping() {
            framing.take_heads().into_iter().for_each(|(request, names)| self.wire.add_names(request, Names::new(names, keeping)));
        }
        for at in framing.take_expectations() {
            // hyper would answer it by itself; the proxy decides who answers.
            buf.filled_mut()[before + at] = b'!';
        }
        let Err((good, wrong)) = fed else {
            if framing.is_too_long() {
                self.wire.set_wrong(Wrong::TooLong);
            }
            let part = framing.take_back_expectation();
            if part > 0 {
                let end = buf.filled().len() - part;
                self.held = buf.filled()[end..].to_vec();
                buf.set_filled(end);
            }
            return Ok(());
        };
        self.is_over = true;
        self.wire.set_wrong(wrong);
        buf.set_filled(before + good);
        if wrong == Wrong::NotHttp {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if framing.is_in_head() {
            // hyper answers what it can't read.
            let n = buf.remaining().min(REFUSED.len());
            buf.put_slice(&REFUSED[..n]);
        }
        Ok(())
    }

    /// The next bytes, behind those that were held back.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let before = buf.filled().len();
            let held = std::mem::take(&mut self.held);
            buf.put_slice(&held);
            if self.early.is_empty() {
                match Pin::new(&mut self.stream).poll_read(cx, buf) {
                    Poll::Ready(Ok(())) => {}
                    other => {
                        buf.set_filled(before);
                        self.held = held;
                        return other;
                    }
                }
            } else {
                let n = buf.remaining().min(self.early.len());
                buf.put_slice(&self.early[..n]);
                self.early.drain(..n);
            }
            let is_end = buf.filled().len() == before + held.len();
            if is_end && self.is_mid_head() {
                self.wire.set_cut();
            }
            self.check(buf, before)?;
            if is_end || buf.filled().len() > before || self.is_over {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Whether a head has begun and is not whole, with nothing before it that is still to be answered.
    fn is_mid_head(&self) -> bool {
        (self.framing.is_mid_head() || !self.held.is_empty()) && !self.wire.is_busy()
    }

    /// Ready when the head that has begun took too long.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        if !self.is_mid_head() {
            self.head = None;
            return Poll::Pending;
        }
        if self.head.is_none() {
            self.head = Late::of_head(&self.manager.timeouts).map(|(span, late)| (Box::pin(tokio::time::sleep_until(Instant::now() + span)), late));
        }
        let Some((timer, late)) = &mut self.head else { return Poll::Pending };
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(*late)
    }

    /// What a client hears whose head took too long.
    fn refusal(&self, late: Late) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(late.text().len()));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())) {
            headers.insert(header::DATE, date);
        }
        finish_answer(&mut headers, &self.manager, None, Upgrades::No);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let mut out = b"HTTP/1.1 408 Request Timeout\r\n".to_vec();
        for (name, value) in &headers {
            out.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        out.extend_from_slice(b"\r\n");
        if let Some(spelling) = Spelling::of(None, self.manager.format) {
            spelling.head(&mut out, 0);
        }
        out.extend_from_slice(late.text().as_bytes());
        out
    }

    /// Sends what is the proxy's own, at a moment when it breaks nothing of hyper's in two.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.own.is_empty() {
            if !self.is_flushed {
                return Poll::Ready(Ok(()));
            }
            let Some(interim) = self.wire.take_interim() else { return Poll::Ready(Ok(())) };
            self.own = interim;
        }
        while !self.own.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.own);
            self.wire.note_write(&written);
            let n = ready!(written)?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.drain(..n);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Writes what hyper gives up to the next head; a head goes out with the next write, or flush.
    fn poll_spelt(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Some(answers) = &mut self.answers else { return Poll::Ready(Ok(0)) };
        let body = answers.behind_head(buf);
        if body == 0 && !buf.is_empty() {
            let (taken, head) = answers.head(buf, self.wire.take_answer().as_ref());
            self.own = head;
            return Poll::Ready(Ok(taken));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, &buf[..body]);
        if let Poll::Ready(Ok(n)) = &written {
            answers.pass(&buf[..*n]);
        }
        self.wire.note_write(&written);
        written
    }
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let sent = this.poll_own(cx)?;
        if this.wire.late().is_some() {
            // The connection ends once the client was told.
            return sent.map(Ok);
        }
        let before = buf.filled().len();
        let read = match this.broken.take() {
            Some(e) => Poll::Ready(Err(e)),
            None if this.is_over => Poll::Ready(Ok(())),
            None => this.poll_bytes(cx, buf),
        };
        if let Poll::Ready(read) = read {
            let is_end = buf.filled().len() == before;
            // hyper throws away what was asked for where it sees the end at once, and a reset: an end is told after that.
            if std::mem::replace(&mut this.is_fresh, !is_end) && is_end {
                this.broken = read.err();
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(read);
        }
        this.is_fresh = false;
        this.wire.wait_for_interim(cx.waker());
        if let Poll::Ready(late) = this.poll_head(cx) {
            this.wire.set_late(late);
            this.is_over = true;
            if this.is_flushed && this.own.is_empty() {
                this.own = this.refusal(late);
            }
            return this.poll_own(cx);
        }
        Poll::Pending
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_own(cx))?;
        self.is_flushed = false;
        if self.answers.is_some() {
            return self.poll_spelt(cx, buf);
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wire.note_write(&written);
        written
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_own(cx))?;
        self.is_flushed = false;
        if self.answers.is_some() {
            let first = bufs.iter().find(|b| !b.is_empty()).map_or(&[][..], |b| b);
            return self.poll_spelt(cx, first);
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wire.note_write(&written);
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // With a head that is still to go nothing is known before that.
        if self.own.is_empty() || flushed.is_pending() {
            self.wire.note_write(&flushed);
        }
        ready!(flushed)?;
        self.is_flushed = true;
        self.poll_own(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
