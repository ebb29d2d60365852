//! VirtualServices.

use crate::codes;
use crate::rule::Rule;

mod conflicting_mesh_hosts;
mod delegate;
mod deprecated_fields;
pub(crate) mod destination;
mod destination_host;
mod destination_subset;
pub(crate) mod gateway_reference;
mod ingress_subset;
mod jwt_claim_route;
mod served_routes;

pub const RULES: &[Rule] = &[
    Rule {
        name: "conflicting-mesh-hosts",
        codes: &[&codes::IST0109],
        analyzer: "virtualservice.ConflictingMeshGatewayHostsAnalyzer",
        run: conflicting_mesh_hosts::run,
    },
    Rule {
        name: "destination-host",
        codes: &[&codes::IST0101, &codes::IST0112, &codes::MSH0002],
        analyzer: "virtualservice.DestinationHostAnalyzer",
        run: destination_host::run,
    },
    Rule { name: "ingress-subset", codes: &[&codes::IST0140], analyzer: "virtualservice.DestinationHostAnalyzer", run: ingress_subset::run },
    Rule {
        name: "destination-subset",
        codes: &[&codes::IST0101, &codes::MSH0121, &codes::MSH0002],
        analyzer: "virtualservice.DestinationRuleAnalyzer",
        run: destination_subset::run,
    },
    Rule {
        name: "gateway-reference",
        codes: &[&codes::IST0101, &codes::IST0132, &codes::IST0165, &codes::MSH0002],
        analyzer: "virtualservice.GatewayAnalyzer",
        run: gateway_reference::run,
    },
    Rule { name: "served-routes", codes: &[&codes::MSH0105], analyzer: "", run: served_routes::run },
    Rule { name: "jwt-claim-route", codes: &[&codes::IST0149], analyzer: "virtualservice.JWTClaimRouteAnalyzer", run: jwt_claim_route::run },
    Rule { name: "deprecated-fields", codes: &[&codes::IST0002], analyzer: "deprecation.DeprecationAnalyzer", run: deprecated_fields::run },
    Rule { name: "delegate", codes: &[&codes::MSH0122, &codes::MSH0123, &codes::MSH0002], analyzer: "", run: delegate::run },
];
