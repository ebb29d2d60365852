//! `meshctl tui`.

use super::telemetry::TelemetryArgs;
use super::traces::TraceServerArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # manifests
  meshctl tui k8s/
  # manifests, and what a proxy holds
  meshctl tui k8s/ --from dump.json
  # what a cluster holds
  meshctl tui --from kube
  # the proxies of a bug report
  meshctl tui bug-report.tar.gz
  # one proxy, as it is now
  meshctl tui http://localhost:15000
  # manifests, and who calls whom, how much and how well
  meshctl tui k8s/ --prometheus http://localhost:9090
  # the same from a recording
  meshctl tui k8s/ --series mesh.json
  # manifests, and traces
  meshctl tui k8s/ --jaeger http://localhost:16686
  # a folder of manifests, dumps and series, opened at the graph
  meshctl tui recording/ graph
  # the same, opened at a service or workload
  meshctl tui recording/ reviews
  # a proxy's page of metrics, scraped again and again
  meshctl tui http://localhost:15020
  # the same as text, as for pipes
  meshctl tui k8s/ --no-tui

Keys: ? shows those of a screen, ctrl-p finds anything, q goes back and at last quits. \
Settings: $XDG_CONFIG_HOME/meshctl/tui.toml; `--print-config` prints one to start from.";

#[derive(Args)]
pub struct TuiArgs {
    /// Manifests, config dumps, folders of both, a bug report, http://host:15000, unix:PATH; `kube` or `kube:CONTEXT` for a cluster. A last word that is no file says where to open
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Read the sources again this often; off for never; a cluster is read when it has changed [default: 15s for admin ports and Prometheus, else off]
    #[arg(long, value_name = "DURATION")]
    pub refresh: Option<String>,
    /// The input is everything: what is not in it does not exist
    #[arg(long)]
    pub complete: bool,
    /// Where to open: overview, graph, findings, proxies, mesh, …, or the name of a service or workload
    #[arg(long, value_name = "WHAT")]
    pub open: Option<String>,
    /// Print the facts as text instead of drawing
    #[arg(long)]
    pub no_tui: bool,
    /// dark, light, deuteranopia, tritanopia, high-contrast or mono
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// Draw with ASCII characters only
    #[arg(long)]
    pub ascii: bool,
    /// For screen readers: words in place of marks, lines in place of frames and charts, the graph as a tree
    #[arg(long)]
    pub a11y: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub no_mouse: bool,
    /// Print a configuration file with everything at its default
    #[arg(long)]
    pub print_config: bool,
    /// Write one picture of the screen instead of drawing it: a file that ends in .svg or .txt, or `-`
    #[arg(long, hide = true, value_name = "FILE")]
    pub picture: Option<String>,
    /// Whether the sources are read when the picture is taken
    #[arg(long, hide = true, value_name = "MOMENT", default_value = "read")]
    pub moment: crate::commands::tui::picture::Moment,
    /// The size of the picture, or several with commas between them
    #[arg(long, hide = true, value_name = "WxH", default_value = "120x40")]
    pub size: String,
    /// Keys that are typed before the picture is taken, separated by blanks
    #[arg(long, hide = true, value_name = "KEYS", default_value = "")]
    pub keys: String,
    #[command(flatten)]
    pub traces: TraceServerArgs,
    // Its --from is repeatable and means the same as PATH here.
    #[command(flatten)]
    pub metrics: TelemetryArgs,
}
