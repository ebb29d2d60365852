//! A client's connection: requests that are plain are read, served and answered here, one after the other. What is not plain ends
//! this; hyper goes on from the first byte of it.

use super::head::{self, Asked, Encoder, Stays};
use super::output::{BODY, Output};
use super::room::Room;
use crate::downstream::stream::Stream;
use crate::http::aside::Aside;
use crate::http::body;
use crate::http::exchange::Connection;
use crate::http::framing::{Framing, Parts, Plain};
use crate::http::incoming::{Broken, Incoming};
use crate::http::service;
use crate::http::spelling::{Names, Spelling};
use crate::message::{Request, Response};
use crate::splice::{self, Lease, Pool, Splice};
use crate::upstream::Reason;
use bytes::{Bytes, BytesMut};
use http::{Method, header};
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Room for heads.
pub const HEAD: usize = 4 * 1024;
/// With less room, more is made before a head is read.
const TIGHT: usize = 1024;
/// So long a client may go on sending behind an answer that ends the connection, as Envoy's `delayed_close_timeout`.
const LINGER: Duration = Duration::from_secs(1);

/// How the plain part of a connection ended.
pub enum Ended {
    /// With the connection.
    Closed,
    /// With bytes that are not plain.
    Unusual(Box<Rest>),
}

/// What somebody else goes on with.
pub struct Rest {
    pub stream: Stream,
    /// Read already, from the start of a head on.
    pub early: Vec<u8>,
    /// As it was before these bytes.
    pub framing: Framing,
}

struct Wire {
    stream: Stream,
    read: BytesMut,
    /// Bytes of the request's body that were not taken yet.
    left: u64,
    /// For that body.
    room: Room,
    /// The client sends no more.
    is_over: bool,
    /// Of the request whose body may be read.
    serial: u64,
}

impl Wire {
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let spare = self.read.capacity() - self.read.len();
        if spare < room.min(TIGHT) || (room > HEAD && spare < room) {
            self.read.reserve(room);
        }
        let read = pin!(self.stream.read_buf(&mut self.read)).poll(cx);
        self.is_over |= matches!(read, Poll::Ready(Ok(0) | Err(_)));
        read
    }
    /// Completes when the client closed while it waited for its answer.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.left > 0 || !self.read.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_read(HEAD, cx)) {
            Ok(1..) => Poll::Pending,
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }
}

/// What stands at the front of what was read.
enum Front {
    Request(Box<(Request<u64>, Asked)>),
    Unusual,
    /// A head that has begun.
    Part,
    /// Nothing.
    Nothing,
}

/// Looks for a plain request. `framing` knows of it then; otherwise it is as before.
fn front(read: &mut BytesMut, framing: &mut Framing, parts: &mut Parts, connection: &Connection) -> Front {
    if read.is_empty() {
        return Front::Nothing;
    }
    let (end, length) = match framing.plain(read, parts) {
        Plain::Head { end, length } => (end, length),
        Plain::Part => return Front::Part,
        Plain::Other => return Front::Unusual,
    };
    let head = read.split_to(end).freeze();
    let made = head::request(&head, parts, length).filter(|(request, _)| request.headers.len() <= connection.manager.limits.headers);
    let Some((mut request, stays)) = made else {
        // It goes back where it was.
        let mut whole = BytesMut::from(&head[..]);
        whole.extend_from_slice(read);
        *read = whole;
        return Front::Unusual;
    };
    framing.pass_plain();
    if let Some(keeping) = connection.manager.format.keeping() {
        request.extensions.insert(Names::of(&head, &parts.fields, keeping));
    }
    let takes_trailers = request.headers.get(header::TE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let asked = Asked { is_head: request.method == Method::HEAD, takes_trailers, stays };
    Front::Request(Box::new((request, asked)))
}

/// Serves a connection for as long as its requests are plain. `ends` completes when it should come to its end.
pub async fn serve(connection: &Rc<Connection>, stream: Stream, early: BytesMut, mut framing: Framing, ends: impl Future<Output = ()>) -> Ended {
    let wire = Rc::new(RefCell::new(Wire { stream, read: early, left: 0, room: Room::default(), is_over: false, serial: 0 }));
    let (mut output, mut parts) = (Output::default(), Parts::default());
    let (mut ends, aside) = (pin!(ends), Aside::default());
    loop {
        let next = std::future::poll_fn(|cx| {
            let wire = &mut *wire.borrow_mut();
            loop {
                match front(&mut wire.read, &mut framing, &mut parts, connection) {
                    Front::Nothing => {}
                    // What is here already is read. hyper waits for the rest, which may take too long.
                    Front::Part => match wire.poll_read(HEAD, cx) {
                        Poll::Ready(Ok(1..)) => continue,
                        _ => return Poll::Ready(Some(Front::Unusual)),
                    },
                    front => return Poll::Ready(Some(front)),
                }
                match wire.poll_read(HEAD, cx) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                    Poll::Pending => return aside.poll(ends.as_mut(), cx).map(|()| None),
                }
            }
        });
        let (request, asked) = match next.await {
            Some(Front::Request(request)) => *request,
            Some(Front::Unusual) => match Rc::try_unwrap(wire).map(RefCell::into_inner) {
                Ok(wire) => return Ended::Unusual(Box::new(Rest { stream: wire.stream, early: wire.read.into(), framing })),
                Err(_) => return Ended::Closed,
            },
            Some(Front::Part | Front::Nothing) | None => break,
        };
        let length = request.body;
        let serial = {
            let wire = &mut *wire.borrow_mut();
            (wire.left, wire.room) = (length, Room::default());
            wire.serial += 1;
            wire.serial
        };
        let request = request.map(|_| {
            if length == 0 {
                Incoming::Nothing
            } else {
                Incoming::Request(Content { wire: Rc::downgrade(&wire), serial, pipes: connection.worker().pipes.clone() })
            }
        });
        let answer = {
            let mut serving = pin!(service::serve(connection.clone(), request, None));
            std::future::poll_fn(|cx| match serving.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => {
                    let wire = &mut *wire.borrow_mut();
                    if poll_interim(connection, &mut output, &mut wire.stream, cx).is_err() {
                        return Poll::Ready(None);
                    }
                    wire.poll_gone(cx).map(|()| None)
                }
            })
            .await
        };
        let Some(answer) = answer else { return Ended::Closed };
        output.bytes.extend(connection.wire.take_interim().into_iter().flatten());
        let stays = match write(connection, &wire, &mut output, answer, asked).await {
            Ok(stays) => stays,
            Err(_) => return Ended::Closed,
        };
        output.shrink();
        if stays == Stays::No || !is_read(&mut wire.borrow_mut()) {
            break;
        }
    }
    // Whoever sent nothing more gets the end with the socket's; others must not lose the answer to a reset.
    let sends_more = wire.borrow().left > 0 || !wire.borrow().read.is_empty();
    if sends_more || !matches!(wire.borrow().stream, Stream::Plain(_)) {
        let _ = tokio::time::timeout(LINGER, linger(&wire, sends_more)).await;
    }
    Ended::Closed
}

