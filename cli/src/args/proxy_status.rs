//! `meshctl proxy-status`: what the user typed.

use super::SourceArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # every proxy, as istiod sees it
  meshctl ps --from http://istiod:15014
  # the same from a bug report
  meshctl ps --from bug-report.tar.gz
  # what the proxies' own dumps say
  meshctl ps --from dumps/
  # what differs, by resource and field
  meshctl ps before.json after.json
  # what istiod would send, against what the proxy holds
  meshctl ps cart-1.shop --from http://istiod:15014 --from http://localhost:15000
  # what the manifests say, against what each proxy holds
  meshctl ps --drift --from k8s/ --from dumps/

Exit status: 0 all synced or nothing differs, 79 a rejected or stale update or a difference, 75 a part was not seen.";

#[derive(Args, Debug)]
pub struct ProxyStatusArgs {
    /// Nothing for every proxy; one pod, for istiod's view against its own; two sources or pods, for what differs
    #[arg(value_name = "POD|A B", num_args = 0..=2)]
    pub what: Vec<String>,
    /// What the proxies hold against what the manifests among the sources say, as `meshctl drift` tells it
    #[arg(long, conflicts_with = "what")]
    pub drift: bool,
    /// With --drift of a cluster: the proxies of all pods, not one of each workload
    #[arg(long, requires = "drift")]
    pub all_pods: bool,
    #[command(flatten)]
    pub source: SourceArgs,
    /// table, wide, csv, json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
    /// With --compat istioctl: 1 shows a column a type
    #[arg(short, long, value_name = "LEVEL", default_value_t = 0, hide = true)]
    pub verbosity: u8,
}
