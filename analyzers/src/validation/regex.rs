//! Regular expressions: Istio and Envoy use RE2, whose language the `regex` crate shares.

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
    match regex::RegexBuilder::new(text).size_limit(1 << 20).build() {
        Ok(_) | Err(regex::Error::CompiledTooBig(_)) => Ok(()),
        Err(e) => {
            let text = e.to_string();
            let last = text.lines().last().unwrap_or("").trim();
            Err(last.strip_prefix("error: ").unwrap_or(last).to_owned())
        }
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
}
