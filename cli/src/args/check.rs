//! `meshctl check`.

use super::ReachArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl check            # the current cluster, on one page
  meshctl check --context prod -o json
  meshctl check --wait 5m  # until nothing is wrong, or five minutes are over

Exit status: 0 nothing is wrong (warnings are none) · 79 something is · 75 a part was not seen · 1 no answer";

#[derive(Args)]
pub struct CheckArgs {
    /// Only what concerns this namespace; repeatable
    #[arg(short, long, value_name = "NS", value_delimiter = ',')]
    pub namespace: Vec<String>,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Look again every few seconds until nothing is wrong, so long at most, such as 5m
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "5m")]
    pub wait: Option<String>,
    /// text or json
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
