//! `meshctl certs`.

use super::DumpArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # one pod of each workload of the current cluster, by expiry
  meshctl certs
  meshctl certs -l app=reviews --all-pods
  # whether two clusters trust each other
  meshctl certs --from kube:east --from kube:west
  meshctl certs --from bug-report.tar.gz

Exit status: 0 all are valid and trusted · 79 one is not · 75 a part was not seen · 1 no answer";

#[derive(Args)]
pub struct CertsArgs {
    #[command(flatten)]
    pub proxies: DumpArgs,
}
