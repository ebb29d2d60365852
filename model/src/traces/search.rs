//! Which traces are wanted.

use super::span::Span;
use super::tree::Trace;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Wanted {
    #[default]
    All,
    /// Those with a span that failed.
    Errors,
}

/// What a trace must have. Service, operation and tags have to be those of one span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// With or without its namespace: `reviews` is `reviews.bookinfo` too.
    pub service: Option<String>,
    pub operation: Option<String>,
    pub tags: Vec<(String, String)>,
    /// Of the whole trace, in microseconds.
    pub least: Option<i64>,
    pub most: Option<i64>,
    pub wanted: Wanted,
}

impl Criteria {
    pub fn fits(&self, trace: &Trace) -> bool {
        let duration = trace.duration();
        let in_time = self.least.is_none_or(|l| duration >= l) && self.most.is_none_or(|m| duration <= m);
        let is_wanted = self.wanted == Wanted::All || trace.errors() > 0;
        in_time && is_wanted && trace.spans.iter().any(|p| self.fits_span(&p.span))
    }

    fn fits_span(&self, span: &Span) -> bool {
        let by_service = |s: &String| span.service == *s || span.service.strip_prefix(s.as_str()).is_some_and(|rest| rest.starts_with('.'));
        self.service.as_ref().is_none_or(by_service)
            && self.operation.as_ref().is_none_or(|o| span.operation == *o)
            && self.tags.iter().all(|(name, value)| span.tag(name) == value)
    }
}
