//! A body as it arrives on a stream. Room for more is given back as it is taken, and not before.

use crate::http::incoming::Broken;
use crate::message::HeaderMap;
use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::header;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pub struct Content {
    stream: RecvStream,
    /// Bytes that were announced and have not come; `None` where none were announced. `h2` holds senders to it.
    left: Option<u64>,
    /// Whether trailers may follow alone.
    is_read: bool,
}

impl Content {
    /// The body behind a head.
    pub fn new(stream: RecvStream, head: &HeaderMap) -> Content {
        let left = head.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        Content { stream, left, is_read: false }
    }
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, h2::Error>> {
        if !self.is_read {
            if let Some(data) = ready!(self.stream.poll_data(cx)) {
                let data = data?;
                // It fails on streams that are over alone.
                let _ = self.stream.flow_control().release_capacity(data.len());
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Ok(Some(Frame::data(data))));
            }
            self.is_read = true;
        }
        self.stream.poll_trailers(cx).map(|trailers| Ok(trailers?.map(Frame::trailers)))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Poll::Ready(match ready!(self.poll(cx)) {
            Ok(frame) => frame.map(Ok),
            // The sender needs no more of it, and nothing is wrong (RFC 9113 §8.1).
            Err(e) if e.reason() == Some(Reason::NO_ERROR) => None,
            Err(e) => Some(Err(Broken::Http2(e))),
        })
    }
    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
