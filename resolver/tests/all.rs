//! The tests of this crate, in one program: a program for each would be linked in minutes and take
//! gigabytes.

mod addresses;
mod ambient;
mod as_istiod;
mod certificate_refs;
mod custom;
mod delegates;
mod disabled_tls;
mod envoy_filters;
mod kept;
mod locality;
mod namespaces_unseen;
mod networks;
mod not_judged;
mod open;
mod order;
mod passage;
mod records;
mod traffic_policies;
mod translation;
mod watched;
mod waypoints;
mod who_can;
mod why;
mod ztunnel;
