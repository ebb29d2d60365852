//! Rules: snapshot → findings. A rule is a file. Pure.

pub mod codes;
mod containment;
mod envoy_api;
pub mod explain;
pub mod finding;
pub mod ranking;
pub mod reference;
pub mod rule;
pub mod rules;
pub mod run;
pub mod schema;
pub mod secrets;
pub mod spelling;
pub mod validation;

pub use codes::Code;
pub use finding::{Finding, Fix, Level, Related};
pub use rule::{Context, NotJudged, Options, Rule, Sink};
pub use rules::input::unreadable_document::code as code_of_problem;
pub use run::{Report, analyze};
