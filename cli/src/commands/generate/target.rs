//! The service that is meant.

use crate::near;
use crate::status::Failure;
use mesh_model::Kind;
use mesh_resolver::why::Named;
use mesh_resolver::{Mesh, Protocol, Service, ServiceKind, Workload, host};

/// A service, whether the input holds it or not.
pub struct Target<'s, 'a> {
    /// Full host name.
    pub host: String,
    pub namespace: String,
    /// A name for objects about it.
    pub name: String,
    pub service: Option<&'s Service<'a>>,
}

/// Finds `[svc/]NAME[.NAMESPACE]`, `NAMESPACE/NAME` or a host.
pub fn find<'s, 'a>(text: &str, namespace: Option<&str>, mesh: &'s Mesh<'a>) -> Result<Target<'s, 'a>, Failure> {
    let of = |s: &'s Service<'a>, host: &str| Target { host: host.to_owned(), namespace: s.namespace.to_owned(), name: name_of(s, host), service: Some(s) };
    if let Some(s) = mesh.services.by_host(text).next() {
        return Ok(of(s, text));
    }
    let named = Named::parse(text, namespace);
    let (name, own) = match text.split_once(".svc").and_then(|(rest, _)| rest.split_once('.')) {
        Some((name, ns)) => (name, Some(ns)),
        None => (named.name, named.namespace),
    };
    let is = |s: &&'s Service<'a>| s.kind == ServiceKind::Kubernetes && s.object.name() == name && own.is_none_or(|n| n == s.namespace);
    let found: Vec<&Service<'a>> = mesh.services.all().iter().filter(is).collect();
    match found.as_slice() {
        [one] => return Ok(of(one, &one.hosts[0])),
        [] => {}
        more => {
            let all: Vec<String> = more.iter().map(|s| format!("{}.{}", s.object.name(), s.namespace)).collect();
            return Err(Failure::usage(format!("`{text}` may be {}: name the namespace too", all.join(" or "))));
        }
    }
    let knows = mesh.services.all();
    if !knows.is_empty() {
        let hosts = knows.iter().flat_map(|s| s.hosts.iter().map(String::as_str));
        let short = knows.iter().filter(|s| s.kind == ServiceKind::Kubernetes).map(|s| format!("{}.{}", s.object.name(), s.namespace));
        return Err(Failure::usage(format!("no service `{text}` is in the input; {}", near::meant(text, hosts, short))));
    }
    // Nothing is known: a name with two dots is a host outside of the cluster.
    let is_outside = !text.contains(".svc") && !text.contains('/') && text.split('.').count() > 2;
    let namespace = namespace.unwrap_or("default");
    Ok(if is_outside {
        Target { host: text.to_owned(), namespace: namespace.to_owned(), name: text.replace('.', "-"), service: None }
    } else {
        let own = own.unwrap_or(namespace);
        Target { host: host::expand(name, own, mesh.domain).into_owned(), namespace: own.to_owned(), name: name.to_owned(), service: None }
    })
}

fn name_of(service: &Service<'_>, host: &str) -> String {
    match service.kind {
        ServiceKind::Kubernetes => service.object.name().to_owned(),
        ServiceKind::ServiceEntry => host.replace('.', "-").replace('*', "any"),
    }
}

impl<'s, 'a> Target<'s, 'a> {
    /// Whether a host as an object writes it is this one.
    pub fn is(&self, written: &str, namespace: &str, mesh: &Mesh<'_>) -> bool {
        host::expand(written, namespace, mesh.domain) == self.host
    }

    pub fn ports(&self) -> Ports {
        let Some(s) = self.service else { return Ports { http: Vec::new(), tcp: Vec::new(), has_http: true, are_several: false } };
        let of = |is: &dyn Fn(Protocol) -> bool| s.ports.iter().filter(|p| is(s.protocol(p))).map(|p| p.number).collect::<Vec<_>>();
        let http = of(&|p| p.is_http() || p == Protocol::Unsupported);
        let has_http = !http.is_empty() || s.ports.is_empty();
        Ports { http, tcp: of(&Protocol::is_tcp), has_http, are_several: s.ports.len() > 1 }
    }

    /// The workloads behind it, as far as the input holds them.
    pub fn workloads(&self, mesh: &'s Mesh<'a>) -> Vec<&'s Workload<'a>> {
        let Some(selector) = self.service.map(Service::selector).filter(|s| !s.is_empty()) else { return Vec::new() };
        mesh.workloads.matching(Some(&self.namespace), &selector).collect()
    }

    /// Routes of the Gateway API that decide in place of VirtualServices.
    pub fn route_of_service(&self, mesh: &Mesh<'a>) -> Option<String> {
        let kinds = [Kind::HttpRoute, Kind::GrpcRoute];
        let parent = |o: &mesh_model::Object| {
            o.spec().into_iter().flat_map(|s| s.list("parentRefs")).any(|p| {
                let namespace = if p.text_of("namespace").is_empty() { o.namespace() } else { p.text_of("namespace") };
                p.text_of("kind") == "Service" && namespace == self.namespace && self.service.is_some_and(|s| s.object.name() == p.text_of("name"))
            })
        };
        kinds.into_iter().flat_map(|k| mesh.objects(k)).find(|o| parent(o)).map(|o| o.origin())
    }
}

/// The ports of a service, by what they carry.
pub struct Ports {
    pub http: Vec<u16>,
    pub tcp: Vec<u16>,
    /// Of a service that is not known it is taken to be so.
    pub has_http: bool,
    /// A destination has to name one.
    pub are_several: bool,
}
