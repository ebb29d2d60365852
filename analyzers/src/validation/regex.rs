//! Regular expressions: Istio checks them as Go reads RE2. The `regex` crate is of the same family; where it takes more
//! or less than Go, the text is rewritten or refused first.

use regex_syntax::ast::{self, Ast, Visitor};

/// At most this many characters.
const LONGEST: usize = 1024;

/// Whether Envoy would accept the expression.
pub fn check(what: &str, text: &str) -> Result<(), String> {
    if text.len() > LONGEST {
        return Err(format!("the regular expression of `{what}` has {} characters, more than {LONGEST}", text.len()));
    }
    compiles(text).map_err(|why| format!("`{text}` of `{what}` is not a valid RE2 regular expression: {why}"))
}

/// The reason why an expression does not compile, in one line.
pub fn compiles(text: &str) -> Result<(), String> {
    let last_line = |text: String| {
        let last = text.lines().last().unwrap_or("").trim();
        last.strip_prefix("error: ").unwrap_or(last).to_owned()
    };
    let text = rewritten(text);
    let tree = ast::parse::Parser::new().parse(&text).map_err(|e| last_line(e.to_string()))?;
    ast::visit(&tree, GoOnly)?;
    match regex::RegexBuilder::new(&text).size_limit(1 << 20).build() {
        Ok(_) | Err(regex::Error::CompiledTooBig(_)) => Ok(()),
        Err(e) => Err(last_line(e.to_string())),
    }
}

/// What Go takes literally and the crate does not: a `{` that begins no count, `\Q…\E`, and in a class `[`, `&` and `~`.
fn rewritten(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let (head, tail) = rest.split_at(c.len_utf8());
        rest = tail;
        match c {
            '\\' if !in_class && tail.starts_with('Q') => {
                let quoted = &tail[1..];
                let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                out.push_str(&regex_syntax::escape(literal));
                rest = after;
            }
            '\\' => {
                let escaped = tail.chars().next().map_or(0, char::len_utf8);
                out.push_str(head);
                out.push_str(&tail[..escaped]);
                rest = &tail[escaped..];
            }
            '{' if !in_class && !is_count(tail) => out.push_str("\\{"),
            '[' if in_class => match tail.strip_prefix(':').and_then(|t| t.find(":]")) {
                Some(end) => {
                    let end = end + 3;
                    out.push_str(head);
                    out.push_str(&tail[..end]);
                    rest = &tail[end..];
                }
                None => out.push_str("\\["),
            },
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '[' => {
                in_class = true;
                // A `]` right behind the bracket is itself.
                let negated = usize::from(tail.starts_with('^'));
                let own = negated + usize::from(tail[negated..].starts_with(']'));
                out.push_str(head);
                out.push_str(&tail[..own]);
                rest = &tail[own..];
            }
            ']' => {
                in_class = false;
                out.push_str(head);
            }
            _ => out.push_str(head),
        }
    }
    out
}

/// Whether a count follows a `{`: `2}`, `2,}` or `2,3}`.
fn is_count(text: &str) -> bool {
    let Some((inner, _)) = text.split_once('}') else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// Refuses what the crate takes and Go does not.
struct GoOnly;

impl Visitor for GoOnly {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, node: &Ast) -> Result<(), String> {
        let flags = match node {
            Ast::Repetition(r) if matches!(*r.ast, Ast::Repetition(_)) => return Err("repetition operators follow each other".to_owned()),
            Ast::Repetition(r) if counts(&r.op.kind).is_some_and(|n| n > 1000) => return Err("a count is above 1000".to_owned()),
            Ast::Flags(f) => &f.flags,
            Ast::Group(g) => match &g.kind {
                ast::GroupKind::NonCapturing(flags) => flags,
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        for item in &flags.items {
            if let ast::FlagsItemKind::Flag(ast::Flag::Unicode | ast::Flag::IgnoreWhitespace | ast::Flag::CRLF) = item.kind {
                return Err("it has a flag other than `i`, `m`, `s` and `U`".to_owned());
            }
        }
        Ok(())
    }
}

fn counts(kind: &ast::RepetitionKind) -> Option<u32> {
    match kind {
        ast::RepetitionKind::Range(ast::RepetitionRange::Exactly(n) | ast::RepetitionRange::AtLeast(n) | ast::RepetitionRange::Bounded(_, n)) => Some(*n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        assert!(check("uri", "/a/[0-9]+").is_ok() && check("uri", "").is_ok());
        assert!(check("uri", "[").is_err() && check("uri", "(?=a)").is_err() && check("uri", &"a".repeat(1025)).is_err());
    }

    #[test]
    fn what_go_takes() {
        for good in
            ["/users/{id}/.*", "a{2}", "a{2,}b{,3}", "{", "[^[]+", "[]a]", "[^]]", "[a&&b]", "[[:alpha:]_]+", "\\Qa.{b\\E.*", "(?i)a+?", "a\\/b", "\\{[}]"]
        {
            assert_eq!(compiles(good), Ok(()), "{good}");
        }
        for bad in ["%#@~++", "a**", "a+??", "(?x)a", "a{1001}", "(", "*a", "[z-a]", "\\1"] {
            assert!(compiles(bad).is_err(), "{bad}");
        }
    }
}
