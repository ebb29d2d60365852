//! Ambient mode: ztunnels carry what enrolled workloads send and receive, encrypted (HBONE, port 15008), and judge connections;
//! waypoints judge and route requests. Who is enrolled is decided with injection ([`crate::injection`]).

pub mod waypoint;
pub mod ztunnel;

/// The port at which ztunnels and waypoints take tunnels.
pub const HBONE: u16 = 15008;
