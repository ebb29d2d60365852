//! Pages of metrics as proxies expose them: Prometheus' text format 0.0.4 and OpenMetrics 1.0, as far as Envoy, Istio and
//! common clients write them. Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.
//!
//! A page is read in one pass and nothing is copied: a sample holds slices of the page. A line that can't be read costs that
//! line, and is reported with its position.

mod escape;
mod line;
mod page;

pub use escape::unescape;
pub use page::{Family, Format, Kind, Page, Problem, Problems, scan, scan_as};

use line::Cursor;
use std::borrow::Cow;

/// One sample. Names and values are as written; the methods decode them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'a> {
    /// The name, without quotes and with its escapes.
    pub raw_name: &'a str,
    /// What stands between the braces, already checked; without the name where that stands there too (`{"my.metric",a="b"}`).
    pub raw_labels: &'a str,
    pub value: f64,
    /// Milliseconds since the epoch, when the page gives a time.
    pub timestamp: Option<i64>,
    /// An OpenMetrics exemplar: all that follows its `#`.
    pub exemplar: Option<&'a str>,
    /// From 1.
    pub line: u32,
}

impl<'a> Sample<'a> {
    pub fn name(&self) -> Cow<'a, str> {
        unescape(self.raw_name)
    }

    /// Labels in the page's order, decoded. `a="x,y"` is one label.
    pub fn labels(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        self.raw_pairs().map(|(name, value)| (unescape(name), unescape(value)))
    }

    /// Labels in the page's order, with their escapes.
    pub fn raw_pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut cursor = Cursor::new(self.raw_labels);
        // The block was checked when it was scanned: an error here means its end.
        std::iter::from_fn(move || cursor.next_label().ok().flatten())
    }
}
