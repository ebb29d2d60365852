//! A connection to an upstream, which carries one request at a time. Whoever waits for the answer reads and writes it: there is no
//! task of its own behind it.

use super::chunks::{Chunks, Next};
use super::head::{self, Answer, Encoder, Length};
use super::lines::Field;
use super::output::Output;
use super::room::Room;
use crate::config::header_format::Format;
use crate::http::incoming::{Broken, Incoming};
use crate::http::interim::Interim;
use crate::http::outgoing::{Outgoing, Plain};
use crate::http::spelling::{Names, Spelling};
use crate::http::upload::Upload;
use crate::message::Response;
use crate::splice::{self, Lease, Splice};
use crate::upstream::io::Transport;
use crate::upstream::{Failure, Reason};
use bytes::{Bytes, BytesMut};
use http::Method;
use http_body::{Body, Frame, SizeHint};
use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Room for a head, and for what comes with it.
const HEAD: usize = 4 * 1024;
/// With less room, more is made before a head is read.
const TIGHT: usize = 1024;

pub struct Connection {
    io: Transport,
    read: BytesMut,
    /// Room for the places of a head's parts.
    fields: Vec<Field>,
    /// For the body that is read.
    room: Room,
    write: Output,
    /// That of the request that is being sent.
    body: Option<Upload>,
    encoder: Encoder,
    /// Whether anything was taken of its body.
    is_begun: bool,
    /// Whether another request may follow.
    keeps_alive: bool,
    /// Whether the answer was read to its end.
    is_answered: bool,
    /// Whether what was written has left: TLS keeps back what the socket does not take.
    is_flushed: bool,
    /// Of names of headers.
    format: Format,
    /// How the client of the request wrote them.
    names: Option<Names>,
}

/// What is left of a request cannot be sent.
enum Unsent {
    /// There is no more of its body than has come.
    Body,
    Socket,
}

impl Connection {
    pub fn new(io: Transport, format: Format) -> Connection {
        Connection {
            io,
            read: BytesMut::new(),
            fields: Vec::new(),
            room: Room::default(),
            write: Output::default(),
            body: None,
            encoder: Encoder::Length(0),
            is_begun: false,
            keeps_alive: true,
            is_answered: true,
            is_flushed: true,
            format,
            names: None,
        }
    }
    /// Whether it can take another request: both messages are over, and nothing came behind them.
    pub fn is_at_rest(&self) -> bool {
        let is_sent = self.body.is_none() && self.write.is_empty() && self.is_flushed;
        self.is_answered && self.keeps_alive && is_sent && self.read.is_empty() && self.io.is_drained()
    }
    /// For another one to speak on. Of a connection that is at rest.
    pub fn into_io(self) -> Transport {
        self.io
    }

    fn begin(&mut self, encoder: Encoder, mut head: Vec<u8>, body: Upload, names: Option<Names>) {
        if let Some(spelling) = Spelling::of(names.as_ref(), self.format) {
            spelling.head(&mut head, 0);
        }
        (self.write.written, self.write.bytes) = (0, head);
        (self.encoder, self.body, self.names) = (encoder, Some(body), names);
        (self.keeps_alive, self.is_answered, self.is_begun, self.is_flushed) = (true, false, false, false);
    }

