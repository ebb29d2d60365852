//! One stream of a client's: its request is served, and what is said before the answer, the answer and its body are sent.

use super::body::Content;
use super::heads;
use super::send::{Sending, Sent};
use crate::http::exchange::Connection;
use crate::http::head::{self, strip_for_streams};
use crate::http::incoming::Incoming;
use crate::http::service;
use crate::message::{HeaderMap, Request, Response};
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, StatusCode, header};
use http_body::Body;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes of answers before the answer that a stream may have: they wait where the client does not read.
const INTERIM: u64 = 64 * 1024;

/// The way back to the client.
pub struct Respond {
    sender: RefCell<SendResponse<Bytes>>,
    /// Bytes of answers before the answer.
    said: Cell<u64>,
    /// The status of the last one; 0 for none.
    early: Cell<u16>,
    is_reset: Cell<bool>,
    /// Whether it has blamed this end for breaking rules.
    is_blamed: Cell<bool>,
}

impl Respond {
    fn new(sender: SendResponse<Bytes>) -> Respond {
        Respond { sender: RefCell::new(sender), said: Cell::new(0), early: Cell::new(0), is_reset: Cell::new(false), is_blamed: Cell::new(false) }
    }
    /// Whether the client has ended the stream before its answer was whole.
    pub fn is_reset(&self) -> bool {
        self.is_reset.get()
    }
    /// Whether it said that the rules were broken.
    pub fn is_blamed(&self) -> bool {
        self.is_blamed.get()
    }
    fn note(&self, reset: &Poll<Result<Reason, h2::Error>>) {
        // Without a reason the whole connection is over.
        self.is_reset.set(matches!(reset, Poll::Ready(Ok(_))));
        self.is_blamed.set(matches!(reset, Poll::Ready(Ok(Reason::PROTOCOL_ERROR))));
    }
    /// The status of what the client heard last before its answer; 0 for nothing.
    pub fn early(&self) -> u16 {
        self.early.get()
    }
    /// Sends an answer that comes before the answer (RFC 9110 §15.2). To be called before that one begins.
    pub fn interim(&self, status: StatusCode, headers: HeaderMap) {
        let said = self.said.get() + head::answer_bytes(&headers, status);
        let mut sender = self.sender.borrow_mut();
        // On a stream that is over it would be queued all the same. The stream asks again behind this, to be woken.
        if said > INTERIM || sender.poll_reset(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        self.said.set(said);
        self.early.set(status.as_u16());
        let answer = Response { status, headers, ..Response::new(()) };
        let _ = sender.send_informational(answer.into());
    }
    /// Room for an answer wakes whoever looked for a reset last: nobody has to hear of room while the answer is sent, which looks again.
    fn hush(&self) {
        let _ = self.sender.borrow_mut().poll_reset(&mut Context::from_waker(Waker::noop()));
    }
    /// Ready when there is nobody who waits for an answer.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let reset = self.sender.borrow_mut().poll_reset(cx);
        self.note(&reset);
        reset.map(drop)
    }
}

/// Serves one request to the end of its answer. Dropped, it has no end.
pub async fn answer(connection: &Rc<Connection>, request: http::Request<RecvStream>, mut sender: SendResponse<Bytes>) {
    let (parts, stream) = request.into_parts();
    let request = Request::from((parts, ()));
    if let Some(refusal) = heads::refusal(&request, connection.manager.limits.headers) {
        connection.worker().refused_head(connection, refusal);
        return sender.send_reset(refusal.reason());
    }
    let respond = Rc::new(Respond::new(sender));
    let is_head = request.method == Method::HEAD;
    // Tunnels are refused.
    let has_body = request.method != Method::CONNECT && !stream.is_end_stream();
    let incoming = if has_body { Incoming::StreamRequest(Content::new(stream, &request.headers)) } else { Incoming::Nothing };
    let answer = {
        let mut serving = pin!(service::serve(connection.clone(), request.map(|()| incoming), Some(respond.clone())));
        let mut has_begun = false;
        std::future::poll_fn(|cx| {
            // Who asked and left at once is told of in the log all the same.
            if std::mem::replace(&mut has_begun, true) && respond.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            match serving.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending => respond.poll_gone(cx).map(|()| None),
            }
        })
        .await
    };
    let Some(answer) = answer else { return };
    respond.hush();
    let Response { status, mut headers, body, .. } = answer;
    strip_for_streams(&mut headers);
    headers.insert_absent(header::DATE, || connection.worker().date());
    let is_over = is_head || matches!(status.as_u16(), 204 | 304) || body.is_end_stream();
    if let (false, Some(length)) = (is_over, body.size_hint().exact()) {
        headers.insert_absent(header::CONTENT_LENGTH, || length.into());
    }
    let begun = respond.sender.borrow_mut().send_response(Response { status, headers, ..Response::new(()) }.into(), is_over);
    let stream = match begun {
        Ok(stream) => stream,
        Err(_) => {
            let _ = respond.poll_gone(&mut Context::from_waker(Waker::noop()));
            return respond.sender.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
        }
    };
    if is_over {
        return;
    }
    let mut sending = Sending::new(stream, body, connection.manager.timeouts.stream_idle);
    match std::future::poll_fn(|cx| sending.poll(cx)).await {
        Sent::Whole => {}
        Sent::Reset => respond.note(&sending.stream.poll_reset(&mut Context::from_waker(Waker::noop()))),
        Sent::Stalled => sending.stream.send_reset(Reason::INTERNAL_ERROR),
        Sent::Broken(_) => {
            // What came of it goes first: a reset would take it back.
            tokio::task::yield_now().await;
            sending.stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}
