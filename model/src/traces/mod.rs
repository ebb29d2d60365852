//! Traces: spans put together to trees, with what is wrong in them said, and where their time went.

mod path;
mod propagation;
mod search;
mod span;
pub mod store;
mod summary;
mod tree;

pub use path::{Segment, critical_path, self_times};
pub use propagation::{Dropped, dropped};
pub use search::{Criteria, Wanted};
pub use span::{Kind, Span};
pub use summary::{Place, summary};
pub use tree::{Note, Placed, Trace, traces};
