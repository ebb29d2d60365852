//! The tests that start demos, control planes and whole meshes, in one program: a program for each would be linked in minutes and take
//! gigabytes.

mod common;

mod controlplane;
mod demo;
mod demo_break;
mod demo_clusters;
mod demo_drift;
mod demo_own;
mod demo_processes;
mod demo_telemetry;
mod mesh_proxy;
mod real_mesh;
