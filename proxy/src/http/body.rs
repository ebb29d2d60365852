//! The body of an answer on its way to the client. Its end is the exchange's.

use super::exchange::Exchange;
use super::hygiene::strip_trailers;
use super::incoming::{Broken, Incoming};
use super::timeouts::Watch;
use super::tries::{Due, Rest};
use super::upload::BoxError;
use crate::splice;
use crate::upstream::outlier::Outcome;
use crate::upstream::pool::Lease;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

pub struct Body {
    content: Content,
    exchange: Option<Box<Exchange>>,
}

enum Content {
    Nothing,
    Text(Bytes),
    Stream(Box<Stream>),
}

/// An upstream's body.
pub struct Stream {
    pub incoming: Incoming,
    pub lease: Option<Lease>,
    rest: Rest,
    watch: Watch,
    ahead: Ahead,
}

/// What was read of an answer while its client had no room for it.
#[derive(Default)]
struct Ahead {
    frames: VecDeque<Frame<Bytes>>,
    bytes: usize,
    /// Nothing comes behind these frames, or what is wrong does.
    end: Option<Option<Broken>>,
}

impl Stream {
    pub fn new(incoming: Incoming, lease: Lease, rest: Rest) -> Stream {
        Stream { incoming, lease: Some(lease), rest, watch: Watch::default(), ahead: Ahead::default() }
    }
    /// Whether everything was given on.
    fn is_over(&self) -> bool {
        self.ahead.frames.is_empty() && self.ahead.end.is_none() && http_body::Body::is_end_stream(&self.incoming)
    }
    /// Whether the upstream has nothing more to say.
    fn is_read(&self) -> bool {
        self.ahead.end.is_some() || http_body::Body::is_end_stream(&self.incoming)
    }
    /// Whether what comes next may be moved: nothing was read ahead of it.
    fn moves(&self) -> bool {
        self.ahead.frames.is_empty() && self.ahead.end.is_none() && self.incoming.moves()
    }
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Polled> {
        if let Some(frame) = self.ahead.frames.pop_front() {
            self.ahead.bytes -= frame.data_ref().map_or(0, Bytes::len);
            return Poll::Ready(Polled::Frame(frame));
        }
        match self.ahead.end.take() {
            Some(end) => Poll::Ready(end.map_or(Polled::End, Polled::Broken)),
            None => Pin::new(&mut self.incoming).poll_frame_of(cx),
        }
    }
    /// Takes what there is, `most` bytes of it: times of the upstream's are over with the last of it, though the client has none yet.
    fn read_ahead(&mut self, most: usize, cx: &mut Context<'_>) {
        while self.ahead.bytes < most && !self.is_read() {
            match Pin::new(&mut self.incoming).poll_frame_of(cx) {
                Poll::Ready(Polled::Frame(frame)) => {
                    self.rest.hear();
                    self.ahead.bytes += frame.data_ref().map_or(0, Bytes::len);
                    if frame.is_trailers() {
                        self.ahead.end = Some(None);
                    }
                    self.ahead.frames.push_back(frame);
                }
                Poll::Ready(Polled::Broken(e)) => self.ahead.end = Some(Some(e)),
                Poll::Ready(Polled::End | Polled::Late(_) | Polled::Moved(_)) => self.ahead.end = Some(None),
                Poll::Pending => return,
            }
        }
    }
}

