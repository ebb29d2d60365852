//! What can go wrong between us and a cluster.

use serde::Deserialize;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why no cluster can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a Pod's service account.
    NoKubeconfig,
    /// A kubeconfig that can't be read.
    Kubeconfig(String),
    /// A kubeconfig without a current context.
    NoContext {
        names: Vec<String>,
    },
    UnknownContext {
        context: String,
        names: Vec<String>,
    },
    /// Credentials that can't be had or used.
    Login {
        context: String,
        message: String,
    },
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
        match self {
            ConnectError::NoKubeconfig => f.write_str("there is no kubeconfig: neither KUBECONFIG nor ~/.kube/config names a file that exists"),
            ConnectError::Kubeconfig(message) => write!(f, "the kubeconfig can't be used: {message}"),
            ConnectError::NoContext { names } => write!(f, "the kubeconfig has no current context ({}); name one with --context", list(names)),
            ConnectError::UnknownContext { context, names } => write!(f, "the kubeconfig has no context `{context}`; {}", list(names)),
            ConnectError::Login { context, message } => write!(f, "context {context}: no login: {message}"),
        }
    }
}

impl Error for ConnectError {}

/// Why an answer is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The server refused.
    Status {
        code: u16,
        reason: String,
        message: String,
        retry_after: Option<Duration>,
    },
    /// No connection, or one that broke.
    Unreachable(String),
    TimedOut(Duration),
    /// The whole cluster was not read in the time that there is for it.
    OutOfTime(Duration),
    /// An answer that is not what was asked for.
    Odd(String),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    message: String,
    reason: String,
}

impl ApiError {
    pub(super) fn of_status(code: u16, body: &[u8], retry_after: Option<Duration>) -> ApiError {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        let message = if status.message.is_empty() {
            // Something in between answers in its own way, mostly with a page.
            String::from_utf8_lossy(body).split_whitespace().take(20).collect::<Vec<_>>().join(" ").chars().take(160).collect()
        } else {
            status.message
        };
        ApiError::Status { code, reason: status.reason, message, retry_after }
    }
    /// The rights do not suffice.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, ApiError::Status { code: 403, .. })
    }
    /// The place in a list is too old to go on from.
    pub fn is_expired(&self) -> bool {
        matches!(self, ApiError::Status { code: 410, .. })
    }
    pub fn is_not_found(&self) -> bool {
        matches!(self, ApiError::Status { code: 404, .. })
    }
    /// What to do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            ApiError::Status { code: 401, .. } => Some("the credentials are refused or have expired: log in again"),
            ApiError::Status { code: 403, .. } => {
                Some(concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/deploy/rbac-viewer.yaml has the rights that are needed"))
            }
            ApiError::Status { code: 429, .. } => Some("the API server asks for fewer requests: try again later"),
            ApiError::Status { code: 404, .. } => None,
            ApiError::Unreachable(_) => Some("is the cluster up, and the address of the context reachable from here?"),
            ApiError::OutOfTime(_) => Some("a longer --kubeclient-timeout gives it more time: a whole cluster has four times that"),
            ApiError::TimedOut(_) => Some("a longer --kubeclient-timeout gives it more time"),
            _ => None,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Status { code, message, .. } if message.is_empty() => write!(f, "the API server answers {code}"),
            ApiError::Status { code, message, .. } => write!(f, "the API server answers {code}: {message}"),
            ApiError::Unreachable(message) => write!(f, "the API server can't be reached: {message}"),
            ApiError::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            ApiError::OutOfTime(limit) => write!(f, "the cluster's time of {} s was over", limit.as_secs_f64()),
            ApiError::Odd(message) => write!(f, "an odd answer: {message}"),
        }
    }
}

impl Error for ApiError {}

/// An error and its causes in one line, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = cause.source();
    }
    out
}
