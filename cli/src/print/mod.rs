//! What is printed: tables, whole values, instants.

pub mod document;
pub mod table;
pub mod time;
