//! Services: Kubernetes Services and ServiceEntries as one registry of hosts.

use crate::labels::Selector;
use crate::protocol::{self, Protocol};
use crate::workload::Workload;
use mesh_model::{Kind, Node, Object};
use rustc_hash::FxHashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    Kubernetes,
    ServiceEntry,
}

#[derive(Clone, Copy, Debug)]
pub struct Port<'a> {
    /// 0 where the number is missing or no number.
    pub number: u16,
    pub name: &'a str,
    /// As written: `TCP`, `HTTP2`, …; "" when absent.
    pub protocol: &'a str,
    pub app_protocol: &'a str,
    /// A number or a name; "" when absent.
    pub target: &'a str,
    pub node: Node<'a>,
}

impl Port<'_> {
    /// The port of a workload behind it; `None` where the workload has no port of the name.
    pub fn of_workload(&self, w: &Workload<'_>) -> Option<u16> {
        if matches!(self.target, "" | "0") { Some(self.number) } else { w.target_port(self.target) }
    }
}

/// To which namespaces an object is visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportTo<'a>(pub Vec<&'a str>);

impl ExportTo<'_> {
    /// `*`, `.` (the own namespace), `~` (nobody), or names.
    pub fn visible_to(&self, own: &str, namespace: &str) -> bool {
        self.0.iter().any(|e| match *e {
            "*" => true,
            "." => own == namespace,
            "~" => false,
            name => name == namespace,
        })
    }
}

#[derive(Clone, Debug)]
pub struct Service<'a> {
    pub object: &'a Object,
    pub kind: ServiceKind,
    pub namespace: &'a str,
    /// Full host names; a ServiceEntry may have several, and wildcards.
    pub hosts: Vec<String>,
    pub ports: Vec<Port<'a>>,
    /// Labels of the workloads behind it: `spec.selector`, or `spec.workloadSelector.labels`.
    pub selector: Option<Node<'a>>,
    pub export_to: ExportTo<'a>,
}

impl<'a> Service<'a> {
    pub fn selector(&self) -> Selector<'a> {
        Selector::from_map(self.selector)
    }
    /// `NONE`, `STATIC`, `DNS`, …; "" for Kubernetes Services.
    pub fn resolution(&self) -> &'a str {
        match self.kind {
            ServiceKind::Kubernetes => "",
            ServiceKind::ServiceEntry => self.object.spec().map_or("NONE", |s| match s.text_of("resolution") {
                "" => "NONE",
                r => r,
            }),
        }
    }
    pub fn is_headless(&self) -> bool {
        self.kind == ServiceKind::Kubernetes && self.object.spec().is_some_and(|s| s.text_of("clusterIP") == "None")
    }
    /// What a port of the service carries.
    pub fn protocol(&self, port: &Port<'_>) -> Protocol {
        match self.kind {
            ServiceKind::Kubernetes => protocol::of_service_port(port),
            ServiceKind::ServiceEntry => Protocol::parse(port.protocol),
        }
    }
    pub fn port(&self, number: u16) -> Option<&Port<'a>> {
        self.ports.iter().find(|p| p.number == number)
    }
}

/// All services in input order, and where to find them by host.
#[derive(Debug, Default)]
pub struct Services<'a> {
    all: Vec<Service<'a>>,
    by_host: FxHashMap<String, Vec<u32>>,
    /// By the part behind `*`, for wildcard hosts: `.example.com`, or "" for `*`.
    by_suffix: FxHashMap<String, Vec<u32>>,
    by_namespace: FxHashMap<&'a str, Vec<u32>>,
    /// Kubernetes Services by namespace and the first pair of their selector.
    by_selector: FxHashMap<(&'a str, &'a str, &'a str), Vec<u32>>,
}

