//! `meshctl version`.

use super::ReachArgs;
use clap::{ArgAction, Args};

#[derive(Args)]
pub struct VersionArgs {
    /// text or json
    #[arg(short, long, default_value = "text")]
    pub output: String,
    /// Ask the current cluster for the versions of its control plane and its proxies; where there is none, nothing is asked
    #[arg(long, value_name = "WHETHER", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", hide_possible_values = true)]
    pub remote: bool,
    #[command(flatten)]
    pub reach: ReachArgs,
}
