//! Schemas: what fields, types and values an object may have, from tables made by `cargo xtask crds`.

pub mod names;
