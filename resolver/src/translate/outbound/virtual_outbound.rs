//! The listener that takes what no other one takes.

use crate::protocol::Protocol;
use crate::translate::cluster::{BLACK_HOLE, PASSTHROUGH};
use crate::translate::filters::{self, Class, Http, PLAINTEXT_HTTP, Routes, texts};
use crate::translate::proxy::Interception;
use crate::translate::scope::Unknown;
use crate::translate::{Context, Piece, virtual_host};
use mesh_envoy::api::{core, listener, route as api};

/// Where connections to unknown destinations go.
pub(super) fn egress_cluster<'s>(cx: &'s Context<'_, '_>) -> &'s str {
    match &cx.scope.unknown {
        Unknown::Allow | Unknown::AllowByName => PASSTHROUGH,
        Unknown::Proxy(cluster) => cluster,
        Unknown::Refuse => BLACK_HOLE,
    }
}

pub(super) fn virtual_outbound<'a>(cx: &Context<'_, 'a>) -> Option<Piece<'a, listener::Listener>> {
    if cx.proxy.interception == Interception::None {
        return None;
    }
    let port = cx.mesh_port("proxyListenPort", 15001);
    let mut chains = vec![listener::FilterChain {
        name: "virtualOutbound-blackhole".into(),
        filter_chain_match: Some(listener::FilterChainMatch { destination_port: Some(u32::from(port)), ..Default::default() }),
        filters: vec![filters::black_hole(BLACK_HOLE)],
        ..Default::default()
    }];
    let by_name = cx.scope.unknown == Unknown::AllowByName;
    if by_name {
        let host = virtual_host::catch_all(&cx.scope.unknown);
        let virtual_host = api::VirtualHost { routes: host.routes.iter().map(|(r, _)| r.clone()).collect(), ..host.message };
        let routes = api::RouteConfiguration {
            name: "allow_any_dynamic_dns".into(),
            virtual_hosts: vec![virtual_host],
            validate_clusters: Some(false),
            max_direct_response_body_size_bytes: Some(1024 * 1024),
            ignore_port_in_host_matching: true,
            ..Default::default()
        };
        let http = Http {
            class: Class::SidecarOutbound,
            routes: Routes::Inline(Box::new(routes)),
            stat_prefix: "outbound_virtualOutbound_allow_any_dynamic_dns;".into(),
            protocol: Protocol::Http,
            policies: Vec::new(),
            resolves: vec![filters::name_cache()],
        };
        chains.push(listener::FilterChain {
            name: "virtualOutbound-catchall-tcp-http".into(),
            filter_chain_match: Some(listener::FilterChainMatch { application_protocols: texts(PLAINTEXT_HTTP), ..Default::default() }),
            filters: vec![filters::connection_manager(cx, http)],
            ..Default::default()
        });
    }
    chains.push(listener::FilterChain {
        name: "virtualOutbound-catchall-tcp".into(),
        filters: filters::tcp_to(cx, filters::Class::SidecarOutbound, egress_cluster(cx)),
        ..Default::default()
    });
    Some(Piece::fixed(listener::Listener {
        name: "virtualOutbound".into(),
        address: Some(filters::socket_address(cx.proxy.wildcard(), port)),
        filter_chains: chains,
        use_original_dst: Some(true),
        access_log: cx.records.of_listener(filters::Class::SidecarOutbound),
        transparent: (cx.proxy.interception == Interception::Tproxy).then_some(true),
        traffic_direction: core::TrafficDirection::Outbound as i32,
        max_connections_to_accept_per_socket_event: Some(1),
        listener_filters: if by_name { vec![filters::http_inspector()] } else { Vec::new() },
        ..Default::default()
    }))
}
