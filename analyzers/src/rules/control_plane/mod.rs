//! Webhooks, networks, CRDs: the control plane.

use crate::codes::{IST0002, IST0126, IST0139, IST0163, IST0164, IST0175, IST0176};
use crate::rule::Rule;

mod external_address;
mod gateway_api_version;
mod jwks_fetch;
mod mesh_networks;
mod removed_crd;
mod webhook;

pub const RULES: &[Rule] = &[
    Rule { name: "webhook", codes: &[&IST0139], analyzer: "webhook.Analyzer", run: webhook::run },
    Rule {
        name: "external-control-plane",
        codes: &[&IST0163, &IST0164],
        analyzer: "externalcontrolplane.ExternalControlPlaneAnalyzer",
        run: external_address::run,
    },
    Rule { name: "gateway-api-version", codes: &[&IST0176], analyzer: "k8sgateway.CRDVersionAnalyzer", run: gateway_api_version::run },
    Rule { name: "jwks-fetch", codes: &[&IST0175], analyzer: "authn.BlockedCIDRsAnalyzer", run: jwks_fetch::run },
    Rule { name: "mesh-networks", codes: &[&IST0126], analyzer: "meshnetworks.MeshNetworksAnalyzer", run: mesh_networks::run },
    Rule { name: "removed-crd", codes: &[&IST0002], analyzer: "deprecation.DeprecationAnalyzer", run: removed_crd::run },
];
