//! Where metrics come from, for every command that shows traffic.

use clap::Args;
use std::path::PathBuf;

#[derive(Args, Clone)]
pub struct TelemetryArgs {
    /// A Prometheus or what answers like one (Thanos, Mimir, VictoriaMetrics)
    #[arg(help_heading = "Source of metrics", long, value_name = "URL", env = "MESHCTL_PROMETHEUS", hide_env_values = true)]
    pub prometheus: Option<String>,
    /// A proxy's page of metrics, scraped twice (http://host:15020, unix:PATH), or a file of series; repeatable
    #[arg(help_heading = "Source of metrics", short = 'f', long, value_name = "SRC")]
    pub from: Vec<String>,
    /// How long lies between the two scrapes of --from
    #[arg(help_heading = "Source of metrics", long, value_name = "DURATION", default_value = "15s")]
    pub interval: String,
    /// A file of series: rates or samples, with the objects of the moment
    #[arg(help_heading = "Source of metrics", long, value_name = "FILE")]
    pub series: Option<PathBuf>,
    /// A saved page of metrics (`/stats/prometheus`); repeatable
    #[arg(help_heading = "Source of metrics", long, value_name = "FILE", requires = "before", conflicts_with = "series")]
    pub page: Vec<PathBuf>,
    /// The same target's page from before; as many as --page, in the same order
    #[arg(help_heading = "Source of metrics", long, value_name = "FILE", requires = "page")]
    pub before: Vec<PathBuf>,
    /// How long lies between --before and --page
    #[arg(help_heading = "Source of metrics", long, value_name = "DURATION", default_value = "60s")]
    pub over: String,
    /// Namespaces that count (default: all that the metrics name)
    #[arg(help_heading = "Source of metrics", short, long, value_delimiter = ',', value_name = "NS")]
    pub namespace: Vec<String>,
    /// How far rates look back, in Prometheus and in a file of samples
    #[arg(help_heading = "Source of metrics", long, value_name = "DURATION", default_value = "10m", conflicts_with = "page")]
    pub since: String,
    /// The time that the answer is about, RFC 3339 (default: now, or a recording's last)
    #[arg(help_heading = "Source of metrics", long, value_name = "TIME", conflicts_with = "page")]
    pub at: Option<String>,
    // What follows a flattened part stands under its heading: this one, and this whole, come last.
    #[command(flatten)]
    pub access: PrometheusArgs,
}

impl TelemetryArgs {
    /// What commands with fewer options ask for: sources, and how far rates look back; the rest as it is by default.
    pub fn of(prometheus: Option<String>, from: Vec<String>, since: String, access: PrometheusArgs) -> TelemetryArgs {
        TelemetryArgs {
            prometheus,
            from,
            interval: "15s".to_owned(),
            series: None,
            page: Vec::new(),
            before: Vec::new(),
            over: "60s".to_owned(),
            namespace: Vec::new(),
            since,
            at: None,
            access,
        }
    }
}

#[derive(Args, Clone)]
pub struct PrometheusArgs {
    /// A label that belongs into every selector, such as cluster=prod-eu; repeatable
    #[arg(help_heading = "Access to Prometheus", long, value_name = "NAME=VALUE")]
    pub prom_label: Vec<String>,
    /// A file with a bearer token; it is read anew for each request
    #[arg(help_heading = "Access to Prometheus", long, value_name = "FILE", conflicts_with = "prom_user")]
    pub prom_token_file: Option<PathBuf>,
    /// User of basic authentication
    #[arg(help_heading = "Access to Prometheus", long, value_name = "NAME", requires = "prom_password_file")]
    pub prom_user: Option<String>,
    /// A file with that user's password
    #[arg(help_heading = "Access to Prometheus", long, value_name = "FILE", requires = "prom_user")]
    pub prom_password_file: Option<PathBuf>,
    /// A header, such as 'X-Scope-OrgID: team'; repeatable
    #[arg(help_heading = "Access to Prometheus", long, value_name = "NAME: VALUE")]
    pub prom_header: Vec<String>,
    /// Authorities in PEM that are trusted beside the system's
    #[arg(help_heading = "Access to Prometheus", long, value_name = "FILE")]
    pub prom_ca: Option<PathBuf>,
    /// A client's certificate and key in PEM, in one file
    #[arg(help_heading = "Access to Prometheus", long, value_name = "FILE")]
    pub prom_cert: Option<PathBuf>,
    /// How long one answer may take
    #[arg(help_heading = "Access to Prometheus", long, value_name = "DURATION", default_value = "60s")]
    pub prom_timeout: String,
    /// Within what time all answers together count, where a command has other sources as well.
    #[arg(skip)]
    pub within: Option<std::time::Duration>,
}
