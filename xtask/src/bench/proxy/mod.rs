//! `cargo xtask bench proxy [--pgo] [CASE…]`: what requests cost at `mesh-proxy` and at a real Envoy, turn by turn on the same load, in CPU
//! seconds of the proxy per million requests. The proxy has one worker and a core of its own where there are two; the load and the
//! upstream share the other. `mesh-proxy` also counts Istio's metrics, which this Envoy cannot. Where bytes can be handed on as they
//! are, a third line tells what the calls of a proxy cost that does nothing else: the share that is the kernel's. With `--pgo` it is
//! the `mesh-proxy` that `cargo xtask pgo` made, as releases have it.
//!
//! Needs wrk, h2load and nginx, and the Envoy that `.ci/install-components` installs.

pub mod config;
mod handshake;
pub mod load;
pub mod running;

use crate::{Outcome, root};
use load::Load;
use running::{Kind, Proxy, Upstream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const ROUNDS: usize = 3;
const SPAN: Duration = Duration::from_secs(3);
/// After it memory that is no longer used has been given back.
const REST: Duration = Duration::from_secs(15);

/// One kind of load, and how much of Envoy's CPU it may take at most.
struct Case {
    name: &'static str,
    load: Load,
    goal: f64,
    kinds: &'static [Kind],
}

const CASES: [Case; 5] = [
    Case { name: "small GETs, HTTP/1.1 kept alive", load: Load::Http1 { path: "/", closes: load::Closes::No }, goal: 0.30, kinds: &Kind::ALL },
    // Somebody has to make HTTP/1.1 of it.
    Case { name: "small GETs, HTTP/2", load: Load::Http2, goal: 0.30, kinds: &Kind::BOTH },
    Case { name: "a connection for each request", load: Load::Http1 { path: "/", closes: load::Closes::Yes }, goal: 0.40, kinds: &Kind::ALL },
    Case { name: "mTLS handshakes, P-256", load: Load::Handshakes, goal: 0.55, kinds: &Kind::ALL },
    Case { name: "bodies of 1 MiB", load: Load::Http1 { path: "/1m", closes: load::Closes::No }, goal: 0.70, kinds: &Kind::ALL },
];

/// What is run, and where.
pub struct Tools {
    envoy: PathBuf,
    mesh_proxy: PathBuf,
    floor: PathBuf,
    scratch: PathBuf,
}

pub fn run(args: &[String]) -> Outcome {
    let (profiled, args) = match args.split_first() {
        Some((first, rest)) if first == "--pgo" => (Some(crate::pgo::made()?), rest),
        _ => (None, args),
    };
    let tools = tools(profiled)?;
    let upstream = Upstream::start(&tools.scratch)?;
    let wants = |name: &str| args.is_empty() || args.iter().any(|a| name.contains(a.as_str()));
    let certificates = config::Certificates::new().map_err(|e| e.to_string())?;
    let mut half = None;
    for case in CASES.iter().filter(|c| wants(c.name)) {
        let mut costs = [Vec::new(), Vec::new(), Vec::new()];
        let mut rates = [0.0f64; 3];
        for _ in 0..ROUNDS {
            for kind in case.kinds.iter().copied() {
                let proxy = match kind {
                    Kind::Floor => Proxy::floor(&tools, upstream.address, &certificates)?,
                    Kind::Envoy | Kind::Ours => Proxy::start(kind, &tools, &config::loaded(kind, upstream.address, &certificates, &tools.scratch))?,
                };
                let i = kind as usize;
                let before = proxy.cpu()?;
                let done = load::run(&case.load, &proxy, &certificates, SPAN)?;
                let cpu = proxy.cpu()? - before;
                if done.failed > 0 {
                    println!("  {}: {} of {} failed", kind.name(), done.failed, done.requests);
                }
                costs[i].push(cpu / done.requests as f64 * 1e6);
                rates[i] = rates[i].max(done.requests as f64 / SPAN.as_secs_f64());
            }
        }
        let [envoy, ours, floor] = costs.map(median);
        println!(
            "{}: Envoy {envoy:.1}, mesh-proxy {ours:.1} CPU s per million requests: {:.2} of Envoy's (goal {:.2}); at {:.0} and {:.0} requests a second",
            case.name,
            ours / envoy,
            case.goal,
            rates[0],
            rates[1]
        );
        if case.kinds.contains(&Kind::Floor) {
            println!("  the calls alone: {floor:.1}, {:.2} of Envoy's, at {:.0} requests a second", floor / envoy, rates[2]);
        }
        if matches!(case.load, Load::Http1 { path: "/", closes: load::Closes::No }) {
            half = Some(rates[0] / 2.0);
        }
    }
    if wants("latency") {
        latency(&tools, &upstream, &certificates, half.unwrap_or(4_000.0))?;
    }
    if wants("memory") {
        memory(&tools, &upstream, &certificates)?;
    }
    if wants("clusters") {
        clusters(&tools, &upstream)?;
    }
    Ok(())
}

fn latency(tools: &Tools, upstream: &Upstream, certificates: &config::Certificates, rate: f64) -> Outcome {
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for kind in Kind::BOTH {
            let proxy = Proxy::start(kind, tools, &config::loaded(kind, upstream.address, certificates, &tools.scratch))?;
            all[kind as usize].push(load::p99(&proxy, rate, SPAN, &tools.scratch)?);
        }
    }
    let [envoy, ours] = all.map(median);
    println!("p99 at {rate:.0} requests a second, half of what Envoy can: Envoy {envoy:.2} ms, mesh-proxy {ours:.2} ms (goal: no worse)");
    Ok(())
}

