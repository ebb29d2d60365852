//! Counters by the names of istiod's own (`pilot_…`), written as a page of Prometheus' text.

use crate::resource::Type;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

/// Upper bounds of pilot's histogram of seconds until the proxies have a change.
const CONVERGENCE: &[f64] = &[0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];
const PUSH: &[f64] = &[0.01, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];

#[derive(Clone, Debug, Default)]
struct Histogram {
    /// Up to each bound, and all.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len() + 1, 0);
        for (count, _) in self.counts.iter_mut().zip(bounds.iter().map(Some).chain([None])).filter(|(_, b)| b.is_none_or(|b| value <= *b)) {
            *count += 1;
        }
        self.sum += value;
    }
}

#[derive(Debug, Default)]
struct State {
    /// By name and labels.
    counters: BTreeMap<(&'static str, String), u64>,
    convergence: Histogram,
    read: Histogram,
    translated: Histogram,
}

/// All counters of a control plane.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<State>);

/// What is counted elsewhere and belongs on the page.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    /// Connected proxies by version.
    pub proxies: BTreeMap<String, usize>,
    pub services: usize,
    pub virtual_services: usize,
    pub root_not_after: i64,
    pub uptime: f64,
}

impl Metrics {
    fn with(&self, f: impl FnOnce(&mut State)) {
        f(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
    fn add(&self, name: &'static str, labels: String, n: u64) {
        self.with(|s| *s.counters.entry((name, labels)).or_default() += n);
    }

    pub fn pushed(&self, kind: Type) {
        self.add("pilot_xds_pushes", format!("type=\"{}\"", kind.short()), 1);
    }
    pub fn rejected(&self, kind: Type) {
        self.add("pilot_total_xds_rejects", format!("type=\"{}\"", kind.short()), 1);
        self.add(rejects(kind), String::new(), 1);
    }
    /// Seconds from a change until a proxy had it.
    pub fn converged(&self, seconds: f64) {
        self.with(|s| s.convergence.observe(CONVERGENCE, seconds));
    }
    pub fn round(&self, read: f64, translated: f64) {
        self.with(|s| {
            s.read.observe(PUSH, read);
            s.translated.observe(PUSH, translated);
        });
    }
    /// Objects that came, went or changed.
    pub fn event(&self, kind: &str, event: &str, n: u64) {
        self.add("pilot_k8s_cfg_events", format!("event=\"{event}\",type=\"{}\"", label(kind)), n);
    }
    pub fn inbound_update(&self, kind: &str) {
        self.add("pilot_inbound_updates", format!("type=\"{kind}\""), 1);
    }
    /// Certificate requests, and those that were refused.
    pub fn csr(&self) {
        self.add("citadel_server_csr_count", String::new(), 1);
    }
    pub fn csr_refused(&self, is_identity: bool) {
        self.add(if is_identity { "citadel_server_authentication_failure_count" } else { "citadel_server_csr_parsing_err_count" }, String::new(), 1);
    }
    pub fn issued(&self) {
        self.add("citadel_server_success_cert_issuance_count", String::new(), 1);
    }
    /// Streams that ended, or were not opened.
    pub fn refused_stream(&self, why: &'static str) {
        self.add("meshctl_xds_refused_streams", format!("reason=\"{why}\""), 1);
    }

    /// The page.
    pub fn page(&self, gauges: &Gauges) -> String {
        let state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = String::new();
        let _ = writeln!(out, "# TYPE pilot_info gauge\npilot_info{{version=\"meshctl-{}\"}} 1", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(out, "# TYPE istiod_uptime_seconds gauge\nistiod_uptime_seconds {}", gauges.uptime);
        let _ = writeln!(out, "# TYPE citadel_server_root_cert_expiry_timestamp gauge\ncitadel_server_root_cert_expiry_timestamp {}", gauges.root_not_after);
        let _ = writeln!(out, "# TYPE pilot_services gauge\npilot_services {}", gauges.services);
        let _ = writeln!(out, "# TYPE pilot_virt_services gauge\npilot_virt_services {}", gauges.virtual_services);
        out.push_str("# TYPE pilot_xds gauge\n");
        if gauges.proxies.is_empty() {
            out.push_str("pilot_xds 0\n");
        }
        for (version, n) in &gauges.proxies {
            let _ = writeln!(out, "pilot_xds{{version=\"{}\"}} {n}", label(version));
        }
        let mut last = "";
        for ((name, labels), n) in &state.counters {
            if *name != last {
                let _ = writeln!(out, "# TYPE {name} counter");
                last = name;
            }
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = writeln!(out, "{name}{labels} {n}");
        }
        histogram(&mut out, "pilot_proxy_convergence_time", CONVERGENCE, &state.convergence);
        histogram(&mut out, "pilot_pushcontext_init_seconds", PUSH, &state.read);
        histogram(&mut out, "meshctl_translation_seconds", PUSH, &state.translated);
        out
    }
}

fn rejects(kind: Type) -> &'static str {
    match kind {
        Type::Cluster => "pilot_xds_cds_reject",
        Type::Endpoint => "pilot_xds_eds_reject",
        Type::Listener => "pilot_xds_lds_reject",
        Type::Route => "pilot_xds_rds_reject",
        _ => "pilot_xds_other_reject",
    }
}

/// Text of the other side in a label.
fn label(text: &str) -> String {
    text.chars().take(128).filter(|c| !c.is_control()).flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] }).collect()
}

fn histogram(out: &mut String, name: &str, bounds: &[f64], h: &Histogram) {
    let _ = writeln!(out, "# TYPE {name} histogram");
    for (i, bound) in bounds.iter().enumerate() {
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {}", h.counts.get(i).copied().unwrap_or(0));
    }
    let all = h.counts.last().copied().unwrap_or(0);
    let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {}\n{name}_count {all}", h.sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_names_of_istiod() {
        let m = Metrics::default();
        m.pushed(Type::Cluster);
        m.rejected(Type::Listener);
        m.converged(0.3);
        m.event("VirtualService", "update", 2);
        let page = m.page(&Gauges { proxies: [("1.31\"".to_owned(), 2)].into(), services: 4, ..Gauges::default() });
        for line in [
            "pilot_xds_pushes{type=\"cds\"} 1",
            "pilot_total_xds_rejects{type=\"lds\"} 1",
            "pilot_xds_lds_reject 1",
            "pilot_xds{version=\"1.31\\\"\"} 2",
            "pilot_proxy_convergence_time_bucket{le=\"0.1\"} 0",
            "pilot_proxy_convergence_time_bucket{le=\"0.5\"} 1",
            "pilot_proxy_convergence_time_count 1",
            "pilot_k8s_cfg_events{event=\"update\",type=\"VirtualService\"} 2",
            "pilot_services 4",
        ] {
            assert!(page.lines().any(|l| l == line), "{line}\n{page}");
        }
    }
}
