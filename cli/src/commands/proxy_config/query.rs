//! From what the user typed to a query.

use super::filter::{ClusterFilter, EndpointFilter, ListenerFilter};
use super::istioctl::{listener, route};
use super::{Format, Headers, Query, Waypoint, What};
use crate::args::DumpArgs;
use crate::args::proxy_config::{ProxyConfigCommand, Verbose};
use crate::context::Context;
use crate::print::document::Document;
use crate::status::Failure;

/// The query and its source; an unknown format is an error that names it.
pub fn query<'a>(command: &'a ProxyConfigCommand, context: &Context) -> Result<(Query, &'a DumpArgs), Failure> {
    let mut q = Query {
        what: What::All,
        format: Format::Table,
        compat: context.compat,
        clusters: ClusterFilter::default(),
        listeners: ListenerFilter::default(),
        listener_detail: listener::Detail::Chains,
        route_name: String::new(),
        route_detail: route::Detail::Routes,
        endpoints: EndpointFilter::default(),
        headers: Headers::Plain,
        waypoint: Waypoint::No,
        now: context.now,
    };
    let source = match command {
        ProxyConfigCommand::Bootstrap(a) => {
            q.what = What::Bootstrap;
            a
        }
        ProxyConfigCommand::All(a) => {
            q.clusters = ClusterFilter { fqdn: a.filter.fqdn.clone(), direction: a.filter.direction.clone(), subset: a.filter.subset.clone(), port: a.port };
            q.listeners = ListenerFilter { address: a.address.clone(), port: a.port, kind: a.kind.clone() };
            q.endpoints = EndpointFilter { address: a.address.clone(), port: a.port, cluster: a.cluster.clone(), status: a.status.clone() };
            q.route_name = a.name.clone();
            set_detail(&mut q, a.verbose);
            if a.with_headers {
                q.headers = Headers::Named;
            }
            &a.source
        }
        ProxyConfigCommand::Cluster(a) => {
            q.what = What::Cluster;
            q.clusters = ClusterFilter { fqdn: a.filter.fqdn.clone(), direction: a.filter.direction.clone(), subset: a.filter.subset.clone(), port: a.port };
            &a.source
        }
        ProxyConfigCommand::Log(_) | ProxyConfigCommand::RootcaCompare(_) => return Err(Failure::none("this is no table of a config dump")),
        ProxyConfigCommand::Ecds(a) => {
            q.what = What::Ecds;
            a
        }
        ProxyConfigCommand::Secret(a) => {
            q.what = What::Secret;
            a
        }
        ProxyConfigCommand::Eds(a) | ProxyConfigCommand::Endpoint(a) => {
            q.what = if matches!(command, ProxyConfigCommand::Eds(_)) { What::Eds } else { What::Endpoint };
            q.endpoints = EndpointFilter { address: a.address.clone(), port: a.port, cluster: a.cluster.clone(), status: a.status.clone() };
            &a.source
        }
        ProxyConfigCommand::Listener(a) => {
            q.what = What::Listener;
            q.listeners = ListenerFilter { address: a.address.clone(), port: a.port, kind: a.kind.clone() };
            if a.waypoint {
                q.waypoint = Waypoint::Yes;
            }
            set_detail(&mut q, a.verbose);
            &a.source
        }
        ProxyConfigCommand::Route(a) => {
            q.what = What::Route;
            q.route_name = a.name.clone();
            set_detail(&mut q, a.verbose);
            &a.source
        }
    };
    // istioctl prints the bootstrap as JSON unless told otherwise; its table is three lines long.
    let usual = if q.what == What::Bootstrap { "json" } else { "table" };
    q.format = format(source.output.as_deref().unwrap_or(usual))?;
    Ok((q, source))
}

fn set_detail(q: &mut Query, verbose: Verbose) {
    if verbose == Verbose::False {
        q.listener_detail = listener::Detail::Type;
        q.route_detail = route::Detail::Count;
    }
}

/// A format by its name; `short` is istioctl's word for a table.
pub fn format(name: &str) -> Result<Format, Failure> {
    match name {
        "table" | "short" => Ok(Format::Table),
        "wide" => Ok(Format::Wide),
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Document(Document::Json)),
        "yaml" => Ok(Format::Document(Document::Yaml)),
        _ => Err(Failure::usage(format!("output format \"{name}\" not supported: table, wide, csv, json and yaml are"))),
    }
}
