//! Why there is no answer.

use std::fmt;
use std::time::Duration;

/// What went wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Nobody answers.
    Unreachable { why: String },
    /// No answer within this time.
    TimedOut { after: Duration },
    /// 401 or 403.
    NotAllowed { code: u16 },
    /// Somewhere else, without what follows the path.
    Redirected { to: String },
    /// HTML: a login page, or another server.
    WebPage,
    /// The connection ended before the answer did.
    CutOff,
    /// An answer larger than this many bytes.
    TooLarge { limit: u64 },
    /// An error as Prometheus tells it.
    Refused { code: u16, kind: String, message: String },
    /// Any other status, with the beginning of what it says.
    Status { code: u16, says: String },
    /// It is not an answer of Prometheus' API.
    Foreign { why: String },
    /// A token or password that can't be read.
    Credentials { why: String },
}

impl QueryError {
    /// Whether the same request may be answered a moment later.
    pub(super) fn is_temporary(&self) -> bool {
        match self {
            QueryError::Unreachable { .. } | QueryError::CutOff => true,
            QueryError::Status { code, .. } | QueryError::Refused { code, .. } => matches!(code, 429 | 500 | 502 | 503) && !self.is_too_much(),
            _ => false,
        }
    }

    /// Whether less might be answered: limits and time-outs.
    pub(super) fn is_too_much(&self) -> bool {
        match self {
            QueryError::TimedOut { .. } | QueryError::TooLarge { .. } | QueryError::Status { code: 408 | 413 | 504, .. } => true,
            QueryError::Refused { kind, message, .. } => {
                let message = message.to_ascii_lowercase();
                // Prometheus, Thanos, Mimir and VictoriaMetrics each say it in their way.
                let limits = ["too many", "limit", "exceed", "too large", "maximum", "max-", "timed out", "deadline"];
                kind == "timeout" || limits.iter().any(|word| message.contains(word))
            }
            _ => false,
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Unreachable { why } => write!(f, "it does not answer: {why}"),
            QueryError::TimedOut { after } => write!(f, "no answer within {} s", after.as_secs_f64()),
            QueryError::NotAllowed { code } => write!(f, "it answers {code}: give --prom-token-file, --prom-user or the header that it wants"),
            QueryError::Redirected { to } => write!(f, "it sends elsewhere ({to}): is that a login, or the right address?"),
            QueryError::WebPage => write!(f, "it answers with a web page: a login, or no Prometheus"),
            QueryError::CutOff => write!(f, "the answer was cut off"),
            QueryError::TooLarge { limit } => write!(f, "the answer has more than {} MiB", limit >> 20),
            QueryError::Refused { kind, message, .. } => write!(f, "{kind}: {message}"),
            QueryError::Status { code, says } if says.is_empty() => write!(f, "it answers {code}"),
            QueryError::Status { code, says } => write!(f, "it answers {code}: {says}"),
            QueryError::Foreign { why } => write!(f, "it does not answer as Prometheus does: {why}"),
            QueryError::Credentials { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for QueryError {}

/// Why a Prometheus gave nothing at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusError {
    pub url: String,
    pub error: QueryError,
}

impl fmt::Display for PrometheusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.error)
    }
}

impl std::error::Error for PrometheusError {}
