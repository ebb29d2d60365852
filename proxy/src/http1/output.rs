//! Bytes on their way to a socket: what is small is copied together, what is large goes as it is.

use super::head::{self, Encoder};
use super::room;
use crate::splice::{Lease, Splice};
use bytes::{Buf, Bytes};
use http_body::Frame;
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Pieces of a body that are not larger are copied behind what waits to be written.
const SMALL: usize = 8 * 1024;
/// With so many bytes together that are small, they are written before more are taken.
pub const BODY: usize = 64 * 1024;

/// What waits to be written: bytes, and a large piece behind them.
#[derive(Debug, Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    at: usize,
    piece: Bytes,
    /// A part of a body in place of the piece, which the kernel moves.
    pipe: Option<Lease>,
    /// What comes behind the piece.
    tail: &'static [u8],
    /// Bytes of this request that are gone.
    pub written: u64,
}

impl Output {
    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len() && self.piece.is_empty() && self.pipe.is_none()
    }
    /// Drops what waits.
    pub fn forget(&mut self) {
        *self = Output { written: self.written, ..Output::default() };
    }
    /// Gives room back that is seldom needed.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            self.bytes.shrink_to(SMALL);
        }
    }
    /// Whether more of a body may be put behind what waits.
    pub fn has_room(&self) -> bool {
        self.piece.is_empty() && self.pipe.is_none() && self.bytes.len() < BODY
    }
    /// How much of a body may be moved, and not read; `None` where something waits, or is put around the body.
    pub fn room_in_pipe(&self, encoder: &Encoder) -> Option<usize> {
        let Encoder::Length(left @ 1..) = encoder else { return None };
        self.is_empty().then(|| usize::try_from(*left).unwrap_or(usize::MAX).min(room::LARGE))
    }
    /// Takes a part of a body that is in a pipe. There was room for it.
    pub fn put_pipe(&mut self, pipe: Lease, encoder: &mut Encoder) {
        if let Encoder::Length(left) = encoder {
            *left = left.saturating_sub(pipe.held() as u64);
        }
        self.pipe = Some(pipe).filter(|p| p.held() > 0);
    }
    /// Puts a piece of a body behind what waits, while there is room.
    pub fn put(&mut self, frame: Frame<Bytes>, encoder: &mut Encoder) {
        match frame.into_data() {
            Ok(mut data) => match encoder {
                Encoder::Length(left) => {
                    // More than was announced is none of it.
                    data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= data.len() as u64;
                    self.push(data, b"");
                }
                Encoder::Chunks(_) if data.is_empty() => {}
                Encoder::Chunks(_) => {
                    // Writing to a Vec does not fail.
                    let _ = write!(self.bytes, "{:X}\r\n", data.len());
                    self.push(data, b"\r\n");
                }
            },
            Err(frame) => {
                let (Encoder::Chunks(announced), Ok(trailers)) = (&*encoder, frame.into_trailers()) else { return };
                self.bytes.extend_from_slice(b"0\r\n");
                trailers.iter().filter(|(name, _)| announced.contains(name)).for_each(|(name, value)| head::write_header(name, value, &mut self.bytes));
                self.bytes.extend_from_slice(b"\r\n");
                *encoder = Encoder::Length(0);
            }
        }
    }
    /// The last chunk, behind the piece that may still wait.
    pub fn end(&mut self, encoder: &mut Encoder) {
        if self.piece.is_empty() {
            self.bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            self.tail = b"\r\n0\r\n\r\n";
        }
        *encoder = Encoder::Length(0);
    }
    fn push(&mut self, data: Bytes, tail: &'static [u8]) {
        if data.len() <= SMALL {
            self.bytes.extend_from_slice(&data);
            self.bytes.extend_from_slice(tail);
        } else {
            (self.piece, self.tail) = (data, tail);
        }
    }
    /// Writes what waits; ready when all of it is gone.
    pub fn poll<W: AsyncWrite + Splice + Unpin>(&mut self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing waits beside it.
        while let Some(pipe) = &mut self.pipe {
            self.written += ready!(pipe.poll_drain(io, cx))? as u64;
            self.pipe.take_if(|p| p.held() == 0);
        }
        while !self.is_empty() {
            let rest = &self.bytes[self.at..];
            let written = if self.piece.is_empty() {
                Pin::new(&mut *io).poll_write(cx, rest)
            } else if rest.is_empty() {
                Pin::new(&mut *io).poll_write(cx, &self.piece)
            } else {
                Pin::new(&mut *io).poll_write_vectored(cx, &[io::IoSlice::new(rest), io::IoSlice::new(&self.piece)])
            };
            let n = ready!(written)?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n as u64;
            let of_bytes = n.min(rest.len());
            self.at += of_bytes;
            self.piece.advance(n - of_bytes);
            if self.at == self.bytes.len() {
                self.bytes.clear();
                self.at = 0;
            }
            if self.piece.is_empty() && !self.tail.is_empty() {
                self.bytes.extend_from_slice(std::mem::take(&mut self.tail));
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use std::task::Waker;

    /// A socket that takes a few bytes at a time.
    struct Slow(Vec<u8>, usize);

    impl Splice for Slow {}

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let n = buf.len().min(self.1);
            self.0.extend_from_slice(&buf[..n]);
            Poll::Ready(Ok(n))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn sent(pieces: &[usize], mut encoder: Encoder, trailers: Option<HeaderMap>, at_once: usize) -> Vec<u8> {
        let (mut output, mut socket) = (Output::default(), Slow(Vec::new(), at_once));
        let mut cx = Context::from_waker(Waker::noop());
        output.bytes.extend_from_slice(b"head ");
        for size in pieces {
            if !output.has_room() {
                assert!(output.poll(&mut socket, &mut cx).is_ready());
            }
            output.put(Frame::data(Bytes::from(vec![b'a'; *size])), &mut encoder);
        }
        if let Some(trailers) = trailers {
            assert!(output.poll(&mut socket, &mut cx).is_ready());
            output.put(Frame::trailers(trailers), &mut encoder);
        }
        if matches!(encoder, Encoder::Chunks(_)) {
            output.end(&mut encoder);
        }
        assert!(output.poll(&mut socket, &mut cx).is_ready() && output.is_empty() && encoder == Encoder::Length(0));
        socket.0
    }

    #[test]
    fn bodies_are_written_whole_however_little_the_socket_takes() {
        for at_once in [1, 7, 100_000] {
            let length = sent(&[3, 20_000, 5], Encoder::Length(20_008), None, at_once);
            assert_eq!(length, [&b"head "[..], &vec![b'a'; 20_008]].concat());
            let chunks = sent(&[3, 0, 20_000], Encoder::Chunks(Vec::new()), None, at_once);
            assert_eq!(chunks, [&b"head 3\r\naaa\r\n4E20\r\n"[..], &vec![b'a'; 20_000], b"\r\n0\r\n\r\n"].concat());
        }
        assert_eq!(sent(&[9], Encoder::Length(4), None, 100), b"head aaaa");
    }

    #[test]
    fn trailers_that_were_not_announced_stay_behind() {
        let name = HeaderName::from_static;
        let trailers: HeaderMap = [(name("x-a"), HeaderValue::from_static("1")), (name("x-b"), HeaderValue::from_static("2"))].into_iter().collect();
        assert_eq!(sent(&[1], Encoder::Chunks(vec![name("x-a")]), Some(trailers), 9), b"head 1\r\na\r\n0\r\nx-a: 1\r\n\r\n");
    }
}
