//! Inputs that nobody wrote: seeds changed at random, the same ones on every run of a number. Slower at finding ways through code than
//! the fuzz targets, but it runs on every compiler.

use std::time::{Duration, Instant};

/// Makes inputs from seeds and words.
pub struct Mutator<'a> {
    seeds: Vec<Vec<u8>>,
    words: &'a [&'a str],
    state: u64,
}

/// Inputs of a run that has no time given.
const CASES: usize = 400;
/// No input is longer.
const LONGEST: usize = 1 << 16;

impl<'a> Mutator<'a> {
    /// `words` are put into inputs: what the format is made of.
    pub fn new(seeds: Vec<Vec<u8>>, words: &'a [&'a str]) -> Mutator<'a> {
        Mutator { seeds, words, state: 0x9e37_79b9_7f4a_7c15 }
    }

    fn below(&mut self, n: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % n.max(1) as u64) as usize
    }

    /// The next input.
    pub fn make(&mut self) -> Vec<u8> {
        let pick = self.below(self.seeds.len());
        let mut bytes = self.seeds.get(pick).cloned().unwrap_or_default();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + 1 + self.below(24)).min(bytes.len()).max(at);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = [0, 9, 10, 32, 34, 39, 44, 45, 92, 123, 125, 255][self.below(12)],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                let times = 1 + self.below(8);
                bytes.splice(at..at, std::iter::repeat_n(copy, times).flatten());
            }
            4 => bytes.truncate(at),
            5 => {
                let other = self.below(self.seeds.len());
                let other = self.seeds.get(other).cloned().unwrap_or_default();
                let from = self.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            6 => {
                let number = ["0", "-1", "1e999", "NaN", "+Inf", "18446744073709551616", "-9223372036854775808", "0.1e-400", "00", "١"][self.below(10)];
                bytes.splice(at..end, number.bytes());
            }
            _ => {
                let word = self.words.get(self.below(self.words.len())).copied().unwrap_or("");
                bytes.splice(at..at, word.bytes());
            }
        }
    }

    /// Runs a check on every seed and on inputs made of them: so many, or for the seconds that MESHCTL_FUZZ_SECONDS says. How
    /// many inputs there were.
    pub fn run(&mut self, mut check: impl FnMut(&[u8])) -> usize {
        for seed in self.seeds.clone() {
            check(&seed);
        }
        let time = std::env::var("MESHCTL_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).map(Duration::from_secs);
        let begun = Instant::now();
        let mut count = 0;
        while time.map_or(count < CASES, |time| begun.elapsed() < time) {
            let input = self.make();
            check(&input);
            count += 1;
        }
        count
    }
}
