//! A body on its way out on a stream, as far as the peer makes room for it.

use crate::http::body;
use crate::http::upload::Upload;
use bytes::Bytes;
use h2::SendStream;
use http_body::Body;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Room that is asked for at once: streams that wait for it get it in turn.
const PIECE: usize = 16 * 1024;

/// A body that has something to do while nothing of it can be taken.
pub trait Wait {
    /// Ready when that took too long.
    fn wait(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
    /// Something of it was taken.
    fn stir(&mut self) {}
}

impl Wait for Upload {}

impl Wait for body::Body {
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        body::Body::wait(self, cx)
    }
    fn stir(&mut self) {
        body::Body::stir(self);
    }
}

pub struct Sending<B> {
    pub stream: SendStream<Bytes>,
    pub body: B,
    /// Taken of the body, and not sent.
    piece: Bytes,
    /// Whether it is the last one.
    is_last: bool,
    /// So long a peer may make no room for the last of it. Until then the body knows.
    patience: Option<Duration>,
    stall: Option<Pin<Box<Sleep>>>,
}

/// How it ended.
#[derive(Debug)]
pub enum Sent<E> {
    Whole,
    /// The peer wants no more of it, or the connection is over.
    Reset,
    /// The peer made no room for too long.
    Stalled,
    /// There is no more of the body, and it was not its end.
    Broken(E),
}

impl<B: Body<Data = Bytes> + Wait + Unpin> Sending<B> {
    /// `patience` is how long the peer may make no room for the last of it; `None` for ever.
    pub fn new(stream: SendStream<Bytes>, body: B, patience: Option<Duration>) -> Sending<B> {
        Sending { stream, body, piece: Bytes::new(), is_last: false, patience, stall: None }
    }
    /// Sends what there is; ready when nothing more is to be sent.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Sent<B::Error>> {
        match self.poll_pieces(cx) {
            // The peer may end it while there is nothing to be sent.
            Poll::Pending => self.stream.poll_reset(cx).map(|_| Sent::Reset),
            ended => ended,
        }
    }
    fn poll_pieces(&mut self, cx: &mut Context<'_>) -> Poll<Sent<B::Error>> {
        loop {
            while !self.piece.is_empty() {
                let room = match self.stream.capacity() {
                    0 => match self.stream.poll_capacity(cx) {
                        Poll::Ready(Some(Ok(room))) => room,
                        Poll::Ready(_) => return Poll::Ready(Sent::Reset),
                        Poll::Pending => {
                            if self.body.wait(cx).is_ready() {
                                return Poll::Ready(Sent::Stalled);
                            }
                            return self.poll_stall(cx);
                        }
                    },
                    room => room,
                };
                if room == 0 {
                    continue;
                }
                self.stall = None;
                self.body.stir();
                let piece = self.piece.split_to(room.min(self.piece.len()));
                let is_end = self.piece.is_empty() && self.is_last;
                if self.stream.send_data(piece, is_end).is_err() {
                    return Poll::Ready(Sent::Reset);
                }
                if is_end {
                    return Poll::Ready(Sent::Whole);
                }
                self.stream.reserve_capacity(self.piece.len().min(PIECE));
            }
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(e))) => return Poll::Ready(Sent::Broken(e)),
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) => return self.end(),
            };
            let frame = match frame.into_data() {
                Ok(data) => {
                    self.is_last = self.body.is_end_stream();
                    if data.is_empty() && self.is_last {
                        return self.end();
                    }
                    // Room is asked for once there is something to fill it: others would miss it.
                    self.stream.reserve_capacity(data.len().min(PIECE));
                    self.piece = data;
                    continue;
                }
                Err(frame) => frame,
            };
            if let Ok(trailers) = frame.into_trailers() {
                let sent = self.stream.send_trailers(trailers);
                return Poll::Ready(if sent.is_ok() { Sent::Whole } else { Sent::Reset });
            }
        }
    }
    fn end(&mut self) -> Poll<Sent<B::Error>> {
        Poll::Ready(if self.stream.send_data(Bytes::new(), true).is_ok() { Sent::Whole } else { Sent::Reset })
    }
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Sent<B::Error>> {
        let Some(patience) = self.patience.filter(|_| self.is_last) else { return Poll::Pending };
        let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stall.as_mut().poll(cx).map(|()| Sent::Stalled)
    }
}