impl<'a> Services<'a> {
    pub fn new(objects: &[&'a Object], domain: &str, default_export_to: &[&'a str]) -> Services<'a> {
        let mut this = Services::default();
        for &object in objects {
            let service = match object.kind {
                Kind::Service => kubernetes(object, domain, default_export_to),
                Kind::ServiceEntry => service_entry(object, default_export_to),
                _ => continue,
            };
            let id = this.all.len() as u32;
            for host in &service.hosts {
                match host.strip_prefix('*') {
                    Some(suffix) => this.by_suffix.entry(suffix.to_owned()).or_default().push(id),
                    None => this.by_host.entry(host.clone()).or_default().push(id),
                }
            }
            if service.kind == ServiceKind::Kubernetes
                && let Some((k, v)) = service.selector().pairs.into_iter().next()
            {
                this.by_selector.entry((service.namespace, k, v)).or_default().push(id);
            }
            this.by_namespace.entry(service.namespace).or_default().push(id);
            this.all.push(service);
        }
        this
    }
    pub fn all(&self) -> &[Service<'a>] {
        &self.all
    }
    pub fn get(&self, id: u32) -> &Service<'a> {
        &self.all[id as usize]
    }
    pub fn in_namespace<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s Service<'a>> {
        self.by_namespace.get(namespace).into_iter().flatten().map(|id| self.get(*id))
    }
    /// Services that have exactly this host (a wildcard host is asked for by its own spelling).
    pub fn by_host<'s>(&'s self, fqdn: &str) -> impl Iterator<Item = &'s Service<'a>> {
        let list = match fqdn.strip_prefix('*') {
            Some(suffix) => self.by_suffix.get(suffix),
            None => self.by_host.get(fqdn),
        };
        list.into_iter().flatten().map(|id| self.get(*id))
    }
    /// Services with a wildcard host that covers `fqdn`, the most specific first.
    pub fn by_wildcard<'s, 'f>(&'s self, fqdn: &'f str) -> impl Iterator<Item = &'s Service<'a>> + use<'a, 's, 'f> {
        let name = fqdn.strip_prefix('*').unwrap_or(fqdn);
        (0..=name.len())
            .filter(move |i| name.is_char_boundary(*i) && (*i == name.len() || name.as_bytes()[*i] == b'.'))
            .filter_map(move |i| self.by_suffix.get(&name[i..]))
            .flatten()
            .map(|id| self.get(*id))
    }
    /// Kubernetes Services of its namespace that select a workload, in input order.
    pub fn selecting<'s>(&'s self, w: &Workload<'a>) -> Vec<&'s Service<'a>> {
        let candidates = w.labels().filter_map(|(k, v)| self.by_selector.get(&(w.namespace, k, v)));
        let mut ids: Vec<u32> = candidates.flatten().copied().filter(|id| self.get(*id).selector().pairs.iter().all(|(k, v)| w.label(k) == Some(*v))).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().map(|id| self.get(id)).collect()
    }
    /// Host names known, for spelling suggestions.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().flat_map(|s| s.hosts.iter().map(String::as_str))
    }
}

fn ports<'a>(spec: Option<Node<'a>>, target_key: &str, number_key: &str) -> Vec<Port<'a>> {
    spec.into_iter()
        .flat_map(|s| s.list("ports"))
        .map(|p| Port {
            number: p.get(number_key).and_then(Node::int).and_then(|n| u16::try_from(n).ok()).unwrap_or(0),
            name: p.text_of("name"),
            protocol: p.text_of("protocol"),
            app_protocol: p.text_of("appProtocol"),
            target: p.text_of(target_key),
            node: p,
        })
        .collect()
}

fn kubernetes<'a>(object: &'a Object, domain: &str, default: &[&'a str]) -> Service<'a> {
    let export: Vec<&str> =
        object.annotation("networking.istio.io/exportTo").map(|a| a.split(',').map(str::trim).filter(|s| !s.is_empty()).collect()).unwrap_or_default();
    Service {
        object,
        kind: ServiceKind::Kubernetes,
        namespace: object.namespace(),
        hosts: vec![format!("{}.{}.svc.{domain}", object.name(), object.namespace())],
        ports: ports(object.spec(), "targetPort", "port"),
        selector: object.spec_at(&["selector"]).filter(|s| !s.is_empty()),
        export_to: ExportTo(if export.is_empty() { default.to_vec() } else { export }),
    }
}

fn service_entry<'a>(object: &'a Object, default: &[&'a str]) -> Service<'a> {
    let spec = object.spec();
    let export: Vec<&str> = spec.map(|s| s.list("exportTo").map(Node::text).collect()).unwrap_or_default();
    Service {
        object,
        kind: ServiceKind::ServiceEntry,
        namespace: object.namespace(),
        hosts: spec.map(|s| s.list("hosts").map(|h| h.text().to_owned()).collect()).unwrap_or_default(),
        ports: ports(spec, "targetPort", "number"),
        selector: object.spec_at(&["workloadSelector", "labels"]).filter(|s| !s.is_empty()),
        export_to: ExportTo(if export.is_empty() { default.to_vec() } else { export }),
    }
}