/// Says that there is no more, and takes what is still on its way: a socket that is closed with something unread resets the
/// connection, and the answer may be lost with it.
async fn linger(wire: &RefCell<Wire>, sends_more: bool) {
    let said = std::future::poll_fn(|cx| pin!(wire.borrow_mut().stream.shutdown()).poll(cx)).await;
    if said.is_err() || !sends_more {
        return;
    }
    std::future::poll_fn(|cx| {
        let wire = &mut *wire.borrow_mut();
        loop {
            wire.read.clear();
            if !matches!(ready!(wire.poll_read(BODY, cx)), Ok(1..)) {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

/// Sends answers before the answer.
fn poll_interim(connection: &Connection, output: &mut Output, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<()> {
    output.bytes.extend(connection.wire.take_interim().into_iter().flatten());
    if output.is_empty() {
        return Ok(());
    }
    if let Poll::Ready(sent) = output.poll(stream, cx) {
        sent?;
        if let Poll::Ready(flushed) = Pin::new(stream).poll_flush(cx) {
            flushed?;
        }
    }
    Ok(())
}

/// Whether the request is over, so that another one may be read: a body that nobody took goes where it is there already.
fn is_read(wire: &mut Wire) -> bool {
    if wire.left > 0 {
        let n = usize::try_from(wire.left).unwrap_or(usize::MAX).min(wire.read.len());
        let _ = wire.read.split_to(n);
        wire.left -= n as u64;
        // Whoever still holds it gets no more of it.
        wire.serial += 1;
    }
    if wire.read.is_empty() && wire.read.capacity() > 2 * HEAD {
        wire.read = BytesMut::new();
    }
    wire.left == 0 && !wire.is_over
}

/// A part of an answer's body.
enum Taken {
    Frame(Frame<Bytes>),
    Moved(Lease),
}

/// Sends an answer to its end.
async fn write(connection: &Connection, wire: &Rc<RefCell<Wire>>, output: &mut Output, answer: Response<body::Body>, asked: Asked) -> io::Result<Stays> {
    let start = output.bytes.len();
    let (mut encoder, stays) = head::write_answer(&answer, &asked, || connection.worker().date(), &mut output.bytes);
    if let Some(spelling) = Spelling::of(answer.extensions.get(), connection.manager.format) {
        spelling.head(&mut output.bytes, start);
    }
    let mut body = answer.body;
    // The body of an answer to HEAD is given to nobody.
    let mut is_over = encoder == Encoder::Length(0) || body.is_end_stream();
    // Its source broke off: the client gets what came of it.
    let mut is_cut = false;
    let (mut stall, mut seen) = (None::<Pin<Box<tokio::time::Sleep>>>, output.written);
    std::future::poll_fn(|cx| {
        loop {
            let mut waits = false;
            while !is_over && output.has_room() {
                let moved = output.room_in_pipe(&encoder).filter(|_| wire.borrow().stream.is_bare()).and_then(|most| Some((body.pipe()?, most)));
                let polled = if let Some((mut pipe, most)) = moved {
                    body.poll_move(&mut pipe, most, cx).map(|moved| Some(moved.map(|_| Taken::Moved(pipe))))
                } else {
                    Pin::new(&mut body).poll_frame(cx).map(|polled| polled.map(|p| p.map(Taken::Frame)))
                };
                match polled {
                    Poll::Pending => {
                        waits = true;
                        break;
                    }
                    Poll::Ready(Some(Err(_))) => (is_over, is_cut) = (true, true),
                    Poll::Ready(Some(Ok(Taken::Moved(pipe)))) => {
                        is_over = body.is_end_stream();
                        output.put_pipe(pipe, &mut encoder);
                    }
                    Poll::Ready(Some(Ok(Taken::Frame(frame)))) => {
                        is_over = frame.is_trailers() || body.is_end_stream();
                        output.put(frame, &mut encoder);
                    }
                    Poll::Ready(None) => is_over = true,
                }
                match &encoder {
                    Encoder::Chunks(_) if is_over && !is_cut => output.end(&mut encoder),
                    Encoder::Length(1..) if is_over => is_cut = true,
                    Encoder::Chunks(_) | Encoder::Length(_) => {}
                }
            }
            // The body may read the client's request meanwhile.
            let written = output.poll(&mut wire.borrow_mut().stream, cx);
            match written {
                Poll::Ready(sent) => {
                    sent?;
                    stall = None;
                }
                // A client that reads nothing for so long is let go: the body knows for how long, and behind it we do.
                Poll::Pending => {
                    if seen != output.written {
                        (seen, stall) = (output.written, None);
                        body.stir();
                    }
                    if !is_over {
                        return body.wait(cx).map(|()| Err(io::ErrorKind::TimedOut.into()));
                    }
                    let Some(span) = connection.manager.timeouts.stream_idle else { return Poll::Pending };
                    ready!(stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(span))).as_mut().poll(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            // TLS keeps back what the socket does not take: it is asked each time.
            let wire = &mut *wire.borrow_mut();
            let flushed = Pin::new(&mut wire.stream).poll_flush(cx)?;
            if is_cut {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if is_over {
                return flushed.map(|()| Ok(stays));
            }
            if waits {
                return wire.poll_gone(cx).map(|()| Err(io::ErrorKind::ConnectionReset.into()));
            }
        }
    })
    .await
}

/// A request's body, read from its connection. It does not keep the connection, and does not read what belongs to a later request.
pub struct Content {
    wire: Weak<RefCell<Wire>>,
    serial: u64,
    pipes: Rc<Pool>,
}

impl Content {
    /// What is left of it; `None` where it is lost.
    fn left(&self) -> Option<u64> {
        let wire = self.wire.upgrade()?;
        let wire = wire.borrow();
        (wire.serial == self.serial).then_some(wire.left)
    }
    /// A pipe to move what comes next with, where that may be: nothing of it was read, it comes fast, and there is enough of it.
    pub fn pipe(&self) -> Option<Lease> {
        let wire = self.wire.upgrade()?;
        let wire = wire.borrow();
        let moves = wire.serial == self.serial && wire.left >= splice::WORTH && wire.read.is_empty() && wire.room.is_large() && wire.stream.is_bare();
        moves.then(|| self.pipes.take()).flatten()
    }
    /// Moves what comes next into a pipe; 0 where it has to be read all the same.
    ///
    /// # Errors
    /// There is no more of it.
    pub fn poll_move(&mut self, pipe: &mut Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let gone = || Poll::Ready(Err(Broken::Codec(Reason::ConnectionTermination)));
        let Some(wire) = self.wire.upgrade() else { return gone() };
        let wire = &mut *wire.borrow_mut();
        if wire.serial != self.serial {
            return gone();
        }
        let most = usize::try_from(wire.left).unwrap_or(usize::MAX).min(most);
        match ready!(pipe.poll_fill(&mut wire.stream, most, cx)) {
            Err(e) if splice::is_refused(&e) => Poll::Ready(Ok(0)),
            Ok(0) | Err(_) => {
                wire.is_over = true;
                gone()
            }
            Ok(n) => {
                wire.room.moved(n);
                wire.left -= n as u64;
                Poll::Ready(Ok(n))
            }
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(wire) = self.wire.upgrade() else { return Poll::Ready(Some(Err(Broken::Codec(Reason::ConnectionTermination)))) };
        let wire = &mut *wire.borrow_mut();
        if wire.serial != self.serial {
            return Poll::Ready(Some(Err(Broken::Codec(Reason::ConnectionTermination))));
        }
        if wire.left == 0 {
            return Poll::Ready(None);
        }
        if wire.read.is_empty() {
            let room = wire.room.of(wire.left);
            match ready!(wire.poll_read(room, cx)) {
                Ok(n @ 1..) => wire.room.took(n, room),
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken::Codec(Reason::ConnectionTermination)))),
            }
        }
        let n = usize::try_from(wire.left).unwrap_or(usize::MAX).min(wire.read.len());
        wire.left -= n as u64;
        Poll::Ready(Some(Ok(Frame::data(wire.read.split_to(n).freeze()))))
    }
    fn is_end_stream(&self) -> bool {
        self.left() == Some(0)
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left().unwrap_or(0))
    }
}
