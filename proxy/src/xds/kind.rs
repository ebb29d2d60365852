//! The kinds of resources, in the order in which they are asked for: what others point at comes first.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Cluster,
    Endpoints,
    Listener,
    Routes,
    Secret,
    Extension,
}

impl Kind {
    pub const ALL: [Kind; 6] = [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Routes, Kind::Secret, Kind::Extension];

    /// The full name of the message.
    pub fn message(self) -> &'static str {
        match self {
            Kind::Cluster => "envoy.config.cluster.v3.Cluster",
            Kind::Endpoints => "envoy.config.endpoint.v3.ClusterLoadAssignment",
            Kind::Listener => "envoy.config.listener.v3.Listener",
            Kind::Routes => "envoy.config.route.v3.RouteConfiguration",
            Kind::Secret => "envoy.extensions.transport_sockets.tls.v3.Secret",
            Kind::Extension => "envoy.config.core.v3.TypedExtensionConfig",
        }
    }
    /// Its name in the table of fields.
    pub fn in_table(self) -> &'static str {
        match self {
            Kind::Cluster => "Cluster",
            Kind::Endpoints => "ClusterLoadAssignment",
            Kind::Listener => "Listener",
            Kind::Routes => "RouteConfiguration",
            Kind::Secret => "Secret",
            Kind::Extension => self.message(),
        }
    }
    pub fn url(self) -> String {
        format!("type.googleapis.com/{}", self.message())
    }
    pub fn of_url(url: &str) -> Option<Kind> {
        let name = url.rsplit('/').next().unwrap_or(url);
        Kind::ALL.into_iter().find(|k| k.message() == name)
    }
    /// Whether everything that there is of it is asked for; of others, what configuration names.
    pub fn is_wildcard(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Cluster => "cluster",
            Kind::Endpoints => "endpoints",
            Kind::Listener => "listener",
            Kind::Routes => "routes",
            Kind::Secret => "secret",
            Kind::Extension => "extension",
        })
    }
}
