//! `meshctl demo`.

use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl demo                     a mesh with traffic, and the terminal UI on it
  meshctl demo --once              ten seconds of it: graph and proxies as text, and everything is gone again
  meshctl demo --for 5m > log &    beside you, for five minutes

All of it is on loopback, at free ports, and ends with the command. The first lines say where everything listens and what to type next.

Exit status: 0 ended as asked · 79 requests failed (--once) · 64 usage · 1 it does not start";

#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Print graph and proxies after ten seconds, or after --for, and end
    #[arg(long)]
    pub once: bool,
    /// End after this long, such as 30s; 5s at least, for there to be rates
    #[arg(long = "for", value_name = "DURATION")]
    pub span: Option<String>,
    /// Requests a second, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub rate: u32,
    /// Chooses what is requested
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Tell workloads apart by ports of 127.0.0.1, even where addresses of their own can be had
    #[arg(long)]
    pub ports: bool,
    /// What `--from demo:NAME` calls it [default: bookinfo, or with a number where that one runs]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Not there yet: a generated mesh of so many workloads
    #[arg(long, hide = true, value_name = "N")]
    pub size: Option<String>,
    /// Not there yet: several clusters
    #[arg(long, hide = true, value_name = "N")]
    pub clusters: Option<String>,
    /// Not there yet: a process each
    #[arg(long, hide = true)]
    pub processes: bool,
    /// Not there yet: a mesh of one's own, and `break`
    #[arg(hide = true, value_name = "WORDS")]
    pub words: Vec<String>,
}
