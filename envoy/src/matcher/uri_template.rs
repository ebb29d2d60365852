//! Path templates (`envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig`): `/shop/*/items/**`.

use super::{Truth, path_only};
use regex::Regex;
use std::fmt;

/// A template compiled. `*` is one segment, `**` any number of them, `{name}` and `{name=pattern}` are the same with a name.
#[derive(Clone, Debug)]
pub struct UriTemplate {
    template: String,
    /// `None` where the template can't be read.
    regex: Option<Regex>,
}

/// The characters of a segment: RFC 3986's pchar without `*` and `=`.
const SEGMENT: &str = r"a-zA-Z0-9\-._~%!$&'()+,;:@";

impl UriTemplate {
    pub fn compile(template: &str) -> UriTemplate {
        let regex = expression(template).and_then(|e| Regex::new(&format!(r"\A{e}\z")).ok());
        UriTemplate { template: template.to_owned(), regex }
    }
    /// The path may carry a query, which is left out.
    pub fn matches(&self, path: &str) -> Truth {
        self.regex.as_ref().map_or(Truth::Unknown, |r| r.is_match(path_only(path)).into())
    }
}

impl fmt::Display for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

fn expression(template: &str) -> Option<String> {
    let mut rest = template;
    if !rest.starts_with('/') {
        return None;
    }
    let mut out = String::new();
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            out.push_str(&format!("[{SEGMENT}/]*"));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*') {
            out.push_str(&format!("[{SEGMENT}]+"));
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (variable, after) = after.split_once('}')?;
            match variable.split_once('=') {
                // What a name stands for is read like the rest; it needs a slash to begin with only here.
                Some((_, pattern)) => out.push_str(expression(&format!("/{pattern}"))?.strip_prefix('/')?),
                None => out.push_str(&format!("[{SEGMENT}]+")),
            }
            rest = after;
        } else {
            out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_match_whole_paths() {
        for (template, yes, no) in [
            ("/a/*/b", "/a/x/b", "/a/x/y/b"),
            ("/a/**", "/a/x/y?q=/z", "/b"),
            ("/a/{id}/b", "/a/1/b?x", "/a//b"),
            ("/{all=**}.txt", "/a/b.txt", "/a/b.txtx"),
            ("/{x=shop/*}/c", "/shop/1/c", "/shop/1/2/c"),
        ] {
            let t = UriTemplate::compile(template);
            assert_eq!((t.matches(yes), t.matches(no)), (Truth::Yes, Truth::No), "{template}");
        }
        assert_eq!(UriTemplate::compile("/a/{").matches("/a/"), Truth::Unknown);
    }
}
