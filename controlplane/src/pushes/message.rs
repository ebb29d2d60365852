//! Requests and answers of both protocols in one form.

use crate::resource::{Resource, Type};
use mesh_envoy::api::discovery as api;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a proxy sent, but for who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub type_url: String,
    /// State of the world: all names that are wanted.
    pub names: Vec<String>,
    pub subscribe: Vec<String>,
    pub unsubscribe: Vec<String>,
    /// What it holds from an earlier stream, with its versions.
    pub held: BTreeMap<String, String>,
    /// Of the answer that is confirmed or refused; "" for none.
    pub nonce: String,
    /// Why that answer was refused.
    pub error: Option<String>,
}

/// A reason is quoted up to here.
const LONGEST: usize = 4096;

fn reason(status: Option<&api::Status>) -> Option<String> {
    status.map(|s| s.message.chars().take(LONGEST).collect())
}

impl From<&api::DiscoveryRequest> for Request {
    fn from(r: &api::DiscoveryRequest) -> Request {
        Request {
            type_url: r.type_url.clone(),
            names: r.resource_names.clone(),
            nonce: r.response_nonce.clone(),
            error: reason(r.error_detail.as_ref()),
            ..Request::default()
        }
    }
}

impl From<&api::DeltaDiscoveryRequest> for Request {
    fn from(r: &api::DeltaDiscoveryRequest) -> Request {
        Request {
            type_url: r.type_url.clone(),
            subscribe: r.resource_names_subscribe.clone(),
            unsubscribe: r.resource_names_unsubscribe.clone(),
            held: r.initial_resource_versions.clone(),
            nonce: r.response_nonce.clone(),
            error: reason(r.error_detail.as_ref()),
            ..Request::default()
        }
    }
}

/// What is sent to a proxy.
#[derive(Clone, Debug)]
pub struct Answer {
    pub kind: Type,
    pub version: String,
    pub nonce: String,
    pub resources: Vec<Arc<Resource>>,
    /// Names that are gone; delta says them, state of the world leaves them out.
    pub removed: Vec<String>,
}

impl Answer {
    pub fn state_of_the_world(&self, identifier: &str) -> api::DiscoveryResponse {
        api::DiscoveryResponse {
            version_info: self.version.clone(),
            resources: self.resources.iter().map(|r| r.any.clone()).collect(),
            type_url: self.kind.url().to_owned(),
            nonce: self.nonce.clone(),
            control_plane: Some(api::ControlPlane { identifier: identifier.to_owned() }),
        }
    }
    pub fn delta(&self, identifier: &str) -> api::DeltaDiscoveryResponse {
        let resource =
            |r: &Arc<Resource>| api::Resource { version: r.version.clone(), resource: Some(r.any.clone()), name: r.name.clone(), aliases: Vec::new() };
        api::DeltaDiscoveryResponse {
            system_version_info: self.version.clone(),
            resources: self.resources.iter().map(resource).collect(),
            type_url: self.kind.url().to_owned(),
            nonce: self.nonce.clone(),
            removed_resources: self.removed.clone(),
            control_plane: Some(api::ControlPlane { identifier: identifier.to_owned() }),
        }
    }
    pub fn size(&self) -> usize {
        self.resources.iter().map(|r| r.any.value.len()).sum()
    }
}
