//! Services and the workloads behind them.

use crate::codes::{IST0116, IST0118, IST0137, IST0144, IST0150, IST0170};
use crate::rule::Rule;

mod application_uid;
mod multi_cluster;
mod port_name;
mod shared_deployment;

pub const RULES: &[Rule] = &[
    Rule { name: "service-port-name", codes: &[&IST0118, &IST0150], analyzer: "service.PortNameAnalyzer", run: port_name::run },
    Rule { name: "service-shared-deployment", codes: &[&IST0116, &IST0137], analyzer: "deployment.MultiServiceAnalyzer", run: shared_deployment::run },
    Rule { name: "application-uid", codes: &[&IST0144], analyzer: "applicationUID.Analyzer", run: application_uid::run },
    Rule { name: "service-multi-cluster", codes: &[&IST0170], analyzer: "services.MultiClusterServiceAnalyzer", run: multi_cluster::run },
];
