//! `meshctl analyze` and `meshctl validate`.

use super::KubeArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub const ANALYZE_EXAMPLES: &str = "\
Examples:
  # the current cluster, reading only
  meshctl analyze
  # every manifest below a folder
  meshctl analyze k8s/
  # a change, beside what the cluster holds
  meshctl analyze --world kube change.yaml
  # what a chart renders
  helm template chart | meshctl analyze -
  # the whole mesh: what is not there does not exist
  kustomize build overlays/prod | meshctl analyze --complete -
  # fail only on what a branch brings in
  meshctl analyze --base origin/main k8s/
  # for code scanning
  meshctl analyze -o sarif --out meshctl.sarif k8s/

Exit status: 0 fine, 79 a finding at --fail-on or worse, 75 a source of --world, a command or a part of a cluster failed, \
or nothing in the input could be judged, 65 some input unreadable, 64 usage, 1 no answer. `.meshctl.toml` holds settings of a repository.";

pub const VALIDATE_EXAMPLES: &str = "\
Examples:
  meshctl validate k8s/
  meshctl validate -f virtualservice.yaml -o json";

#[derive(Args)]
pub struct AnalyzeArgs {
    #[command(flatten)]
    pub input: InputArgs,
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub list: ListArgs,
    #[command(flatten)]
    pub kube: KubeArgs,
    #[command(flatten)]
    pub istioctl: IstioctlArgs,
}

#[derive(Args)]
pub struct InputArgs {
    /// Files, directories and globs of manifests; `-` is standard input, `kube` or `kube:CONTEXT` a cluster
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// The same as PATH; repeatable
    #[arg(help_heading = "Input", short = 'f', long = "from", visible_alias = "filename", value_name = "SRC")]
    pub from: Vec<String>,
    /// Objects that are consulted but never judged: what exists beside the input; repeatable
    #[arg(help_heading = "Input", long, value_name = "SRC")]
    pub world: Vec<String>,
    /// One cluster of several: its name and its manifests; repeatable
    #[arg(help_heading = "Input", long, value_name = "NAME=DIR")]
    pub cluster: Vec<String>,
    /// The input is everything: what is not in it does not exist
    #[arg(help_heading = "Input", long)]
    pub complete: bool,
    /// Show only findings of this namespace (and of objects that have none); repeatable
    #[arg(help_heading = "Input", short, long, value_name = "NS", value_delimiter = ',')]
    pub namespace: Vec<String>,
    /// All namespaces (the default without -n)
    #[arg(help_heading = "Input", short = 'A', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true)]
    pub all_namespaces: bool,
    /// Namespace of the control plane
    #[arg(short = 'i', long = "istioNamespace", alias = "istio-namespace", hide = true, value_name = "NS", default_value = "istio-system")]
    pub istio_namespace: String,
    /// Mesh configuration (MeshConfig) to assume instead of the default
    #[arg(help_heading = "Input", long = "meshConfigFile", alias = "mesh-config-file", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// Mesh networks to assume
    #[arg(help_heading = "Input", long = "meshNetworksFile", alias = "mesh-networks-file", value_name = "FILE")]
    pub mesh_networks: Option<PathBuf>,
    /// Istio version whose fields count, such as 1.30 (default: the newest known)
    #[arg(help_heading = "Input", long, value_name = "VERSION")]
    pub istio_version: Option<String>,
    /// Configuration file instead of the `.meshctl.toml` found upward from the first PATH
    #[arg(help_heading = "Input", long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Take no `.meshctl.toml` into account
    #[arg(help_heading = "Input", long)]
    pub no_config: bool,
}

#[derive(Args)]
pub struct SelectArgs {
    /// Only these: codes, prefixes of codes (IST01), names of codes or rules; repeatable
    #[arg(help_heading = "What is reported", long, value_name = "WHAT", value_delimiter = ',')]
    pub select: Vec<String>,
    /// All but these; repeatable
    #[arg(help_heading = "What is reported", long, value_name = "WHAT", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Suppress a code on objects: `IST0101=VirtualService shop/*`; repeatable
    #[arg(help_heading = "What is reported", short = 'S', long, value_name = "CODE=OBJECT")]
    pub suppress: Vec<String>,
    /// Lowest level that makes the exit status 79: error, warning, info or never (default: error)
    #[arg(help_heading = "What is reported", long, alias = "failure-threshold", value_name = "LEVEL")]
    pub fail_on: Option<String>,
    /// Lowest level that is shown (default: warning in text, info in every other format)
    #[arg(help_heading = "What is reported", long, value_name = "LEVEL")]
    pub output_threshold: Option<String>,
    /// Analyse a git revision too, and fail only on findings that are new since it
    #[arg(help_heading = "What is reported", long, value_name = "REV")]
    pub base: Option<String>,
    /// Fail only on findings that are not in this file
    #[arg(help_heading = "What is reported", long, value_name = "FILE", conflicts_with = "base")]
    pub baseline: Option<PathBuf>,
    /// Write the findings of today to a file for --baseline, and succeed
    #[arg(help_heading = "What is reported", long, value_name = "FILE", conflicts_with_all = ["base", "baseline"])]
    pub write_baseline: Option<PathBuf>,
}

#[derive(Args)]
pub struct OutputArgs {
    /// text, json, yaml, sarif, junit, github, gitlab or log
    #[arg(help_heading = "Output", short, long, value_name = "FORMAT", hide_possible_values = true)]
    pub output: Option<Format>,
    /// Show every finding in text, also of codes that hit many objects
    #[arg(help_heading = "Output", long)]
    pub all: bool,
    /// Say more on stderr
    #[arg(help_heading = "Output", short, long)]
    pub verbose: bool,
}

#[derive(Args)]
pub struct ListArgs {
    /// List the analyzers and the codes of each
    #[arg(help_heading = "Lists", short = 'L', long)]
    pub list_analyzers: bool,
    /// Run only these analyzers, by istioctl's name or the rule's; repeatable
    #[arg(help_heading = "Lists", long, value_name = "NAME", value_delimiter = ',')]
    pub analyzer: Vec<String>,
}

/// istioctl's flags that change nothing on files. They are accepted so that a call of istioctl's keeps working.
#[derive(Args)]
pub struct IstioctlArgs {
    #[arg(short = 'k', long = "use-kube", hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub use_kube: Option<bool>,
    #[arg(short = 'R', long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub recursive: Option<bool>,
    /// Do not complain of documents that cannot be parsed
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    pub ignore_unknown: bool,
    #[arg(long, hide = true)]
    pub timeout: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub referential: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Yaml,
    Sarif,
    Junit,
    Github,
    Gitlab,
    Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    #[value(alias = "true")]
    Always,
    #[value(alias = "false")]
    Never,
}
