//! Samples of one series in time order: the newest as they are, the older ones sealed in chunks of two or three bytes a sample. A
//! mesh's counters mostly stand still or grow by whole numbers, and are read at even distances.

use super::Point;
use std::collections::VecDeque;

/// So many samples are sealed at once, when twice as many are open.
const SEALED: usize = 64;

/// How the values of a chunk are written.
const CONSTANT: u8 = 0;
const INTEGERS: u8 = 1;
const BITS: u8 = 2;

#[derive(Clone, Debug, Default)]
pub struct Samples {
    sealed: Option<Box<Sealed>>,
    open: Vec<Point>,
}

#[derive(Clone, Debug, Default)]
struct Sealed {
    chunks: VecDeque<Chunk>,
    /// So many samples of the first chunk are dropped already.
    dropped: usize,
}

/// [`SEALED`] samples.
#[derive(Clone, Debug)]
struct Chunk {
    first: i64,
    last: i64,
    /// Times as zigzag varints of how the distance to the one before changed, then the values' form, then the values: one of eight
    /// bytes; or zigzag varints of the difference to the one before; or bits that changed since the one before.
    bytes: Box<[u8]>,
}

impl Samples {
    pub fn len(&self) -> usize {
        self.sealed.as_ref().map_or(0, |s| s.chunks.len() * SEALED - s.dropped) + self.open.len()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub fn first(&self) -> Option<Point> {
        match &self.sealed {
            Some(sealed) => sealed.chunks.front().and_then(|c| c.points().get(sealed.dropped).copied()),
            None => self.open.first().copied(),
        }
    }

    /// The newest is never sealed.
    pub fn last(&self) -> Option<Point> {
        self.open.last().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = Point> {
        let dropped = self.sealed.as_ref().map_or(0, |s| s.dropped);
        let sealed = self.sealed.iter().flat_map(|s| s.chunks.iter().flat_map(Chunk::points));
        sealed.skip(dropped).chain(self.open.iter().copied())
    }

    /// Those from one time to another, both included. `room` is written to where they have to be unsealed.
    pub fn between<'s>(&'s self, from: i64, to: i64, room: &'s mut Vec<Point>) -> &'s [Point] {
        let is_open = self.open.first().is_some_and(|p| p.at <= from);
        let points = match &self.sealed {
            Some(sealed) if !is_open => {
                room.clear();
                let start = sealed.chunks.partition_point(|c| c.last < from);
                for (n, chunk) in sealed.chunks.iter().enumerate().skip(start).take_while(|(_, c)| c.first <= to) {
                    room.extend(chunk.points().into_iter().skip(if n == 0 { sealed.dropped } else { 0 }));
                }
                room.extend(self.open.iter().take_while(|p| p.at <= to));
                room
            }
            _ => &self.open,
        };
        let start = points.partition_point(|p| p.at < from);
        let end = points.partition_point(|p| p.at <= to);
        points.get(start..end).unwrap_or_default()
    }

    /// The newest that is not after a time.
    pub fn at(&self, time: i64) -> Option<Point> {
        let before = |points: &[Point]| points.partition_point(|p| p.at <= time).checked_sub(1).and_then(|i| points.get(i).copied());
        if let Some(point) = before(&self.open) {
            return Some(point);
        }
        let sealed = self.sealed.as_ref()?;
        let n = sealed.chunks.partition_point(|c| c.first <= time).checked_sub(1)?;
        before(sealed.chunks.get(n)?.points().get(if n == 0 { sealed.dropped } else { 0 }..)?)
    }

    /// Adds one, which is newer than all others.
    pub(super) fn push(&mut self, point: Point) {
        if self.open.len() == 2 * SEALED {
            let chunk = Chunk::new(&self.open[..SEALED]);
            self.sealed.get_or_insert_default().chunks.push_back(chunk);
            self.open.drain(..SEALED);
        }
        self.open.push(point);
    }

    /// Drops those before `oldest`, and so many that no more than `most` are left; few of them may stay a while, so that this is cheap
    /// after each [`Samples::push`].
    pub(super) fn limit(&mut self, oldest: i64, most: usize) {
        let Some(sealed) = &mut self.sealed else {
            let stale = self.open.partition_point(|p| p.at < oldest).max(self.open.len().saturating_sub(most));
            if stale > self.open.len() / 4 {
                self.open.drain(..stale);
            }
            return;
        };
        let mut len = sealed.chunks.len() * SEALED - sealed.dropped + self.open.len();
        while let Some(chunk) = sealed.chunks.front()
            && (chunk.last < oldest || len >= most.saturating_add(SEALED - sealed.dropped))
        {
            len -= SEALED - sealed.dropped;
            sealed.dropped = 0;
            sealed.chunks.pop_front();
        }
        self.settle();
    }

    /// Drops those before `oldest`, all of them.
    pub(super) fn expire(&mut self, oldest: i64) {
        if let Some(sealed) = &mut self.sealed {
            while sealed.chunks.front().is_some_and(|c| c.last < oldest) {
                sealed.dropped = 0;
                sealed.chunks.pop_front();
            }
            if let Some(chunk) = sealed.chunks.front().filter(|c| c.first < oldest) {
                sealed.dropped = sealed.dropped.max(chunk.points().partition_point(|p| p.at < oldest));
            }
            self.settle();
        }
        if self.sealed.is_none() {
            self.open.drain(..self.open.partition_point(|p| p.at < oldest));
        }
    }

    fn settle(&mut self) {
        if self.sealed.as_ref().is_some_and(|s| s.chunks.is_empty()) {
            self.sealed = None;
        }
    }
}

/// Equal when they hold the same, however it is written.
impl PartialEq for Samples {
    fn eq(&self, other: &Samples) -> bool {
        self.len() == other.len() && self.iter().zip(other.iter()).all(|(a, b)| a == b)
    }
}

impl Chunk {
    fn new(points: &[Point]) -> Chunk {
        let mut bytes = Vec::with_capacity(3 * SEALED);
        let (first, last) = (points.first().map_or(0, |p| p.at), points.last().map_or(0, |p| p.at));
        let (mut before, mut distance) = (first, 0_i64);
        for point in points {
            let next = point.at.wrapping_sub(before);
            number(&mut bytes, next.wrapping_sub(distance));
            (before, distance) = (point.at, next);
        }
        let start = points.first().map_or(0, |p| p.value.to_bits());
        if points.iter().all(|p| p.value.to_bits() == start) {
            bytes.push(CONSTANT);
            bytes.extend(start.to_le_bytes());
        } else if points.iter().all(|p| whole(p.value).is_some()) {
            bytes.push(INTEGERS);
            let mut before = 0;
            for value in points.iter().filter_map(|p| whole(p.value)) {
                number(&mut bytes, value - before);
                before = value;
            }
        } else {
            bytes.push(BITS);
            let mut before = 0;
            for point in points {
                changed(&mut bytes, point.value.to_bits() ^ before);
                before = point.value.to_bits();
            }
        }
        Chunk { first, last, bytes: bytes.into() }
    }

    fn points(&self) -> Vec<Point> {
        let mut bytes = self.bytes.iter().copied();
        let mut points = Vec::with_capacity(SEALED);
        let (mut at, mut distance) = (self.first, 0_i64);
        for _ in 0..SEALED {
            distance = distance.wrapping_add(read_number(&mut bytes));
            at = at.wrapping_add(distance);
            points.push(Point { at, value: 0.0 });
        }
        match bytes.next() {
            Some(INTEGERS) => {
                let mut value = 0_i64;
                for point in &mut points {
                    value += read_number(&mut bytes);
                    point.value = value as f64;
                }
            }
            Some(BITS) => {
                let mut bits = 0;
                for point in &mut points {
                    bits ^= read_changed(&mut bytes);
                    point.value = f64::from_bits(bits);
                }
            }
            _ => {
                let value = f64::from_bits(read_bytes(&mut bytes, 8));
                points.iter_mut().for_each(|p| p.value = value);
            }
        }
        points
    }
}

/// A whole number that a float holds exactly.
fn whole(value: f64) -> Option<i64> {
    let whole = value as i64;
    (whole.unsigned_abs() < 1 << 53 && (whole as f64).to_bits() == value.to_bits()).then_some(whole)
}

/// A zigzag varint: small numbers of either sign take one byte.
fn number(bytes: &mut Vec<u8>, n: i64) {
    let mut rest = ((n << 1) ^ (n >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

fn read_number(bytes: &mut impl Iterator<Item = u8>) -> i64 {
    let (mut n, mut shift) = (0_u64, 0);
    for byte in bytes {
        n |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift > 63 {
            break;
        }
    }
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Bits that changed: how many bytes of noughts end them and how many others there are, a nibble each, and these.
fn changed(bytes: &mut Vec<u8>, bits: u64) {
    let low = if bits == 0 { 0 } else { bits.trailing_zeros() / 8 };
    let rest = bits >> (8 * low);
    let length = (71 - rest.leading_zeros()) / 8;
    bytes.push((low << 4 | length) as u8);
    bytes.extend(&rest.to_le_bytes()[..length as usize]);
}

fn read_changed(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let form = bytes.next().unwrap_or(0);
    read_bytes(bytes, usize::from(form & 0xf)) << (8 * (form >> 4))
}

fn read_bytes(bytes: &mut impl Iterator<Item = u8>, count: usize) -> u64 {
    bytes.take(count).enumerate().fold(0, |n, (i, byte)| n | u64::from(byte) << (8 * i))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![Just(7.0), (0_i32..50).prop_map(f64::from), any::<f64>(), any::<u64>().prop_map(f64::from_bits), Just(-0.0), Just(9_007_199_254_740_993.0)]
    }

    fn same(a: &[Point], b: &[Point]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.at == b.at && a.value.to_bits() == b.value.to_bits())
    }

    proptest! {
        /// What is sealed comes back bit by bit, and each question has the answer that a list of samples gives.
        #[test]
        fn sealed_samples_are_those_that_came(
            steps in prop::collection::vec((1_i64..3000, value()), 1..600),
            constant in any::<bool>(),
            retention in prop_oneof![Just(i64::MAX), 1000_i64..900_000],
            from in -1000_i64..900_000,
            length in 0_i64..200_000,
        ) {
            let (mut samples, mut plain, mut at) = (Samples::default(), Vec::new(), 0);
            for (step, value) in steps {
                at += step;
                let point = Point { at, value: if constant { 3.5 } else { value } };
                samples.push(point);
                samples.limit(at.saturating_sub(retention), usize::MAX);
                plain.push(point);
            }
            samples.expire(at.saturating_sub(retention));
            plain.retain(|p| p.at >= at.saturating_sub(retention));
            prop_assert!(same(&samples.iter().collect::<Vec<_>>(), &plain));
            prop_assert_eq!(samples.len(), plain.len());
            prop_assert_eq!(samples.first().map(|p| p.at), plain.first().map(|p| p.at));
            prop_assert_eq!(samples.last().map(|p| p.at), plain.last().map(|p| p.at));
            let wanted: Vec<Point> = plain.iter().copied().filter(|p| p.at >= from && p.at <= from + length).collect();
            prop_assert!(same(samples.between(from, from + length, &mut Vec::new()), &wanted));
            let newest = plain.iter().copied().rfind(|p| p.at <= from);
            prop_assert_eq!(samples.at(from).map(|p| (p.at, p.value.to_bits())), newest.map(|p| (p.at, p.value.to_bits())));
        }
    }

    /// A limit of samples holds but for a chunk.
    #[test]
    fn a_limit_of_samples_holds() {
        let mut samples = Samples::default();
        for at in 0..10_000 {
            samples.push(Point { at, value: at as f64 });
            samples.limit(i64::MIN, 1_000);
            assert!(samples.len() <= 1_000 + SEALED);
        }
        assert!(samples.len() >= 1_000, "{}", samples.len());
    }

    /// A counter that is read each second takes some three bytes a sample, one that stands still two.
    #[test]
    fn sealed_samples_are_small() {
        let bytes = |value: fn(i64) -> f64| {
            let mut samples = Samples::default();
            (0..3_600).for_each(|n| samples.push(Point { at: n * 1_000 + n * 7 % 11, value: value(n) }));
            samples.sealed.iter().flat_map(|s| &s.chunks).map(|c| c.bytes.len() + size_of::<Chunk>()).sum::<usize>()
        };
        assert!(bytes(|n| (n * 20) as f64) < 3_600 * 3, "{}", bytes(|n| (n * 20) as f64));
        assert!(bytes(|_| 5.0) < 3_600 * 2, "{}", bytes(|_| 5.0));
    }
}
