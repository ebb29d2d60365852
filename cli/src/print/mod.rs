//! What is printed: tables, whole values, instants.

pub mod document;
pub mod dump;
pub mod table;
pub mod time;
