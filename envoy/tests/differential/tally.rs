//! How often each matcher and filter decided, and which way.

use super::generate::Filters;
use mesh_envoy::engine::walk::{End, StepKind, Verdict};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

#[derive(Default)]
pub struct Tally(BTreeMap<String, (u32, u32)>);

impl Tally {
    fn count(&mut self, what: impl Into<String>, yes: bool) {
        let entry = self.0.entry(what.into()).or_default();
        if yes { entry.0 += 1 } else { entry.1 += 1 }
    }
    /// What decided fewer times than that in one of the two ways.
    pub fn rare(&self, least: u32) -> Vec<String> {
        self.0.iter().filter(|(_, (yes, no))| *yes < least || *no < least).map(|(what, (yes, no))| format!("{what}: {yes} yes, {no} no")).collect()
    }

    pub fn request(&mut self, listener: &Value, v: &Verdict, with: &Filters) {
        let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
        let hosts: Vec<&Value> = manager["route_config"]["virtual_hosts"].as_array().into_iter().flatten().collect();
        let routes: BTreeMap<&str, &Value> =
            hosts.iter().flat_map(|h| h["routes"].as_array().into_iter().flatten()).filter_map(|r| Some((r["name"].as_str()?, r))).collect();
        let refused = v.steps.iter().any(|s| s.note.starts_with("refused"));
        self.count("path put in order", !refused);
        if refused {
            return;
        }
        for host in &hosts {
            let domain = host["domains"][0].as_str().unwrap_or("");
            let kind = match domain {
                "*" => continue,
                d if d.starts_with('*') => "domain: suffix",
                d if d.ends_with('*') => "domain: prefix",
                _ => "domain: exact",
            };
            self.count(kind, host["name"].as_str() == Some(&v.virtual_host));
        }
        for step in v.steps.iter().filter(|s| s.kind == StepKind::Route) {
            if let Some(route) = routes.get(step.name.as_str()) {
                conditions(&route["match"]).into_iter().for_each(|c| self.count(c, true));
            }
            for passed in &step.passed {
                let Some(route) = routes.get(passed.candidate.name.as_str()) else { continue };
                let m = &route["match"];
                let of = |prefix: &str| conditions(m).into_iter().filter(|c| c.starts_with(prefix)).collect::<Vec<_>>();
                let failed = match passed.why.as_str() {
                    w if w.starts_with("path") => of("path"),
                    w if w.starts_with("share") => of("runtime"),
                    w if w.starts_with("gRPC") => of("grpc"),
                    w if w.starts_with("wants: query") => of("query"),
                    _ => of("header"),
                };
                failed.into_iter().for_each(|c| self.count(c, false));
            }
        }
        let end = v.branches.first().map(|b| &b.end);
        let details = if let Some(End::Replied(r)) = end { r.details.as_str() } else { "via_upstream" };
        let flags: Vec<&str> = if let Some(End::Replied(r)) = end { r.flags.clone() } else { v.flags.clone() };
        let filters = [
            (with.rbac, "filter: RBAC denies", details.starts_with("rbac")),
            (with.jwt, "filter: JWT refuses", details.starts_with("jwt")),
            (with.limit, "filter: rate limit refuses", details == "local_rate_limited"),
            (with.authz, "filter: external authorization refuses", details.starts_with("ext_authz")),
            (with.cors, "filter: CORS answers", details == "cors_response"),
            (with.fault, "filter: fault aborts", details == "fault_filter_abort"),
            (with.fault, "filter: fault delays", flags.contains(&"DI")),
        ];
        filters.into_iter().filter(|f| f.0).for_each(|(_, what, yes)| self.count(what, yes));
        for (what, says) in [
            ("end: no route", "route_not_found"),
            ("end: no cluster", "cluster_not_found"),
            ("end: no endpoint", "no_healthy_upstream"),
            ("end: circuit breaker", "upstream_reset_before_response_started{overflow}"),
            ("end: direct response or redirect", "direct_response"),
            ("end: forwarded", "via_upstream"),
        ] {
            self.count(what, details == says);
        }
        if let Some(route) = routes.get(v.route.as_str()) {
            for key in ["weighted_clusters", "cluster_header", "cluster"] {
                self.count(format!("target: {key}"), route["route"].get(key).is_some());
            }
        }
    }

    pub fn connection(&mut self, listener: &Value, v: &Verdict) {
        let chains: Vec<&Value> = listener["filter_chains"].as_array().into_iter().flatten().collect();
        let named = |name: &str| chains.iter().find(|c| c["name"].as_str() == Some(name)).map(|c| &c["filter_chain_match"]);
        let keys = |m: &Value| m.as_object().into_iter().flatten().map(|(k, _)| k.clone()).collect::<Vec<_>>();
        if let Some(m) = named(&v.filter_chain) {
            keys(m).into_iter().for_each(|k| self.count(k, true));
        }
        for passed in v.steps.iter().filter(|s| s.kind == StepKind::FilterChain).flat_map(|s| &s.passed) {
            let key = match passed.why.split(':').next().unwrap_or("") {
                "destination port" => "destination_port",
                "destination address" => "prefix_ranges",
                "server name" => "server_names",
                "transport protocol" => "transport_protocol",
                "application protocol" => "application_protocols",
                "directly connected source" => "direct_source_prefix_ranges",
                "source type" => "source_type",
                "source address" => "source_prefix_ranges",
                _ => continue,
            };
            self.count(key, false);
        }
        self.count("any chain", !v.filter_chain.is_empty());
    }
}

/// The conditions of a match, by kind.
fn conditions(m: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for key in ["prefix", "path", "path_separated_prefix", "safe_regex"] {
        if m.get(key).is_some() {
            out.push(format!("path: {key}"));
        }
    }
    if m.get("case_sensitive").is_some() {
        out.push("path: in any case".to_owned());
    }
    let kind = |s: &Value| s.as_object().into_iter().flatten().map(|(k, _)| k.as_str()).find(|k| *k != "ignore_case").unwrap_or("").to_owned();
    for h in m["headers"].as_array().into_iter().flatten() {
        out.push(match (h.get("string_match"), h.get("present_match")) {
            (Some(s), _) => format!("header: {}", kind(s)),
            (None, Some(_)) => "header: present".to_owned(),
            _ => "header: range".to_owned(),
        });
        for flag in ["invert_match", "treat_missing_header_as_empty"] {
            if h.get(flag).is_some() {
                out.push(format!("header: {flag}"));
            }
        }
    }
    for q in m["query_parameters"].as_array().into_iter().flatten() {
        out.push(if q.get("string_match").is_some() { "query: string" } else { "query: present" }.to_owned());
    }
    if m.get("grpc").is_some() {
        out.push("grpc".to_owned());
    }
    if m.get("runtime_fraction").is_some() {
        out.push("runtime fraction".to_owned());
    }
    out
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:42} {:>6} {:>6}", "decided by", "yes", "no")?;
        self.0.iter().try_for_each(|(what, (yes, no))| writeln!(f, "{what:42} {yes:>6} {no:>6}"))
    }
}
