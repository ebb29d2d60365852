//! Whether proxies have what their control plane sent them, as the control plane says.

use crate::graph::Health;

/// One proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    /// `NAME.NAMESPACE`.
    pub proxy: String,
    /// The control plane that says so; "" where it has no name.
    pub istiod: String,
    pub types: Vec<Type>,
}

/// One type of resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Type {
    /// `CDS`.
    pub short: String,
    /// `STALE 41s`, `NACK 2m`, as `proxy-status` writes it.
    pub state: String,
    pub health: Health,
}

impl Sync {
    pub fn health(&self) -> Health {
        self.types.iter().map(|t| t.health).max().unwrap_or(Health::Unknown)
    }
    /// What is out of order: `CDS STALE 41s, RDS NACK`; "" where nothing is.
    pub fn trouble(&self) -> String {
        let bad: Vec<String> = self.types.iter().filter(|t| t.health >= Health::Degraded).map(|t| format!("{} {}", t.short, t.state)).collect();
        bad.join(", ")
    }
}
