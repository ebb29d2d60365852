//! Peers of bytes tell each other who they are (`envoy.tcp.metadataexchange`): where ALPN agreed upon `istio-peer-exchange`, what each
//! side sends begins with a greeting. It is a magic number and a length, of four bytes each in network order, and a
//! `google.protobuf.Any` with a Struct that has the values of the two headers of HTTP. A peer that begins otherwise is left as it is.

use super::peer::{Own, Peer};
use crate::splice::{Pipe, Splice};
use mesh_envoy::api::{Any, Struct, Value};
use prost::Message;
use std::cell::{OnceCell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As ALPN has it.
pub const PROTOCOL: &str = "istio-peer-exchange";
const MAGIC: [u8; 4] = 0x3D23_0467_u32.to_be_bytes();
const TYPE: &str = "type.googleapis.com/google.protobuf.Struct";
/// A greeting that is longer is none.
const LONGEST: usize = 64 * 1024;

/// What a proxy says of itself.
pub fn greeting(own: &Own) -> Vec<u8> {
    let id = Value::from(own.id.to_str().unwrap_or(""));
    let fields: Struct = [("x-envoy-peer-metadata-id", id), ("x-envoy-peer-metadata", Value::from(own.fields.clone()))].into_iter().collect();
    let message = Any { type_url: TYPE.to_owned(), value: fields.encode_to_vec() }.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(0);
    [&MAGIC[..], &length.to_be_bytes(), &message].concat()
}

/// Who speaks, by the message of a greeting.
fn peer(message: &[u8]) -> Option<Peer> {
    let any = Any::decode(message).ok().filter(|a| a.type_url == TYPE)?;
    let fields = Struct::decode(any.value.as_slice()).ok()?;
    fields.get("x-envoy-peer-metadata").and_then(|v| v.object()).map(Peer::of_fields)
}

/// What became of a peer's greeting, for those who count.
#[derive(Debug, Default)]
pub struct Heard {
    peer: OnceCell<Option<Arc<Peer>>>,
    waiting: RefCell<Option<Waker>>,
}

impl Heard {
    fn set(&self, peer: Option<Peer>) {
        let _ = self.peer.set(peer.map(Arc::new));
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
    /// Who it is; `None` as long as it is not known.
    pub fn peer(&self) -> Option<Arc<Peer>> {
        self.peer.get().cloned().flatten()
    }
    /// Completes once the peer has begun to speak, whatever it said.
    pub async fn begun(&self) {
        std::future::poll_fn(|cx| {
            if self.peer.get().is_some() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// A connection whose two sides greet each other, or one that goes as it is.
pub struct Greeted<S> {
    stream: S,
    /// Of our greeting, what was not sent.
    own: Vec<u8>,
    /// Of the peer's beginning, what was not given out; the greeting is not whole before `is_open`.
    seen: Vec<u8>,
    is_open: bool,
    heard: Rc<Heard>,
}

impl<S> Greeted<S> {
    /// One that nobody is greeted on.
    pub fn silent(stream: S) -> Greeted<S> {
        let heard = Rc::<Heard>::default();
        heard.set(None);
        Greeted { stream, own: Vec::new(), seen: Vec::new(), is_open: true, heard }
    }
    pub fn new(stream: S, own: &Own) -> Greeted<S> {
        Greeted { stream, own: greeting(own), seen: Vec::new(), is_open: false, heard: Rc::default() }
    }
    pub fn heard(&self) -> Rc<Heard> {
        self.heard.clone()
    }
    /// Looks at what came so far. The greeting is taken off; what is none stays.
    fn look(&mut self) {
        let head = &self.seen[..self.seen.len().min(4)];
        if head != &MAGIC[..head.len()] {
            return self.open(None, 0);
        }
        let Some(length) = self.seen.get(4..8).and_then(|l| l.try_into().ok()).map(u32::from_be_bytes) else { return };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > LONGEST {
            return self.open(None, 0);
        }
        let Some(told) = self.seen.get(8..8 + length).map(peer) else { return };
        self.open(told, 8 + length);
    }
    fn open(&mut self, peer: Option<Peer>, taken: usize) {
        self.seen.drain(..taken);
        self.is_open = true;
        self.heard.set(peer);
    }
}

impl<S: AsyncWrite + Unpin> Greeted<S> {
    /// Our greeting goes before all else.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.own.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.own.is_empty() {
            let n = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.own))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own.drain(..n);
        }
        let _ = Pin::new(&mut self.stream).poll_flush(cx)?;
        Poll::Ready(Ok(()))
    }
}

/// Once both have greeted and what came with the greeting was given out, nothing is in between any more.
impl<S: Splice> Splice for Greeted<S> {
    fn is_bare(&self) -> bool {
        self.own.is_empty() && self.is_open && self.seen.is_empty() && self.stream.is_bare()
    }
    fn poll_fill(&mut self, pipe: &mut Pipe, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.stream.poll_fill(pipe, most, cx)
    }
    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.stream.poll_drain(pipe, cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Greeted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let _ = this.poll_own(cx)?;
        while !this.is_open {
            let mut chunk = [0; 4096];
            let mut part = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut part))?;
            if part.filled().is_empty() {
                // It ended before it had greeted: what there is, is what it sent.
                this.open(None, 0);
                break;
            }
            this.seen.extend_from_slice(part.filled());
            this.look();
        }
        if this.seen.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let n = buf.remaining().min(this.seen.len());
        buf.put_slice(&this.seen[..n]);
        this.seen.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Greeted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_own(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_own(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn own(name: &str) -> Own {
        Own::of(
            &json!({"node": {"id": format!("sidecar~10.0.0.1~{name}-1.shop~x"), "metadata": {"WORKLOAD_NAME": name, "NAMESPACE": "shop", "LABELS": {"app": name}}}}),
        )
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(test);
    }

    #[test]
    fn a_greeting_is_a_number_a_length_and_a_message() {
        let bytes = greeting(&own("web"));
        assert_eq!(
            (&bytes[..4], bytes[4..8].try_into().ok().map(u32::from_be_bytes)),
            (&[0x3D, 0x23, 0x04, 0x67][..], Some(u32::try_from(bytes.len()).expect("short") - 8))
        );
        let peer = peer(&bytes[8..]).expect("a peer");
        assert_eq!((&*peer.workload, &*peer.namespace, &*peer.app), ("web", "shop", "web"));
    }

    #[test]
    fn both_sides_hear_each_other_and_the_bytes_behind() {
        run(async {
            let (a, b) = duplex(16);
            let (mut a, mut b) = (Greeted::new(a, &own("web")), Greeted::new(b, &own("cart")));
            let (of_a, of_b) = (a.heard(), b.heard());
            let mut got = ([0; 5], [0; 6]);
            let client = async {
                a.write_all(b"hello").await.expect("sent");
                a.read_exact(&mut got.0).await.expect("bytes");
            };
            let server = async {
                b.read_exact(&mut got.1[..5]).await.expect("bytes");
                b.write_all(b"there").await.expect("sent");
            };
            tokio::join!(client, server);
            assert_eq!((&got.0, &got.1[..5]), (b"there", &b"hello"[..]));
            assert_eq!((of_a.peer().map(|p| p.workload.clone()), of_b.peer().map(|p| p.workload.clone())), (Some("cart".into()), Some("web".into())));
        });
    }

    #[test]
    fn what_is_no_greeting_goes_through_as_it_is() {
        let mut broken = greeting(&own("web"));
        broken[8] = 0xff;
        let cases: [(&[u8], &[u8]); 4] = [
            (b"SELECT 1", b"SELECT 1"),
            (&MAGIC[..3], &MAGIC[..3]),
            (&[&MAGIC[..], &u32::MAX.to_be_bytes(), b"x"].concat(), &[&MAGIC[..], &u32::MAX.to_be_bytes(), b"x"].concat()),
            // It is one that can't be read: its length is known.
            (&[&broken[..], b"x"].concat(), b"x"),
        ];
        for (sent, wanted) in cases {
            run(async {
                let (mut peer, own_end) = duplex(4096);
                let mut greeted = Greeted::new(own_end, &own("cart"));
                peer.write_all(sent).await.expect("sent");
                peer.shutdown().await.expect("ended");
                let mut got = Vec::new();
                greeted.read_to_end(&mut got).await.expect("bytes");
                assert_eq!((got.as_slice(), greeted.heard().peer()), (wanted, None));
            });
        }
    }
}
