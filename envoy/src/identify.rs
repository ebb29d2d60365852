//! What a text is, found out by its content: for errors that say what was given and what was expected.

/// What a person may give where a proxy's dump is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Envoy's `/config_dump`.
    ConfigDump,
    /// Envoy's `/clusters?format=json`.
    Clusters,
    /// Envoy's `/clusters` as text.
    ClustersText,
    /// Envoy's `/certs`.
    Certs,
    /// Envoy's `/server_info`.
    ServerInfo,
    /// Envoy's `/listeners?format=json`.
    Listeners,
    /// Envoy's `/stats` or `/stats/prometheus`.
    Stats,
    /// ztunnel's `/config_dump`.
    Ztunnel,
    /// Envoy's or ztunnel's levels, `/logging`.
    Logging,
    /// istiod's `/debug/syncz`, flat or as the answer of its xDS form.
    Syncz,
    /// Another of istiod's debug answers.
    Istiod,
    /// What tar or gzip made.
    Archive,
    /// A Kubernetes object or list.
    Kubernetes,
    OtherJson,
    Yaml,
    Html,
    Empty,
    Binary,
    OtherText,
}

impl Content {
    /// As a noun phrase: "a ztunnel config dump".
    pub fn describe(self) -> &'static str {
        match self {
            Content::ConfigDump => "an Envoy config dump (`/config_dump`)",
            Content::Clusters => "Envoy's endpoints (`/clusters?format=json`)",
            Content::ClustersText => "Envoy's endpoints as text (`/clusters`; the JSON form is `/clusters?format=json`)",
            Content::Certs => "Envoy's certificates (`/certs`)",
            Content::ServerInfo => "Envoy's server information (`/server_info`)",
            Content::Listeners => "Envoy's listener addresses (`/listeners?format=json`)",
            Content::Stats => "Envoy's statistics (`/stats`)",
            Content::Ztunnel => "a ztunnel config dump",
            Content::Logging => "a proxy's log levels (`/logging`)",
            Content::Istiod => "a debug answer of istiod's",
            Content::Archive => "an archive",
            Content::Syncz => "istiod's sync state (`/debug/syncz`)",
            Content::Kubernetes => "a Kubernetes manifest",
            Content::OtherJson => "JSON of another kind",
            Content::Yaml => "YAML",
            Content::Html => "an HTML page",
            Content::Empty => "empty",
            Content::Binary => "binary data",
            Content::OtherText => "text of another kind",
        }
    }
}

/// How far a text is looked into: garbage is refused by its beginning.
const LOOK: usize = 64 * 1024;

/// Finds out what a text is from its first keys.
pub fn identify(text: &str) -> Content {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let Some(first) = text.bytes().next() else { return Content::Empty };
    let mut end = text.len().min(LOOK);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = &text[..end];
    match first {
        b'{' => object(head),
        b'[' if is_syncz(head) => Content::Syncz,
        b'[' if head.contains("\"Attributes\"") && head.contains("\"ServiceRegistry\"") || head.contains("\"syncStatus\"") => Content::Istiod,
        b'[' => Content::OtherJson,
        b'<' => Content::Html,
        _ if head.contains('\0') => Content::Binary,
        _ if head.starts_with("active loggers:") || head.starts_with("current log level is") => Content::Logging,
        _ if head.contains("::observability_name::") || head.contains("::added_via_api::") => Content::ClustersText,
        _ if head.starts_with("# TYPE")
            || head.contains("\n# TYPE")
            || head.lines().take(3).all(|l| l.contains(": ") && l.split(": ").nth(1).is_some_and(|v| v.parse::<f64>().is_ok())) =>
        {
            Content::Stats
        }
        _ if head.lines().any(|l| l.starts_with("apiVersion:")) => Content::Kubernetes,
        _ if head.lines().take(5).any(|l| l.starts_with("---") || l.ends_with(':')) => Content::Yaml,
        _ => Content::OtherText,
    }
}

/// A list of proxies with what was sent to each and what it acknowledged; one that is not connected yet has neither.
fn is_syncz(head: &str) -> bool {
    let has = |key: &str| head.contains(key);
    has("\"cluster_sent\"") || (has("\"proxy\"") && (has("\"istio_version\"") || has("\"proxy_type\"")))
}

fn object(head: &str) -> Content {
    // The keys of the outermost object that stand in the part looked at.
    let keys = top_keys(head);
    let has = |k: &str| keys.iter().any(|x| x == k);
    if has("typeUrl") && has("resources") && head.contains("service.status.v3.ClientConfig") {
        Content::Syncz
    } else if (has("totalClients") && has("clients")) || has("AuthorizationPolicies") {
        Content::Istiod
    } else if has("configs") {
        Content::ConfigDump
    } else if has("cluster_statuses") || has("clusterStatuses") {
        Content::Clusters
    } else if has("listener_statuses") || has("listenerStatuses") {
        Content::Listeners
    } else if has("certificates") && !has("workloads") && !has("config") {
        Content::Certs
    } else if has("command_line_options") || has("commandLineOptions") || has("hot_restart_version") {
        Content::ServerInfo
    } else if has("workloads") || has("workloadState") || (has("services") && has("policies")) {
        Content::Ztunnel
    } else if has("apiVersion") && has("kind") {
        Content::Kubernetes
    } else {
        Content::OtherJson
    }
}

fn top_keys(head: &str) -> Vec<String> {
    let bytes = head.as_bytes();
    let (mut depth, mut i, mut out) = (0usize, 0, Vec::new());
    let mut at_key = false;
    while i < bytes.len() {
        match bytes[i] {
            b'{' | b'[' => {
                depth += 1;
                at_key = depth == 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => at_key = true,
            b'"' => {
                let start = i + 1;
                let mut end = start;
                while end < bytes.len() && bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                if depth == 1 && at_key {
                    out.push(head.get(start..end.min(bytes.len())).unwrap_or("").to_owned());
                    at_key = false;
                }
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_a_file_is() {
        for (text, want) in [
            (r#"{"configs": [{"@type": "x"}]}"#, Content::ConfigDump),
            (r#"{"cluster_statuses": []}"#, Content::Clusters),
            (r#"{"workloads": {}, "services": {}, "certificates": []}"#, Content::Ztunnel),
            (r#"{"certificates": [{"ca_cert": []}]}"#, Content::Certs),
            (r#"{"apiVersion": "v1", "kind": "List"}"#, Content::Kubernetes),
            ("{\"a\": {\"configs\": 1}}", Content::OtherJson),
            ("apiVersion: v1\nkind: Pod\n", Content::Kubernetes),
            ("<html>", Content::Html),
            ("cluster.x.upstream_cx_total: 5\na.b: 6\nc: 7\n", Content::Stats),
            ("a::observability_name::a\n", Content::ClustersText),
            ("  \n", Content::Empty),
            ("[1]", Content::OtherJson),
            (r#"[{"proxy": "a.b", "proxy_type": "sidecar", "istio_version": "1.30"}]"#, Content::Syncz),
            (r#"{"resources": [{"@type": "type.googleapis.com/envoy.service.status.v3.ClientConfig"}], "typeUrl": "istio.io/debug/syncz"}"#, Content::Syncz),
            (r#"{"totalClients": 1, "clients": []}"#, Content::Istiod),
            ("active loggers:\n  admin: warning\n", Content::Logging),
        ] {
            assert_eq!(identify(text), want, "{text}");
        }
    }
}
