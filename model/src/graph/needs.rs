//! What the queries of a plan read, so that a collector can fetch it at once for the whole mesh.

use super::queries::Query;
use mesh_metrics::promql::{Expr, ExprKind, Grouping, Selector, parse};
use mesh_metrics::series::NAME;
use std::collections::{BTreeMap, BTreeSet};

/// Metrics that queries read, each with the labels that they select and group by: the sum of its rates by those labels answers
/// the same queries. Queries that are no PromQL read nothing.
pub fn needs(queries: &[Query]) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for query in queries {
        if let Ok(expr) = parse(&query.promql) {
            walk(&expr, &[], &mut found);
        }
    }
    found
}

fn walk(expr: &Expr, labels: &[String], found: &mut BTreeMap<String, BTreeSet<String>>) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Selector(selector) => add(selector, labels, found),
        ExprKind::Paren(inner) | ExprKind::Negate(inner) => walk(inner, labels, found),
        ExprKind::Binary { left, right, .. } => [left, right].into_iter().for_each(|side| walk(side, labels, found)),
        ExprKind::Aggregate { of, grouping, .. } => match grouping {
            Grouping::By(names) => walk(of, names, found),
            Grouping::Without(_) => walk(of, labels, found),
        },
        ExprKind::Call { arguments, .. } => arguments.iter().for_each(|a| walk(a, labels, found)),
    }
}

fn add(selector: &Selector, labels: &[String], found: &mut BTreeMap<String, BTreeSet<String>>) {
    let Some(name) = selector.matchers.iter().find(|m| m.name == NAME) else { return };
    let known = found.entry(name.value.clone()).or_default();
    known.extend(selector.matchers.iter().filter(|m| m.name != NAME).map(|m| m.name.clone()));
    known.extend(labels.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::super::{Namespace, Options, plan};
    use super::*;

    #[test]
    fn a_mesh_needs_a_handful_of_metrics_however_many_namespaces() {
        let namespaces = ["a", "b"].map(|name| Namespace { name: name.to_owned(), duration: 60, is_ambient: false }).to_vec();
        let found = needs(&plan(&Options { namespaces, ..Options::default() }));
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        let want = [
            "istio_request_duration_milliseconds_bucket",
            "istio_requests_total",
            "istio_response_bytes_sum",
            "istio_tcp_received_bytes_total",
            "istio_tcp_sent_bytes_total",
        ];
        assert_eq!(names, want);
        assert!(found["istio_request_duration_milliseconds_bucket"].contains("le"));
        for label in ["reporter", "source_workload", "response_flags", "connection_security_policy", "request_operation"] {
            assert!(found["istio_requests_total"].contains(label), "{label}");
        }
    }
}
