//! Heads that hyper writes, spelt on their way to the socket, and those that it reads.

use super::spelling::{Names, Spelling};
use crate::config::header_format::Format;
use bytes::Bytes;
use memchr::memmem;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const END: &[u8] = b"\r\n\r\n";

/// What has to be known of an answer before hyper writes it.
#[derive(Clone, Debug)]
pub struct Answered {
    pub names: Option<Names>,
    /// The request was a HEAD: no body comes, whatever the head says.
    pub is_head: bool,
}

/// Where the next byte of what hyper writes to a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Body(u64),
    /// In the line of a chunk's size, which is this so far.
    Size(u64),
    /// So many bytes of a chunk are left, with the line end behind it.
    Chunk(u64),
    /// In a line of trailers, of which so many bytes were there.
    Trailer(u64),
    /// There are no more heads.
    Through,
}

/// Follows what hyper writes to a client from one head to the next.
#[derive(Debug)]
pub struct Answers {
    state: State,
    format: Format,
}

impl Answers {
    pub fn new(format: Format) -> Answers {
        Answers { state: State::Head, format }
    }
    /// How many of these bytes are none of a head.
    pub fn behind_head(&self, bytes: &[u8]) -> usize {
        run(self.state, bytes).1
    }
    /// So many of them were written.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.state = run(self.state, bytes).0;
    }
    /// The head that the bytes begin with, spelt, and its length. It has to be there whole, which hyper sees to; what is not is let through
    /// as it is.
    pub fn head(&mut self, bytes: &[u8], answer: Option<&Answered>) -> (usize, Vec<u8>) {
        let Some(end) = memmem::find(bytes, END).map(|n| n + END.len()) else {
            self.state = State::Through;
            return (bytes.len(), bytes.to_vec());
        };
        let mut head = bytes[..end].to_vec();
        self.state = behind(&head, answer.is_some_and(|a| a.is_head));
        if let Some(spelling) = Spelling::of(answer.and_then(|a| a.names.as_ref()), self.format) {
            spelling.head(&mut head, 0);
        }
        (end, head)
    }
}

/// What comes behind a head in small letters.
fn behind(head: &[u8], is_head: bool) -> State {
    let value = |name: &[u8]| {
        let start = memmem::find(head, name)? + name.len();
        Some(head[start..].split(|b| *b == b'\r').next().unwrap_or_default().trim_ascii())
    };
    match head.get(9..12) {
        Some(b"101") => State::Through,
        Some([b'1', ..] | b"204" | b"304") => State::Head,
        _ if is_head => State::Head,
        _ if value(b"\r\ntransfer-encoding:").is_some_and(|v| v.ends_with(b"chunked")) => State::Size(0),
        _ => match value(b"\r\ncontent-length:").and_then(|v| std::str::from_utf8(v).ok()?.parse().ok()) {
            Some(0) => State::Head,
            Some(n) => State::Body(n),
            None => State::Through,
        },
    }
}

/// Goes through bytes up to the next head. Returns where that ends, and how many bytes were gone through.
fn run(mut state: State, bytes: &[u8]) -> (State, usize) {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let most = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        state = match state {
            State::Head => break,
            State::Through => return (state, bytes.len()),
            State::Body(left) => {
                at += most(left);
                if left > rest.len() as u64 { State::Body(left - rest.len() as u64) } else { State::Head }
            }
            State::Chunk(left) => {
                at += most(left);
                if left > rest.len() as u64 { State::Chunk(left - rest.len() as u64) } else { State::Size(0) }
            }
            State::Size(size) => {
                at += 1;
                match char::from(rest[0]).to_digit(16) {
                    Some(digit) => State::Size(size << 4 | u64::from(digit)),
                    None if rest[0] != b'\n' => State::Size(size),
                    None if size == 0 => State::Trailer(0),
                    None => State::Chunk(size + 2),
                }
            }
            State::Trailer(n) => {
                at += 1;
                match rest[0] {
                    b'\r' => State::Trailer(n),
                    b'\n' if n == 0 => State::Head,
                    b'\n' => State::Trailer(0),
                    _ => State::Trailer(n + 1),
                }
            }
        };
    }
    (state, at)
}

/// The one request of a connection that hyper speaks on, and its answer.
#[derive(Clone, Debug, Default)]
pub struct One(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    names: Option<Names>,
    format: Format,
    answer: Option<Names>,
}

