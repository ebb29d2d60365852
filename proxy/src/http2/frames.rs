//! Where in HTTP/2's frames a client's bytes are (RFC 9113, 4.1): hyper tells of a head when all of it is there, and of one that
//! never ends nothing.

use crate::tls::hello::PREFACE;

/// Bytes before a frame's payload.
const FRAME: usize = 9;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
/// Of the frame that ends a head.
const END_HEADERS: u8 = 4;

/// Looks at frames' first bytes alone.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Bytes to go before the next frame begins: of a payload, or of the preface.
    left: usize,
    start: [u8; FRAME],
    read: usize,
    /// The stream whose head has begun and is not whole; 0 for none.
    head: u32,
    /// Whether the head is whole with the payload.
    ends: bool,
    /// The last stream that began.
    newest: u32,
}

impl Default for Frames {
    fn default() -> Frames {
        Frames { left: PREFACE.len(), start: [0; FRAME], read: 0, head: 0, ends: false, newest: 0 }
    }
}

impl Frames {
    /// The stream whose head has begun and is not whole; 0 for none. Trailers are none: their request has time limits of its own.
    pub fn head(&self) -> u32 {
        self.head
    }
    /// Takes the next bytes; `begins` hears of each stream that begins in them.
    pub fn feed(&mut self, mut bytes: &[u8], mut begins: impl FnMut(u32)) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let n = self.left.min(bytes.len());
                self.left -= n;
                bytes = &bytes[n..];
            } else {
                let n = (FRAME - self.read).min(bytes.len());
                self.start[self.read..self.read + n].copy_from_slice(&bytes[..n]);
                self.read += n;
                bytes = &bytes[n..];
                if self.read == FRAME {
                    self.begin(&mut begins);
                }
            }
            if self.left == 0 && self.ends {
                (self.head, self.ends) = (0, false);
            }
        }
    }
    fn begin(&mut self, begins: &mut impl FnMut(u32)) {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.start;
        self.read = 0;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
        match kind {
            HEADERS if stream > self.newest => {
                (self.newest, self.head) = (stream, stream);
                begins(stream);
            }
            CONTINUATION if stream == self.head => {}
            _ => return,
        }
        self.ends = flags & END_HEADERS != 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: usize) -> Vec<u8> {
        let mut out = (payload as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(std::iter::repeat_n(0xff, payload));
        out
    }

    /// What is begun after each of these, in order.
    fn heads(parts: &[Vec<u8>]) -> Vec<u32> {
        let mut frames = Frames::default();
        frames.feed(PREFACE, |_| {});
        parts.iter().map(|part| (frames.feed(part, |_| {}), frames.head()).1).collect()
    }

    #[test]
    fn a_head_lasts_from_its_first_frame_to_its_last_byte() {
        let headers = |flags, stream, payload| frame(HEADERS, flags, stream, payload);
        let settings = frame(4, 0, 0, 6);
        let mut cut = headers(4, 5, 20);
        let rest = cut.split_off(15);
        let got = heads(&[settings, headers(4, 1, 10), headers(0, 3, 10), frame(CONTINUATION, 0, 3, 0), frame(CONTINUATION, 4, 3, 2), cut, rest]);
        assert_eq!(got, [0, 0, 3, 3, 0, 5, 0]);
        // Trailers, data, and a head without a byte.
        assert_eq!(heads(&[headers(4, 1, 3), headers(0, 1, 3), frame(CONTINUATION, 4, 1, 3), frame(0, 1, 3, 40_000), headers(4, 3, 0)]), [0; 5]);
    }

    proptest! {
        #[test]
        fn where_bytes_are_cut_does_not_matter(list in proptest::collection::vec((0u8..11, any::<u8>(), 0u32..9, 0usize..40), 0..12), cut in 1usize..30) {
            let all: Vec<u8> = list.iter().flat_map(|(kind, flags, stream, n)| frame(*kind, *flags, *stream, *n)).collect();
            let whole = heads(std::slice::from_ref(&all));
            let pieces: Vec<Vec<u8>> = all.chunks(cut).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(heads(&pieces).last().copied().unwrap_or(0), whole[0]);
        }
    }
}
