//! Words that are no command: answered with the right one.

use crate::args::available;
use crate::status::Failure;
use mesh_analyzers::spelling;

/// Commands of other tools, and what to use.
const FOREIGN: &[(&str, &str)] = &[
    ("install", "meshctl installs nothing in a cluster; use `helm install` or `istioctl install`, and `meshctl analyze` before it"),
    ("upgrade", "meshctl installs nothing in a cluster; use `helm upgrade` or `istioctl upgrade`, and `meshctl analyze --istio-version` before it"),
    ("uninstall", "meshctl installs nothing in a cluster; use `helm uninstall` or `istioctl uninstall`"),
    ("apply", "meshctl applies nothing; use `kubectl apply`, and `meshctl analyze` before it"),
    ("create", "meshctl applies nothing; use `kubectl create`, and `meshctl analyze` before it"),
    ("delete", "meshctl deletes nothing; use `kubectl delete`"),
    ("get", "use `kubectl get`; `kubectl get … -o yaml | meshctl analyze -` judges what it prints"),
    ("lint", "use `meshctl analyze`"),
    ("precheck", "use `meshctl analyze --istio-version VERSION`, on the current cluster or on files"),
    ("vet", "use `meshctl analyze`"),
    ("inject", "meshctl injects nothing; use `istioctl kube-inject`"),
    ("kube-inject", "meshctl injects nothing; use `istioctl kube-inject`"),
    ("dashboard", "this version has no dashboards; use `istioctl dashboard`"),
    ("dash", "this version has no dashboards; use `istioctl dashboard`"),
    ("completions", "use `meshctl completion SHELL`"),
    ("rules", "use `meshctl explain --list rules`"),
    ("rule", "use `meshctl explain CODE`"),
    ("manifest", "meshctl renders nothing; use `helm template`, and pipe it into `meshctl analyze -`"),
    ("template", "meshctl renders nothing; use `helm template`, and pipe it into `meshctl analyze -`"),
    ("cluster", "that is a command of another tool that is called meshctl too; this one is a toolkit for Istio (`meshctl --help`)"),
    ("workspace", "that is a command of another tool that is called meshctl too; this one is a toolkit for Istio (`meshctl --help`)"),
];

/// Whether these words are what istioctl calls an experimental command, and an ordinary one here.
pub fn is_experimental(words: &[String]) -> bool {
    matches!(words, [first, second, ..] if matches!(first.as_str(), "x" | "experimental") && available().chain(["ps", "pc", "zc"]).any(|c| c == second))
}

/// The error for a command that does not exist.
pub fn answer(words: &[String]) -> Failure {
    // `istioctl x precheck` and `istioctl experimental precheck`.
    let word = match words {
        [first, second, ..] if matches!(first.as_str(), "x" | "experimental") => second.as_str(),
        [first, ..] => first.as_str(),
        [] => "",
    };
    let help = if available().any(|c| c == word) {
        format!("did you mean `meshctl {word}`?")
    } else if let Some((_, text)) = FOREIGN.iter().find(|(name, _)| *name == word) {
        (*text).to_owned()
    } else if std::path::Path::new(word).exists() || word.ends_with(".yaml") || word.ends_with(".yml") || word == "-" {
        format!("did you mean `meshctl analyze {word}`?")
    } else if mesh_analyzers::codes::find(word).is_some() {
        format!("did you mean `meshctl explain {word}`?")
    } else {
        let foreign = FOREIGN.iter().map(|(name, _)| *name);
        match spelling::nearest(word, available().chain(["ps", "ui", "pc", "zc"]).chain(foreign)) {
            Some(near) if FOREIGN.iter().any(|(name, _)| *name == near) => return answer(&[near.to_owned()]),
            Some(near) => format!("did you mean `meshctl {near}`?"),
            None => "`meshctl --help` lists the commands".to_owned(),
        }
    };
    Failure::usage(format!("no command `{word}`: {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(words: &[&str]) -> String {
        answer(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn a_wrong_command_is_answered_with_the_right_one() {
        assert!(says(&["install"]).contains("helm install"));
        assert!(says(&["analyse"]).contains("meshctl analyze"));
        assert!(says(&["x", "precheck"]).contains("meshctl analyze"));
        let is = |words: &[&str]| is_experimental(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        assert!(is(&["x", "describe", "pod", "a"]) && is(&["experimental", "authz", "check", "a"]) && !is(&["x", "install"]) && !is(&["describe", "x"]));
        assert!(says(&["IST0101"]).contains("meshctl explain IST0101"));
        assert!(says(&["zzzzzz"]).contains("--help"));
    }
}
