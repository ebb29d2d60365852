//! `meshctl demo`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

pub const EXAMPLES: &str = "\
Examples:
  # a mesh with traffic, and the terminal UI on it
  meshctl demo
  # ten seconds of it: graph and proxies as text
  meshctl demo --once
  # beside you, for five minutes
  meshctl demo --for 5m > log &
  # a mesh of your own: its Deployments are played, its rules hold
  meshctl demo manifests/
  # a MockServiceGraph (isotope): programs that follow its scripts
  meshctl demo graph.yaml
  # a generated mesh of so many services
  meshctl demo --size 50
  # the bookshop over two clusters on two networks
  meshctl demo --clusters 2
  # a mesh of your own over two
  meshctl demo k8s/ --clusters 2 --place db=west
  # each proxy in a process of its own
  meshctl demo --processes
  # ways to break it; `break NAME` does, `break --undo` mends it
  meshctl demo break --list

All of it is on loopback, at free ports, and ends with the command. The first lines say where everything listens and what to type next.

Exit status: 0 ended as asked · 79 requests failed (--once) · 65 the mesh can't be read · 64 usage · 1 it does not start";

pub const BREAK_EXAMPLES: &str = "\
Examples:
  # the ways to break a mesh
  meshctl demo break --list
  # break the demo that runs; `meshctl why --from demo` is to find out why
  meshctl demo break mtls-mismatch
  # another victim
  meshctl demo break latency --seed 7
  # as it was
  meshctl demo break --undo

Exit status: 0 done · 64 usage · 1 no demo runs, or it can't be done";

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    #[command(subcommand)]
    pub what: Option<DemoCommand>,
    /// Print graph and proxies after ten seconds, or after --for, and end
    #[arg(long)]
    pub once: bool,
    /// End after this long, such as 30s; 5s at least, for there to be rates
    #[arg(long = "for", value_name = "DURATION")]
    pub span: Option<String>,
    /// Requests a second, 1 to 200
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub rate: u32,
    /// Chooses what is requested, and the mesh of --size
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Send so many requests, and none after them; the mesh goes on
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// A Zipkin that gets all traces as well, such as http://127.0.0.1:9411
    #[arg(long, value_name = "URL")]
    pub zipkin: Option<String>,
    /// Tell workloads apart by ports of 127.0.0.1, even where addresses of their own can be had
    #[arg(long)]
    pub ports: bool,
    /// What `--from demo:NAME` calls it [default: bookinfo, or what DIR is called; with a number where that one runs]
    #[arg(long, value_name = "NAME", value_parser = a_name)]
    pub name: Option<String>,
    /// A generated mesh of so many services, 4 to 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(4..=1000), conflicts_with = "words")]
    pub size: Option<u32>,
    /// Spread it over so many clusters, or over those named (east,west): each with a control plane and a network of its own, and a gateway between them
    #[arg(long, value_name = "N|NAMES", default_value = "1", hide_default_value = true, value_parser = clusters)]
    pub clusters: Clusters,
    /// The cluster of a workload of your own, such as web=west or web.shop=west; repeatable
    #[arg(long, value_name = "WORKLOAD=CLUSTER", value_parser = a_place)]
    pub place: Vec<(String, String)>,
    /// Each proxy in a process of its own: what becomes of a mesh when one is killed
    #[arg(long)]
    pub processes: bool,
    /// An Envoy before a workload in place of a mesh-proxy, such as ratings-v1=/usr/local/bin/envoy; repeatable
    #[arg(long, value_name = "WORKLOAD=PROGRAM")]
    pub envoy: Vec<String>,
    /// A mesh of your own: folders and files of Kubernetes and Istio YAML, which are followed; or one MockServiceGraph
    #[arg(value_name = "DIR")]
    pub words: Vec<PathBuf>,
}

/// Names of clusters; one or none for a mesh that has no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clusters(pub Vec<String>);

fn clusters(text: &str) -> Result<Clusters, String> {
    let most = mesh_demo::CLUSTERS.len();
    let names: Vec<String> = match text.parse::<usize>() {
        Ok(n) if (1..=most).contains(&n) => mesh_demo::CLUSTERS.iter().take(n).map(|c| (*c).to_owned()).collect(),
        Ok(_) => return Err(format!("a number of 1 to {most} is expected, or names")),
        Err(_) => text.split(',').map(str::to_owned).collect(),
    };
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_name = |n: &String| n.len() <= 40 && n.bytes().all(is_inner) && n.bytes().next().is_some_and(|b| b.is_ascii_lowercase()) && !n.ends_with('-');
    if let Some(bad) = names.iter().find(|n| !is_name(n)) {
        return Err(format!("`{bad}` is no name of a cluster here: small letters, digits and `-`, 40 at most, beginning with a letter"));
    }
    if let Some(twice) = names.iter().enumerate().find(|(i, n)| names[..*i].contains(n)) {
        return Err(format!("{} is named twice", twice.1));
    }
    if names.len() > most {
        return Err(format!("{} clusters are more than the {most} that there may be", names.len()));
    }
    Ok(Clusters(names))
}

fn a_place(text: &str) -> Result<(String, String), &'static str> {
    let pair = text.split_once('=').filter(|(name, cluster)| !name.is_empty() && !cluster.is_empty());
    pair.map(|(name, cluster)| (name.to_owned(), cluster.to_owned())).ok_or("WORKLOAD=CLUSTER is expected")
}

fn a_name(text: &str) -> Result<String, &'static str> {
    if mesh_demo::state::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a name is small letters, digits, `-` and `_`, 63 at most, and begins with none of the last two")
    }
}

#[derive(Subcommand, Debug)]
pub enum DemoCommand {
    /// Break the demo that runs in a way that is to be found out, or mend it again
    #[command(after_help = BREAK_EXAMPLES)]
    Break(BreakArgs),
    /// A proxy of a demo, which starts it
    #[command(hide = true)]
    Part {
        /// Which one, for those who list processes
        name: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct BreakArgs {
    /// The way, as --list names it; several break it in several ways at once
    #[arg(value_name = "NAME", required_unless_present_any = ["list", "undo"], conflicts_with_all = ["list", "undo"])]
    pub names: Vec<String>,
    /// All ways to break a mesh
    #[arg(long, conflicts_with = "undo")]
    pub list: bool,
    /// Mend everything
    #[arg(long)]
    pub undo: bool,
    /// Chooses the victim and how badly it is hit
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Which demo, where several run
    #[arg(long, value_name = "NAME")]
    pub demo: Option<String>,
    /// text or json; json tells the cause as well
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub output: String,
}
