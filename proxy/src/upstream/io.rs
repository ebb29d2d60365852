//! A connection's socket, shared between the connection that reads and writes it and the pool that looks whether it is
//! still open before it hands it out.

use crate::splice::{Pipe, Splice};
use rustix::net::{RecvFlags, Shutdown};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connected socket. The lock is never waited for: whoever looks at it runs on the same thread.
#[derive(Clone, Debug)]
pub struct Socket(Arc<Mutex<Kind>>);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Kind {
    fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Kind::Tcp(s) => s.as_fd(),
            Kind::Unix(s) => s.as_fd(),
        }
    }
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Socket {
        Socket(Arc::new(Mutex::new(Kind::Tcp(stream))))
    }
}

impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Socket {
        Socket(Arc::new(Mutex::new(Kind::Unix(stream))))
    }
}

impl Socket {
    fn kind(&self) -> MutexGuard<'_, Kind> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether nothing has arrived and the peer has not closed: asked of the kernel, since the event loop may not have
    /// heard of it yet. A connection at rest has nothing to say.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0u8; 1];
        let got = rustix::net::recv(self.kind().descriptor(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(got, Err(rustix::io::Errno::AGAIN))
    }
    /// Has the kernel ask a peer that is silent for so long whether it is still there.
    pub fn keep_alive(&self, time: Duration, interval: Duration) {
        if let Kind::Tcp(stream) = &*self.kind() {
            let alive = TcpKeepalive::new().with_time(time).with_interval(interval);
            let _ = SockRef::from(stream).set_tcp_keepalive(&alive);
        }
    }
}

// tokio's own reading and writing know from a short read that nothing is left, and spare the call that says so.
impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self.kind() {
            Kind::Tcp(s) => Pin::new(s).poll_read(cx, buf),
            Kind::Unix(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self.kind() {
            Kind::Tcp(s) => Pin::new(s).poll_write(cx, buf),
            Kind::Unix(s) => Pin::new(s).poll_write(cx, buf),
        }
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self.kind() {
            Kind::Tcp(s) => Pin::new(s).poll_write_vectored(cx, bufs),
            Kind::Unix(s) => Pin::new(s).poll_write_vectored(cx, bufs),
        }
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match rustix::net::shutdown(self.kind().descriptor(), Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(e) => Err(e.into()),
        })
    }
}

impl Splice for Socket {
    fn is_bare(&self) -> bool {
        matches!(*self.kind(), Kind::Tcp(_))
    }
    fn poll_fill(&mut self, pipe: &mut Pipe, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &*self.kind() {
            Kind::Tcp(s) => pipe.poll_fill(s, most, cx),
            Kind::Unix(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match &*self.kind() {
            Kind::Tcp(s) => pipe.poll_drain(s, cx),
            Kind::Unix(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

/// A connection's bytes, with TLS over them where there is TLS.
#[derive(Debug)]
pub enum Transport {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// Whether all that was read of the socket was given out.
    pub fn is_drained(&self) -> bool {
        match self {
            Transport::Plain(_) => true,
            Transport::Tls(io) => io.get_ref().1.wants_read(),
        }
    }
}

/// A peer is told that TLS ends, as far as that needs no waiting.
impl Drop for Transport {
    fn drop(&mut self) {
        if let Transport::Tls(io) = self {
            let _ = Pin::new(io).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Splice for Transport {
    fn is_bare(&self) -> bool {
        matches!(self, Transport::Plain(io) if io.is_bare())
    }
    fn poll_fill(&mut self, pipe: &mut Pipe, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(io) => io.poll_fill(pipe, most, cx),
            Transport::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(io) => io.poll_drain(pipe, cx),
            Transport::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Transport::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Transport::Tls(io) => Pin::new(io).poll_read(cx, buf).map(crate::tls::without_leave),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Transport::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Transport::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Transport::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Transport::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Transport::Plain(io) => io.is_write_vectored(),
            Transport::Tls(io) => io.is_write_vectored(),
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Transport::Plain(io) => Pin::new(io).poll_flush(cx),
            Transport::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Transport::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
