//! The tests of this crate, but those in files of their own, in one program: a program for each would be linked in minutes and take
//! gigabytes.

mod admin;
mod dumps;
mod follow;
mod kube;
mod manifests;
mod prometheus;
mod recording;
mod replay;
mod scrape;
