//! `proxy-config bootstrap -o short`.

use super::NARROW;
use crate::print::table::Table;
use mesh_envoy::dump::bootstrap::Bootstrap;

pub fn table(bootstrap: &Bootstrap<'_>) -> String {
    let node = &bootstrap.node;
    let mut table = Table::default();
    let mut line = |label: &str, value: String| {
        if !value.is_empty() {
            table.row(vec![label.to_owned(), value]);
        }
    };
    line("Istio Version:", node.metadata.istio_version.to_string());
    let sha = node.metadata.istio_proxy_sha.to_string();
    line("Istio Proxy Version:", sha.split(':').nth(1).map_or(sha.clone(), str::to_owned));
    line("Envoy Version:", envoy_version(bootstrap));
    table.render(NARROW)
}

/// `1.40.0/Clean/RELEASE/BoringSSL`.
pub fn envoy_version(bootstrap: &Bootstrap<'_>) -> String {
    let build = &bootstrap.node.user_agent_build_version;
    let v = build.version;
    let mut out = format!("{}.{}.{}", v.major_number.0, v.minor_number.0, v.patch.0);
    if let Some(label) = &build.metadata.label {
        out.push('-');
        out.push_str(label);
    }
    for part in [&build.metadata.revision_status, &build.metadata.build_type, &build.metadata.ssl_version].into_iter().flatten() {
        out.push('/');
        out.push_str(part);
    }
    out
}