impl Body {
    /// A body for an answer that nothing is logged of.
    pub fn plain(text: impl Into<Bytes>) -> Body {
        Body { content: Content::Text(text.into()), exchange: None }
    }
    pub fn text(text: Bytes, exchange: Box<Exchange>) -> Body {
        let content = if text.is_empty() { Content::Nothing } else { Content::Text(text) };
        Body::of(content, exchange)
    }
    pub fn stream(stream: Stream, mut exchange: Box<Exchange>) -> Body {
        if http_body::Body::is_end_stream(&stream.incoming) {
            if let Some(lease) = stream.lease {
                lease.release();
            }
            return Body::of(Content::Nothing, exchange);
        }
        // What should not be there is asked for by nobody.
        exchange.is_complete = has_none(&exchange);
        Body { content: Content::Stream(Box::new(stream)), exchange: Some(exchange) }
    }
    /// A body that nobody asks for, as that of an answer to HEAD, or of a status that has none, is complete.
    fn of(content: Content, mut exchange: Box<Exchange>) -> Body {
        exchange.is_complete |= matches!(content, Content::Nothing) || has_none(&exchange);
        Body { content, exchange: Some(exchange) }
    }
    fn end(&mut self) {
        self.content = Content::Nothing;
        if let Some(mut exchange) = self.exchange.take() {
            exchange.is_complete = true;
        }
    }
    /// What else is to be done while the client can take nothing. Ready when that took too long: the answer has broken off then.
    pub fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Content::Stream(stream) = &mut self.content else { return Poll::Pending };
        stream.incoming.wait(cx);
        let Some(exchange) = &mut self.exchange else { return Poll::Pending };
        let manager = &exchange.connection.manager;
        if exchange.limits.end().is_some() || stream.rest.has_limits() {
            stream.read_ahead(manager.limits.buffer, cx);
        }
        if stream.is_read() {
            exchange.limits.flush(&manager.timeouts);
            stream.rest = stream.rest.without_limits();
            let is_whole = !matches!(stream.ahead.end, Some(Some(_)));
            if let Some(lease) = stream.lease.take_if(|_| is_whole) {
                lease.release();
            }
        }
        let due = ready!(Body::poll_late(stream, exchange, cx));
        let (flag, details) = due.told();
        self.fail(flag, details.to_owned());
        Poll::Ready(())
    }
    /// The client takes something.
    pub fn stir(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            exchange.limits.stir();
        }
    }
    /// The answer breaks off.
    fn fail(&mut self, flag: &'static str, details: String) -> BoxError {
        self.content = Content::Nothing;
        if let Some(mut exchange) = self.exchange.take() {
            exchange.raise(flag);
            exchange.details = details.clone().into();
            exchange.is_complete = true;
        }
        details.into()
    }
    /// A pipe to move what comes next with, where nobody looks at it.
    pub fn pipe(&self) -> Option<splice::Lease> {
        let (Content::Stream(stream), Some(exchange)) = (&self.content, &self.exchange) else { return None };
        let moves = stream.moves() && !exchange.messages.are_counted();
        moves.then(|| exchange.connection.worker().pipes.take()).flatten()
    }
    /// Moves what comes next into a pipe; 0 where it has to be read all the same.
    ///
    /// # Errors
    /// It breaks off.
    pub fn poll_move(&mut self, pipe: &mut splice::Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, BoxError>> {
        let Content::Stream(stream) = &mut self.content else { return Poll::Ready(Ok(0)) };
        match ready!(Body::poll_stream(stream, self.exchange.as_mut(), Means::Pipe(pipe, most), cx)) {
            Polled::Moved(n) => {
                if let Some(exchange) = &mut self.exchange {
                    exchange.sent += n as u64;
                }
                if stream.is_over() {
                    self.end_stream();
                }
                Poll::Ready(Ok(n))
            }
            polled => Poll::Ready(Err(self.break_off(polled))),
        }
    }
    fn end_stream(&mut self) {
        let now = Instant::now();
        if let Content::Stream(stream) = &mut self.content
            && let Some(lease) = stream.lease.take()
        {
            lease.release_at(now);
        }
        if let Some(exchange) = &mut self.exchange {
            exchange.ended = Some(now);
        }
        self.end();
    }
    /// What came is none of the body, but why there is no more of it.
    fn break_off(&mut self, polled: Polled) -> BoxError {
        match polled {
            Polled::Late(due) => {
                let (flag, details) = due.told();
                self.fail(flag, details.to_owned())
            }
            Polled::Broken(e) => {
                let reason = e.reason();
                if let Some(exchange) = self.exchange.as_ref().filter(|e| !e.body.has_failed())
                    && let (Some(cluster), Some(host)) = (&exchange.upstream, &exchange.host)
                {
                    cluster.runtime.note(host, Outcome::LocalFailure);
                }
                let details = format!("upstream_reset_after_response_started{{{}}}", reason.words().replace(' ', "_"));
                self.fail(reason.flag(), details)
            }
            Polled::Frame(_) | Polled::Moved(_) | Polled::End => self.fail("", String::new()),
        }
    }
    fn poll_stream(stream: &mut Stream, exchange: Option<&mut Box<Exchange>>, means: Means<'_>, cx: &mut Context<'_>) -> Poll<Polled> {
        let polled = match means {
            Means::Read => stream.poll_next(cx),
            Means::Pipe(pipe, most) => stream.incoming.poll_move(pipe, most, cx).map(|moved| moved.map_or_else(Polled::Broken, Polled::Moved)),
        };
        let Some(exchange) = exchange else { return polled };
        if polled.is_ready() {
            exchange.limits.stir();
            stream.rest.hear();
            return polled;
        }
        Body::poll_late(stream, exchange, cx).map(Polled::Late)
    }
    /// Ready when an answer that does not go on took too long, which is counted.
    fn poll_late(stream: &mut Stream, exchange: &mut Exchange, cx: &mut Context<'_>) -> Poll<Due> {
        exchange.limits.settle();
        let own = stream.rest.due(&exchange.body, cx);
        let late = ready!(stream.watch.poll(cx, &exchange.limits, &exchange.body, own.map(|(at, _)| at)));
        let due = match late {
            Some(late) => {
                late.count(&exchange.connection.stats);
                Due::Stream(late)
            }
            None => {
                let due = own.map_or(Due::Whole, |(_, due)| due);
                if let Some(cluster) = &exchange.upstream {
                    due.count_late_answer(&cluster.stats);
                }
                due
            }
        };
        Poll::Ready(due)
    }
}

