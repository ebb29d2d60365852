//! `meshctl controlplane`.

use super::ConnectArgs;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  # serve a folder of manifests, and what becomes of it
  meshctl controlplane --from k8s/
  # a mesh on this machine: proxies listen on loopback addresses
  meshctl controlplane --from k8s/ --laptop --tokens t/
  # what a cluster's istiod would send, read again every 5 seconds
  meshctl controlplane --from kube
  # what the proxies made of it
  meshctl ps --from http://127.0.0.1:15014

It runs until it is interrupted. Plaintext and debug pages are served on loopback only. A proxy that shows no credential is served what is no secret.

Exit status: 0 interrupted · 65 nothing could be read · 64 usage · 1 a port is taken";

#[derive(Args, Debug)]
pub struct ControlplaneArgs {
    /// Manifests (files, folders), or `kube`, `kube:CONTEXT`: all of them watched; NAME=DIR for each of several clusters; repeatable
    #[arg(short = 'f', long = "from", value_name = "SRC", required = true)]
    pub from: Vec<String>,
    /// Of several clusters the own one, whose rules count: of the others services and workloads are read [default: the first]
    #[arg(long, value_name = "NAME")]
    pub cluster_id: Option<String>,
    /// Mesh configuration (MeshConfig) to assume instead of the default
    #[arg(long = "meshConfigFile", alias = "mesh-config-file", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// gRPC in plaintext, on loopback; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15010")]
    pub xds: SocketAddr,
    /// gRPC by TLS, with a certificate of the mesh
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15012")]
    pub tls: SocketAddr,
    /// Debug pages and metrics, on loopback
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:15014")]
    pub http: SocketAddr,
    /// Proxies listen on addresses of this machine, and nothing is captured: `addresses` of 127.0.0.0/8, or `ports` of 127.0.0.1
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "addresses")]
    pub laptop: Option<Laptop>,
    /// Write a token for each service account into this folder, readable by its owner alone: NAMESPACE/ACCOUNT
    #[arg(long, value_name = "DIR")]
    pub tokens: Option<PathBuf>,
    /// Certificate of an authority that signs workloads' certificates; a new root without one
    #[arg(long, value_name = "FILE", requires = "ca_key", help_heading = "Certificates")]
    pub ca_cert: Option<PathBuf>,
    /// Its key, PKCS #8 in PEM
    #[arg(long, value_name = "FILE", requires = "ca_cert", help_heading = "Certificates")]
    pub ca_key: Option<PathBuf>,
    /// The root, where that certificate is none
    #[arg(long, value_name = "FILE", requires = "ca_cert", help_heading = "Certificates")]
    pub ca_root: Option<PathBuf>,
    /// How long a workload's certificate lives, such as 24h; it is renewed at half of that
    #[arg(long, value_name = "TIME", default_value = "24h", help_heading = "Certificates")]
    pub cert_lifetime: String,
    /// So many proxies are served at most
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub max_proxies: usize,
    #[command(flatten)]
    pub connect: ConnectArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Laptop {
    Addresses,
    Ports,
}
