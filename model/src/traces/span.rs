//! One span, as a proxy or an app reported it.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Kind {
    Client,
    Server,
    Producer,
    Consumer,
    /// Within a process, or not said.
    #[default]
    Internal,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Client => "client",
            Kind::Server => "server",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
            Kind::Internal => "internal",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// Lower-case hexadecimal, without leading zeros.
    pub trace: String,
    pub id: String,
    /// "" for none.
    pub parent: String,
    pub service: String,
    pub operation: String,
    pub kind: Kind,
    /// Microseconds since the epoch.
    pub start: i64,
    /// Microseconds.
    pub duration: i64,
    pub tags: BTreeMap<String, String>,
    /// Zipkin: the server's half of a span whose id its client has too.
    pub is_shared: bool,
}

impl Span {
    pub fn end(&self) -> i64 {
        self.start.saturating_add(self.duration.max(0))
    }
    pub fn tag(&self, name: &str) -> &str {
        self.tags.get(name).map_or("", String::as_str)
    }
    /// The status of the answer; 0 where there was none.
    pub fn status(&self) -> Option<u16> {
        ["http.status_code", "http.response.status_code"].iter().find_map(|t| self.tag(t).parse().ok())
    }
    /// Envoy's response flags, short names with commas between; "" for none.
    pub fn flags(&self) -> &str {
        match self.tag("response_flags") {
            "-" => "",
            flags => flags,
        }
    }
    /// Whether it failed: it says so, was answered with 5xx or not at all, or with another gRPC status than OK.
    pub fn is_error(&self) -> bool {
        let said = match self.tags.get("error").map(String::as_str) {
            None | Some("false") => false,
            Some(_) => true,
        };
        let by_status = self.status().is_some_and(|s| s >= 500 || s == 0);
        let grpc = ["grpc.status_code", "rpc.grpc.status_code"].iter().any(|t| !matches!(self.tag(t), "" | "0" | "OK" | "-"));
        said || by_status || grpc || matches!(self.tag("otel.status_code"), "ERROR")
    }
    /// The proxy or host that timed it: spans of one have one clock.
    pub fn clock(&self) -> &str {
        match self.tag("node_id") {
            "" => &self.service,
            node => node,
        }
    }
    /// What Istio says of the workload: `namespace/service` and its revision; "" where it says nothing.
    pub fn workload(&self) -> String {
        let (service, namespace) = (self.tag("istio.canonical_service"), self.tag("istio.namespace"));
        let revision = self.tag("istio.canonical_revision");
        match (service, namespace, revision) {
            ("", ..) => String::new(),
            (service, "", _) => service.to_owned(),
            (service, namespace, "" | "latest") => format!("{namespace}/{service}"),
            (service, namespace, revision) => format!("{namespace}/{service} {revision}"),
        }
    }
}
