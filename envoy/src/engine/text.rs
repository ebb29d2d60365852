//! Reading of matchers, where what is not known about one is told with its path; prefixes; substitutions.

use super::field::{Message, Read};
use crate::matcher::{Cidr, StringMatcher, StringTest, Truth, UriTemplate, re2};

/// `StringMatcher`.
pub(super) fn string(m: &Message<'_, '_>) -> Read<StringMatcher> {
    m.only(&["exact", "prefix", "suffix", "contains", "safe_regex", "ignore_case"])?;
    let matcher = StringMatcher::compile(&m.json());
    match &matcher.test {
        StringTest::Unknown(reason) => Err(m.unknown(reason)),
        _ => Ok(matcher),
    }
}

/// `RegexMatcher`, of a whole text.
pub(super) fn regex(m: &Message<'_, '_>) -> Read<StringMatcher> {
    m.only(&["regex", "google_re2"])?;
    match StringTest::regex(m.text("regex")?) {
        StringTest::Unknown(reason) => Err(m.unknown_field("regex", reason)),
        test => Ok(StringMatcher { test, ignore_case: false }),
    }
}

/// `CidrRange`.
pub(super) fn cidr(m: &Message<'_, '_>) -> Read<Cidr> {
    m.only(&["address_prefix", "prefix_len"])?;
    Cidr::compile(&m.json()).ok_or_else(|| m.unknown_field("address_prefix", "no address"))
}

pub(super) fn cidrs(m: &Message<'_, '_>, name: &str) -> Read<Vec<Cidr>> {
    m.messages(name)?.iter().map(cidr).collect()
}

/// `UriTemplateMatchConfig`.
pub(super) fn template(m: &Message<'_, '_>) -> Read<UriTemplate> {
    let template = UriTemplate::compile(m.text("path_template")?);
    match template.matches("/") {
        Truth::Unknown => Err(m.unknown_field("path_template", "a template that can't be read")),
        _ => Ok(template),
    }
}

/// Whether letters of either case are the same. ASCII alone, as in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Ignored,
}

impl Case {
    /// From a field that says whether case counts.
    pub fn sensitive(yes: bool) -> Case {
        if yes { Case::Sensitive } else { Case::Ignored }
    }
    pub fn equal(self, a: &str, b: &str) -> bool {
        match self {
            Case::Sensitive => a == b,
            Case::Ignored => a.eq_ignore_ascii_case(b),
        }
    }
    pub fn starts_with(self, text: &str, prefix: &str) -> bool {
        match self {
            Case::Sensitive => text.starts_with(prefix),
            Case::Ignored => text.as_bytes().get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes())),
        }
    }
}

/// Replacement of every match (`envoy.type.matcher.v3.RegexMatchAndSubstitute`).
#[derive(Clone, Debug)]
pub struct Substitution {
    regex: regex::Regex,
    replacement: Box<str>,
}

impl Substitution {
    pub fn read(m: &Message<'_, '_>) -> Read<Substitution> {
        m.only(&["pattern", "substitution"])?;
        let pattern = m.message_or_empty("pattern")?;
        let source = pattern.text("regex")?;
        let regex = re2::anywhere(source).map_err(|e| pattern.unknown_field("regex", e))?;
        Ok(Substitution { regex, replacement: back_references(m.text("substitution")?).into() })
    }
    pub fn apply(&self, text: &str) -> String {
        self.regex.replace_all(text, &*self.replacement).into_owned()
    }
}

/// RE2's `\1` is `${1}` here, and `$` is an ordinary character there.
fn back_references(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(d) if d.is_ascii_digit() => out.push_str(&format!("${{{d}}}")),
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutions_take_back_references() {
        let v = serde_json::json!({"pattern": {"regex": "^/rewrite/(.*)$"}, "substitution": "/new/$\\1"});
        let s = Substitution::read(&Message::new(&v, super::super::field::Path::root("r")).expect("a message")).expect("readable");
        assert_eq!(s.apply("/rewrite/abc"), "/new/$abc");
    }
}
