//! A Kubernetes cluster, read through its API: lists and watches, never a write.
//!
//! Every kind that checks know is listed in the newest version that the server serves, page by page, and only the fields
//! that [`fields`] names are kept. What the user may not see is named with the rule that would allow it; the rest goes on.

pub mod changes;
mod client;
mod discovery;
mod error;
pub(crate) mod fields;
mod follow;
mod list;
pub mod logs;
pub mod pods;
pub mod reach;
mod read;
pub(crate) mod render;
pub mod stream;
mod watch;

pub use client::{Cluster, Options, Timeout};
pub use error::{ApiError, ConnectError};
pub use follow::{FollowError, Followed};
pub use read::{Secrets, What, read};
