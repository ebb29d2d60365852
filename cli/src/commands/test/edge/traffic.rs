//! What was measured, for all edges that a file asks about.

use crate::args::telemetry::TelemetryArgs;
use crate::context::Context;
use crate::status::Failure;
use crate::telemetry::{self, Answer};
use mesh_analyzers::spelling;
use mesh_collectors::telemetry::series::Recording;
use mesh_model::Snapshot;
use mesh_model::graph::{self, Appender, Graph, NodeType, Options};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// The metrics of a file of tests and the graphs that they make.
pub struct Traffic<'c> {
    pub recording: Recording,
    /// Calls between workloads.
    pub workloads: Answer,
    args: TelemetryArgs,
    context: &'c Context,
    services: OnceCell<Option<Answer>>,
}

/// Calls between two names: the graph that they stand in, and their ends.
pub struct Asked<'t> {
    pub answer: &'t Answer,
    pub callers: Vec<usize>,
    pub callees: Vec<usize>,
}

/// A name as a test writes it: `reviews`, `bookinfo/reviews`, `east:bookinfo/reviews`, `reviews.bookinfo`, a host.
struct Name<'n> {
    cluster: Option<&'n str>,
    /// A name and the namespace that it is in, by each reading of the text.
    readings: Vec<(&'n str, Option<&'n str>)>,
}

impl<'n> Name<'n> {
    fn parse(text: &'n str) -> Name<'n> {
        if let Some((place, name)) = text.rsplit_once('/') {
            let (cluster, namespace) = place.split_once(':').map_or((None, place), |(c, ns)| (Some(c), ns));
            return Name { cluster, readings: vec![(name, Some(namespace))] };
        }
        let mut readings = vec![(text, None)];
        let labels: Vec<&str> = text.split('.').collect();
        if let [name, namespace] | [name, namespace, "svc", ..] = *labels.as_slice() {
            readings.push((name, Some(namespace)));
        }
        Name { cluster: None, readings }
    }

    fn find(&self, graph: &Graph) -> Vec<usize> {
        let text = |name| graph.names.text(name);
        let fits = |node: &mesh_model::graph::Node, (name, namespace): (&str, Option<&str>)| {
            let own = match node.node_type {
                NodeType::Unknown => return name == "unknown" && namespace.is_none(),
                NodeType::Service => [node.service, node.service],
                NodeType::Workload | NodeType::App => [node.workload, node.app],
                NodeType::Aggregate => return false,
            };
            own.into_iter().any(|n| text(n) == name)
                && namespace.is_none_or(|ns| text(node.namespace) == ns)
                && self.cluster.is_none_or(|c| text(node.cluster) == c)
        };
        let all = |reading| (0..graph.nodes.len()).filter(|i| fits(&graph.nodes[*i], reading)).collect::<Vec<_>>();
        self.readings.iter().map(|r| all(*r)).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

/// What stands between a caller and a workload.
#[derive(Clone, Copy)]
enum Between {
    Nothing,
    Services,
}

fn options(between: Between) -> Result<Options, Failure> {
    let mut options = telemetry::options("workload")?;
    options.appenders.remove(&Appender::AggregateNode);
    options.inject_service_nodes = matches!(between, Between::Services);
    Ok(options)
}

impl<'c> Traffic<'c> {
    /// Reads metrics. `objects` stand in place of those that come with them.
    pub fn read(args: TelemetryArgs, objects: Option<&Snapshot>, context: &'c Context) -> Result<Traffic<'c>, Failure> {
        let options = options(Between::Nothing)?;
        let mut recording = telemetry::read(&args, &options, context)?;
        if let Some(objects) = objects {
            recording.snapshot = objects.clone();
        }
        let workloads = telemetry::asked(&recording, &args, &options, context)?;
        Ok(Traffic { recording, workloads, args, context, services: OnceCell::new() })
    }

    /// What could not be seen.
    pub fn problems(&self) -> &[String] {
        &self.workloads.problems
    }

    fn services(&self) -> Option<&Answer> {
        let build = || options(Between::Services).and_then(|o| telemetry::asked(&self.recording, &self.args, &o, self.context)).ok();
        self.services.get_or_init(build).as_ref()
    }

    /// The nodes that two names mean. Of a name that only a service has the calls to that service count, whoever answers.
    pub fn ends(&self, from: &str, to: &str) -> Asked<'_> {
        let find = |answer: &Answer, name: &str| Name::parse(name).find(&answer.graph);
        let answer = &self.workloads;
        let asked = Asked { answer, callers: find(answer, from), callees: find(answer, to) };
        let is_workload = |i: &usize| answer.graph.nodes[*i].node_type != NodeType::Service;
        if asked.callees.iter().any(is_workload) {
            return asked;
        }
        match self.services() {
            Some(answer) => {
                let by_service = Asked { answer, callers: find(answer, from), callees: find(answer, to) };
                if by_service.callees.is_empty() { asked } else { by_service }
            }
            None => asked,
        }
    }

    /// Whether objects know a name that nothing was measured of.
    pub fn is_known(&self, name: &str) -> bool {
        let facts = &self.workloads.facts;
        let name = Name::parse(name);
        let fits = |(cluster, namespace, own): &(String, String, String), app: Option<&str>| {
            name.cluster.is_none_or(|c| c == cluster)
                && name.readings.iter().any(|(n, ns)| (own == n || app == Some(*n)) && ns.is_none_or(|ns| ns == namespace))
        };
        let app = |labels: &graph::Labels| ["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"].iter().find_map(|l| labels.get(*l).cloned());
        facts.workloads.iter().any(|(key, w)| fits(key, app(&w.labels).as_deref())) || facts.services.keys().any(|key| fits(key, None))
    }

    /// What a name that nothing is called may have meant.
    pub fn nearest(&self, name: &str) -> Option<String> {
        let graph = &self.workloads.graph;
        let names: BTreeSet<&str> =
            graph.nodes.iter().flat_map(|n| [n.workload, n.app, n.service]).map(|n| graph.names.text(n)).filter(|n| !n.is_empty()).collect();
        spelling::nearest(name.rsplit('/').next().unwrap_or(name), names).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_those_of_callers_are() {
        let readings = |text| Name::parse(text).readings;
        assert_eq!(readings("reviews"), [("reviews", None)]);
        assert_eq!(readings("shop/reviews"), [("reviews", Some("shop"))]);
        assert_eq!(readings("reviews.shop"), [("reviews.shop", None), ("reviews", Some("shop"))]);
        assert_eq!(readings("reviews.shop.svc.cluster.local"), [("reviews.shop.svc.cluster.local", None), ("reviews", Some("shop"))]);
        assert_eq!(readings("api.example.com"), [("api.example.com", None)]);
        assert_eq!(Name::parse("east:shop/reviews").cluster, Some("east"));
    }
}
