//! The bootstrap of a dump, as far as its table shows it.

use super::value::{Text, UInt};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BootstrapDump<'a> {
    #[serde(borrow)]
    pub bootstrap: Bootstrap<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Bootstrap<'a> {
    #[serde(borrow)]
    pub node: Node<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Node<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub cluster: Text<'a>,
    #[serde(borrow)]
    pub metadata: NodeMetadata<'a>,
    #[serde(borrow, alias = "userAgentBuildVersion")]
    pub user_agent_build_version: BuildVersion<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeMetadata<'a> {
    #[serde(borrow, rename = "ISTIO_VERSION")]
    pub istio_version: Text<'a>,
    #[serde(borrow, rename = "ISTIO_PROXY_SHA")]
    pub istio_proxy_sha: Text<'a>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BuildVersion<'a> {
    pub version: SemanticVersion,
    #[serde(borrow)]
    pub metadata: BuildMetadata<'a>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SemanticVersion {
    #[serde(alias = "majorNumber")]
    pub major_number: UInt,
    #[serde(alias = "minorNumber")]
    pub minor_number: UInt,
    pub patch: UInt,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct BuildMetadata<'a> {
    #[serde(borrow, rename = "build.label")]
    pub label: Option<Text<'a>>,
    #[serde(borrow, rename = "build.type")]
    pub build_type: Option<Text<'a>>,
    #[serde(borrow, rename = "revision.status")]
    pub revision_status: Option<Text<'a>>,
    #[serde(borrow, rename = "ssl.version")]
    pub ssl_version: Option<Text<'a>>,
}
