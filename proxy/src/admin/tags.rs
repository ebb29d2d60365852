//! Names of statistics as Prometheus gets them: parts of a name that a regular expression finds become labels
//! (`stats_config.stats_tags` of the bootstrap, as Istio has them, and Envoy's own).

use crate::bootstrap::get;
use mesh_envoy::engine::field::{Message, Path, Read};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;
use std::borrow::Cow;

/// What makes labels of names.
#[derive(Debug)]
pub struct Tags {
    extractors: Vec<Extractor>,
    /// Labels that every name has.
    fixed: Vec<(String, String)>,
}

/// A part of a name that becomes a label. The first group goes from the name; the second, or else the first, is the value.
#[derive(Debug)]
struct Extractor {
    label: String,
    pattern: Regex,
}

/// Envoy's own labels, as far as there are such names here. A name that has dots in it stays whole: what counts is one word, or
/// one of a group.
const OWN: &[(&str, &str)] = &[
    ("envoy.response_code", r"_rq(_(\d{3}))$"),
    ("envoy.response_code_class", r"_rq_(\d)xx$"),
    ("envoy.local_http_ratelimit_prefix", r"^((.*?)\.)http_local_rate_limit\."),
    ("envoy.local_network_ratelimit_prefix", r"^local_rate_limit\.((.*?)\.)\w+$"),
    ("envoy.connection_limit_prefix", r"^connection_limit\.((.*?)\.)\w+$"),
    ("envoy.rbac_prefix", r"^(([^.]+)\.)rbac\.\w+$"),
    ("envoy.rbac_http_prefix", r"^http\..*?\.rbac\.((.*?)\.)\w+$"),
    ("envoy.proxy_protocol_prefix", r"^proxy_proto\.(?:(([^.]+)\.))?(?:versions\.v\d\.)?\w+$"),
    ("envoy.proxy_protocol_version", r"^proxy_proto\.(?:[^.]+\.)?(versions\.v(\d)\.)\w+$"),
    ("envoy.tcp_prefix", r"^tcp\.((.*?)\.)\w+$"),
    ("envoy.cluster_name", r"^cluster\.((.*?)\.)(?:(?:ssl|outlier_detection)\.)?\w+$"),
    ("envoy.http_conn_manager_prefix", r"^http\.((.*?)\.)(?:tracing\.|rbac\.(?:\w+\.)?)?\w+$"),
    ("envoy.listener_address", r"^listener\.((.*?)\.)(?:ssl\.)?\w+$"),
];

impl Default for Tags {
    fn default() -> Tags {
        Tags { extractors: own(), fixed: Vec::new() }
    }
}

fn own() -> Vec<Extractor> {
    // They are read in a test.
    OWN.iter().filter_map(|(name, text)| Some(Extractor { label: word(name), pattern: pattern(text).ok()? })).collect()
}

/// Names are bytes: the letters and digits of all languages would take 2 MB.
fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).unicode(false).build()
}

impl Tags {
    /// Of a bootstrap.
    ///
    /// # Errors
    /// A regular expression that can't be read, with its path.
    pub fn read(bootstrap: &Value) -> Read<Tags> {
        let Some(value) = get(bootstrap, "stats_config") else { return Ok(Tags::default()) };
        let m = Message::new(value, Path::root("stats_config"))?;
        let mut tags = if m.bool("use_all_default_tags")?.unwrap_or(true) { Tags::default() } else { Tags { extractors: Vec::new(), fixed: Vec::new() } };
        for tag in m.messages("stats_tags")? {
            let (name, text) = (tag.text("tag_name")?, tag.text("regex")?);
            if tag.has("fixed_value") {
                tags.fixed.push((word(name), tag.text("fixed_value")?.to_owned()));
                continue;
            }
            let default = OWN.iter().find(|(own, _)| *own == name).map(|(_, text)| *text);
            let text = if text.is_empty() { default.ok_or_else(|| tag.unknown_field("regex", "a regular expression belongs here"))? } else { text };
            let pattern = pattern(&without_look_ahead(text)).map_err(|_| tag.unknown_field("regex", "a regular expression that mesh-proxy can't read"))?;
            tags.extractors.push(Extractor { label: word(name), pattern });
        }
        Ok(tags)
    }

