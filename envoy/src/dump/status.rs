//! In what state each section of a dump is: what was rejected, what still warms.

use super::cluster::{Clusters, UpdateFailure};
use super::endpoint::Endpoints;
use super::listener::Listeners;
use super::route::Routes;
use super::secret::Secrets;
use super::value::Text;
use super::{DumpError, SectionKind, Sections, Unread, read};
use serde::{Deserialize, Deserializer};

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionStatus {
    pub kind: SectionKind,
    /// Resources that the control plane sent and Envoy uses.
    pub active: usize,
    /// Names of what still waits for something else.
    pub warming: Vec<String>,
    pub rejected: Vec<Rejected>,
    /// When the newest route configuration came, RFC 3339; "" for other sections.
    pub updated: String,
}

/// An update that Envoy refused (a NACK).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// "" where the dump names none.
    pub name: String,
    /// Envoy's reason.
    pub details: String,
    /// RFC 3339; "" where it is not said.
    pub at: String,
}

/// The sections whose state is known, in the order of the dump, and the entries that could not be read.
pub fn status(text: &str) -> Result<(Vec<SectionStatus>, Vec<Unread>), DumpError> {
    let mut states = States(Vec::new());
    let found = read(text, &mut states)?;
    Ok((states.0, found.unread))
}

struct States(Vec<SectionStatus>);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Assignment {}

impl<'a> Sections<'a> for States {
    fn fresh(&self) -> Self {
        States(Vec::new())
    }
    fn wants(&self, kind: SectionKind) -> bool {
        use SectionKind::{Clusters, Endpoints, Listeners, Routes, Secrets};
        matches!(kind, Clusters | Endpoints | Listeners | Routes | Secrets)
    }
    fn take<D: Deserializer<'a>>(&mut self, kind: SectionKind, section: D) -> Result<(), D::Error> {
        let mut status = SectionStatus { kind, active: 0, warming: Vec::new(), rejected: Vec::new(), updated: String::new() };
        match kind {
            SectionKind::Clusters => {
                let s: Clusters<'a, Named<'a>> = Deserialize::deserialize(section)?;
                let name = |c: &Option<Named<'a>>| c.as_ref().map_or(String::new(), |c| c.name.to_string());
                status.active = s.dynamic_active_clusters.len();
                status.warming = s.dynamic_warming_clusters.iter().map(|e| name(&e.cluster)).collect();
                for e in s.dynamic_active_clusters.iter().chain(&s.dynamic_warming_clusters).chain(&s.static_clusters) {
                    status.reject(name(&e.cluster), e.error_state.as_ref());
                }
            }
            SectionKind::Listeners => {
                let s: Listeners<'a, Named<'a>> = Deserialize::deserialize(section)?;
                status.active = s.dynamic_listeners.iter().filter(|d| d.active_state.is_some()).count();
                for d in &s.dynamic_listeners {
                    if d.warming_state.is_some() {
                        status.warming.push(d.name.to_string());
                    }
                    status.reject(d.name.to_string(), d.error_state.as_ref());
                }
            }
            SectionKind::Routes => {
                let s: Routes<'a, Named<'a>> = Deserialize::deserialize(section)?;
                status.active = s.dynamic_route_configs.len();
                // Envoy writes them in UTC and to the same length, so that their order is that of text.
                status.updated = s.dynamic_route_configs.iter().map(|e| e.last_updated.to_string()).max().unwrap_or_default();
                for e in &s.dynamic_route_configs {
                    status.reject(e.route_config.as_ref().map_or(String::new(), |r| r.name.to_string()), e.error_state.as_ref());
                }
            }
            SectionKind::Secrets => {
                let s: Secrets<'a, Named<'a>> = Deserialize::deserialize(section)?;
                status.active = s.dynamic_active_secrets.len();
                status.warming = s.dynamic_warming_secrets.iter().map(|e| e.name.to_string()).collect();
                for e in s.dynamic_active_secrets.iter().chain(&s.dynamic_warming_secrets) {
                    status.reject(e.name.to_string(), e.error_state.as_ref());
                }
            }
            _ => {
                let s: Endpoints<Assignment> = Deserialize::deserialize(section)?;
                status.active = s.dynamic_endpoint_configs.len();
            }
        }
        // The last of two sections of a kind counts, as everywhere.
        self.0.retain(|s| s.kind != kind);
        self.0.push(status);
        Ok(())
    }
}

impl SectionStatus {
    fn reject(&mut self, name: String, error: Option<&UpdateFailure<'_>>) {
        if let Some(e) = error {
            self.rejected.push(Rejected { name, details: e.details.to_string(), at: e.last_update_attempt.to_string() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rejected_and_what_warms_is_found() {
        let text = r#"{"configs": [
            {"@type": "x.ClustersConfigDump", "dynamicActiveClusters": [{"cluster": {"name": "a", "type": "EDS"}}], "dynamic_warming_clusters": [{"cluster": {"name": "b"}}]},
            {"@type": "x.ListenersConfigDump", "dynamic_listeners": [{"name": "l", "active_state": {"listener": {"name": "l"}},
             "error_state": {"details": "no such file", "last_update_attempt": "2026-11-22T11:40:00Z", "failed_configuration": {}}}]}]}"#;
        let (found, _) = status(text).expect("a dump");
        assert_eq!((found[0].active, found[0].warming.clone()), (1, vec!["b".to_owned()]));
        assert_eq!(found[1].rejected, [Rejected { name: "l".into(), details: "no such file".into(), at: "2026-11-22T11:40:00Z".into() }]);
    }
}
