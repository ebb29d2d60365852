//! A request's body on its way to the upstream: counted, and kept where it may be needed again for another try or a mirror.

use super::hygiene::strip_trailers;
use super::incoming::{Broken, Incoming};
use super::messages::Messages;
use crate::splice::Lease;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of one request, whatever number of tries read it.
#[derive(Default)]
pub struct Source {
    incoming: RefCell<Option<Incoming>>,
    kept: RefCell<Vec<Piece>>,
    kept_bytes: Cell<usize>,
    /// The most that is kept; 0 keeps nothing.
    limit: Cell<usize>,
    received: Cell<u64>,
    messages: Messages,
    completed_at: Cell<Option<Instant>>,
    /// The client broke off, or what it sent is no body.
    failed: Cell<bool>,
    /// What it sent was not what it had announced, or no HTTP/2.
    is_wrong: Cell<bool>,
    /// More came than may be kept: there is no second try.
    overflowed: Cell<bool>,
    /// A try, and mirrors.
    waiting: RefCell<Vec<Waker>>,
    last_read: Cell<Option<Instant>>,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Source {
    pub fn new(incoming: Incoming, now: Instant) -> Rc<Source> {
        let source = Source::default();
        if incoming.is_end_stream() {
            source.completed_at.set(Some(now));
        } else {
            *source.incoming.borrow_mut() = Some(incoming);
        }
        Rc::new(source)
    }
    /// Keeps what is read from now on, up to so many bytes.
    pub fn keep(&self, limit: usize) {
        self.limit.set(limit);
    }
    pub fn received(&self) -> u64 {
        self.received.get()
    }
    /// Counts messages of gRPC from now on.
    pub fn watch_messages(&self) {
        self.messages.watch();
    }
    pub fn messages(&self) -> u64 {
        self.messages.count()
    }
    pub fn completed_at(&self) -> Option<Instant> {
        self.completed_at.get()
    }
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }
    /// Whether it broke off since the client did not keep to HTTP/2. What has come since it was read last is looked at, and lost.
    pub fn is_wrong(&self) -> bool {
        let mut incoming = self.incoming.borrow_mut();
        while let Some(body) = incoming.as_mut() {
            match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(e))) => {
                    self.is_wrong.set(is_wrong(&e));
                    *incoming = None;
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        self.is_wrong.get()
    }
    /// Whether another try could read it from its start.
    pub fn is_repeatable(&self) -> bool {
        self.received.get() == 0 || (self.limit.get() > 0 && !self.overflowed.get())
    }
    /// When bytes came last.
    pub fn last_read(&self) -> Option<Instant> {
        self.last_read.get()
    }
    /// Nobody reads what is left: who waits for the whole of it, as mirrors do, waits no longer.
    pub fn abandon(&self) {
        if self.completed_at.get().is_none() {
            self.failed.set(true);
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
    /// Waits until all of it was read, or no more of it comes.
    pub async fn completed(&self) {
        std::future::poll_fn(|cx| self.poll_completed(cx)).await;
    }
    /// The same within a poll.
    pub fn poll_completed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.completed_at.get().is_some() || self.failed.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|w| w.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn complete(&self) {
        self.completed_at.set(Some(Instant::now()));
        self.incoming.borrow_mut().take();
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
    fn put_away(&self, piece: &Piece, bytes: usize) {
        if self.limit.get() == 0 || self.overflowed.get() {
            return;
        }
        if self.kept_bytes.get() + bytes > self.limit.get() {
            self.overflowed.set(true);
            self.kept.borrow_mut().clear();
            return;
        }
        self.kept_bytes.set(self.kept_bytes.get() + bytes);
        match piece {
            Piece::Data(data) => keep(&mut self.kept.borrow_mut(), data),
            Piece::Trailers(_) => self.kept.borrow_mut().push(piece.clone()),
        }
    }
    /// A pipe to move what comes next with, where nobody looks at it and nobody asks for it again.
    fn pipe(&self) -> Option<Lease> {
        let keeps = self.limit.get() > 0 && !self.overflowed.get();
        if keeps || !self.kept.borrow().is_empty() || self.messages.are_counted() {
            return None;
        }
        self.incoming.borrow().as_ref()?.pipe()
    }
    fn poll_move(&self, pipe: &mut Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, BoxError>> {
        let polled = {
            let mut incoming = self.incoming.borrow_mut();
            let Some(body) = incoming.as_mut() else { return Poll::Ready(Ok(0)) };
            ready!(body.poll_move(pipe, most, cx))
        };
        let moved = polled.map_err(|e| self.fail(e))?;
        self.last_read.set(Some(Instant::now()));
        self.received.set(self.received.get() + moved as u64);
        if self.incoming.borrow().as_ref().is_some_and(Body::is_end_stream) {
            self.complete();
        }
        Poll::Ready(Ok(moved))
    }
    /// There is no more of it.
    fn fail(&self, e: Broken) -> BoxError {
        self.failed.set(true);
        self.is_wrong.set(is_wrong(&e));
        self.incoming.borrow_mut().take();
        e.into()
    }
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece, BoxError>>> {
        let polled = {
            let mut incoming = self.incoming.borrow_mut();
            let Some(body) = incoming.as_mut() else { return Poll::Ready(None) };
            Pin::new(body).poll_frame(cx)
        };
        let frame = match polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => {
                self.complete();
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(e))) => return Poll::Ready(Some(Err(self.fail(e)))),
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        self.last_read.set(Some(Instant::now()));
        let piece = match frame.into_data() {
            Ok(data) => {
                self.received.set(self.received.get() + data.len() as u64);
                self.messages.pass(&data);
                Piece::Data(data)
            }
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                strip_trailers(&mut trailers);
                Piece::Trailers(trailers)
            }
        };
        self.put_away(&piece, if let Piece::Data(d) = &piece { d.len() } else { 0 });
        // Nothing comes behind trailers.
        if matches!(piece, Piece::Trailers(_)) || self.incoming.borrow().as_ref().is_some_and(Body::is_end_stream) {
            self.complete();
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

fn is_wrong(e: &Broken) -> bool {
    matches!(e, Broken::Http2(e) if e.is_library())
}

/// Pieces that are smaller are copied together: each would cost more than it holds, and keep what it was read into.
const SMALL: usize = 1024;
/// Up to so many bytes.
const TOGETHER: usize = 16 * 1024;

fn keep(kept: &mut Vec<Piece>, data: &Bytes) {
    if data.len() >= SMALL {
        return kept.push(Piece::Data(data.clone()));
    }
    if let Some(Piece::Data(last)) = kept.last_mut().filter(|p| matches!(p, Piece::Data(last) if last.len() < TOGETHER)) {
        let mut whole = std::mem::take(last).try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        whole.extend_from_slice(data);
        *last = whole.freeze();
        return;
    }
    kept.push(Piece::Data(Bytes::copy_from_slice(data)));
}

/// One try's view of the body.
pub struct Upload {
    source: Rc<Source>,
    next: usize,
}

impl Upload {
    /// All that was announced is sent: that nothing follows may still have to be said by the client.
    pub fn sent(&self) {
        let source = &self.source;
        if source.completed_at.get().is_none() && !source.failed.get() {
            source.complete();
        }
    }
    pub fn new(source: &Rc<Source>) -> Upload {
        Upload { source: source.clone(), next: 0 }
    }
    /// A pipe to move what comes next with, where that may be.
    pub fn pipe(&self) -> Option<Lease> {
        self.source.pipe()
    }
    /// Moves what comes next into a pipe; 0 where it has to be read all the same.
    ///
    /// # Errors
    /// There is no more of it.
    pub fn poll_move(&mut self, pipe: &mut Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, BoxError>> {
        self.source.poll_move(pipe, most, cx)
    }
    /// No body at all.
    pub fn empty() -> Upload {
        let source = Source::default();
        source.completed_at.set(Some(Instant::now()));
        Upload { source: Rc::new(source), next: 0 }
    }
    /// A body that is there whole.
    pub fn of(body: Bytes) -> Upload {
        let upload = Upload::empty();
        if !body.is_empty() {
            upload.source.kept.borrow_mut().push(Piece::Data(body));
        }
        upload
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let kept = self.source.kept.borrow().get(self.next).cloned();
        let piece = match kept {
            Some(piece) => {
                self.next += 1;
                piece
            }
            None => match self.source.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Some(Err(e))),
                Poll::Ready(Some(Ok(piece))) => {
                    // It may be kept as a part of the piece before it.
                    let kept = self.source.kept.borrow().len();
                    self.next = kept;
                    piece
                }
            },
        };
        Poll::Ready(Some(Ok(match piece {
            Piece::Data(data) => Frame::data(data),
            Piece::Trailers(trailers) => Frame::trailers(trailers),
        })))
    }
    fn is_end_stream(&self) -> bool {
        self.source.incoming.borrow().is_none() && !self.source.failed.get() && self.next >= self.source.kept.borrow().len()
    }
    fn size_hint(&self) -> SizeHint {
        let rest: u64 = self.source.kept.borrow().iter().skip(self.next).map(|p| if let Piece::Data(d) = p { d.len() as u64 } else { 0 }).sum();
        let coming = self.source.incoming.borrow().as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest + coming.lower());
        if let Some(upper) = coming.upper() {
            hint.set_upper(rest + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_body_that_nobody_reads_is_told() {
        let (source, told) = (Rc::new(Source::default()), Rc::new(Cell::new(false)));
        let waits = async {
            source.completed().await;
            told.set(true);
        };
        let leaves = async {
            tokio::task::yield_now().await;
            assert!(!told.get());
            source.abandon();
        };
        tokio::join!(waits, leaves);
        assert!(told.get() && source.has_failed());
    }

    #[test]
    fn small_pieces_are_kept_together_and_keep_nothing_else() {
        let (buffer, mut kept) = (Bytes::from(vec![7; 64 * 1024]), Vec::new());
        (0..20_000).for_each(|n| keep(&mut kept, &buffer.slice(n..n + 1)));
        keep(&mut kept, &buffer.slice(20_000..30_000));
        let sizes: Vec<usize> = kept.iter().map(|p| if let Piece::Data(d) = p { d.len() } else { 0 }).collect();
        assert_eq!(sizes, [TOGETHER, 20_000 - TOGETHER, 10_000]);
        kept.pop();
        assert!(buffer.is_unique());
    }
}
