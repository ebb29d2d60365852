//! What Istio configuration means: who sees what, what a host name stands for, which workloads a selector picks.
//!
//! Pure. Built once over a [`mesh_model::Snapshot`]; every question is answered from indexes.

mod accounts;
pub mod ambient;
pub mod assumed;
pub mod destination_rule;
pub mod drift;
pub mod held;
pub mod host;
pub mod injection;
pub mod issued;
pub mod labels;
pub mod laptop;
pub mod machine;
pub mod mesh;
pub mod mesh_config;
pub mod mtls;
pub mod ownership;
pub mod peer_authentication;
pub mod plan;
pub mod protocol;
pub mod server_ciphers;
pub mod service;
pub mod splits;
pub mod translate;
pub mod watch;
pub mod who_can;
pub mod why;
pub mod workload;

pub use destination_rule::DestinationRules;
pub use held::Held;
pub use injection::InMesh;
pub use labels::Selector;
pub use machine::{Machine, Machines};
pub use mesh::Mesh;
pub use mesh_config::MeshConfig;
pub use ownership::Place;
pub use peer_authentication::{MtlsMode, PeerAuthentications};
pub use protocol::Protocol;
pub use service::{ExportTo, Port, Service, ServiceKind, Services};
pub use workload::{Workload, WorkloadSource, Workloads};