    /// Sends what there is of the request; ready when all of it is sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        loop {
            while self.body.is_some() && self.write.has_room() {
                match self.poll_body(cx) {
                    Poll::Pending => break,
                    Poll::Ready(taken) => taken?,
                }
            }
            if self.write.is_empty() {
                let flushed = Pin::new(&mut self.io).poll_flush(cx).map_err(|_| Unsent::Socket)?;
                self.is_flushed = flushed.is_ready();
                return if self.is_taken() { flushed.map(Ok) } else { Poll::Pending };
            }
            self.is_flushed = false;
            ready!(self.write.poll(&mut self.io, cx)).map_err(|_| Unsent::Socket)?;
            if let Some(body) = self.body.take_if(|_| self.encoder == Encoder::Length(0)) {
                body.sent();
            }
        }
    }
    /// Drops what waits to be sent.
    fn forget(&mut self) {
        self.write.forget();
        self.is_flushed = true;
    }
    /// Whether there is no more of the body.
    fn is_taken(&self) -> bool {
        self.body.is_none() || self.encoder == Encoder::Length(0)
    }
    /// Takes the next piece of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        let Some(body) = self.body.as_mut().filter(|_| self.encoder != Encoder::Length(0)) else { return Poll::Pending };
        let mut is_end = true;
        let moved = self.write.room_in_pipe(&self.encoder).filter(|_| self.io.is_bare()).and_then(|most| Some((body.pipe()?, most)));
        if let Some((mut pipe, most)) = moved {
            ready!(body.poll_move(&mut pipe, most, cx)).map_err(|_| Unsent::Body)?;
            self.is_begun = true;
            self.write.put_pipe(pipe, &mut self.encoder);
            is_end = body.is_end_stream();
        } else {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Err(_)) => return Poll::Ready(Err(Unsent::Body)),
                None => {}
                Some(Ok(frame)) => {
                    is_end = frame.is_trailers() || body.is_end_stream();
                    self.is_begun = true;
                    self.write.put(frame, &mut self.encoder);
                }
            }
        }
        if is_end {
            match &self.encoder {
                Encoder::Length(0) => {}
                Encoder::Length(_) => return Poll::Ready(Err(Unsent::Body)),
                Encoder::Chunks(_) => self.write.end(&mut self.encoder),
            }
        }
        Poll::Ready(Ok(()))
    }
    fn poll_read(&mut self, room: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let spare = self.read.capacity() - self.read.len();
        if spare < room.min(TIGHT) || (room > HEAD && spare < room) {
            self.read.reserve(room);
        }
        pin!(self.io.read_buf(&mut self.read)).poll(cx)
    }
    /// Sends, and reads until there is a head.
    fn poll_answer(&mut self, method: &Method, interim: Option<&Interim>, cx: &mut Context<'_>) -> Poll<Result<Answer, Lost>> {
        if let Poll::Ready(Err(why)) = self.poll_send(cx) {
            self.keeps_alive = false;
            let body = self.body.take();
            match why {
                Unsent::Body => return Poll::Ready(Err(Lost::sent(Reason::LocalReset))),
                Unsent::Socket if self.write.written == 0 && !self.is_begun => {
                    // Nothing was put behind its head.
                    let (encoder, head, method) = (self.encoder.clone(), std::mem::take(&mut self.write.bytes), method.clone());
                    let names = self.names.take();
                    let request = body.map(|body| Outgoing::Plain(Plain { method, head, encoder, body, names }));
                    return Poll::Ready(Err(Lost { failure: Failure::unsent(Reason::ConnectionTermination), request }));
                }
                // An answer may be there all the same: some refuse a body that they have not read.
                Unsent::Socket => self.forget(),
            }
        }
        loop {
            let hear = |status, headers: &_, names: Option<&_>| interim.iter().for_each(|w| w.forward(status, headers, names));
            match head::answer(&mut self.read, &mut self.fields, method, self.format.keeping(), hear) {
                Ok(Some(answer)) => {
                    self.keeps_alive &= answer.keeps_alive;
                    return Poll::Ready(Ok(answer));
                }
                Ok(None) => {}
                Err(_) => return Poll::Ready(Err(Lost::sent(Reason::ProtocolError))),
            }
            match ready!(self.poll_read(HEAD, cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Err(Lost::sent(Reason::ConnectionTermination))),
            }
        }
    }
    /// Sends what is left of the request while its answer is read already.
    fn go_on_sending(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        if self.body.is_none() && self.write.is_empty() && self.is_flushed {
            return Ok(());
        }
        match self.poll_send(cx) {
            Poll::Ready(Err(Unsent::Body)) => Err(Reason::ConnectionTermination),
            Poll::Ready(Err(Unsent::Socket)) => {
                (self.keeps_alive, self.body) = (false, None);
                self.forget();
                Ok(())
            }
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }
}

/// A request that came to nothing.
pub struct Lost {
    pub failure: Failure,
    /// It never left, and may go elsewhere.
    pub request: Option<Outgoing>,
}

impl Lost {
    fn sent(reason: Reason) -> Lost {
        Lost { failure: Failure::sent(reason), request: None }
    }
}

/// Sends a request on a connection that is at rest, and waits for the head of its answer. `interim` hears of those before it.
///
/// # Errors
/// Why there is none.
pub async fn send(connection: &Rc<RefCell<Connection>>, request: Plain, interim: Option<&Interim>) -> Result<Response<Incoming>, Lost> {
    let Plain { method, head, encoder, body, names } = request;
    connection.borrow_mut().begin(encoder, head, body, names);
    let answer = std::future::poll_fn(|cx| connection.borrow_mut().poll_answer(&method, interim, cx)).await?;
    let body = Incoming::Answer(Download::new(connection, answer.length));
    let mut response = Response { status: answer.status, version: answer.version, headers: answer.headers, ..Response::new(body) };
    if let Some(names) = answer.names {
        response.extensions.insert(names);
    }
    Ok(response)
}

/// An answer's body, read from its connection.
pub struct Download {
    connection: Rc<RefCell<Connection>>,
    rest: Rest,
}

enum Rest {
    Nothing,
    Bytes(u64),
    Chunks(Chunks),
    UntilClose,
}

