//! One resource of a proxy as the proxy holds it: which one is wanted, and what it is.

/// Which resource, by what leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The proxy itself: its bootstrap, and what secrets it has.
    Proxy,
    Listener(ListenerName),
    /// A filter chain by its place in its listener; the default one is the last.
    Chain(ListenerName, usize),
    /// A route of the table that a filter chain leads to: the places of its virtual host there, and of itself in that.
    Route {
        listener: ListenerName,
        chain: usize,
        at: (usize, usize),
    },
    Cluster(String),
    Endpoint {
        cluster: String,
        address: String,
    },
}

/// A listener: of one name there may be several, an active one and one that is warming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerName {
    pub name: String,
    /// `static`, `active`, `warming` or `draining`.
    pub state: String,
}

/// How a resource is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Yaml,
    Json,
}

/// A resource that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What `meshctl proxy-config` takes to find the proxy, as a shell takes it.
    pub proxy: String,
    pub resource: Resource,
    /// Which one it is of all that were asked for.
    pub number: u64,
}

/// One document of the answer: the resource itself, or what it stands in. Secrets are taken out by whoever makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// `route 2 of virtual host reviews:9080`.
    pub title: String,
    pub yaml: String,
    pub json: String,
}

impl Part {
    pub fn text(&self, form: Form) -> &str {
        match form {
            Form::Yaml => &self.yaml,
            Form::Json => &self.json,
        }
    }
}
