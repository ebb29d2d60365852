//! Series files: JSON with `series`, each a metric, its labels and either its `rate` per second or its `values` (pairs of
//! seconds and numbers), and what else belongs to the moment: Kubernetes objects, the cluster's name, what may be seen.

use mesh_metrics::series::{Data, Limits, NAME, Store};
use mesh_model::{Role, Snapshot};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// A file's content, ready to be asked.
#[derive(Debug, Default)]
pub struct Recording {
    pub store: Store,
    pub snapshot: Snapshot,
    /// The cluster that objects without one belong to; "" when the file names none.
    pub cluster: String,
    /// Namespaces that the series are about; empty when the file names none.
    pub namespaces: Vec<String>,
    pub accessible: Option<BTreeSet<(String, String)>>,
    /// Seconds that rates were taken over, where the source says so.
    pub over: Option<i64>,
    /// Matchers that belong into every selector.
    pub scope: Vec<(String, String)>,
    /// Cluster, namespace and name.
    pub waypoints: Vec<(String, String, String)>,
    pub problems: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(borrow)]
    series: Vec<Series<'a>>,
    #[serde(borrow, default)]
    objects: Vec<&'a RawValue>,
    #[serde(default)]
    cluster_name: String,
    #[serde(default)]
    namespaces: Vec<String>,
    accessible_namespaces: Option<Vec<String>>,
    #[serde(default)]
    query_scope: BTreeMap<String, String>,
    #[serde(default)]
    waypoints: Vec<Waypoint>,
    /// Seconds that rates were taken over.
    over_seconds: Option<i64>,
}

#[derive(Deserialize)]
struct Series<'a> {
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    rate: Option<f64>,
    #[serde(default)]
    values: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
struct Waypoint {
    cluster: String,
    namespace: String,
    name: String,
}

/// Reads a series file. The error says what is wrong and where.
pub fn read(name: &str, text: &str) -> Result<Recording, String> {
    let file: File<'_> = serde_json::from_str(text).map_err(|e| format!("{name}:{}:{}: not a series file: {e}", e.line(), e.column()))?;
    let mut recording = Recording { cluster: file.cluster_name, namespaces: file.namespaces, over: file.over_seconds, ..Recording::default() };
    recording.store = Store::new(Limits { retention: i64::MAX, ..Limits::default() });
    let mut empty = 0_usize;
    for series in &file.series {
        let labels = || series.labels.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).chain([(NAME, series.metric.as_ref())]);
        // A refusal is counted by the store.
        match series.rate {
            Some(rate) => drop(recording.store.add_rate(labels(), rate)),
            None if series.values.is_empty() => empty += 1,
            None => {
                for (seconds, value) in &series.values {
                    let _ = recording.store.append(labels(), (seconds * 1000.0).round() as i64, *value);
                }
            }
        }
    }
    if empty > 0 {
        recording.problems.push(format!("{name}: {empty} series have neither a rate nor values"));
    }
    let dropped = recording.store.dropped;
    if dropped.total() > 0 {
        recording.problems.push(format!(
            "{name}: {} samples were not taken: {} out of order, {} with a label twice, {} beyond the limit of series",
            dropped.total(),
            dropped.out_of_order,
            dropped.repeated_label,
            dropped.too_many_series
        ));
    }
    for (place, object) in file.objects.into_iter().enumerate() {
        crate::manifests::add(&mut recording.snapshot, &format!("{name}: objects[{place}]"), object.get().as_bytes().to_vec(), Role::Judged, 0);
    }
    recording.problems.extend(recording.snapshot.problems.iter().map(|p| format!("{}: {}", p.subject, p.message)));
    if recording.snapshot.not_objects > 0 {
        recording.problems.push(format!("{name}: {} of its objects are no Kubernetes objects", recording.snapshot.not_objects));
    }
    let pair = |text: &String| text.split_once(':').map(|(c, ns)| (c.to_owned(), ns.to_owned()));
    if let Some(wrong) = file.accessible_namespaces.iter().flatten().find(|a| pair(a).is_none()) {
        return Err(format!("{name}: accessibleNamespaces: {wrong} is no cluster:namespace"));
    }
    recording.accessible = file.accessible_namespaces.map(|a| a.iter().filter_map(pair).collect());
    recording.scope = file.query_scope.into_iter().collect();
    recording.waypoints = file.waypoints.into_iter().map(|w| (w.cluster, w.namespace, w.name)).collect();
    Ok(recording)
}

impl Recording {
    /// Adds the series of another one, and what is said of them.
    pub fn merge(&mut self, other: Recording) {
        for (labels, data) in labelled(&other.store) {
            let pairs = || labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            match data {
                // A refusal is counted by the store.
                Data::Rate(rate) => {
                    let _ = self.store.add_rate(pairs(), *rate);
                }
                Data::Points(points) => {
                    for point in points.iter() {
                        let _ = self.store.append(pairs(), point.at, point.value);
                    }
                }
            }
        }
        self.problems.extend(other.problems);
    }

    /// The series as a series file; objects are not in it.
    pub fn to_json(&self) -> String {
        let series: Vec<Value> = labelled(&self.store)
            .into_iter()
            .map(|(labels, data)| {
                let metric = labels.iter().find(|(n, _)| n == NAME).map_or("", |(_, v)| v.as_str());
                let others: Map<String, Value> = labels.iter().filter(|(n, _)| n != NAME).map(|(n, v)| (n.clone(), v.as_str().into())).collect();
                match data {
                    Data::Rate(rate) => json!({"metric": metric, "labels": others, "rate": rate}),
                    Data::Points(points) => {
                        let values: Vec<Value> = points.iter().map(|p| json!([p.at as f64 / 1000.0, p.value])).collect();
                        json!({"metric": metric, "labels": others, "values": values})
                    }
                }
            })
            .collect();
        json!({"series": series, "clusterName": self.cluster, "overSeconds": self.over}).to_string()
    }
}

/// Series with their labels, in the order of the labels.
fn labelled(store: &Store) -> Vec<(Vec<(String, String)>, &Data)> {
    let text = |symbol| store.symbols().text(symbol).to_owned();
    let mut all: Vec<_> = store
        .select(&[])
        .into_iter()
        .filter_map(|id| store.get(id))
        .map(|s| (s.labels.iter().map(|(n, v)| (text(*n), text(*v))).collect::<Vec<_>>(), &s.data))
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_values_and_what_has_neither() {
        let text = r#"{"series":[{"metric":"m","labels":{"a":"b"},"rate":1.5},{"metric":"n","values":[[1.5,2],[3,4]]},{"metric":"o"}],
            "objects":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x"}}],"clusterName":"c","accessibleNamespaces":["c:x"]}"#;
        let recording = read("f", text).expect("a series file");
        assert_eq!((recording.store.len(), recording.store.span()), (2, Some((1500, 3000))));
        assert_eq!(recording.snapshot.objects.len(), 1);
        assert_eq!(recording.accessible, Some([("c".to_owned(), "x".to_owned())].into()));
        assert_eq!(recording.problems, ["f: 1 series have neither a rate nor values"]);
        let again = read("g", &recording.to_json()).expect("a series file");
        assert_eq!((again.store.len(), again.store.span(), again.to_json()), (2, Some((1500, 3000)), recording.to_json()));
        let error = read("f", "{\"series\": 7}").expect_err("a number");
        assert!(error.starts_with("f:1:"), "{error}");
    }
}
