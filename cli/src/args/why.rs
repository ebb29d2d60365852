//! `meshctl why`.

use super::mesh::MeshArgs;
use super::route::RequestArgs;
use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  # what is wrong now in the current cluster, the likeliest cause first
  meshctl why
  meshctl why --from mesh.rec
  # why calls to one service fail
  meshctl why reviews -f k8s/ --prometheus http://localhost:9090
  meshctl why productpage http://reviews:9080/reviews/1 -H 'end-user: jason' -f k8s/
  # manifests, and what two proxies hold
  meshctl why deploy/web.shop http://cart/ -f k8s/ -f web.json -f cart.json
  # what comes in at a gateway
  meshctl why istio-ingressgateway http://shop.example.com/ -f k8s/
  # a client without a sidecar
  meshctl why outside http://cart.shop/ -f k8s/

Exit status: 0 it arrives · 79 it fails · 75 what decides was not seen · 65 unreadable input · 64 usage";

#[derive(Args, Clone)]
pub struct WhyArgs {
    /// Who sends it: [KIND/]NAME[.NAMESPACE] of a workload, Service or gateway; `outside` for a client that is no part of the mesh
    #[arg(value_name = "FROM")]
    pub who: Option<String>,
    /// What it asks for: http://reviews:9080/reviews/1, or tcp://db:3306 for bytes
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// The request's method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: String,
    #[command(flatten)]
    pub request: RequestArgs,
    #[command(flatten)]
    pub mesh: MeshArgs,
    /// A Prometheus, or what answers like one: which calls fail, where no request is asked about
    #[arg(long, value_name = "URL", env = "MESHCTL_PROMETHEUS", hide_env_values = true)]
    pub prometheus: Option<String>,
    /// How far rates look back
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub since: String,
    /// Where no request is asked about: how long all sources together have to answer; the answer is given without those that are silent then
    #[arg(long, value_name = "DURATION", default_value = "4s")]
    pub within: String,
    #[command(flatten)]
    pub access: super::telemetry::PrometheusArgs,
    // Where no request is asked about: who does not hand trace headers on.
    #[command(flatten)]
    pub traces: super::traces::TraceServerArgs,
    /// text, json or yaml
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