    /// The family of a statistic, and its labels as Prometheus spells them. The first expression that finds a label gives it.
    pub fn apply(&self, name: &str) -> (String, String) {
        let mut labels: Vec<(&str, Cow<'_, str>)> = self.fixed.iter().map(|(k, v)| (k.as_str(), v.into())).collect();
        let mut gone: Vec<(usize, usize)> = Vec::new();
        for extractor in &self.extractors {
            let Some(found) = extractor.pattern.captures(name.as_bytes()) else { continue };
            let Some(part) = found.get(1).filter(|p| !p.is_empty()) else { continue };
            if labels.iter().any(|(label, _)| *label == extractor.label) {
                continue;
            }
            labels.push((&extractor.label, String::from_utf8_lossy(found.get(2).unwrap_or(part).as_bytes())));
            gone.push((part.start(), part.end()));
        }
        gone.sort_unstable();
        let (mut family, mut at) = (String::from("envoy_"), 0);
        for (start, end) in gone {
            family.push_str(name.get(at..start).unwrap_or(""));
            at = at.max(end);
        }
        family.push_str(name.get(at..).unwrap_or(""));
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
        // Where the end is gone, its dot goes too.
        (word(family.trim_end_matches('.')), labels.join(","))
    }
}

/// What Prometheus takes as a name.
fn word(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect()
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Envoy's expressions look ahead for a dot before anything (`(?=\.).*?`): the dot may as well be taken where something is.
fn without_look_ahead(text: &str) -> String {
    text.replace(r"(?=\.).*?", r"(?:\..*?)??").replace(r"(?=\.).*", r"(?:\..*)?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(tags: &Tags, name: &str) -> String {
        let (family, labels) = tags.apply(name);
        format!("{family}{{{labels}}}")
    }

    #[test]
    fn names_become_families_and_labels() {
        let tags = Tags::default();
        assert_eq!(tags.extractors.len(), OWN.len());
        let of = |name: &str| shown(&tags, name);
        assert_eq!(of("cluster.a.b.upstream_rq_total"), "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"a.b\"}");
        assert_eq!(of("cluster.a.b.ssl.handshake"), "envoy_cluster_ssl_handshake{envoy_cluster_name=\"a.b\"}");
        assert_eq!(of("http.in.downstream_rq_2xx"), "envoy_http_downstream_rq_xx{envoy_response_code_class=\"2\",envoy_http_conn_manager_prefix=\"in\"}");
        assert_eq!(of("listener.0.0.0.0_80.ssl.handshake"), "envoy_listener_ssl_handshake{envoy_listener_address=\"0.0.0.0_80\"}");
        assert_eq!(of("server.uptime"), "envoy_server_uptime{}");
    }

    #[test]
    fn a_bootstrap_has_its_own() {
        let tags = Tags::read(&json!({"statsConfig": {"useAllDefaultTags": false, "statsTags": [
            {"tagName": "cluster_name", "regex": r"^cluster(\.(.+);)"},
            {"tagName": "response_code_class", "regex": r"_rq(_(\dxx))$"},
            {"tagName": "http_conn_manager_listener_prefix", "regex": r"^listener(?=\.).*?\.http\.(((?:[_.[:digit:]]*|[_\[\]aAbBcCdDeEfF[:digit:]]*))\.)"},
            {"tagName": "mesh", "fixedValue": "a\"b"}]}}))
        .expect("readable");
        let of = |name: &str| shown(&tags, name);
        assert_eq!(
            of("cluster.outbound|80||a.svc;.upstream_rq_2xx"),
            "envoy_cluster_upstream_rq{mesh=\"a\\\"b\",cluster_name=\"outbound|80||a.svc\",response_code_class=\"2xx\"}"
        );
        assert_eq!(of("listener.x.http.0.0.0.0_80.a"), "envoy_listener_x_http_a{mesh=\"a\\\"b\",http_conn_manager_listener_prefix=\"0.0.0.0_80\"}");
        assert_eq!(of("http.in.rq_total"), "envoy_http_in_rq_total{mesh=\"a\\\"b\"}");
        let wrong = Tags::read(&json!({"stats_config": {"stats_tags": [{"tag_name": "x", "regex": "(?<!a)"}]}}));
        assert_eq!(wrong.map(|_| ()).map_err(|u| u.path), Err("stats_config.stats_tags[0].regex".to_owned()));
    }
}
