//! What best explains the calls that fail: suspects with their evidence, the likeliest first.
//!
//! From metrics alone it is told how calls ended (status and Envoy's flags), and each ending has its usual suspects: the object that
//! decides it, the endpoint that is missing, or the callee's own failing calls, which are followed to where they start. What else was
//! seen (endpoints in use, findings, rejected updates, changes) makes a suspect likelier, and is named with it. Each sort of evidence
//! does alone.

mod blocked;
mod objects;
mod retries;
mod slow;
mod suspects;

pub use slow::{AllSlow, all_slow};

use crate::{Finding, Level};
use mesh_model::graph::{EdgeRate, GRPC, Graph, HTTP, NodeType};
use mesh_resolver::Mesh;
use std::collections::BTreeMap;

/// An endpoint that a proxy does not use, or has trouble with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// The proxy that says so, `NAME.NAMESPACE`.
    pub proxy: String,
    /// `outbound|9080|v2|reviews.bookinfo.svc.cluster.local`.
    pub cluster: String,
    pub address: String,
    pub is_ejected: bool,
    /// Failed a health check, or told by the control plane not to be healthy.
    pub is_unhealthy: bool,
}

/// A cluster that has no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Empty {
    pub proxy: String,
    pub cluster: String,
}

/// An update that a proxy did not take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    /// `NAME.NAMESPACE`.
    pub proxy: String,
    /// `LDS`, and what it says.
    pub text: String,
}

/// A certificate of a proxy that others do not accept, or that does not accept theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distrust {
    /// `NAME.NAMESPACE`.
    pub proxy: String,
    /// In a sentence without its end.
    pub why: String,
}

/// Requests that arrive more often than they are sent: each try of a request arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct Retried {
    /// `namespace/name`.
    pub from: String,
    pub to: String,
    /// Full host name.
    pub host: String,
    /// Per second, as the caller's proxy counts requests.
    pub sent: f64,
    /// Per second, as the callee's proxy counts them.
    pub received: f64,
    /// Of those that arrive, the share that fails.
    pub failing: f64,
}

/// What is counted of calls, beside their graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    pub retried: Vec<Retried>,
    /// Milliseconds within which half of the requests of a call are answered, by caller and callee (`namespace/name`), where that is known.
    pub middle: BTreeMap<(String, String), f64>,
    /// The same and the 95th percentile as the callee's own proxy counts them: without what a request waits for at its caller and on the way.
    pub served: BTreeMap<(String, String), [f64; 2]>,
    /// Seconds in which the graph's requests were counted; 0 where that is not known.
    pub window: f64,
}

/// Everything that was seen.
pub struct Evidence<'e, 'a> {
    /// Of workloads.
    pub graph: &'e Graph,
    pub mesh: &'e Mesh<'a>,
    pub hosts: &'e [Host],
    pub empty: &'e [Empty],
    pub findings: &'e [Finding<'a>],
    pub rejections: &'e [Rejection],
    pub distrusts: &'e [Distrust],
    pub counted: &'e Counted,
    /// Objects that were changed lately, by origin, and how many seconds ago.
    pub changes: &'e BTreeMap<String, i64>,
}

/// How a part of the requests of a call ended, that did not end well.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The status; 0 where there was no answer.
    pub code: u16,
    /// Envoy's flags, as reported; "" for none.
    pub flags: String,
    /// Per second.
    pub rate: f64,
    /// Full host name of the destination; "" where it is not known.
    pub host: String,
}

impl Ending {
    pub fn has(&self, flags: &[&str]) -> bool {
        self.flags.split(',').any(|f| flags.contains(&f.trim()))
    }
    /// `503 UO`, `no answer DC`.
    pub fn name(&self) -> String {
        let code = if self.code == 0 { "no answer".to_owned() } else { self.code.to_string() };
        if self.flags.is_empty() { code } else { format!("{code} {}", self.flags) }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// `VirtualService bookinfo/ratings`, `workload bookinfo/reviews-v2`.
    pub subject: String,
    /// In a sentence without its end.
    pub why: String,
    /// What speaks for it, beside how the calls end.
    pub evidence: Vec<String>,
    /// Comparable within a fault alone.
    pub score: u32,
}

/// A call that fails in one way.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// `namespace/name` of the caller; "unknown" where nobody says.
    pub from: String,
    pub to: String,
    pub ending: Ending,
    /// Of the requests of this call, from 0 to 1.
    pub share: f64,
    pub kind: FaultKind,
    /// Requests a second that it costs, by which faults are ordered: without tries that fail and are made good by another one, and of
    /// a slow call only those that are known to be slow.
    pub costs: f64,
    /// The likeliest first; there is one at least.
    pub suspects: Vec<Suspect>,
}

