//! What waypoints hold for endpoints of other networks: a tunnel inside of a tunnel, the outer one to the gateway between the
//! networks. istiod sends it to every waypoint, whether there is another network or not.

use super::tunnel::{self, HASHABLE, client_named, leading_to, socket, state};
use crate::translate::filters::{self, Class};
use crate::translate::{Context, cluster, tls};
use mesh_envoy::api::cluster::Cluster;
use mesh_envoy::api::filter_state::FilterStateValueSharedWithUpstream as Shared;
use mesh_envoy::api::{Any, core, listener, network_filter_state, tcp_proxy};

const INNER: &str = "inner_connect_originate";
const OUTER: &str = "outer_connect_originate";
const TARGET: &str = "istio.double_hbone.hbone_target_address";

pub fn inner_client(cx: &Context<'_, '_>) -> Cluster {
    let context = mesh_envoy::api::tls::UpstreamTlsContext { common_tls_context: Some(tls::tunnel(&cx.trust_domains(), None)), ..Default::default() };
    let mut out = leading_to(INNER, OUTER, "internal_upstream_with_tls", socket(Any::pack(&context)));
    cluster::set_http(&mut out, tunnel::tunnel_http(cx, Some(1)));
    out
}

pub fn outer_client(cx: &Context<'_, '_>) -> Cluster {
    client_named(cx, OUTER, None, None, Some(1))
}

fn header(key: &str, value: &str) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue { key: key.to_owned(), value: value.to_owned() }),
        append_action: core::HeaderValueOptionHeaderAppendAction::OverwriteIfExistsOrAdd as i32,
        ..Default::default()
    }
}

fn tunnelling(cx: &Context<'_, '_>, name: &str, more: core::HeaderValueOption) -> listener::Filter {
    let proxy = tcp_proxy::TcpProxy {
        stat_prefix: name.to_owned(),
        cluster: Some(name.to_owned()),
        tunneling_config: Some(tcp_proxy::TcpProxyTunnelingConfig {
            hostname: format!("%FILTER_STATE({TARGET}:PLAIN)%"),
            headers_to_add: vec![more],
            ..Default::default()
        }),
        access_log: cx.records.of_begun_tunnels(Class::Waypoint),
        ..Default::default()
    };
    filters::network_filter("envoy.filters.network.tcp_proxy", Any::pack(&proxy))
}

fn listener(cx: &Context<'_, '_>, name: &str, filters: Vec<listener::Filter>) -> listener::Listener {
    listener::Listener {
        use_original_dst: Some(false),
        filter_chains: vec![listener::FilterChain { filters, ..Default::default() }],
        access_log: cx.records.of_listener(Class::Waypoint),
        ..tunnel::internal(name)
    }
}

pub fn inner(cx: &Context<'_, '_>) -> listener::Listener {
    let mut address = state("envoy.filters.listener.original_dst.local_ip", "%DYNAMIC_METADATA(envoy.filters.listener.original_dst:local)%", "");
    let mut target = state(TARGET, "%DYNAMIC_METADATA(istio:double_hbone:hbone_target_address)%", HASHABLE);
    for value in [&mut address, &mut target] {
        value.shared_with_upstream = Shared::Transitive as i32;
    }
    let config = network_filter_state::Config { on_new_connection: vec![address, target] };
    let propagate = filters::network_filter("propagate_endpoint_metadata", Any::pack(&config));
    let from = header("x-forwarded-network", &cx.whereabouts.network);
    listener::Listener { listener_filters: Vec::new(), ..listener(cx, INNER, vec![propagate, tunnelling(cx, INNER, from)]) }
}

pub fn outer(cx: &Context<'_, '_>) -> listener::Listener {
    listener(cx, OUTER, vec![tunnelling(cx, OUTER, header("x-istio-source", "waypoint"))])
}
