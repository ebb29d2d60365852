//! The Gateway API: its Gateways and routes as Istio reads them.

use super::gateway::GatewayConfig;
use super::registry::Registry;
use super::virtual_service::VirtualService;
use crate::mesh::Mesh;

/// Adds what Gateways, HTTPRoutes, GRPCRoutes, TLSRoutes and TCPRoutes stand for.
pub fn add<'a>(_mesh: &Mesh<'a>, _registry: &Registry<'a>, _services: &mut Vec<VirtualService<'a>>, _gateways: &mut Vec<GatewayConfig<'a>>) {}
