//! What is served: resources of xDS, encoded once, each with a version that its content alone decides.

use mesh_envoy::api::Any;
use prost::{Message, Name};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The types of resources, in the order in which they are pushed: what is referred to comes before what refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    Cluster,
    Endpoint,
    Listener,
    Route,
    Secret,
    Extension,
    Names,
}

impl Type {
    pub const ALL: [Type; 7] = [Type::Cluster, Type::Endpoint, Type::Listener, Type::Route, Type::Secret, Type::Extension, Type::Names];

    pub fn url(self) -> &'static str {
        match self {
            Type::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Type::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Type::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Type::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Type::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Type::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            Type::Names => "type.googleapis.com/istio.networking.nds.v1.NameTable",
        }
    }
    pub fn parse(url: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.url() == url)
    }
    /// `cds`, as pilot's metrics call it.
    pub fn short(self) -> &'static str {
        match self {
            Type::Cluster => "cds",
            Type::Endpoint => "eds",
            Type::Listener => "lds",
            Type::Route => "rds",
            Type::Secret => "sds",
            Type::Extension => "ecds",
            Type::Names => "nds",
        }
    }
    /// Whether no name at all means all of them.
    pub fn is_wildcard_by_default(self) -> bool {
        matches!(self, Type::Cluster | Type::Listener | Type::Names)
    }
    /// Whether a state-of-the-world answer holds all there is: what it lacks is gone.
    pub fn is_whole(self) -> bool {
        matches!(self, Type::Cluster | Type::Listener)
    }
}

/// One resource, ready to be sent.
#[derive(Clone, PartialEq)]
pub struct Resource {
    pub name: String,
    pub any: Any,
    /// Of the content: the same bytes have the same version.
    pub version: String,
    /// Of a cluster: whether its endpoints are asked for by EDS.
    pub wants_endpoints: bool,
}

impl std::fmt::Debug for Resource {
    // The content of a secret is a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.version, self.any.value.len())
    }
}

impl Resource {
    pub fn new<M: Message + Name>(name: &str, message: &M) -> Resource {
        let any = Any::pack(message);
        let hash = Sha256::digest(&any.value);
        let version = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        Resource { name: name.to_owned(), any, version, wants_endpoints: false }
    }
}

/// Resources of one type by name.
pub type Named = BTreeMap<String, Arc<Resource>>;

/// All that one proxy gets.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// Which reading of the input they come from: `2026-11-22T11:30:31Z/2`.
    pub version: String,
    pub by_type: BTreeMap<Type, Named>,
    /// A hash of all resources of a type, where it was made.
    sums: BTreeMap<Type, [u8; 32]>,
}

impl Resources {
    pub fn empty(version: &str) -> Resources {
        Resources { version: version.to_owned(), ..Resources::default() }
    }
    pub fn of(&self, kind: Type) -> &Named {
        static NONE: Named = Named::new();
        self.by_type.get(&kind).unwrap_or(&NONE)
    }
    /// What tells the resources of a type apart from others of that type; `None` before [`Resources::seal`].
    pub fn sum(&self, kind: Type) -> Option<&[u8; 32]> {
        self.sums.get(&kind)
    }
    /// The resources of a type are those that another has.
    pub fn take_over(&mut self, kind: Type, other: &Resources) {
        self.by_type.extend(other.by_type.get(&kind).map(|named| (kind, named.clone())));
        self.sums.extend(other.sums.get(&kind).map(|sum| (kind, *sum)));
    }
    /// Nothing more is added: hashes the resources of each type.
    pub fn seal(&mut self) {
        for kind in Type::ALL.into_iter().filter(|k| !self.sums.contains_key(k)).collect::<Vec<_>>() {
            let mut hash = Sha256::new();
            for r in self.of(kind).values() {
                hash.update(r.name.as_bytes());
                hash.update([0]);
                hash.update(r.version.as_bytes());
            }
            self.sums.insert(kind, hash.finalize().into());
        }
    }
    pub fn insert(&mut self, kind: Type, resource: Resource) {
        self.share(kind, Arc::new(resource));
    }
    /// The same of a resource that another has as well.
    pub fn share(&mut self, kind: Type, resource: Arc<Resource>) {
        self.by_type.entry(kind).or_default().insert(resource.name.clone(), resource);
    }
}
