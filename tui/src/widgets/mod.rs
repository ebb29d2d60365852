//! Pieces that several screens are made of.

pub mod chart;
pub mod line_edit;
pub mod list;
pub mod order;
pub mod pane;
pub mod table;

pub use chart::{Chart, sparkline};
pub use line_edit::LineEdit;
pub use list::Cursor;
pub use order::{By, Order};
pub use pane::{Pen, pane};
pub use table::{Align, Column, Row, Table};
