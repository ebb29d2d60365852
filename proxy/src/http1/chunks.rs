//! Bodies in chunks (RFC 9112 §7.1), as upstreams send them.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

/// Longest line of a size, its extensions included.
const SIZE_LINE: usize = 1024;
/// Trailers of one body, in bytes.
const TRAILERS: usize = 64 * 1024;

/// Where the bytes of a body are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    /// Behind a chunk's data.
    LineEnd,
    Trailers,
}

#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
    trailers: Option<HeaderMap>,
    trailer_bytes: usize,
}

/// What the bytes so far hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Data(Bytes),
    /// The end, with what stands behind it.
    End(Option<HeaderMap>),
    /// More bytes are needed.
    More,
}

/// The bytes are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChunks;

impl Chunks {
    /// Takes what it can from the front of `from`.
    ///
    /// # Errors
    /// The bytes are no chunks; nothing more can be read of them.
    pub fn next(&mut self, from: &mut BytesMut) -> Result<Next, NoChunks> {
        loop {
            match self.state {
                State::Data(left) => {
                    if from.is_empty() {
                        return Ok(Next::More);
                    }
                    let n = usize::try_from(left).unwrap_or(usize::MAX).min(from.len());
                    let rest = left - n as u64;
                    self.state = if rest == 0 { State::LineEnd } else { State::Data(rest) };
                    return Ok(Next::Data(from.split_to(n).freeze()));
                }
                State::LineEnd => {
                    let Some(end) = from.get(..2) else { return Ok(Next::More) };
                    if end != b"\r\n" {
                        return Err(NoChunks);
                    }
                    from.advance(2);
                    self.state = State::Size;
                }
                State::Size => {
                    let Some(line) = take_line(from, SIZE_LINE)? else { return Ok(Next::More) };
                    let size = size(&line).ok_or(NoChunks)?;
                    self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                }
                State::Trailers => {
                    let Some(line) = take_line(from, TRAILERS.saturating_sub(self.trailer_bytes))? else { return Ok(Next::More) };
                    if line.is_empty() {
                        return Ok(Next::End(self.trailers.take()));
                    }
                    self.trailer_bytes += line.len() + 2;
                    let colon = memchr(b':', &line).ok_or(NoChunks)?;
                    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| NoChunks)?;
                    let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).map_err(|_| NoChunks)?;
                    self.trailers.get_or_insert_default().append(name, value);
                }
            }
        }
    }
}

/// A whole line, without its end.
fn take_line(from: &mut BytesMut, longest: usize) -> Result<Option<Bytes>, NoChunks> {
    match memchr(b'\n', from) {
        None if from.len() > longest => Err(NoChunks),
        None => Ok(None),
        Some(at) if at == 0 || at > longest || from[at - 1] != b'\r' => Err(NoChunks),
        Some(at) => {
            let mut line = from.split_to(at + 1).freeze();
            line.truncate(at - 1);
            Ok(Some(line))
        }
    }
}

/// Hexadecimal digits, perhaps blanks, perhaps extensions.
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next().unwrap_or(line);
    let digits = digits.trim_ascii_end();
    let fits = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    std::str::from_utf8(digits).ok().filter(|_| fits).and_then(|d| u64::from_str_radix(d, 16).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data, and trailers, of a body that comes in pieces of a size.
    fn read(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Option<HeaderMap>, usize), NoChunks> {
        let (mut chunks, mut buffer, mut data) = (Chunks::default(), BytesMut::new(), Vec::new());
        let mut pieces = bytes.chunks(piece);
        loop {
            match chunks.next(&mut buffer)? {
                Next::Data(d) => data.extend_from_slice(&d),
                Next::End(trailers) => return Ok((data, trailers, buffer.len() + pieces.map(<[u8]>::len).sum::<usize>())),
                Next::More => buffer.extend_from_slice(pieces.next().ok_or(NoChunks)?),
            }
        }
    }

    #[test]
    fn bodies_are_read_however_they_are_cut() {
        let body = b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0 \r\nx-sum: 1\r\nx-sum:2 \r\n\r\nHTTP/1.1";
        for piece in [1, 2, 3, 5, 7, 100] {
            let (data, trailers, left) = read(body, piece).expect("chunks");
            assert_eq!((data.as_slice(), left), (&b"abc0123456789"[..], 8), "in pieces of {piece}");
            let trailers = trailers.expect("trailers");
            assert_eq!(trailers.get_all("x-sum").iter().map(HeaderValue::as_bytes).collect::<Vec<_>>(), [b"1", b"2"]);
        }
    }

    #[test]
    fn trailers_are_bounded_together() {
        let long = |n: usize| format!("x: {}\r\n", "y".repeat(n));
        let just = long(TRAILERS - 10);
        for more in ["", "a: b\r\n", &long(TRAILERS)] {
            let body = format!("0\r\n{just}{more}\r\n");
            assert_eq!(read(body.as_bytes(), 1000).is_ok(), more.is_empty(), "{}", more.len());
        }
        assert_eq!(read(format!("0\r\n{}a: b\r\n\r\n", long(TRAILERS - 4)).as_bytes(), 100_000), Err(NoChunks));
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        let long = format!("3;{}\r\n", "x".repeat(2000));
        let cases = ["3\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n", "\r\n", "-1\r\n", "3\r\nabcd\r\n0\r\n\r\n", "0\r\nx y\r\n\r\n", "11111111111111111\r\n", &long];
        for bytes in cases {
            for piece in [1, 100_000] {
                assert_eq!(read(bytes.as_bytes(), piece), Err(NoChunks), "{bytes:?}");
            }
        }
    }
}
