//! What a code means: the rules' own doc comments, put in at build time.

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a code, as Markdown.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.binary_search_by(|(c, _)| (*c).cmp(code)).ok().and_then(|i| PAGES.get(i)).map(|(_, text)| *text)
}
