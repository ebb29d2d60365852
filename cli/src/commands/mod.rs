//! What runs. Each command is a module.

pub mod analyze;
pub mod authz;
pub mod certs;
pub mod changes;
pub mod check;
pub mod controlplane;
pub mod describe;
pub mod drift;
pub mod explain;
pub mod graph;
pub mod logs;
pub mod mtls;
pub mod other;
pub mod plan;
pub mod proxy_config;
pub mod proxy_status;
pub mod route;
pub mod shell;
pub mod snapshot;
pub mod test;
pub mod top;
pub mod traces;
pub mod tui;
pub mod version;
pub mod why;
pub mod ztunnel_config;
