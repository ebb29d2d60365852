//! Other pages of Envoy's admin interface.

pub mod clusters;
