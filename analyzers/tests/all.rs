//! The tests of this crate, in one program: a program for each would be linked in minutes and take
//! gigabytes.

mod access_log_truth;
mod cel_differential;
mod guide;
mod rule_examples;
mod schema;
mod secrets;
