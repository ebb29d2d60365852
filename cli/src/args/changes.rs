//! `meshctl changes`.

use super::DumpArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl changes                              what changed in the last 15 minutes, and who did it
  meshctl changes --since 2h -n shop
  meshctl changes deployment/reviews-v1        and when its proxy took each resource over";

#[derive(Args)]
pub struct ChangesArgs {
    /// How long ago it may have been, such as 2h
    #[arg(long, value_name = "TIME", default_value = "15m")]
    pub since: String,
    #[command(flatten)]
    pub proxies: DumpArgs,
}
