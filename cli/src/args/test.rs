//! `meshctl test`.

use super::telemetry::PrometheusArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  # from the sources that the file names
  meshctl test mesh-tests.yaml
  meshctl test mesh-tests.yaml --from bugreport.tar.gz
  # before it is applied
  meshctl test mesh-tests.yaml --from k8s/
  meshctl test *.yaml -o junit --out report.xml
  # edges of the traffic graph
  meshctl test slo.yaml --prometheus http://localhost:9090 --since 30m

A test says who calls what, and what must come of it:
  tests:
  - name: jason is sent to version 2
    caller: productpage
    request: GET http://reviews:9080/reviews/0
    headers: {end-user: jason}
    expect: {service: reviews, subset: v2}
  - name: reviews answer fast, and over mutual TLS
    edge: {from: productpage, to: reviews}
    expect: {minRate: 1, maxErrorPercent: 1, maxP95: 250ms, minMtlsPercent: 100}

Exit status: 0 all hold · 79 one does not · 65 a file or test can't be read · 75 not all could be judged · 64 usage";

#[derive(Args)]
pub struct TestArgs {
    /// Files of tests
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// What is asked instead of the sources that the files name: dumps of proxies, or the manifests of the whole mesh; repeatable
    #[arg(short = 'f', long = "from", value_name = "SRC")]
    pub from: Vec<String>,
    /// The mesh's settings, beside manifests
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    pub mesh_config_file: Option<PathBuf>,
    /// What tests of edges are answered from instead of the metrics that the files name: a recording, a file of series, or proxies'
    /// pages such as http://host:15020, scraped twice; repeatable
    #[arg(long, value_name = "SRC", conflicts_with = "prometheus")]
    pub metrics: Vec<String>,
    /// The same from a Prometheus, or what answers like one (MESHCTL_PROMETHEUS where nothing else is named)
    #[arg(long, value_name = "URL")]
    pub prometheus: Option<String>,
    /// How far rates look back (default: as the file says, else 10m)
    #[arg(long, value_name = "DURATION")]
    pub since: Option<String>,
    /// How long lies between the two scrapes of pages
    #[arg(long, value_name = "DURATION", default_value = "15s")]
    pub interval: String,
    /// text, json or junit
    #[arg(short, long, default_value = "text")]
    pub output: TestFormat,
    #[command(flatten)]
    pub access: PrometheusArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    Text,
    Json,
    Junit,
}
