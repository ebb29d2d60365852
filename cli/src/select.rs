//! Which codes are meant: codes, prefixes of codes, names of codes, names of rules.

use crate::status::Failure;
use mesh_analyzers::{codes, rules, spelling};
use std::collections::BTreeSet;

/// A set of codes.
pub type Codes = BTreeSet<&'static str>;

/// The codes that a word means; an error that names the nearest where it means none.
pub fn codes_of(word: &str) -> Result<Codes, String> {
    let word = word.trim();
    if word == "*" || word.eq_ignore_ascii_case("all") {
        return Ok(codes::ALL.iter().map(|c| c.id).collect());
    }
    let mut found: Codes = codes::ALL
        .iter()
        .filter(|c| !word.is_empty() && (starts_with(c.id, word) && is_prefix(word) || c.name.eq_ignore_ascii_case(word)))
        .map(|c| c.id)
        .collect();
    for rule in rules::all().filter(|r| r.name.eq_ignore_ascii_case(word) || (!r.analyzer.is_empty() && r.analyzer.eq_ignore_ascii_case(word))) {
        found.extend(rule.codes.iter().map(|c| c.id));
    }
    if found.is_empty() { Err(unknown(word, names())) } else { Ok(found) }
}

/// Words that begin with a letter run of a family (`I`, `IST`, `IST01` …) are prefixes of codes.
fn is_prefix(word: &str) -> bool {
    word.len() >= 3
}

fn starts_with(id: &str, word: &str) -> bool {
    id.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}

fn names() -> impl Iterator<Item = &'static str> {
    codes::ALL.iter().flat_map(|c| [c.id, c.name]).chain(rules::all().map(|r| r.name))
}

/// What is said of a word that is none of the known ones.
pub fn unknown<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    // Codes differ in digits only, so a near code is no misspelling to `spelling`; take a swapped or doubled digit as one here.
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let near = spelling::nearest(word, candidates.iter().copied())
        .or_else(|| candidates.iter().copied().filter_map(|c| spelling::distance(word, c, 1).map(|d| (d, c))).min().map(|(_, c)| c));
    match near {
        Some(near) => format!("no code or rule `{word}`; did you mean `{near}`?"),
        None => format!("no code or rule `{word}`; `meshctl explain --list rules` shows them"),
    }
}

/// Several words of a flag or setting.
pub fn all_of(words: &[String], whence: &str) -> Result<Codes, Failure> {
    let mut out = Codes::new();
    for word in words {
        out.extend(codes_of(word).map_err(|e| Failure::Usage(format!("{whence}: {e}")))?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_codes() {
        assert_eq!(codes_of("ist0101"), Ok(Codes::from(["IST0101"])));
        assert!(codes_of("IST01").is_ok_and(|c| c.len() > 20 && !c.contains("IST0002")));
        assert_eq!(codes_of("ReferencedResourceNotFound"), Ok(Codes::from(["IST0101"])));
        assert_eq!(codes_of("duplicate-object"), Ok(Codes::from(["MSH0003"])));
        assert_eq!(codes_of("IST1010").unwrap_err(), "no code or rule `IST1010`; did you mean `IST0110`?");
        assert!(codes_of("ReferencedResourceNotFond").unwrap_err().contains("ReferencedResourceNotFound"));
        assert!(codes_of("").is_err() && codes_of("x").is_err());
    }
}
