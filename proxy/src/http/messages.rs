//! Messages of gRPC, counted as they pass: five bytes before each say how long it is.

use std::cell::Cell;

/// One direction's.
#[derive(Debug, Default)]
pub struct Messages {
    counts: Cell<bool>,
    total: Cell<u64>,
    /// Bytes of a prefix that were seen, and what it says so far.
    prefix: Cell<(u8, u32)>,
    /// What is left of a message.
    left: Cell<u32>,
}

impl Messages {
    /// Counts from now on.
    pub fn watch(&self) {
        self.counts.set(true);
    }
    /// Whether the bytes are looked at.
    pub fn are_counted(&self) -> bool {
        self.counts.get()
    }
    pub fn count(&self) -> u64 {
        self.total.get()
    }
    /// Bytes that pass.
    pub fn pass(&self, mut bytes: &[u8]) {
        if !self.counts.get() {
            return;
        }
        while !bytes.is_empty() {
            let left = self.left.get() as usize;
            if left > 0 {
                let n = left.min(bytes.len());
                self.left.set((left - n) as u32);
                bytes = &bytes[n..];
                continue;
            }
            let (seen, length) = self.prefix.get();
            // The first byte tells of compression alone.
            let length = if seen == 0 { 0 } else { length << 8 | u32::from(bytes[0]) };
            bytes = &bytes[1..];
            if seen == 4 {
                self.prefix.set((0, 0));
                self.left.set(length);
                self.total.set(self.total.get() + 1);
            } else {
                self.prefix.set((seen + 1, length));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let stream = [&[0, 0, 0, 0, 3][..], b"abc", &[1, 0, 0, 0, 0], &[0, 0, 0, 1, 0], &[7; 256]].concat();
        for size in [1, 2, 3, 7, 300] {
            let messages = Messages::default();
            messages.watch();
            stream.chunks(size).for_each(|c| messages.pass(c));
            assert_eq!(messages.count(), 3, "in pieces of {size}");
        }
        let off = Messages::default();
        off.pass(&stream);
        assert_eq!(off.count(), 0);
    }
}
