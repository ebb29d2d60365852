//! What became of a request at the proxies that it meets, step by step, as `meshctl route` tells it.

use crate::graph::Health;

/// A request that is asked about: of which proxy, and the words of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What `meshctl proxy-config` takes to find the proxy, as a shell takes it.
    pub proxy: String,
    /// `GET`, `http://reviews:9080/`, `-H`, `end-user: jason`, and whatever else `meshctl route` takes.
    pub words: Vec<String>,
}

impl Question {
    /// The words behind `meshctl route`.
    pub fn arguments(&self) -> Vec<String> {
        let mut out = crate::shell::words(&self.proxy).unwrap_or_default();
        // A name of a proxy without a flag is what `route` calls a pod.
        if out.first().is_some_and(|w| !w.starts_with('-')) {
            out.insert(0, "--pod".to_owned());
        }
        out.extend(self.words.iter().cloned());
        out
    }
    /// The command that prints the same.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.arguments().iter().map(|w| crate::shell::quoted(w)).collect();
        format!("meshctl route {}", words.join(" "))
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub request: String,
    /// The proxies that it meets, in their order.
    pub stations: Vec<Station>,
    pub assumed: Vec<String>,
    pub problems: Vec<String>,
}

/// What one proxy does with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Station {
    pub proxy: String,
    pub steps: Vec<Step>,
    /// How it ends, and whether that is well; several where a share of requests goes each way.
    pub ends: Vec<(Health, String)>,
}

/// One choice of a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// `listener`, `filter chain`, `route`, …
    pub kind: String,
    pub text: String,
    /// What was not chosen, and why.
    pub passed: Vec<String>,
}
