//! The format of a recording.
//!
//! ```text
//! file     MESHREC\n  version u32  0 u32                                        16 bytes
//! segment  MSEG  version u32  id u64  at i64  body u64  table u32  unpacked u32
//!          crc-of-table u32  crc-of-this-head u32                               48 bytes
//!          table: JSON, packed                                                  `table` bytes
//!          pages: each packed on its own                                        the rest of `body`
//! ```
//!
//! Numbers are little-endian, `at` is in milliseconds since the epoch, packing is zlib's, checksums are CRC-32. The table lists
//! each page with its size, its SHA-256, and where it stands: in this segment or in one before, by the segment's `id`. Ids ascend
//! and survive when old segments are dropped.

use super::capture::Summary;
use flate2::{Compression, Crc};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};

pub const FILE: &[u8; 8] = b"MESHREC\n";
pub const VERSION: u32 = 1;
pub const FILE_HEAD: u64 = 16;
pub const HEAD: usize = 48;
pub const MARK: &[u8; 4] = b"MSEG";
/// Bytes that a table may unpack to.
pub const TABLE: u64 = 256 << 20;

/// The head of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub id: u64,
    pub at: i64,
    /// Bytes behind the head.
    pub body: u64,
    /// Of them, the table.
    pub table: u32,
    pub unpacked: u32,
    pub table_crc: u32,
}

/// One page in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub size: u64,
    pub sha256: String,
    /// The segment that holds its bytes, and from where in the pages of that segment.
    pub segment: u64,
    pub from: u64,
    pub packed: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    pub summary: Summary,
    pub pages: Vec<Entry>,
}

pub fn file_head() -> Vec<u8> {
    let mut out = FILE.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend([0; 4]);
    out
}

impl Head {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = MARK.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(self.id.to_le_bytes());
        out.extend(self.at.to_le_bytes());
        out.extend(self.body.to_le_bytes());
        out.extend(self.table.to_le_bytes());
        out.extend(self.unpacked.to_le_bytes());
        out.extend(self.table_crc.to_le_bytes());
        let crc = crc(&out);
        out.extend(crc.to_le_bytes());
        out
    }
    /// A head that is whole; none for any other bytes.
    pub fn read(bytes: &[u8]) -> Option<Head> {
        let bytes = bytes.get(..HEAD)?;
        let four = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let eight = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        if !bytes.starts_with(MARK) || four(4)? != VERSION || four(44)? != crc(&bytes[..44]) {
            return None;
        }
        let head = Head { id: eight(8)?, at: eight(16)? as i64, body: eight(24)?, table: four(32)?, unpacked: four(36)?, table_crc: four(40)? };
        (u64::from(head.table) <= head.body && head.body < 1 << 48).then_some(head)
    }
    /// Bytes of the whole segment.
    pub fn length(&self) -> u64 {
        HEAD as u64 + self.body
    }
}

pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

pub fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::new(4));
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// What was packed, of which `size` bytes are expected; none where it is anything else.
pub fn unpack(packed: &[u8], size: u64) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(packed).take(size.checked_add(1)?).read_to_end(&mut out).ok()?;
    (out.len() as u64 == size).then_some(out)
}

pub fn hash(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Head and table of a segment.
pub fn encode(id: u64, at: i64, table: &Table, pages: u64) -> Result<Vec<u8>, serde_json::Error> {
    let text = serde_json::to_vec(table)?;
    let packed = pack(&text);
    let head = Head { id, at, body: packed.len() as u64 + pages, table: packed.len() as u32, unpacked: text.len() as u32, table_crc: crc(&packed) };
    let mut out = head.bytes();
    out.extend(packed);
    Ok(out)
}

/// The table of a segment, of its packed bytes.
pub fn decode(head: &Head, packed: &[u8]) -> Result<Table, String> {
    if crc(packed) != head.table_crc {
        return Err("its table has another checksum".to_owned());
    }
    if u64::from(head.unpacked) > TABLE {
        return Err("its table is too large".to_owned());
    }
    let text = unpack(packed, u64::from(head.unpacked)).ok_or("its table can't be unpacked")?;
    serde_json::from_slice(&text).map_err(|e| format!("its table can't be read: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_with_any_bit_changed_is_none() {
        let head = Head { id: 3, at: -5, body: 900, table: 70, unpacked: 300, table_crc: 7 };
        let bytes = head.bytes();
        assert_eq!((bytes.len(), Head::read(&bytes)), (HEAD, Some(head)));
        for bit in 0..HEAD * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Head::read(&changed), None, "{bit}");
        }
        assert_eq!(unpack(&pack(b"abc"), 3), Some(b"abc".to_vec()));
        assert_eq!((unpack(&pack(b"abc"), 2), unpack(&pack(b"abc"), 4), unpack(b"x", 1)), (None, None, None));
    }
}
