//! Keys are compared by tags: numbers that tell most of them apart without a look at their text.

/// Tells most keys apart in 24 bits, so that a search among keys looks at the text of the right one only.
#[inline(always)]
pub const fn tag(key: &[u8]) -> u32 {
    let n = key.len();
    if n == 0 {
        return 0;
    }
    let mix = key[0] as u32 | (key[n - 1] as u32) << 8 | (key[n / 2] as u32) << 16 | (n as u32) << 24;
    mix.wrapping_mul(0x9e37_79b1) >> 8
}

/// The names that manifests are full of. A key that is marked as one of them is known without its text, which is far
/// away in memory. Only speed depends on this list; of two names that fall on one slot the first counts.
const COMMON: [&str; 108] = [
    "name",
    "metadata",
    "apiVersion",
    "kind",
    "spec",
    "namespace",
    "app",
    "labels",
    "port",
    "image",
    "version",
    "host",
    "number",
    "selector",
    "destination",
    "containers",
    "subset",
    "protocol",
    "route",
    "http",
    "ports",
    "matchLabels",
    "weight",
    "targetPort",
    "containerPort",
    "nodeName",
    "hosts",
    "mode",
    "match",
    "tls",
    "uri",
    "prefix",
    "template",
    "timeout",
    "serviceAccountName",
    "replicas",
    "operation",
    "trafficPolicy",
    "resources",
    "rules",
    "to",
    "subsets",
    "source",
    "principals",
    "outlierDetection",
    "from",
    "consecutive5xxErrors",
    "retries",
    "paths",
    "methods",
    "interval",
    "connectionPool",
    "baseEjectionTime",
    "action",
    "tcp",
    "retryOn",
    "requests",
    "perTryTimeout",
    "namespaces",
    "memory",
    "maxConnections",
    "http2MaxRequests",
    "headers",
    "exact",
    "regex",
    "cpu",
    "attempts",
    "gateways",
    "servers",
    "resolution",
    "location",
    "mtls",
    "tracing",
    "providers",
    "egress",
    "ingress",
    "path",
    "value",
    "annotations",
    "workloadSelector",
    "patches",
    "type",
    "clusterIP",
    "items",
    "data",
    "status",
    "exportTo",
    "endpoints",
    "addresses",
    "when",
    "key",
    "values",
    "env",
    "args",
    "command",
    "limits",
    "volumes",
    "volumeMounts",
    "initContainers",
    "creationTimestamp",
    "uid",
    "resourceVersion",
    "parentRefs",
    "backendRefs",
    "targetRefs",
    "credentialName",
    "sourceLabels",
    "portLevelSettings",
];

/// The upper bits of a tag, on which every part of the text has its say.
const fn slot(tag: u32) -> usize {
    (tag >> 12) as usize
}

const SLOTS: usize = slot(0xff_ffff) + 1;

/// By tag: the place of a name in [`COMMON`] from 1, 0 for none.
static AT: [u8; SLOTS] = {
    let mut slots = [0; SLOTS];
    let mut i = 0;
    while i < COMMON.len() {
        let slot = slot(tag(COMMON[i].as_bytes()));
        if slots[slot] == 0 {
            slots[slot] = i as u8 + 1;
        }
        i += 1;
    }
    slots
};

/// The common name that a key of this tag may be.
#[inline(always)]
pub fn common(tag: u32) -> Option<&'static str> {
    COMMON.get(usize::from(AT[slot(tag)]).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_names_are_found_by_their_tags() {
        let found = COMMON.iter().filter(|name| common(tag(name.as_bytes())) == Some(name)).count();
        assert!(found > COMMON.len() - 6, "{found}");
        assert_eq!(common(tag(b"")), None);
    }
}
