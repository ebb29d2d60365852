//! A page as a whole: its lines, its families, what could not be read.

use super::Sample;
use super::line::{Cursor, Fault, number};
use rustc_hash::FxHashMap;

/// Which rules a page follows. They differ in times (milliseconds, or seconds with a fraction) and in `# EOF`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// OpenMetrics pages end in `# EOF`; nothing else tells the two apart without the content type.
    pub fn of_page(page: &[u8]) -> Format {
        let end = page.trim_ascii_end();
        if end == b"# EOF" || end.ends_with(b"\n# EOF") { Format::OpenMetrics } else { Format::Prometheus }
    }

    /// By the value of a `Content-Type` header.
    pub fn of_content_type(value: &str) -> Format {
        if value.trim_start().to_ascii_lowercase().starts_with("application/openmetrics-text") { Format::OpenMetrics } else { Format::Prometheus }
    }
}

/// What `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    Unknown,
}

impl Kind {
    fn parse(word: &str) -> Option<Kind> {
        Some(match word {
            "counter" => Kind::Counter,
            "gauge" => Kind::Gauge,
            "histogram" => Kind::Histogram,
            "gaugehistogram" => Kind::GaugeHistogram,
            "summary" => Kind::Summary,
            "info" => Kind::Info,
            "stateset" => Kind::StateSet,
            "untyped" | "unknown" => Kind::Unknown,
            _ => return None,
        })
    }

    /// As Prometheus' metadata API writes it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::GaugeHistogram => "gaugehistogram",
            Kind::Summary => "summary",
            Kind::Info => "info",
            Kind::StateSet => "stateset",
            Kind::Unknown => "unknown",
        }
    }
}

/// What the comments of a page say of one metric family. Texts are as written (`\n` and `\\` in help).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family<'a> {
    pub name: &'a str,
    pub kind: Kind,
    pub raw_help: &'a str,
    pub unit: &'a str,
}

/// A line that was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u32,
    /// In bytes, from 1.
    pub column: u32,
    pub message: &'static str,
}

/// The first problems, and how many there were: a page of garbage must not cost memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    pub first: Vec<Problem>,
    pub total: usize,
}

impl Problems {
    const KEPT: usize = 20;

    fn add(&mut self, line: u32, column: usize, message: &'static str) {
        self.total += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(Problem { line, column: column.min(u32::MAX as usize) as u32, message });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// What a page holds: samples and families in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<'a> {
    pub format: Format,
    pub samples: Vec<Sample<'a>>,
    pub families: Vec<Family<'a>>,
    pub problems: Problems,
}

/// Reads a page; the format is found by its end.
pub fn scan(page: &[u8]) -> Page<'_> {
    scan_as(page, Format::of_page(page))
}

/// Reads a page of a known format. A page that was cut off says so: its last line is not taken, for half a number is a
/// wrong one, and an OpenMetrics page without `# EOF` is a problem.
pub fn scan_as(page: &[u8], format: Format) -> Page<'_> {
    let mut scanner = Scanner {
        page: Page { format, samples: Vec::new(), families: Vec::new(), problems: Problems::default() },
        by_name: FxHashMap::default(),
        line: 1,
        ended: false,
    };
    if page.trim_ascii_start().starts_with(b"<") {
        scanner.page.problems.add(1, 1, "HTML or XML, not metrics: a login page, or an error page of something in between?");
        return scanner.page;
    }
    let mut rest = page.strip_prefix(b"\xef\xbb\xbf").unwrap_or(page);
    // Lines that are not UTF-8 are lost one by one.
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                scanner.lines(text);
                break;
            }
            Err(error) => {
                let start = memchr::memrchr(b'\n', &rest[..error.valid_up_to()]).map_or(0, |n| n + 1);
                if let Ok(text) = std::str::from_utf8(&rest[..start]) {
                    scanner.lines(text);
                }
                scanner.page.problems.add(scanner.line, error.valid_up_to() - start + 1, "not UTF-8");
                scanner.line += 1;
                match memchr::memchr(b'\n', &rest[start..]) {
                    Some(n) => rest = &rest[start + n + 1..],
                    None => break,
                }
            }
        }
    }
    if format == Format::OpenMetrics && !scanner.ended {
        scanner.page.problems.add(scanner.line, 1, "the page ends without `# EOF`: it was cut off");
    }
    scanner.page
}

