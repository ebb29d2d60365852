//! `cargo xtask bench inspect [SERVICES]`: what `meshctl proxy-config` costs on a large config dump, and what a decision of the
//! matching engine costs without a recorder.
//!
//! The generator of the dump stands outside of this repository (`../shared/bench/gen_config_dump.py`), and so does the dump
//! that it repeats; without them the tables are not measured.

use super::analyze::{Cost, measure, status};
use crate::{Outcome, root};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::action::Action;
use mesh_envoy::engine::chain::{Choice as Chosen, Subject};
use mesh_envoy::engine::network::Kind;
use mesh_envoy::engine::recorder::Off;
use mesh_envoy::engine::request::{Connection, Entry, Request};
use mesh_envoy::engine::route::Choice;
use serde_json::{Value, json};
use std::hint::black_box;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Instant;

const RUNS: usize = 5;
const HOSTS: usize = 10_000;
const DECISIONS: usize = 1_000_000;

pub fn run(args: &[String]) -> Outcome {
    if cfg!(debug_assertions) {
        // Figures are of optimized code.
        status(Command::new("cargo").args(["run", "--release", "--quiet", "--package", "xtask", "--", "bench", "inspect"]).args(args).current_dir(root()))?;
        return Ok(());
    }
    let services = match args {
        [] => "2500",
        [n] if n.parse::<u32>().is_ok() => n,
        _ => return Err("one number of services at most".into()),
    };
    tables(services)?;
    decisions()
}

fn tables(services: &str) -> Outcome {
    let shared = root().join("../shared");
    let (generator, seed) = (shared.join("bench/gen_config_dump.py"), shared.join("conformance/proxy-config/real-sidecar-productpage/dump.json"));
    if !generator.is_file() || !seed.is_file() {
        println!("SKIPPED: {} or {} is not there", generator.display(), seed.display());
        return Ok(());
    }
    status(Command::new("cargo").args(["build", "--release", "--package", "meshctl"]).current_dir(root()))?;
    let binary = root().join("target/release/meshctl");
    let scratch = root().join("target/bench");
    std::fs::create_dir_all(&scratch).map_err(|e| e.to_string())?;
    let dump = scratch.join(format!("inspect-{services}.json"));
    if !dump.is_file() {
        status(Command::new("python3").arg(&generator).arg(&seed).arg(services).arg(&dump))?;
    }
    let size = std::fs::metadata(&dump).map_err(|e| e.to_string())?.len() as f64 / (1 << 20) as f64;
    println!("{services} services, {size:.0} MiB; best of {RUNS}");
    let path = dump.display().to_string();
    for what in ["cluster", "listener", "route", "eds", "all"] {
        let mut best: Option<Cost> = None;
        for _ in 0..RUNS {
            let cost = measure(&scratch.join("table.txt"), &binary, &["pc", what, "-f", &path])?;
            best = Some(best.filter(|b| b.cpu <= cost.cpu).unwrap_or(cost));
        }
        let best = best.ok_or("no run")?;
        println!(
            "  pc {what:9} {:.2} s CPU, {:.2} s on the clock, {:.0} MiB ({:.0} more than the file), exit status {}",
            best.cpu,
            best.wall,
            best.mib,
            best.mib - size,
            best.status
        );
    }
    Ok(())
}

/// A sidecar's outbound side: a route configuration of so many virtual hosts, and as many clusters.
fn generated() -> Value {
    let route = |i: usize| {
        json!({"name": format!("svc-{i}:80"), "domains": [format!("svc-{i}"), format!("svc-{i}.ns"), format!("svc-{i}.ns.svc"), format!("svc-{i}.ns.svc.cluster.local"),
                format!("10.{}.{}.{}", i >> 16 & 255, i >> 8 & 255, i & 255)],
            "routes": [
                {"match": {"prefix": "/", "headers": [{"name": "end-user", "string_match": {"exact": "jason"}}]}, "route": {"cluster": format!("outbound|80|v2|svc-{i}")}},
                {"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": [
                    {"name": format!("outbound|80|v1|svc-{i}"), "weight": 80}, {"name": format!("outbound|80|v2|svc-{i}"), "weight": 20}]}}}]})
    };
    let manager = json!({"name": "http", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "rds": {"route_config_name": "80"},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}});
    let at = |ip: &str, port: u16| json!({"socket_address": {"address": ip, "port_value": port}});
    json!({
        "listeners": [
            {"name": "virtualOutbound", "address": at("0.0.0.0", 15001), "use_original_dst": true, "traffic_direction": "OUTBOUND", "filter_chains": []},
            {"name": "0.0.0.0_80", "address": at("0.0.0.0", 80), "bind_to_port": false, "filter_chains": [{"filters": [manager]}]}],
        "routes": [{"name": "80", "ignore_port_in_host_matching": true, "virtual_hosts": (0..HOSTS).map(route).collect::<Vec<_>>()}],
        "clusters": []
    })
}

/// From a connection to the cluster of its request, every step without a recorder.
fn decide<'c>(c: &'c Configuration, host: &str, headers: &[(&str, &str)], random: u64) -> Option<&'c str> {
    let destination = SocketAddr::from(([10, 0, 0, 1], 80));
    let connection = Connection::plain([10, 1, 0, 1].into(), destination);
    let listener = c.listeners.choose(Entry::CapturedOutbound, destination, &mut Off)?;
    let inspected = listener.inspect(&connection).ok()?;
    let Chosen::Chain(chain) = listener.chains().choose(Subject { connection: &connection, inspected: &inspected }, &mut Off) else { return None };
    let Kind::Http(_) = &chain.filters.first()?.kind else { return None };
    let table = c.routes.get("80")?;
    let request = Request { method: "GET", scheme: "http", authority: host, path: "/reviews/0", headers: &headers };
    let Choice::Found(vhost) = table.virtual_host(host, &mut Off) else { return None };
    let Choice::Found(route) = table.route(vhost, &request, &connection, random, &mut Off) else { return None };
    let Action::Forward(forward) = &route.action else { return None };
    let request: Request<'c> = Request { method: "GET", scheme: "http", authority: "", path: "/", headers: &NONE };
    forward.target.choose(&request, random).map(|(name, _)| name)
}

/// Weighted clusters of these routes are drawn by the random number alone.
const NONE: &[(&str, &str)] = &[];

fn decisions() -> Outcome {
    let value = generated();
    let started = Instant::now();
    let c = Configuration::read(&value).map_err(|e| e.to_string())?;
    println!("{HOSTS} virtual hosts, compiled in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let hosts: Vec<String> = (0..HOSTS).map(|i| format!("svc-{}.ns.svc.cluster.local:80", i * 7919 % HOSTS)).collect();
    let headers = [("user-agent", "x"), ("end-user", "somebody"), ("x-request-id", "1")];
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let started = Instant::now();
        for i in 0..DECISIONS {
            let found = decide(&c, &hosts[i % HOSTS], &headers, i as u64);
            if black_box(found).is_none() {
                return Err("a request has no cluster".into());
            }
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    println!("  a decision, from the connection to the cluster: {:.0} ns, best of {RUNS}", best * 1e9 / DECISIONS as f64);
    Ok(())
}
