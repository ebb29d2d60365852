//! `meshctl certs`.

use super::DumpArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  meshctl certs                            one pod of each workload of the current cluster, by expiry
  meshctl certs -l app=reviews --all-pods
  meshctl certs --from kube:east --from kube:west     whether two clusters trust each other
  meshctl certs --from bug-report.tar.gz

Exit status: 0 all are valid and trusted · 79 one is not · 75 a part was not seen · 1 no answer";

#[derive(Args)]
pub struct CertsArgs {
    #[command(flatten)]
    pub proxies: DumpArgs,
}
