//! Words of a command line, as a shell writes and reads them.

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The words of a line: blanks part them, but not inside of quotation marks, and a backslash takes the next character as it
/// is. The error says which mark is open.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut open: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (Some(mark), c) if c == mark => open = None,
            (None, '\'' | '"') => {
                open = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(mark) = open {
        return Err(format!("a {mark} is opened and not closed"));
    }
    out.extend(word);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_read_as_it_was() {
        for list in [vec!["a", "b c", "", "it's", "\"x\" \\ y"], vec![], vec!["--from", "mesh.rec@2026-11-22T12:00:00Z"]] {
            let line = list.iter().map(|w| quoted(w)).collect::<Vec<_>>().join("  ");
            assert_eq!(words(&line), Ok(list.iter().map(|w| (*w).to_owned()).collect()), "{line}");
        }
        assert_eq!(words("GET http://a/ -H \"x: y\\\"z\""), Ok(["GET", "http://a/", "-H", "x: y\"z"].map(str::to_owned).to_vec()));
        assert_eq!(words("a 'b"), Err("a ' is opened and not closed".to_owned()));
    }
}