/// Whether an answer has no body, whatever is behind its head.
fn has_none(exchange: &Exchange) -> bool {
    exchange.method == http::Method::HEAD || matches!(exchange.status, 204 | 304)
}

/// How a part of a body is taken.
enum Means<'p> {
    Read,
    /// Into a pipe, up to so many bytes.
    Pipe(&'p mut splice::Lease, usize),
}

enum Polled {
    Moved(usize),
    Frame(Frame<Bytes>),
    End,
    Broken(Broken),
    Late(Due),
}

trait PollFrame {
    fn poll_frame_of(self, cx: &mut Context<'_>) -> Poll<Polled>;
}

impl PollFrame for Pin<&mut Incoming> {
    fn poll_frame_of(self, cx: &mut Context<'_>) -> Poll<Polled> {
        http_body::Body::poll_frame(self, cx).map(|polled| match polled {
            None => Polled::End,
            Some(Ok(frame)) => Polled::Frame(frame),
            Some(Err(e)) => Polled::Broken(e),
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        match &mut this.content {
            Content::Nothing => {
                this.end();
                Poll::Ready(None)
            }
            Content::Text(text) => {
                let text = std::mem::take(text);
                if let Some(exchange) = &mut this.exchange {
                    exchange.sent += text.len() as u64;
                }
                this.end();
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Content::Stream(stream) => {
                let polled = ready!(Body::poll_stream(stream, this.exchange.as_mut(), Means::Read, cx));
                match polled {
                    Polled::Frame(mut frame) => {
                        if let Some(trailers) = frame.trailers_mut() {
                            strip_trailers(trailers);
                        }
                        // Nothing comes behind trailers, and nobody may ask for it.
                        let is_end = frame.is_trailers() || stream.is_over();
                        if let Some(exchange) = &mut this.exchange {
                            if let Some(data) = frame.data_ref() {
                                exchange.sent += data.len() as u64;
                                exchange.messages.pass(data);
                            } else if let Some(trailers) = frame.trailers_ref() {
                                let status = trailers.get("grpc-status").and_then(|v| v.to_str().ok()?.parse().ok());
                                exchange.grpc_status = status.or(exchange.grpc_status);
                                if exchange.connection.manager.logs_trailers {
                                    exchange.trailers = Some(Box::new(trailers.clone()));
                                }
                                if let Some(trace) = &mut exchange.trace {
                                    trace.grpc_message = trailers.get("grpc-message").and_then(|v| v.to_str().ok()).map(str::to_owned);
                                }
                            }
                        }
                        if is_end {
                            this.end_stream();
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Polled::End => {
                        this.end_stream();
                        Poll::Ready(None)
                    }
                    polled => Poll::Ready(Some(Err(this.break_off(polled)))),
                }
            }
        }
    }
    fn is_end_stream(&self) -> bool {
        matches!(self.content, Content::Nothing)
    }
    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Nothing => SizeHint::with_exact(0),
            Content::Text(text) => SizeHint::with_exact(text.len() as u64),
            Content::Stream(stream) => http_body::Body::size_hint(&stream.incoming),
        }
    }
}