impl Download {
    fn new(connection: &Rc<RefCell<Connection>>, length: Length) -> Download {
        let rest = match length {
            Length::Bytes(0) => Rest::Nothing,
            Length::Bytes(n) => Rest::Bytes(n),
            Length::Chunks => Rest::Chunks(Chunks::default()),
            Length::UntilClose => Rest::UntilClose,
        };
        let download = Download { connection: connection.clone(), rest };
        let connection = &mut *connection.borrow_mut();
        connection.room = Room::default();
        connection.is_answered |= matches!(download.rest, Rest::Nothing);
        download
    }
    fn end(&mut self) {
        self.rest = Rest::Nothing;
        let connection = &mut *self.connection.borrow_mut();
        connection.is_answered = true;
        // A connection that rests holds little.
        if connection.read.is_empty() && connection.read.capacity() > 2 * HEAD {
            connection.read = BytesMut::new();
        }
        connection.write.shrink();
    }
    /// Whether what comes next may be moved: nothing of it was read, it comes fast, and there is enough of it.
    pub fn moves(&self) -> bool {
        let connection = self.connection.borrow();
        matches!(self.rest, Rest::Bytes(splice::WORTH..)) && connection.read.is_empty() && connection.room.is_large() && connection.io.is_bare()
    }
    /// Moves what comes next into a pipe; 0 where it has to be read all the same.
    ///
    /// # Errors
    /// Why there is no more.
    pub fn poll_move(&mut self, pipe: &mut Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        let broken = |reason| Poll::Ready(Err(Broken::Codec(reason)));
        let moved = {
            let connection = &mut *self.connection.borrow_mut();
            if let Err(reason) = connection.go_on_sending(cx) {
                return broken(reason);
            }
            let Rest::Bytes(left) = &mut self.rest else { return Poll::Ready(Ok(0)) };
            let most = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
            match ready!(pipe.poll_fill(&mut connection.io, most, cx)) {
                Ok(0) => return broken(Reason::ProtocolError),
                Err(e) if splice::is_refused(&e) => return Poll::Ready(Ok(0)),
                Err(_) => return broken(Reason::ConnectionTermination),
                Ok(n) => {
                    connection.room.moved(n);
                    *left -= n as u64;
                    n
                }
            }
        };
        if matches!(self.rest, Rest::Bytes(0)) {
            self.end();
        }
        Poll::Ready(Ok(moved))
    }
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Reason>>> {
        let connection = &mut *self.connection.borrow_mut();
        if let Err(reason) = connection.go_on_sending(cx) {
            return Poll::Ready(Some(Err(reason)));
        }
        loop {
            let room = match &mut self.rest {
                Rest::Nothing => return Poll::Ready(None),
                Rest::Bytes(left) if connection.read.is_empty() => connection.room.of(*left),
                Rest::Bytes(left) => {
                    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(connection.read.len());
                    *left -= n as u64;
                    return Poll::Ready(Some(Ok(Frame::data(connection.read.split_to(n).freeze()))));
                }
                Rest::UntilClose if connection.read.is_empty() => connection.room.of(u64::MAX),
                Rest::UntilClose => return Poll::Ready(Some(Ok(Frame::data(connection.read.split().freeze())))),
                Rest::Chunks(chunks) => match chunks.next(&mut connection.read) {
                    Ok(Next::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Next::End(None)) => return Poll::Ready(None),
                    Ok(Next::End(Some(trailers))) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                    Ok(Next::More) => connection.room.of(u64::MAX),
                    Err(_) => return Poll::Ready(Some(Err(Reason::ProtocolError))),
                },
            };
            match ready!(connection.poll_read(room, cx)) {
                Ok(n @ 1..) => connection.room.took(n, room),
                Ok(0) if matches!(self.rest, Rest::UntilClose) => return Poll::Ready(None),
                // As Envoy has it: a message that is cut is a wrong one.
                Ok(0) => return Poll::Ready(Some(Err(Reason::ProtocolError))),
                Err(_) => return Poll::Ready(Some(Err(Reason::ConnectionTermination))),
            }
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if matches!(self.rest, Rest::Nothing) {
            return Poll::Ready(None);
        }
        let polled = ready!(self.next(cx));
        let is_end = match &polled {
            None => true,
            Some(Ok(frame)) => frame.is_trailers() || matches!(self.rest, Rest::Bytes(0)),
            Some(Err(_)) => false,
        };
        if is_end {
            self.end();
        }
        Poll::Ready(polled.map(|p| p.map_err(Broken::Codec)))
    }
    fn is_end_stream(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }
    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Nothing => SizeHint::with_exact(0),
            Rest::Bytes(n) => SizeHint::with_exact(n),
            Rest::Chunks(_) | Rest::UntilClose => SizeHint::default(),
        }
    }
}
