//! Patches of clusters.

use super::patch::{ApplyTo, Operation, Side};
use super::{Run, add_origin};
use crate::translate::proxy::ProxyKind;
use crate::translate::{Context, Piece};
use mesh_envoy::api::{cluster::Cluster, core};
use serde_json::Value;

/// The side of a cluster by its name.
fn side(cx: &Context<'_, '_>, name: &str) -> Side {
    match cx.proxy.kind {
        ProxyKind::Router => Side::Gateway,
        _ if name.starts_with("inbound|") || name.starts_with("InboundPassthroughCluster") => Side::Inbound,
        _ => Side::Outbound,
    }
}

/// The hosts of the services behind an inbound cluster.
fn hosts<'c>(cx: &'c Context<'_, '_>, name: &str) -> Vec<&'c str> {
    let Some(parts) = mesh_envoy::ClusterName::parse(name).filter(|p| p.direction == "inbound") else { return Vec::new() };
    cx.targets.iter().filter(|t| t.target == parts.port).map(|t| cx.model.registry.get(t.service).host.as_str()).collect()
}

pub(super) fn apply<'a>(run: &Run<'a>, cx: &Context<'_, 'a>, pieces: &mut Vec<Piece<'a, Cluster>>) {
    if run.of(ApplyTo::Cluster).next().is_none() {
        return;
    }
    // istiod leaves a waypoint's own clusters as they are.
    let is_left = |name: &str| cx.proxy.kind == ProxyKind::Waypoint && !name.starts_with("outbound|");
    pieces.retain_mut(|piece| is_left(&piece.message.name) || stays(run, cx, piece));
    let sides: &[Side] = match cx.proxy.kind {
        ProxyKind::Router => &[Side::Gateway],
        ProxyKind::Waypoint => &[Side::Inbound],
        _ => &[Side::Outbound, Side::Inbound],
    };
    for side in sides {
        for (i, patch) in run.of(ApplyTo::Cluster).filter(|(_, p)| p.operation == Operation::Add && p.adds_on(*side)) {
            let Some(message) = run.message::<Cluster>(i) else { continue };
            // Of two clusters with one name the first counts.
            if pieces.iter().all(|p| p.message.name != message.name) {
                pieces.push(Piece { message, origins: vec![patch.origin()], parts: Vec::new() });
            }
        }
    }
}

/// Merges into a cluster what is for it; false where it is removed.
fn stays<'a>(run: &Run<'a>, cx: &Context<'_, 'a>, piece: &mut Piece<'a, Cluster>) -> bool {
    let (side, hosts) = (side(cx, &piece.message.name), hosts(cx, &piece.message.name));
    for (i, patch) in run.of(ApplyTo::Cluster).filter(|(_, p)| p.is_for(side)) {
        let is_merge = patch.operation.lists();
        if (is_merge.is_none() && patch.operation != Operation::Remove) || !patch.matches_cluster(&piece.message.name, &hosts) {
            continue;
        }
        let Some(lists) = is_merge else {
            if run.removes(i) {
                return false;
            }
            continue;
        };
        let Some(value) = run.value(i) else { continue };
        // A transport socket is merged with the one of its name, and then nothing else of the patch is.
        let done = match value.get("transportSocket") {
            Some(socket) => transport(run, i, &mut piece.message, socket),
            None => run.merge(i, &mut piece.message, lists),
        };
        if done {
            add_origin(&mut piece.origins, patch.origin());
        }
    }
    true
}

fn transport(run: &Run<'_>, i: usize, cluster: &mut Cluster, socket: &Value) -> bool {
    let name = socket["name"].as_str().unwrap_or("");
    let own = if cluster.transport_socket_matches.is_empty() {
        cluster.transport_socket.as_mut().filter(|s| s.name == name)
    } else {
        let found = cluster.transport_socket_matches.iter_mut().filter_map(|m| m.transport_socket.as_mut()).find(|s| s.name == name);
        if found.is_none() {
            // It would be a second way to say the same: istiod drops it.
            return false;
        }
        found
    };
    match own {
        Some(own) => merge_socket(run, i, own, socket),
        None => {
            cluster.transport_socket = serde_json::from_value(socket.clone()).ok();
            true
        }
    }
}

/// Merges the configuration of a transport socket into one of the same name.
pub(super) fn merge_socket(run: &Run<'_>, i: usize, own: &mut core::TransportSocket, socket: &Value) -> bool {
    let (Some(target), Some(patch)) = (own.typed_config.as_ref(), socket.get("typedConfig")) else { return false };
    match run.merge_any(i, target, patch) {
        Some(merged) => {
            own.typed_config = Some(merged);
            true
        }
        None => false,
    }
}