/// What is wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    Fails,
    /// It takes long: milliseconds of the graph's quantile.
    Slow(f64),
    /// So many requests arrive for each that is sent.
    Retried(f64),
}

/// A call of the graph with its failures.
pub(crate) struct Call<'g> {
    pub from: usize,
    pub to: usize,
    pub endings: Vec<Ending>,
    /// Requests per second.
    pub rate: f64,
    graph: &'g Graph,
}

impl Call<'_> {
    /// Whether the caller's proxy has answered in place of a host that it does not know.
    pub fn is_to_nobody(&self) -> bool {
        self.graph.names.text(self.graph.nodes[self.to].service) == "BlackHoleCluster"
    }
    /// Requests a second that were refused (4xx). One that the callee's proxy ends with a flag is an answer without one to the
    /// caller's: what both tell counts once.
    pub fn refused(&self) -> f64 {
        let sum = |is_flagged: bool| {
            let of = self.endings.iter().filter(|e| (400..500).contains(&e.code) && e.flags.is_empty() != is_flagged);
            of.map(|e| e.rate).sum::<f64>()
        };
        sum(true).max(sum(false))
    }
    pub fn name(&self, node: usize) -> String {
        name_of(self.graph, node)
    }
}

/// `namespace/name` of a node; "unknown" where nobody says.
pub(crate) fn name_of(graph: &Graph, node: usize) -> String {
    let node = &graph.nodes[node];
    let text = |name| graph.names.text(name);
    let name = match node.node_type {
        NodeType::Service => text(node.service),
        NodeType::App => text(node.app),
        NodeType::Aggregate => text(node.aggregate),
        NodeType::Workload => text(node.workload),
        NodeType::Unknown => return "unknown".to_owned(),
    };
    format!("{}/{name}", text(node.namespace))
}

/// Calls that fail, the most failures first, each with its suspects.
pub fn rank(evidence: &Evidence<'_, '_>) -> Vec<Fault> {
    let calls = calls(evidence.graph);
    let mut faults = Vec::new();
    for call in &calls {
        for ending in &call.endings {
            let mut suspects = suspects::of(evidence, &calls, call, ending);
            suspects.sort_by(|a, b| b.score.cmp(&a.score).then_with(|| a.subject.cmp(&b.subject)));
            faults.push(Fault {
                from: call.name(call.from),
                to: call.name(call.to),
                ending: ending.clone(),
                share: if call.rate > 0.0 { ending.rate / call.rate } else { 0.0 },
                kind: FaultKind::Fails,
                costs: ending.rate,
                suspects,
            });
        }
    }
    retries::make_good(evidence.counted, &mut faults);
    faults.extend(slow::slow(evidence));
    faults.extend(retries::retried(evidence));
    faults.sort_by(|a, b| b.costs.total_cmp(&a.costs).then_with(|| (&a.from, &a.to, a.ending.name()).cmp(&(&b.from, &b.to, b.ending.name()))));
    faults
}

fn calls(graph: &Graph) -> Vec<Call<'_>> {
    let mut out = Vec::new();
    for (from, node) in graph.nodes.iter().enumerate() {
        for edge in node.edges.iter().filter(|e| matches!(e.protocol, GRPC | HTTP)) {
            let mut endings: Vec<Ending> = Vec::new();
            for (code, shares) in edge.by_code() {
                let text = graph.names.text(code);
                // Codes of gRPC are no statuses of HTTP.
                let number: u16 = if edge.protocol == GRPC { if text == "0" { 200 } else { 500 } } else { text.parse().unwrap_or(0) };
                if (200..400).contains(&number) {
                    continue;
                }
                for share in shares {
                    let flags = match graph.names.text(share.flags) {
                        "-" => "",
                        flags => flags,
                    };
                    let ending = Ending { code: number, flags: flags.to_owned(), rate: share.rate, host: graph.names.text(share.host).to_owned() };
                    // The client gave up: what it waited for is told by its own proxy.
                    let gave_up = number == 0 && ending.has(&["DC", "DR"]);
                    if ending.rate > 0.0 && !gave_up {
                        endings.push(ending);
                    }
                }
            }
            endings.sort_by(|a, b| b.rate.total_cmp(&a.rate).then_with(|| a.name().cmp(&b.name())));
            if !endings.is_empty() {
                out.push(Call { from, to: edge.to, endings, rate: edge.rate(EdgeRate::Total), graph });
            }
        }
    }
    out
}

/// Findings that are worth a word.
pub(crate) fn is_grave(finding: &Finding<'_>) -> bool {
    finding.level != Level::Info
}
