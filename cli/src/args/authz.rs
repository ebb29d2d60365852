//! `meshctl authz`.

use super::DumpArgs;
use clap::{Args, Subcommand};

#[derive(Args, Debug)]
pub struct AuthzArgs {
    #[command(subcommand)]
    pub what: AuthzCommand,
}

#[derive(Subcommand, Debug)]
pub enum AuthzCommand {
    /// The AuthorizationPolicies that a proxy enforces
    Check(DumpArgs),
}
