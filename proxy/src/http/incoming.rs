//! A message's body as it arrives, whoever reads it.

use crate::http1::client::Download;
use crate::http1::server::Content;
use crate::http2::{body, client};
use crate::splice::Lease;
use crate::upstream::Reason;
use crate::upstream::connection::{reason_of, reason_of_stream};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pub enum Incoming {
    Hyper(hyper::body::Incoming),
    /// An upstream's, read by the codec of the proxy's own.
    Answer(Download),
    /// A client's, read by the same.
    Request(Content),
    /// The same on streams of HTTP/2.
    StreamAnswer(client::Download),
    StreamRequest(body::Content),
    Nothing,
}

/// Why there is no more of a body.
#[derive(Debug)]
pub enum Broken {
    Hyper(hyper::Error),
    Http2(h2::Error),
    Codec(Reason),
}

impl Broken {
    /// In Envoy's terms.
    pub fn reason(&self) -> Reason {
        match self {
            Broken::Hyper(e) => reason_of(e),
            Broken::Http2(e) => reason_of_stream(e),
            Broken::Codec(reason) => *reason,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Hyper(e) => e.fmt(f),
            Broken::Http2(e) => e.fmt(f),
            Broken::Codec(reason) => f.write_str(reason.words()),
        }
    }
}

impl std::error::Error for Broken {}

impl Incoming {
    /// What else is to be done while nobody can take what is read.
    pub fn wait(&mut self, cx: &mut Context<'_>) {
        if let Incoming::StreamAnswer(body) = self {
            body.wait(cx);
        }
    }
}

/// What of it may be moved in place of being read.
impl Incoming {
    /// Whether an answer's next bytes are such.
    pub fn moves(&self) -> bool {
        matches!(self, Incoming::Answer(body) if body.moves())
    }
    /// A pipe for a request's next bytes, where they are such.
    pub fn pipe(&self) -> Option<Lease> {
        if let Incoming::Request(body) = self { body.pipe() } else { None }
    }
    /// Moves what comes next into a pipe; 0 where it has to be read all the same.
    ///
    /// # Errors
    /// Why there is no more.
    pub fn poll_move(&mut self, pipe: &mut Lease, most: usize, cx: &mut Context<'_>) -> Poll<Result<usize, Broken>> {
        match self {
            Incoming::Answer(body) => body.poll_move(pipe, most, cx),
            Incoming::Request(body) => body.poll_move(pipe, most, cx),
            Incoming::Hyper(_) | Incoming::StreamAnswer(_) | Incoming::StreamRequest(_) | Incoming::Nothing => Poll::Ready(Ok(0)),
        }
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Incoming::Hyper(body) => Pin::new(body).poll_frame(cx).map(|polled| polled.map(|p| p.map_err(Broken::Hyper))),
            Incoming::Answer(body) => Pin::new(body).poll_frame(cx),
            Incoming::Request(body) => Pin::new(body).poll_frame(cx),
            Incoming::StreamAnswer(body) => Pin::new(body).poll_frame(cx),
            Incoming::StreamRequest(body) => Pin::new(body).poll_frame(cx),
            Incoming::Nothing => Poll::Ready(None),
        }
    }
    fn is_end_stream(&self) -> bool {
        match self {
            Incoming::Hyper(body) => body.is_end_stream(),
            Incoming::Answer(body) => body.is_end_stream(),
            Incoming::Request(body) => body.is_end_stream(),
            Incoming::StreamAnswer(body) => body.is_end_stream(),
            Incoming::StreamRequest(body) => body.is_end_stream(),
            Incoming::Nothing => true,
        }
    }
    fn size_hint(&self) -> SizeHint {
        match self {
            Incoming::Hyper(body) => body.size_hint(),
            Incoming::Answer(body) => body.size_hint(),
            Incoming::Request(body) => body.size_hint(),
            Incoming::StreamAnswer(body) => body.size_hint(),
            Incoming::StreamRequest(body) => body.size_hint(),
            Incoming::Nothing => SizeHint::with_exact(0),
        }
    }
}