impl One {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// How the request is to be written: before it is.
    pub fn ask(&self, names: Option<Names>, format: Format) {
        let mut told = self.told();
        (told.names, told.format) = (names, format);
    }
    /// How the answer's head was written, where that is kept.
    pub fn answer(&self) -> Option<Names> {
        self.told().answer.take()
    }
}

/// Such a connection.
pub struct First<T> {
    io: T,
    one: One,
    is_asked: bool,
    /// A head on its way out, as far as hyper gave it or the socket took it.
    head: Vec<u8>,
    /// That of the answer, as far as it came; `None` once it is there.
    answer: Option<Vec<u8>>,
}

/// No answer's head is looked at further.
const LONGEST: usize = 64 * 1024;

impl<T> First<T> {
    pub fn new(io: T, one: One) -> First<T> {
        First { io, one, is_asked: false, head: Vec::new(), answer: Some(Vec::new()) }
    }
    fn hear(&mut self, bytes: &[u8]) {
        let Some(seen) = &mut self.answer else { return };
        let Some(keeping) = self.one.told().format.keeping().filter(|_| seen.len() < LONGEST) else {
            self.answer = None;
            return;
        };
        seen.extend_from_slice(bytes);
        while let Some(end) = memmem::find(seen, END).map(|n| n + END.len()) {
            let is_interim = seen.get(9) == Some(&b'1') && seen.get(9..12) != Some(b"101");
            let head: Vec<u8> = seen.drain(..end).collect();
            if !is_interim {
                let head = Bytes::from(head);
                let mut fields = Vec::new();
                let first = memchr::memchr(b'\n', &head).map_or(0, |n| n + 1);
                crate::http1::lines::split(&head, first, &mut fields, |_, _| true);
                self.one.told().answer = Some(Names::of_answer(&head, &fields, keeping));
                self.answer = None;
                return;
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> First<T> {
    /// Sends the head that is spelt.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.is_asked && !self.head.is_empty() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.head))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.head.drain(..n);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for First<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.hear(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for First<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_head(cx))?;
        if self.is_asked {
            return Pin::new(&mut self.io).poll_write(cx, buf);
        }
        let before = self.head.len();
        self.head.extend_from_slice(buf);
        let Some(end) = memmem::find(&self.head, END).map(|n| n + END.len()) else { return Poll::Ready(Ok(buf.len())) };
        self.head.truncate(end);
        self.is_asked = true;
        let this = &mut *self;
        let told = this.one.told();
        if let Some(spelling) = Spelling::of(told.names.as_ref(), told.format) {
            spelling.head(&mut this.head, 0);
        }
        Poll::Ready(Ok(end - before))
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of answers that come in pieces of a size, but for heads, which hyper gives whole.
    fn written(stream: &[&[u8]], size: usize, answers: &[Answered]) -> String {
        let (mut follows, mut out, mut given) = (Answers::new(Format::Proper), Vec::new(), answers.iter());
        let mut bytes = stream.concat();
        while !bytes.is_empty() {
            let n = follows.behind_head(&bytes[..size.min(bytes.len())]);
            if n > 0 {
                follows.pass(&bytes[..n]);
                out.extend(bytes.drain(..n));
            } else {
                let (n, head) = follows.head(&bytes, given.next());
                out.extend(head);
                bytes.drain(..n);
            }
        }
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn heads_are_found_behind_bodies_of_every_kind() {
        let asked = |is_head| Answered { names: None, is_head };
        let stream: &[&[u8]] = &[
            b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nHTTP/1.1 a:b",
            b"HTTP/1.1 200 OK\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n12\r\nHTTP/1.1 200 \r\nx-a\r\n1\r\na\r\n0\r\nx-t: c\r\n\r\n",
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nx-a: b\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\n\r\n",
        ];
        let want = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nHTTP/1.1 a:b\
            HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nHTTP/1.1 200 \r\nx-a\r\n1\r\na\r\n0\r\nx-t: c\r\n\r\n\
            HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\
            HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nx-a: b\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\n\r\n";
        for size in [1, 2, 7, 1000] {
            assert_eq!(written(stream, size, &[asked(false), asked(false), asked(false), asked(true), asked(false)]), want, "in pieces of {size}");
        }
    }
}
