//! The language of filters: words that must occur, `!word` that must not, `field:word` for one field.

/// What a row offers to a filter: its fields by name; words are looked for in all of them.
pub type Fields<'f> = [(&'static str, &'f str)];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    is_not: bool,
    /// Empty for any.
    field: String,
    word: String,
}

impl Filter {
    pub fn parse(text: &str) -> Filter {
        let term = |t: &str| {
            let (is_not, t) = t.strip_prefix('!').map_or((false, t), |t| (true, t));
            let (field, word) = t.split_once(':').unwrap_or(("", t));
            Term { is_not, field: field.to_lowercase(), word: word.to_lowercase() }
        };
        Filter { terms: text.split_whitespace().map(term).filter(|t| !t.word.is_empty()).collect() }
    }
    /// The terms of these fields, as field and word, and a filter of the others.
    pub fn apart(&self, fields: &[&str]) -> (Vec<(String, String)>, Filter) {
        let (own, terms): (Vec<Term>, Vec<Term>) = self.terms.iter().cloned().partition(|t| fields.contains(&t.field.as_str()));
        (own.into_iter().map(|t| (t.field, t.word)).collect(), Filter { terms })
    }
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
    pub fn matches(&self, fields: &Fields<'_>) -> bool {
        self.terms.iter().all(|t| {
            let is_field = |name: &str| t.field.is_empty() || name.starts_with(&t.field);
            let known = fields.iter().any(|(name, _)| is_field(name));
            // A colon may also stand in a name: `0.0.0.0:15006`.
            let found = match known {
                true => fields.iter().any(|(name, value)| is_field(name) && value.to_lowercase().contains(&t.word)),
                false => fields.iter().any(|(_, value)| value.to_lowercase().contains(&format!("{}:{}", t.field, t.word))),
            };
            found != t.is_not
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fields_and_their_opposites() {
        let row = [("ns", "bookinfo"), ("name", "Reviews-v3"), ("address", "0.0.0.0:15006")];
        for (text, want) in [
            ("rev", true),
            ("REV book", true),
            ("!rev", false),
            ("ns:book", true),
            ("ns:rev", false),
            ("!ns:other", true),
            ("0.0.0.0:150", true),
            ("", true),
            ("name:", true),
        ] {
            assert_eq!(Filter::parse(text).matches(&row), want, "{text}");
        }
    }
}