struct Scanner<'a> {
    page: Page<'a>,
    by_name: FxHashMap<&'a str, u32>,
    line: u32,
    ended: bool,
}

impl<'a> Scanner<'a> {
    fn lines(&mut self, text: &'a str) {
        let mut cursor = Cursor::new(text);
        while !cursor.is_at_end() {
            let start = cursor.at;
            let read = match cursor.peek() {
                Some(b'\n') => Ok(()),
                Some(b'#') => self.comment(&mut cursor),
                _ => self.sample(&mut cursor, text),
            };
            if let Err(message) = read {
                self.page.problems.add(self.line, cursor.at - start + 1, message);
            }
            cursor.at = cursor.line_end() + 1;
            self.line = self.line.saturating_add(1);
        }
    }

    fn sample(&mut self, cursor: &mut Cursor<'a>, text: &'a str) -> Result<(), Fault> {
        // A line of blanks alone is no sample; blanks before a name are none of the format's.
        if matches!(cursor.peek(), Some(b' ' | b'\t' | b'\r')) && cursor.clone().rest().is_empty() {
            return Ok(());
        }
        if self.ended {
            return Err("a sample after `# EOF`");
        }
        let head = cursor.head()?;
        let word = cursor.word();
        let Some(value) = number(word) else {
            cursor.at -= word.len();
            return Err(if word.is_empty() { "the value is missing" } else { "the value is no number" });
        };
        let mut timestamp = None;
        let mut exemplar = None;
        if !matches!(cursor.peek(), Some(b'\n')) {
            let tail = cursor.clone();
            let word = cursor.word();
            if !word.is_empty() && !word.starts_with('#') {
                let Some(time) = self.timestamp(word) else {
                    cursor.at -= word.len();
                    return Err("the time behind the value can't be read");
                };
                timestamp = Some(time);
            } else {
                *cursor = tail;
            }
            let rest = cursor.rest();
            match rest.strip_prefix('#') {
                Some(text) => exemplar = Some(text.trim_start()),
                None if rest.is_empty() => {}
                None => {
                    cursor.at -= rest.len();
                    return Err("more text than a value and a time");
                }
            }
            if cursor.at >= text.len() {
                return Err("the page ends in the middle of this line: it was cut off");
            }
        }
        self.page.samples.push(Sample { raw_name: head.name, raw_labels: head.labels, value, timestamp, exemplar, line: self.line });
        Ok(())
    }

    fn timestamp(&self, word: &str) -> Option<i64> {
        match self.page.format {
            Format::Prometheus => word.parse().ok(),
            Format::OpenMetrics => number(word).filter(|t| t.is_finite()).map(|seconds| (seconds * 1000.0).round() as i64),
        }
    }

    fn comment(&mut self, cursor: &mut Cursor<'a>) -> Result<(), Fault> {
        cursor.at += 1;
        let word = cursor.word();
        match word {
            "EOF" if self.page.format == Format::OpenMetrics && cursor.rest().is_empty() => {
                self.ended = true;
                return Ok(());
            }
            "HELP" | "TYPE" | "UNIT" => {}
            _ => return Ok(()),
        }
        let name = cursor.word();
        let name = name.strip_prefix('"').and_then(|n| n.strip_suffix('"')).unwrap_or(name);
        if name.is_empty() {
            return Err("a metric's name must stand here");
        }
        let text = cursor.rest();
        let kind = if word == "TYPE" { Kind::parse(text) } else { None };
        if word == "TYPE" && kind.is_none() {
            cursor.at -= text.len();
            return Err("no type of metric that the format knows");
        }
        let family = self.family(name);
        match kind {
            Some(kind) => family.kind = kind,
            None if word == "HELP" => family.raw_help = text,
            None => family.unit = text,
        }
        Ok(())
    }

    fn family(&mut self, name: &'a str) -> &mut Family<'a> {
        let next = self.page.families.len() as u32;
        let index = *self.by_name.entry(name).or_insert(next);
        if index == next {
            self.page.families.push(Family { name, kind: Kind::Unknown, raw_help: "", unit: "" });
        }
        &mut self.page.families[index as usize]
    }
}