fn memory(tools: &Tools, upstream: &Upstream, certificates: &config::Certificates) -> Outcome {
    for kind in Kind::BOTH {
        let proxy = Proxy::start(kind, tools, &config::loaded(kind, upstream.address, certificates, &tools.scratch))?;
        std::thread::sleep(REST);
        let idle = proxy.memory()?;
        let done = load::run(&CASES[0].load, &proxy, certificates, SPAN)?;
        println!(
            "{}: {:.1} MB idle, {:.1} MB after {} requests{}",
            kind.name(),
            idle,
            proxy.memory()?,
            done.requests,
            if kind == Kind::Ours { " (goal: 10 MB idle)" } else { "" }
        );
    }
    Ok(())
}

const CLUSTERS: usize = 3_000;

fn clusters(tools: &Tools, upstream: &Upstream) -> Outcome {
    for kind in Kind::BOTH {
        let config = config::many(upstream.address, CLUSTERS);
        let (mut ready, mut memory) = (f64::INFINITY, 0.0f64);
        for _ in 0..ROUNDS {
            let proxy = Proxy::start(kind, tools, &config)?;
            ready = ready.min(proxy.ready_after.as_secs_f64() * 1000.0);
            memory = memory.max(proxy.memory()?);
        }
        let proxy = Proxy::start(kind, tools, &config)?;
        std::thread::sleep(REST);
        let rested = proxy.memory()?;
        let goal = if kind == Kind::Ours { " (goal: 100 ms, 40 MB)" } else { "" };
        println!(
            "{}: {CLUSTERS} clusters with their virtual hosts: ready after {ready:.0} ms, {memory:.0} MB then and {rested:.0} MB {} s later{goal}",
            kind.name(),
            REST.as_secs()
        );
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn tools(profiled: Option<PathBuf>) -> Result<Tools, String> {
    let folder = std::env::var_os("MESHCTL_COMPONENTS").map_or_else(|| root().join("target/components"), PathBuf::from);
    // The package's own command is a script that starts this one.
    let envoy = find(&folder.join("venv/lib")).ok_or_else(|| format!("no Envoy below {}; `.ci/install-components` installs one", folder.display()))?;
    load::tools()?;
    super::analyze::status(Command::new("cargo").args(["build", "--release", "--package", "mesh-proxy", "--bins", "--examples"]).current_dir(root()))?;
    let scratch = root().join("target/bench/proxy");
    std::fs::create_dir_all(&scratch).map_err(|e| format!("{}: {e}", scratch.display()))?;
    let mesh_proxy = profiled.unwrap_or_else(|| root().join("target/release/mesh-proxy"));
    Ok(Tools { envoy, mesh_proxy, floor: root().join("target/release/examples/floor"), scratch })
}

fn find(lib: &Path) -> Option<PathBuf> {
    std::fs::read_dir(lib).ok()?.flatten().map(|e| e.path().join("site-packages/envoy/_bin/envoy")).find(|p| p.exists())
}
