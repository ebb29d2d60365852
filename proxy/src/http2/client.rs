//! A connection to an upstream that carries many requests. Whoever waits for an answer sends its request; the connection's own task
//! does no more than read and write frames.

use super::body::Content;
use super::send::{Sending, Sent};
use crate::http::head::strip_for_streams;
use crate::http::incoming::{Broken, Incoming};
use crate::http::interim::Interim;
use crate::http::upload::Upload;
use crate::message::{Request, Response};
use crate::upstream::connection::reason_of_stream;
use crate::upstream::io::Transport;
use crate::upstream::{Failure, Reason};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Of streams and connections, as those of downstreams: what an upstream may send before it is taken.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 24 << 20;
/// Bytes of requests that wait on one stream for an upstream that does not read.
const WAITING: usize = 1 << 20;
/// Bytes of an answer's head (Envoy's `max_response_headers_kb`).
const HEAD: u32 = 60 * 1024;
/// Streams that an upstream may make us reset by what it sends, before its connection ends.
const FAULTS: usize = 1024;

/// What requests are sent with.
pub struct Sender(SendRequest<Bytes>);

impl Sender {
    /// Speaks HTTP/2 on a connection, with so many streams at most until the upstream says how many.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn new(io: Transport, max_streams: u32) -> Result<Sender, Failure> {
        let mut builder = Builder::new();
        builder
            .initial_max_send_streams(max_streams as usize)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(WAITING)
            .max_local_error_reset_streams(Some(FAULTS))
            .enable_push(false);
        let (sender, connection) = builder.handshake(io).await.map_err(|e| Failure::unsent(reason_of_stream(&e)))?;
        // Its end is seen by those who use it.
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok(Sender(sender))
    }
    /// Whether another request may be sent: the upstream has not said goodbye.
    pub fn is_open(&mut self) -> bool {
        matches!(self.0.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())))
    }
    /// Streams that the upstream takes at once.
    pub fn max_streams(&self) -> usize {
        self.0.current_max_send_streams()
    }

    /// Sends a request, and waits for the head of its answer. `interim` hears of those before it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn send<'i>(&self, request: Request<Upload>, interim: Option<&'i Interim>) -> impl Future<Output = Result<Response<Incoming>, Failure>> + use<'i> {
        let mut sender = self.0.clone();
        async move {
            let mut head = request;
            strip_for_streams(&mut head.headers);
            if let Some(length @ 1..) = head.body.size_hint().exact() {
                head.headers.insert_absent(header::CONTENT_LENGTH, || length.into());
            }
            let is_whole = head.body.is_end_stream();
            let (parts, body) = http::Request::from(head).into_parts();
            let begun = sender.send_request(http::Request::from_parts(parts, ()), is_whole);
            let (mut answer, stream) = begun.map_err(|e| Failure::unsent(reason_of_stream(&e)))?;
            drop(sender);
            let mut upload = UploadOf((!is_whole).then(|| Box::new(Sending::new(stream, body, None))));
            let answer = std::future::poll_fn(|cx| {
                // The client's fault, and not the upstream's.
                upload.go_on(cx).map_err(|_| Failure::sent(Reason::LocalReset))?;
                while let Some(interim) = interim
                    && let Poll::Ready(Some(Ok(early))) = answer.poll_informational(cx)
                {
                    if early.status() != StatusCode::SWITCHING_PROTOCOLS {
                        interim.forward(early.status(), &early.headers().clone().into(), None);
                    }
                }
                Pin::new(&mut answer).poll(cx).map_err(|e| failure(&e))
            });
            let (parts, stream) = answer.await?.into_parts();
            let head = Response::from(http::Response::from_parts(parts, ()));
            let content = Content::new(stream, &head.headers);
            Ok(head.map(|()| Incoming::StreamAnswer(Download { content, upload })))
        }
    }
}

/// Streams behind the last one that an upstream looks at when it says goodbye end with that.
fn failure(e: &h2::Error) -> Failure {
    let reason = reason_of_stream(e);
    if e.is_go_away() && e.is_remote() { Failure::unsent(reason) } else { Failure::sent(reason) }
}

/// What is left of a request that is sent while its answer is waited for, or read.
struct UploadOf(Option<Box<Sending<Upload>>>);

impl UploadOf {
    /// Sends what there is.
    ///
    /// # Errors
    /// There is no more of the request, and it was not its end.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let Some(sending) = &mut self.0 else { return Ok(()) };
        match sending.poll(cx) {
            Poll::Pending => return Ok(()),
            // An upstream that needs no more of it may answer all the same.
            Poll::Ready(Sent::Whole | Sent::Reset | Sent::Stalled) => {}
            Poll::Ready(Sent::Broken(_)) => {
                sending.stream.send_reset(h2::Reason::CANCEL);
                return Err(Reason::ConnectionTermination);
            }
        }
        self.0 = None;
        Ok(())
    }
}

/// An answer's body. What is left of the request goes out while it is read.
pub struct Download {
    content: Content,
    upload: UploadOf,
}

impl Download {
    /// The same while nobody can take what is read.
    pub fn wait(&mut self, cx: &mut Context<'_>) {
        // The stream was reset: whoever reads on hears of it.
        let _ = self.upload.go_on(cx);
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Err(reason) = self.upload.go_on(cx) {
            return Poll::Ready(Some(Err(Broken::Codec(reason))));
        }
        Pin::new(&mut self.content).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
