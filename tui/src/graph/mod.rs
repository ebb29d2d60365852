//! The graph: who calls whom, laid out in character cells and drawn into a buffer. Pure.
//!
//! A [`View`] is what is to be seen; [`focus`] and [`collapse`] make smaller views of it. [`layout()`] gives every node
//! a rectangle and every edge a path. [`paint`] draws the part of a layout that a window shows. The result is the same for
//! the same view in whatever order it was given.
//!
//! What can be read from the picture is exactly what the view says: starting at a node's right side and following
//! lines to the right, up and down, one arrives at the nodes that it calls and at no other. Lines that cross without
//! meeting are drawn with the horizontal one interrupted. A property test reads pictures that way.

pub mod collapse;
pub mod flow;
pub mod focus;
pub mod layout;
pub mod matrix;
pub mod paint;
mod raster;
pub mod readable;
pub mod tree;
pub mod view;

pub use flow::Flow;
pub use layout::{Detail, Labels, Layout, Seed, layout};
pub use view::{Edge, Health, Node, View};

#[cfg(test)]
mod tests;
