//! What a CEL expression may cost, told from its text: the expressions of a user's CRD are handed to an interpreter that
//! recurses and has no budget, so those that no honest author writes are kept from it.

/// What bounds the work that an expression makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// How deep its loops are nested.
    pub loops: u32,
    /// How often a text or list may grow by the size of another.
    pub growths: u32,
    /// Bytes.
    pub length: usize,
}

/// The API server takes no longer ones either.
const MAX_LENGTH: usize = 10_000;

/// Levels of the tree that a parser makes of an expression. Each costs stack in the parser, the interpreter, and where
/// the tree is freed.
const MAX_DEPTH: usize = 150;

const LOOPS: &[&str] = &[".all", ".exists", ".exists_one", ".existsOne", ".map", ".filter", ".transformList", ".transformMap", ".transformMapEntry", ".sortBy"];
const GROWTHS: &[&str] = &[".replace", ".join", ".format", ".bind"];

/// The cost of an expression; `None` where it is too long or too nested, or the interpreter reads it wrongly.
pub fn cost(text: &str) -> Option<Cost> {
    if text.is_empty() || text.len() > MAX_LENGTH {
        return None;
    }
    let bytes = text.as_bytes();
    let mut cost = Cost { loops: 0, growths: 0, length: text.len() };
    // Of each open bracket: the operators before it on its level, which may all stand above it in the tree, and whether it
    // belongs to a loop.
    let mut open: Vec<(usize, bool)> = Vec::new();
    let (mut operators, mut above, mut loops) = (0, 0, 0);
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        match b {
            b'"' | b'\'' => {
                i = after_string(bytes, i);
                continue;
            }
            b'/' if bytes.get(i + 1) == Some(&b'/') => {
                i = bytes[i..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| i + n);
                continue;
            }
            b'(' | b'[' | b'{' => {
                let before = text.get(..i).unwrap_or("").trim_end();
                let is_loop = LOOPS.iter().any(|m| before.ends_with(m));
                cost.growths += u32::from(GROWTHS.iter().any(|m| before.ends_with(m)));
                loops += u32::from(is_loop);
                cost.loops = cost.loops.max(loops);
                open.push((operators, is_loop));
                above += operators + 1;
                operators = 0;
            }
            b')' | b']' | b'}' => {
                if let Some((outer, is_loop)) = open.pop() {
                    above -= outer + 1;
                    loops -= u32::from(is_loop);
                    // What follows may hang above the whole bracket.
                    operators = outer + 1;
                }
            }
            // The interpreter takes two of these for one.
            b'!' | b'-' if bytes[..i].trim_ascii_end().last() == Some(&b) => return None,
            b'.' | b'?' | b':' | b'!' | b'-' | b'+' | b'*' | b'/' | b'%' | b'<' | b'>' => operators += 1,
            b'=' | b'&' | b'|' if bytes.get(i + 1) == Some(&b) => operators += 1,
            b'i' if bytes.get(i + 1) == Some(&b'n') && bytes.get(i.wrapping_sub(1)).is_some_and(u8::is_ascii_whitespace) => operators += 1,
            // Elements of a list stand beside each other.
            b',' => operators = 0,
            _ => {}
        }
        if above + operators > MAX_DEPTH {
            return None;
        }
        i += 1;
    }
    Some(cost)
}

/// Where the string that opens at `start` ends. A string that is never closed ends with the text.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let triple = bytes.get(start..start + 3) == Some(&[quote; 3]);
    let raw = start > 0 && matches!(bytes[start - 1], b'r' | b'R');
    let mut i = start + if triple { 3 } else { 1 };
    while let Some(&b) = bytes.get(i) {
        if b == b'\\' && !raw {
            i += 2;
        } else if triple && bytes.get(i..i + 3) == Some(&[quote; 3]) {
            return i + 3;
        } else if b == quote && !triple {
            return i + 1;
        } else {
            i += 1;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_and_growth_are_counted() {
        let of = |text| cost(text).map(|c| (c.loops, c.growths));
        assert_eq!(of("self.x"), Some((0, 0)));
        assert_eq!(of("self.all(a, self.exists(b, a == b)) && self.all(a, true)"), Some((2, 0)));
        assert_eq!(of("self.s.replace('(((', ')').replace(\"a\", 'b') == ')'"), Some((0, 2)));
        assert_eq!(of("// self.all(\nself.x.map (a, a)"), Some((1, 0)));
        let honest = format!("self in [{}] ? has(self.a) : !has(self.a)", vec!["'x.y'"; 400].join(", "));
        assert_eq!(of(&honest), Some((0, 0)));
        assert_eq!(of(&vec!["self.type == 'a'"; 40].join(" || ")), Some((0, 0)));
    }

    #[test]
    fn what_no_honest_author_writes_is_refused() {
        let many = |text: &str| text.repeat(200);
        for text in [
            many("("),
            "!!true".to_owned(),
            "1 - -1".to_owned(),
            "self".to_owned() + &many(".a"),
            many("1 + ") + "1",
            many("true ? 1 : ") + "1",
            many("true && ") + "true",
            many("1 in [") + &many("]"),
            "self".to_owned() + &many("[0]"),
            "'((('+".repeat(200) + "''",
            String::new(),
            "a".repeat(20_000),
        ] {
            assert_eq!(cost(&text), None, "{}", &text[..text.len().min(30)]);
        }
    }
}
