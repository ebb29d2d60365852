//! A client's socket, and the bytes that were read from it before it was known who is to have them.

use crate::splice::{Pipe, Splice};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes of a connection, for a log that tells of connections.
#[derive(Debug, Default)]
pub struct Traffic {
    pub received: AtomicU64,
    pub sent: AtomicU64,
}

#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    early: Vec<u8>,
    /// How many of them were given out again.
    at: usize,
    traffic: Option<Arc<Traffic>>,
}

impl Raw {
    pub fn new(stream: TcpStream) -> Raw {
        Raw { stream, early: Vec::new(), at: 0, traffic: None }
    }
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }
    /// Counts from now on, with what was read ahead.
    pub fn count(&mut self) -> Arc<Traffic> {
        let ahead = self.early().len() as u64;
        self.traffic.get_or_insert_with(|| Arc::new(Traffic { received: ahead.into(), sent: 0.into() })).clone()
    }
    /// What was read ahead.
    pub fn early(&self) -> &[u8] {
        &self.early[self.at..]
    }
    /// Takes bytes off that were read ahead and are none of the client's: they don't count.
    pub fn drop_early(&mut self, length: usize) {
        let length = length.min(self.early.len() - self.at);
        self.at += length;
        if let Some(traffic) = &self.traffic {
            traffic.received.fetch_sub(length as u64, Ordering::Relaxed);
        }
        if self.at == self.early.len() {
            (self.early, self.at) = (Vec::new(), 0);
        }
    }
    /// Reads something that nobody wants, and says how much it was.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn skip(&mut self) -> io::Result<usize> {
        let mut nowhere = [0; 1024];
        self.read(&mut nowhere).await
    }
    /// Reads more ahead; false at the end of what the client sends.
    ///
    /// # Errors
    /// Those of the socket.
    pub async fn read_ahead(&mut self) -> io::Result<bool> {
        let before = self.early.len();
        self.early.reserve(1024);
        self.stream.read_buf(&mut self.early).await?;
        if let Some(traffic) = &self.traffic {
            traffic.received.fetch_add((self.early.len() - before) as u64, Ordering::Relaxed);
        }
        Ok(self.early.len() > before)
    }
}

impl AsyncRead for Raw {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at < self.early.len() {
            let n = buf.remaining().min(self.early.len() - self.at);
            buf.put_slice(&self.early[self.at..self.at + n]);
            self.at += n;
            if self.at == self.early.len() {
                (self.early, self.at) = (Vec::new(), 0);
            }
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some(traffic) = &self.traffic {
            traffic.received.fetch_add((buf.filled().len() - before) as u64, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl Splice for Raw {
    fn is_bare(&self) -> bool {
        self.early().is_empty()
    }
    fn poll_fill(&mut self, pipe: &mut Pipe, most: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let filled = ready!(pipe.poll_fill(&self.stream, most, cx))?;
        if let Some(traffic) = &self.traffic {
            traffic.received.fetch_add(filled as u64, Ordering::Relaxed);
        }
        Poll::Ready(Ok(filled))
    }
    fn poll_drain(&mut self, pipe: &mut Pipe, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let drained = pipe.poll_drain(&self.stream, cx);
        self.wrote(drained)
    }
}

impl Raw {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let (Some(traffic), Poll::Ready(Ok(n))) = (&self.traffic, &written) {
            traffic.sent.fetch_add(*n as u64, Ordering::Relaxed);
        }
        written
    }
}

impl AsyncWrite for Raw {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
