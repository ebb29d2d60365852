//! Where the state of a proxy is read from: the same for every command that shows one.

use clap::Args;

#[derive(Args, Debug, Clone, Default)]
pub struct DumpArgs {
    /// The pod, `NAME.NAMESPACE`: which proxy of a source that holds several
    #[arg(value_name = "POD")]
    pub pod: Option<String>,
    /// A dump: a file or `-` for standard input
    #[arg(short = 'f', long = "from", visible_alias = "file", value_name = "SRC")]
    pub from: Option<String>,
    /// table, wide, csv, json or yaml
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<String>,
}
