//! The lines of a head that are headers, as nearly all heads have them: what is odd is for others to judge.

use memchr::memchr;

/// Start and end of a name, and of its value without the white space around it, as places in the bytes.
pub type Field = [usize; 4];

/// Headers that nearly all heads stay below.
const USUAL: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// The head ends before this place.
    End(usize),
    /// It is not there whole.
    Part,
    Odd,
}

/// Splits the lines from `at` on. `takes` hears of each name and its value, and says whether it is usual. Whether their characters may
/// stand in names and values is not looked at: that is seen where they become headers.
pub fn split(bytes: &[u8], mut at: usize, fields: &mut Vec<Field>, mut takes: impl FnMut(&[u8], &[u8]) -> bool) -> Split {
    fields.clear();
    // Room for those of most heads is made once.
    fields.reserve(16);
    loop {
        let rest = &bytes[at..];
        let Some(end) = memchr(b'\n', rest) else { return Split::Part };
        let Some((b'\r', line)) = rest[..end].split_last() else { return Split::Odd };
        if line.is_empty() {
            return Split::End(at + 2);
        }
        let Some((name, value)) = field(line) else { return Split::Odd };
        if fields.len() == USUAL || !takes(name, value) {
            return Split::Odd;
        }
        // Of an empty value it does not matter.
        let from = if value.is_empty() { at } else { value.as_ptr().addr() - bytes.as_ptr().addr() };
        fields.push([at, at + name.len(), from, from + value.len()]);
        at += end + 1;
    }
}

/// A name and its value without the white space around it. A line that goes on with the one before is none.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    (colon > 0 && !matches!(line[0], b' ' | b'\t')).then(|| (&line[..colon], trim(&line[colon + 1..])))
}

/// Without spaces and tabs around it. Other white space stays: it may not be there.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
