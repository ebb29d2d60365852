//! What became of a request at the proxies that it meets, step by step, as `meshctl route` tells it.

use crate::graph::Health;

/// Who is asked what becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A proxy, by what `meshctl proxy-config` takes to find it, as a shell takes it.
    Proxy(String),
    /// The manifests, and what proxies hold beside them: the sources as they were typed.
    Sources(Vec<String>),
}

/// A request that is asked about: whom, and the words of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub of: Asked,
    /// `GET`, `http://reviews:9080/`, `-H`, `end-user: jason`, and whatever else `meshctl route` takes. Manifests are asked as
    /// `meshctl why` is: who sends it stands before.
    pub words: Vec<String>,
    /// Which one it is of all that were asked: the same words may be asked again, and the late answer to the first is not theirs.
    pub number: u64,
}

/// Methods that may stand before a URL.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"];

/// Whether the words begin with who sends the request.
pub fn names_a_sender(words: &[String]) -> bool {
    words.first().is_some_and(|w| !METHODS.contains(&w.as_str()) && !w.contains("://") && !w.starts_with('-'))
}

impl Question {
    /// The words behind `meshctl`.
    pub fn arguments(&self) -> Vec<String> {
        let proxy = match &self.of {
            Asked::Proxy(proxy) => proxy,
            Asked::Sources(sources) => {
                let mut out = vec!["why".to_owned()];
                // `why` has the method behind a flag.
                let at = self.words.iter().skip(1).take(1).position(|w| METHODS.contains(&w.as_str())).map(|_| 1);
                out.extend(self.words.iter().enumerate().filter(|(i, _)| Some(*i) != at).map(|(_, w)| w.clone()));
                out.extend(at.into_iter().flat_map(|i| ["-X".to_owned(), self.words[i].clone()]));
                out.extend(sources.iter().flat_map(|s| ["-f".to_owned(), s.clone()]));
                return out;
            }
        };
        let mut out = crate::shell::words(proxy).unwrap_or_default();
        // A name of a proxy without a flag is what `route` calls a pod.
        if out.first().is_some_and(|w| !w.starts_with('-')) {
            out.insert(0, "--pod".to_owned());
        }
        out.insert(0, "route".to_owned());
        out.extend(self.words.iter().cloned());
        out
    }
    /// The command that prints the same.
    pub fn command(&self) -> String {
        let words: Vec<String> = self.arguments().iter().map(|w| crate::shell::quoted(w)).collect();
        format!("meshctl {}", words.join(" "))
    }
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub request: String,
    /// How it ends as a whole, where that is known beyond the single proxies.
    pub ends: Vec<(Health, String)>,
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
    /// Whether it is as it should be; `Unknown` where that was not judged.
    pub health: Health,
    /// What was not chosen, and why.
    pub passed: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_command() {
        let of = |of: Asked, words: &str| Question { of, words: crate::shell::words(words).expect("words"), number: 0 };
        let proxy = |p: &str| Asked::Proxy(p.to_owned());
        assert_eq!(of(proxy("web.shop --from a.json"), "GET http://a/").command(), "meshctl route --pod web.shop --from a.json GET http://a/");
        let sources = || Asked::Sources(vec!["k8s/".to_owned(), "a b.json".to_owned()]);
        let asked = of(sources(), "web.shop POST http://cart/ -H 'x: y'");
        assert_eq!(asked.command(), "meshctl why web.shop http://cart/ -H 'x: y' -X POST -f k8s/ -f 'a b.json'");
        assert_eq!(of(sources(), "web http://cart/").command(), "meshctl why web http://cart/ -f k8s/ -f 'a b.json'");
        for (words, names) in [("web http://a/", true), ("GET http://a/", false), ("http://a/", false), ("-H x", false), ("", false)] {
            assert_eq!(names_a_sender(&crate::shell::words(words).expect("words")), names, "{words}");
        }
    }
}
