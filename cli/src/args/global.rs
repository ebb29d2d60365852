//! What every command takes.

use super::ColorWhen;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct GlobalArgs {
    /// When to colour: auto, always, never
    #[arg(help_heading = "Options of every command", long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: ColorWhen,
    /// No summary, notes or progress on stderr; errors are always said
    #[arg(help_heading = "Options of every command", short, long, global = true)]
    pub quiet: bool,
    /// Write the answer to a file, which only its owner may read, instead of standard output
    #[arg(help_heading = "Options of every command", long, global = true, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The instant at which certificates and ages are judged, RFC 3339 (default: the clock)
    #[arg(help_heading = "Options of every command", long, global = true, env = "MESHCTL_NOW", hide_env_values = true, value_name = "TIME")]
    pub now: Option<String>,
    /// Of sources that are recordings, and of metrics: what was then, RFC 3339 (default: the last). One source alone: FILE@TIME
    #[arg(help_heading = "Options of every command", long, global = true, value_name = "TIME")]
    pub at: Option<String>,
    /// Behave and print as another tool: istioctl
    #[arg(help_heading = "Options of every command", long, global = true, env = "MESHCTL_COMPAT", hide_env_values = true, value_name = "TOOL")]
    pub compat: Option<String>,
    /// Leave the exit status 0 where only a part could be seen
    #[arg(help_heading = "Options of every command", long, global = true)]
    pub allow_partial: bool,
}
