//! How much of a body is read at once. Every call costs as much as a few KiB do, and every write that a socket takes at once may wake
//! its reader: large bodies that come fast go in large pieces. What comes in small pieces is read into small ones, as each of them may
//! be held somewhere.

use crate::splice;

/// The least.
const SMALL: usize = 16 * 1024;
/// To begin with.
const FIRST: usize = 64 * 1024;
/// The most. Bodies of 1 MiB cost two fifths less with it than with 64 KiB, and no less with twice as much.
pub const LARGE: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Room {
        Room(FIRST)
    }
}

impl Room {
    /// Bytes to make room for, where so many are still to come at most.
    pub fn of(self, left: u64) -> usize {
        usize::try_from(left).unwrap_or(self.0).min(self.0)
    }
    /// Whether the last read brought all that there was room for.
    pub fn is_large(self) -> bool {
        self.0 >= LARGE
    }
    /// Takes note of bytes that were moved: what comes in small pieces is read again.
    pub fn moved(&mut self, n: usize) {
        if n < splice::LITTLE {
            *self = Room::default();
        }
    }
    /// Takes note of a read: so many bytes came, and there was room for so many.
    pub fn took(&mut self, n: usize, room: usize) {
        if n >= room && n >= self.0 {
            self.0 = (4 * self.0).min(LARGE);
        } else if n < self.0 / 4 {
            self.0 = (self.0 / 4).max(SMALL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_what_comes_and_shrinks_again() {
        let mut room = Room::default();
        let mut sizes = Vec::new();
        for n in [FIRST, LARGE, LARGE, LARGE - 1, 100, 100, 100, SMALL] {
            room.took(n, room.of(u64::MAX));
            sizes.push(room.of(u64::MAX));
        }
        assert_eq!(sizes, [LARGE, LARGE, LARGE, LARGE, FIRST, SMALL, SMALL, FIRST]);
        assert_eq!((room.of(10), room.of(0)), (10, 0));
    }

    #[test]
    fn the_end_of_a_body_says_nothing_of_the_next() {
        let mut room = Room::default();
        room.took(20_000, room.of(20_000));
        assert_eq!(room, Room::default());
    }
}
