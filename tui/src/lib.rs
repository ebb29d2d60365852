//! The terminal UI: a snapshot as screens.

pub mod graph;
pub mod text;
pub mod theme;
