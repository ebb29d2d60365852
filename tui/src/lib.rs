//! The terminal UI: a snapshot as screens, a library. The binary reads sources and owns the clock.
//!
//! - [`world`] is what is shown, [`app`] the state and the one function that changes it: events in, effects out;
//! - [`screens`] draw a world and hold what is selected; [`widgets`] are their pieces; [`graph`] lays out and draws;
//! - [`action`] is the one table of keys, hints and help; [`keys`], [`command`], [`filter`] are what can be typed;
//! - [`terminal`] is the only part that touches a terminal. Everything else is pure: no IO, no clock, no environment.

pub mod action;
pub mod app;
pub mod command;
pub mod config;
pub mod filter;
pub mod find;
pub mod graph;
pub mod keys;
pub mod print;
pub mod screens;
pub mod shell;
pub mod svg;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod widgets;
pub mod world;
