//! `meshctl authz`.

use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct AuthzArgs {
    #[command(subcommand)]
    pub what: AuthzCommand,
}

#[derive(Subcommand, Debug)]
pub enum AuthzCommand {
    /// The AuthorizationPolicies that a proxy enforces
    Check(CheckArgs),
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The pod; needs a cluster
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    /// A dump: a file or `-` for standard input
    #[arg(short = 'f', long = "file", visible_alias = "from", value_name = "SRC")]
    pub file: Option<String>,
}
