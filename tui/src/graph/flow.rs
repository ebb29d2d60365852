//! What goes over an edge or into a node, in figures.

/// Rates per second and what is known of them. Protocols and edges are added by [`Flow::and`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Requests of HTTP and gRPC.
    pub requests: f64,
    /// Those of them that failed: 4xx, 5xx, errors of gRPC, no answer.
    pub failed: f64,
    /// Bytes of TCP.
    pub bytes: f64,
    /// 95th percentile of response times in milliseconds; of several the slowest, as quantiles can't be added.
    pub p95: Option<f64>,
    /// How much of it was mutual TLS, and how much it is known of: bytes count as kilobytes.
    pub secure: f64,
    pub judged: f64,
}

/// What is written at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Label {
    /// The share of errors where there are any, else the rate.
    #[default]
    Rate,
    Errors,
    Latency,
    Tls,
}

impl Label {
    pub const ALL: [Label; 4] = [Label::Rate, Label::Errors, Label::Latency, Label::Tls];
    pub fn name(self) -> &'static str {
        match self {
            Label::Rate => "rates, and the share of errors where there are any",
            Label::Errors => "shares of errors",
            Label::Latency => "95th percentiles of response times",
            Label::Tls => "shares of mutual TLS",
        }
    }
    pub fn next(self) -> Label {
        let at = Label::ALL.iter().position(|l| *l == self).unwrap_or(0);
        Label::ALL[(at + 1) % Label::ALL.len()]
    }
}

/// An error share that is worth a label in place of the rate.
const NOTABLE: f64 = 0.5;

impl Flow {
    pub fn and(mut self, other: &Flow) -> Flow {
        self.requests += other.requests;
        self.failed += other.failed;
        self.bytes += other.bytes;
        self.p95 = match (self.p95, other.p95) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.secure += other.secure;
        self.judged += other.judged;
        self
    }
    pub fn is_idle(&self) -> bool {
        self.requests <= 0.0 && self.bytes <= 0.0
    }
    /// Percent of the requests that failed; `None` without requests.
    pub fn errors(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.failed / self.requests * 100.0)
    }
    /// Percent that was mutual TLS; `None` where nobody says.
    pub fn mtls(&self) -> Option<f64> {
        (self.judged > 0.0).then(|| (self.secure / self.judged * 100.0).min(100.0))
    }
    /// `42/s`, `1.2MB/s`; "-" where nothing moves.
    pub fn rate(&self) -> String {
        match (self.requests > 0.0, self.bytes > 0.0) {
            (true, _) => format!("{}/s", count(self.requests)),
            (_, true) => format!("{}B/s", count(self.bytes)),
            _ => "-".to_owned(),
        }
    }
    /// What stands in a box: `42/s 0.1%`.
    pub fn figures(&self) -> String {
        match self.errors() {
            Some(e) => format!("{} {}", self.rate(), percent(e)),
            None => self.rate(),
        }
    }
    pub fn label(&self, label: Label) -> String {
        match label {
            Label::Rate => match self.errors().filter(|e| *e >= NOTABLE) {
                Some(errors) => percent(errors),
                None if self.is_idle() => String::new(),
                None => self.rate(),
            },
            Label::Errors => self.errors().map_or(String::new(), percent),
            Label::Latency => self.p95.map_or(String::new(), milliseconds),
            Label::Tls => match self.mtls() {
                Some(p) => format!("tls {}", percent(p)),
                None => "tls ?".to_owned(),
            },
        }
    }
}

/// Three digits: `0.42`, `4.2`, `42`, `4.2k`, `1.5M`.
pub fn count(n: f64) -> String {
    match n {
        n if n >= 999_500.0 => format!("{:.1}M", n / 1e6),
        n if n >= 9_950.0 => format!("{:.0}k", n / 1e3),
        n if n >= 999.5 => format!("{:.1}k", n / 1e3),
        n if n >= 9.95 => format!("{n:.0}"),
        n if n >= 0.995 => format!("{n:.1}"),
        n if n >= 0.005 => format!("{n:.2}"),
        n if n > 0.0 => "<0.01".to_owned(),
        _ => "0".to_owned(),
    }
}

/// `0%`, `0.1%`, `12%`; something is never shown as nothing, nor a part as the whole.
pub fn percent(p: f64) -> String {
    match p {
        p if p <= 0.0 => "0%".to_owned(),
        p if p < 0.1 => "<0.1%".to_owned(),
        p if p < 9.95 => format!("{p:.1}%"),
        p if (99.5..100.0).contains(&p) => ">99%".to_owned(),
        p => format!("{p:.0}%"),
    }
}

/// `9ms`, `310ms`, `1.2s`.
pub fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 999.5 => format!("{:.1}s", ms / 1000.0),
        ms if ms >= 9.95 => format!("{ms:.0}ms"),
        ms => format!("{ms:.1}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_do_not_round_to_nothing_or_everything() {
        let numbers = [0.0, 0.004, 0.42, 4.2, 42.0, 999.4, 1_234.0, 12_345.0, 1_500_000.0];
        assert_eq!(numbers.map(count), ["0", "<0.01", "0.42", "4.2", "42", "999", "1.2k", "12k", "1.5M"]);
        assert_eq!([0.0, 0.03, 7.4, 9.97, 50.0, 99.9, 100.0].map(percent), ["0%", "<0.1%", "7.4%", "10%", "50%", ">99%", "100%"]);
        assert_eq!([0.5, 9.96, 310.0, 1_240.0].map(milliseconds), ["0.5ms", "10ms", "310ms", "1.2s"]);
    }

    #[test]
    fn flows_add_up_and_the_slowest_counts() {
        let a = Flow { requests: 30.0, failed: 3.0, p95: Some(20.0), secure: 30.0, judged: 30.0, ..Flow::default() };
        let b = Flow { requests: 10.0, failed: 0.0, p95: Some(90.0), secure: 0.0, judged: 10.0, ..Flow::default() };
        let both = a.and(&b).and(&Flow::default());
        assert_eq!((both.errors(), both.p95, both.mtls()), (Some(7.5), Some(90.0), Some(75.0)));
        assert_eq!(Label::ALL.map(|l| both.label(l)), ["7.5%", "7.5%", "90ms", "tls 75%"]);
        assert_eq!(Flow::default().mtls(), None, "what nobody says is not claimed");
        assert_eq!(Flow { bytes: 1_234.0, ..Flow::default() }.figures(), "1.2kB/s");
    }
}
