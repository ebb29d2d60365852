//! A metric's series in parts that cover it without overlap: the whole mesh, a namespace's, a workload's.

/// A part of a metric's series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Matchers beside those of every query.
    pub matchers: Vec<String>,
    pub level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Mesh,
    Namespace,
    Workload,
}

impl Level {
    /// The label by whose values a part is cut into smaller ones.
    pub fn label(self) -> Option<&'static str> {
        match self {
            Level::Mesh => Some("source_workload_namespace"),
            Level::Namespace => Some("source_workload"),
            Level::Workload => None,
        }
    }

    fn next(self) -> Level {
        if self == Level::Mesh { Level::Namespace } else { Level::Workload }
    }
}

/// A string literal of PromQL.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A regular expression that matches these texts.
fn any_of(texts: &[String]) -> String {
    let literal = |text: &String| -> String {
        text.chars().flat_map(|c| (!(c.is_alphanumeric() || matches!(c, '-' | '_'))).then_some('\\').into_iter().chain([c])).collect()
    };
    texts.iter().map(literal).collect::<Vec<_>>().join("|")
}

/// What concerns some namespaces, or all when none is named: what they send, then what the others send to them, by the three
/// labels that may say so.
pub(super) fn parts(namespaces: &[String]) -> Vec<Part> {
    let part = |matchers: Vec<String>| Part { matchers, level: Level::Mesh };
    if namespaces.is_empty() {
        return vec![part(Vec::new())];
    }
    let any = any_of(namespaces);
    let from = |op: &str| format!("source_workload_namespace{op}{}", quoted(&any));
    let to = |op: &str| format!("destination_workload_namespace{op}{}", quoted(&any));
    let of = |op: &str| format!("destination_service_namespace{op}{}", quoted(&any));
    let host = format!("destination_service=~{}", quoted(&format!("^.+\\.({any})\\..+$")));
    vec![part(vec![from("=~")]), part(vec![from("!~"), to("=~")]), part(vec![from("!~"), to("!~"), of("=~")]), part(vec![from("!~"), to("!~"), of("!~"), host])]
}

impl Part {
    /// The same series in smaller parts, by the values of the level's label; the empty value is the label's absence.
    pub fn cut(&self, label: &str, values: &[String]) -> Vec<Part> {
        let with = |value: &String| Part { matchers: [self.matchers.clone(), vec![format!("{label}={}", quoted(value))]].concat(), level: self.level.next() };
        values.iter().map(with).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_namespaces_do_not_overlap_and_names_are_literal() {
        let parts = parts(&["a.b".to_owned(), "c".to_owned()]);
        assert_eq!(parts[0].matchers, ["source_workload_namespace=~\"a\\\\.b|c\""]);
        assert_eq!(parts[3].matchers[3], "destination_service=~\"^.+\\\\.(a\\\\.b|c)\\\\..+$\"");
        let cut = parts[0].cut("source_workload_namespace", &["c".to_owned()]);
        assert_eq!((cut[0].level, cut[0].matchers[1].as_str()), (Level::Namespace, "source_workload_namespace=\"c\""));
    }
}
