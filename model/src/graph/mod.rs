//! The traffic graph: who calls whom, how much, how well. From the answers to a known list of queries, with Kiali's semantics
//! and without its chance: the same answers give the same graph, byte for byte.
//!
//! `plan` says what to ask, `build` puts the answers together, `kiali` writes them.

mod appenders;
mod boxes;
mod build;
mod facts;
pub mod find;
mod finish;
mod fixed;
mod health;
pub mod kiali;
mod measures;
mod names;
mod needs;
mod options;
mod queries;
mod questions;
mod reduce;
mod request;
mod telemetry;
#[cfg(test)]
mod testing;
mod traffic;

pub use build::{Graph, build};
pub use facts::{Facts, Labels, Service, ServiceEntry, Workload};
pub use health::{Calculated, Direction, Health, Replicas, Requests, Status};
pub use names::{EMPTY, GRPC, HTTP, Name, Names, TCP, UNKNOWN, is_known};
pub use needs::needs;
pub use options::{Ambient, Appender, BoxBy, Focus, GraphType, Namespace, Options, Rate, Rates, ResponseTime, Throughput};
pub use queries::{Metric, Purpose, Query, plan};
pub use questions::{Cycle, Hurt, Questions, Step, Way};
pub use reduce::ServiceTraffic;
pub use request::{Viewer, parse_request};
pub use telemetry::Skipped;
pub use traffic::{Edge, EdgeRate, GatewayKind, Marks, Node, NodeRate, NodeType, ServiceEntryInfo, Share, WaypointEdge, rates_by};
