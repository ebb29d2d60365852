//! `meshctl explain`.

use clap::{Args, ValueEnum};

pub const EXAMPLES: &str = "\
Examples:
  meshctl explain IST0101            what the finding means, a bad and a good manifest
  meshctl explain --list rules       every code with its level
  meshctl explain IST01              the codes that begin so";

#[derive(Args)]
pub struct ExplainArgs {
    /// A code (IST0101), a prefix of codes (IST01), the name of a code or of a rule
    pub word: Option<String>,
    /// List what can be explained: rules
    #[arg(long, value_name = "WHAT")]
    pub list: Option<ListWhat>,
    /// text, json or markdown
    #[arg(short, long, default_value = "text")]
    pub output: ExplainFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListWhat {
    Rules,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    Text,
    Json,
    Markdown,
}
