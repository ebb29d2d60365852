//! Kiali's graph requests: `/api/namespaces/graph?…` and those of single nodes.

use super::options::{Ambient, Appender, BoxBy, Focus, GraphType, Namespace, Options, Rate, ResponseTime, Throughput};
use mesh_metrics::promql::parse_duration;
use std::collections::BTreeSet;

/// What a request is judged by.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// Pairs of cluster and namespace that can be seen; all when none is given.
    pub accessible: Option<BTreeSet<(String, String)>>,
    /// Namespaces enrolled in the ambient mesh.
    pub ambient: BTreeSet<String>,
    /// Matchers for every selector.
    pub scope: Vec<(String, String)>,
    /// The time of a request that names none. Seconds since the epoch.
    pub now: i64,
}

/// Reads `PATH?QUERY`. The error names the parameter, what it says and what it may say.
pub fn parse_request(request: &str, viewer: &Viewer) -> Result<Options, String> {
    let (path, query) = request.split_once('?').unwrap_or((request, ""));
    let parameters: Vec<(String, String)> =
        query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).map(|(name, value)| (decoded(name), decoded(value))).collect();
    let get = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let given = |name: &str| get(name).filter(|v| !v.is_empty());

    let mut options = Options { accessible: viewer.accessible.clone(), scope: viewer.scope.clone(), ..Options::default() };
    let of_path = read_path(path)?;
    if let Some(text) = given("graphType") {
        options.graph_type = choice("graphType", text, &GraphType::ALL.map(|t| (t, t.name())))?;
    }
    let is_app_graph = matches!(options.graph_type, GraphType::App | GraphType::VersionedApp);
    if matches!(of_path, Some((_, Focus::App { .. }))) && !is_app_graph {
        return Err(format!("graphType={}: the graph of an app must be of the type app or versionedApp", options.graph_type.name()));
    }
    if let Some(text) = given("duration") {
        let duration = parse_duration(text).filter(|d| *d >= 1000);
        options.duration = duration.ok_or_else(|| format!("duration={text} is no duration such as 60s, 10m or 1h30m"))? / 1000;
    }
    options.query_time = match given("queryTime") {
        Some(text) => text.parse().map_err(|_| format!("queryTime={text} is no time in whole seconds since 1970"))?,
        None => viewer.now,
    };
    for text in given("boxBy").into_iter().flat_map(|t| t.split(',')) {
        let by = choice("boxBy", text.trim(), &[(BoxBy::App, "app"), (BoxBy::Cluster, "cluster"), (BoxBy::Namespace, "namespace")])?;
        options.box_by.insert(by);
    }
    if let Some(text) = given("includeIdleEdges") {
        options.include_idle_edges = boolean("includeIdleEdges", text)?;
    }
    if let Some(text) = given("injectServiceNodes") {
        options.inject_service_nodes = boolean("injectServiceNodes", text)?;
    }
    if let Some(text) = given("waypoints") {
        options.show_waypoints = boolean("waypoints", text)?;
    }
    // A service graph is made of one with service nodes.
    options.inject_service_nodes |= options.graph_type == GraphType::Service;
    read_rates(&mut options, given)?;
    if let Some(text) = given("responseTime") {
        use ResponseTime::{Average, Quantile};
        options.response_time = choice("responseTime", text, &[(Average, "avg"), (Quantile(0.5), "50"), (Quantile(0.95), "95"), (Quantile(0.99), "99")])?;
    }
    if let Some(text) = given("throughputType") {
        options.throughput = choice("throughputType", text, &[(Throughput::Request, "request"), (Throughput::Response, "response")])?;
    }
    if let Some(text) = given("aggregate") {
        let is_label = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        options.aggregate = if is_label { text.to_owned() } else { return Err(format!("aggregate={text} is no label's name")) };
    }
    options.cluster = given("clusterName").filter(|c| *c != "unknown").unwrap_or("").to_owned();
    if let Some(text) = get("appenders") {
        options.appenders = read_appenders(text)?;
    }
    let names = match &of_path {
        Some((namespace, _)) => namespace.clone(),
        None => given("namespaces").unwrap_or("").to_owned(),
    };
    options.namespaces = read_namespaces(&names, options.duration, viewer)?;
    options.focus = of_path.map(|(_, focus)| focus);
    Ok(options)
}

fn read_rates<'a>(options: &mut Options, given: impl Fn(&str) -> Option<&'a str>) -> Result<(), String> {
    use Rate::{None, Received, Requests, Sent, Total};
    if let Some(text) = given("ambientTraffic") {
        let all = [(Ambient::None, "none"), (Ambient::Total, "total"), (Ambient::Waypoint, "waypoint"), (Ambient::Ztunnel, "ztunnel")];
        options.rates.ambient = choice("ambientTraffic", text, &all)?;
    }
    if let Some(text) = given("rateGrpc") {
        let all = [(None, "none"), (Received, "received"), (Requests, "requests"), (Sent, "sent"), (Total, "total")];
        options.rates.grpc = choice("rateGrpc", text, &all)?;
    }
    if let Some(text) = given("rateHttp") {
        options.rates.http = choice("rateHttp", text, &[(None, "none"), (Requests, "requests")])?;
    }
    if let Some(text) = given("rateTcp") {
        options.rates.tcp = choice("rateTcp", text, &[(None, "none"), (Received, "received"), (Sent, "sent"), (Total, "total")])?;
    }
    Ok(())
}

fn read_appenders(text: &str) -> Result<BTreeSet<Appender>, String> {
    let mut appenders = BTreeSet::new();
    for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        match Appender::ALL.iter().find(|(_, n)| *n == name) {
            Some((appender, _)) => drop(appenders.insert(*appender)),
            // Always there, or of an older name.
            Option::None if matches!(name, "extensions" | "outsider" | "trafficGenerator") => {}
            Option::None if name == "sidecarsCheck" => drop(appenders.insert(Appender::MeshCheck)),
            Option::None => {
                let known: Vec<&str> = Appender::ALL.iter().map(|(_, n)| *n).collect();
                return Err(format!("appenders={name}: there is no such appender; there are {}", known.join(", ")));
            }
        }
    }
    Ok(appenders)
}

fn read_namespaces(names: &str, duration: i64, viewer: &Viewer) -> Result<Vec<Namespace>, String> {
    let wanted: BTreeSet<&str> = names.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
    if wanted.is_empty() {
        return Err("namespaces: at least one must be given".to_owned());
    }
    let mut out = Vec::new();
    for name in wanted {
        if viewer.accessible.as_ref().is_some_and(|a| !a.iter().any(|(_, ns)| ns == name)) {
            return Err(format!("namespaces={name}: the namespace is not there, or not accessible"));
        }
        out.push(Namespace { name: name.to_owned(), duration, is_ambient: viewer.ambient.contains(name) });
    }
    Ok(out)
}

/// Namespace and node of a node graph's path; none for the graph of namespaces.
fn read_path(path: &str) -> Result<Option<(String, Focus)>, String> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(match parts.as_slice() {
        ["api", "namespaces", "graph"] => None,
        ["api", "namespaces", ns, "workloads", name, "graph"] => Some(((*ns).to_owned(), Focus::Workload((*name).to_owned()))),
        ["api", "namespaces", ns, "applications", name, "graph"] => Some(((*ns).to_owned(), Focus::App { name: (*name).to_owned(), version: String::new() })),
        ["api", "namespaces", ns, "applications", name, "versions", version, "graph"] => {
            Some(((*ns).to_owned(), Focus::App { name: (*name).to_owned(), version: (*version).to_owned() }))
        }
        ["api", "namespaces", ns, "services", name, "graph"] => Some(((*ns).to_owned(), Focus::Service((*name).to_owned()))),
        ["api", "namespaces", ns, "aggregates", label, value, "graph"] => {
            Some(((*ns).to_owned(), Focus::Aggregate { label: (*label).to_owned(), value: (*value).to_owned(), service: String::new() }))
        }
        ["api", "namespaces", ns, "aggregates", label, value, service, "graph"] => {
            Some(((*ns).to_owned(), Focus::Aggregate { label: (*label).to_owned(), value: (*value).to_owned(), service: (*service).to_owned() }))
        }
        _ => return Err(format!("{path} is no graph request; /api/namespaces/graph and /api/namespaces/NAMESPACE/workloads/NAME/graph are")),
    })
}

fn choice<T: Copy>(name: &str, text: &str, all: &[(T, &str)]) -> Result<T, String> {
    let found = all.iter().find(|(_, n)| *n == text).map(|(value, _)| *value);
    found.ok_or_else(|| format!("{name}={text}: it must be one of {}", all.iter().map(|(_, n)| *n).collect::<Vec<_>>().join(", ")))
}

fn boolean(name: &str, text: &str) -> Result<bool, String> {
    choice(name, text, &[(true, "true"), (false, "false"), (true, "1"), (false, "0")])
}

/// Percent escapes and `+`. What is no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (byte, escape) {
            (_, Some(decoded)) => {
                out.push(decoded);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_and_node_paths() {
        let options = parse_request("/api/namespaces/graph?namespaces=b,a,b", &Viewer { now: 7, ..Viewer::default() }).expect("a request");
        assert_eq!(options.namespaces.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((options.duration, options.query_time, options.appenders.len()), (600, 7, Appender::ALL.len()));
        let options = parse_request("/api/namespaces/n%20s/aggregates/op/GET%20x/svc/graph?appenders", &Viewer::default()).expect("a request");
        assert_eq!(options.focus, Some(Focus::Aggregate { label: "op".into(), value: "GET x".into(), service: "svc".into() }));
        assert!(options.appenders.is_empty() && options.namespaces[0].name == "n s");
    }

    #[test]
    fn refusals_name_the_parameter() {
        for (request, part) in [
            ("/api/namespaces/graph", "namespaces"),
            ("/api/namespaces/graph?namespaces=a&graphType=x", "graphType=x"),
            ("/api/namespaces/graph?namespaces=a&duration=soon", "duration=soon"),
            ("/api/namespaces/graph?namespaces=a&rateTcp=requests", "rateTcp=requests"),
            ("/api/namespaces/graph?namespaces=a&appenders=none", "no such appender"),
            ("/api/namespaces/graph?namespaces=a&aggregate=a%22b", "aggregate"),
            ("/api/namespaces/a/applications/b/graph", "app or versionedApp"),
            ("/api/mesh/graph", "/api/mesh/graph"),
        ] {
            let error = parse_request(request, &Viewer::default()).expect_err(request);
            assert!(error.contains(part), "{request}: {error}");
        }
    }
}
