//! The clusters of a demo: one, or two on networks of their own with a gateway between them. Each has its control plane and its
//! manifests; of the other a control plane reads services and workloads, as istiod does by remote secrets.

use crate::mesh;
use crate::workload::{Proxied, Workload};
use crate::{DemoError, Options, Say, manifests, now, serve, state, until};
use mesh_controlplane::bind::{Loopback, Outside, Role};
use mesh_controlplane::ca::Authority;
use mesh_controlplane::places::Reserved;
use mesh_controlplane::{Cluster as Input, Manifests, Running, Settings};
use mesh_model::{Kind, Snapshot};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A cluster as it is laid out.
struct Plan {
    /// "" where there is one only.
    name: String,
    workloads: Vec<Arc<Workload>>,
    files: Vec<(&'static str, String)>,
}

/// A cluster that runs.
pub struct Cluster {
    /// "" where there is one only.
    pub name: String,
    pub control: Arc<Running>,
    pub folder: crate::folders::Own,
    /// What lies in it while nothing is broken.
    pub files: Vec<(&'static str, String)>,
    pub workloads: Vec<Arc<Workload>>,
}

/// All of them.
pub struct Clusters {
    all: Vec<Cluster>,
    /// Ports of those behind the first.
    _reserved: Vec<Reserved>,
}

/// Names that they are given where nobody gives others, and how many there may be: addresses tell no more apart.
pub const NAMES: [&str; 4] = ["east", "west", "north", "south"];
/// Over so many Bookinfo is spread, and more ports than one of them needs.
pub const OF_BOOKINFO: usize = 2;
pub const PORTS: u16 = 100;
/// Ports at which its workloads listen.
pub const SERVED: &[u16] = &[mesh::PORT, mesh::GATEWAY_PORT, mesh::OUTSIDE_PORT, PORT];
/// Workloads that are in the second one. What they call is in the first: requests pass both ways.
const FAR: &[&str] = &["reviews-v2", "reviews-v3"];

pub const SYSTEM: &str = "istio-system";
pub const GATEWAY: &str = "eastwestgateway";
/// Where a gateway takes what comes from another network.
pub const PORT: u16 = 15443;
const NETWORK: &str = include_str!("../manifests/network.yaml");

impl Clusters {
    /// Starts the control planes; ports are those of what is outside, and of the collector of traces. They know each other's gateways when this returns.
    pub fn start(options: &Options, (outside, traces): (u16, u16), reserved: &Reserved) -> Result<Clusters, DemoError> {
        let plans = plans(&options.clusters, &mesh::files(outside, traces));
        let folders = plans.iter().map(|p| mesh::folder(&p.files)).collect::<Result<Vec<_>, _>>().map_err(DemoError::Folder)?;
        let input = |p: &Plan, folder: &Path| Input { name: p.name.clone(), paths: vec![folder.display().to_string()] };
        let inputs: Vec<Input> = plans.iter().zip(&folders).map(|(p, f)| input(p, f.path())).collect();
        let several = plans.len() > 1;
        let ports = (reserved.loopback, PORTS);
        let Planes { running, reserved: more } = Planes::start(&inputs, mesh::TRUST_DOMAIN, ports, Outside::AsWritten, &options.say)?;
        let of = |((plan, folder), control): ((Plan, _), _)| Cluster { name: plan.name, control, folder, files: plan.files, workloads: plan.workloads };
        let all = plans.into_iter().zip(folders).zip(running).map(of).collect();
        let mut clusters = Clusters { all, _reserved: more };
        if several {
            clusters.connect()?;
        }
        Ok(clusters)
    }

    /// Writes where the gateways are, as a load balancer's controller does, and waits until both control planes know it.
    fn connect(&mut self) -> Result<(), DemoError> {
        for c in &mut self.all {
            let gateway = format!("{GATEWAY}-{}.{SYSTEM}", c.name);
            let at = c.control.place(&gateway, Role::Inbound, PORT).ok_or_else(|| DemoError::Workload(gateway, "it has no place".to_owned()))?;
            for (_, text) in &mut c.files {
                *text = text.replace("ADDRESS_HERE", &format!("{{ip: {}}}", at.ip())).replace("PORT_HERE", &at.port().to_string());
            }
            manifests::write(c.folder.path(), &c.files, &[]).map_err(DemoError::Folder)?;
        }
        let count = self.all.len();
        let known = |c: &Cluster| c.control.ask(|model, _, _| known(model.mesh.snapshot));
        until(|| self.all.iter().all(|c| known(c) == Some(count)))
            .map_err(|()| DemoError::ControlPlane("the gateways between the clusters are not read".to_owned()))
    }

    /// What others are told of them; nothing where there is one only.
    pub fn told(&self) -> Vec<state::Cluster> {
        let of = |c: &Cluster| state::Cluster { name: c.name.clone(), manifests: c.folder.path().to_owned(), control_plane: c.control.http };
        if self.all.len() > 1 { self.all.iter().map(of).collect() } else { Vec::new() }
    }
    pub fn all(&self) -> &[Cluster] {
        &self.all
    }
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.all.iter().flat_map(|c| &c.workloads)
    }
    /// The cluster that a workload is in.
    pub fn of(&self, w: &Workload) -> Option<&Cluster> {
        self.all.iter().find(|c| c.workloads.iter().any(|own| own.id() == w.id()))
    }
}

/// The control planes of all clusters.
pub struct Planes {
    pub running: Vec<Arc<Running>>,
    /// Ports of those behind the first.
    pub reserved: Vec<Reserved>,
}

impl Planes {
    /// Starts a control plane for each cluster, and returns when each has read all of them. The first one's places are given, and how many ports
    /// each of the others needs where ports tell places apart.
    ///
    /// # Errors
    /// One that does not start, or can't read.
    pub fn start(inputs: &[Input], trust_domain: &str, (first, ports): (Loopback, u16), outside: Outside, say: &Say) -> Result<Planes, DemoError> {
        let bad = |e: &dyn std::fmt::Display| DemoError::ControlPlane(e.to_string());
        let root = Authority::self_signed(trust_domain, now()).map_err(|e| bad(&e))?;
        // One root, and an authority below it for each of several clusters, as `cacerts` has it.
        let below = |i: &Input| root.subordinate(&i.name, now()).map_err(|e| bad(&e));
        let authorities = if inputs.len() > 1 { inputs.iter().map(below).collect::<Result<Vec<_>, _>>()? } else { vec![root] };
        let mut planes = Planes { running: Vec::new(), reserved: Vec::new() };
        for (i, authority) in (0..).zip(authorities) {
            let laptop = match first {
                first if i == 0 => first,
                Loopback::Ports(_) => {
                    let own = Reserved::new(crate::Loopback::Ports, &[], ports).map_err(|e| DemoError::System(format!("no ports for the workloads: {e}")))?;
                    let loopback = own.loopback;
                    planes.reserved.push(own);
                    loopback
                }
                _ => Loopback::AddressesAfter(i << 14),
            };
            let translation = Settings { laptop: Some(laptop), outside, cluster: i, ..Settings::default() };
            planes.running.push(serve(Manifests::of_clusters(inputs.to_vec(), i, None), translation, authority, say)?);
        }
        let unread = || DemoError::ControlPlane("its manifests are not read".to_owned());
        until(|| planes.running.iter().all(|c| c.is_ready())).map_err(|()| unread())?;
        Ok(planes)
    }
}

/// Of how many gateways between clusters it is known where they are.
pub fn known(snapshot: &Snapshot) -> usize {
    let services = snapshot.objects.iter().filter(|o| o.kind == Kind::Service && o.namespace() == SYSTEM && o.name() == GATEWAY);
    services.filter(|s| s.at(&["status", "loadBalancer"]).is_some_and(|b| b.list("ingress").any(|i| i.get("ip").is_some()))).count()
}

/// The network of a cluster.
pub fn network(cluster: &str) -> String {
    format!("network-{cluster}")
}

fn plans(names: &[String], files: &[(&'static str, String)]) -> Vec<Plan> {
    match names {
        [] | [_] => vec![Plan { name: String::new(), workloads: mesh::workloads(), files: files.to_vec() }],
        several => several.iter().enumerate().map(|(i, name)| plan(i, name, files)).collect(),
    }
}

/// Services and rules are in both clusters, a Deployment in one of them.
fn plan(i: usize, name: &str, files: &[(&'static str, String)]) -> Plan {
    let network = network(name);
    let is_here = |workload: &str| FAR.contains(&workload) == (i == 1);
    let mut workloads: Vec<Arc<Workload>> = Vec::new();
    for w in mesh::workloads().iter().filter(|w| is_here(&w.name)) {
        let mut w = (**w).clone();
        w.metadata.insert("CLUSTER_ID".to_owned(), name.to_owned());
        workloads.push(Arc::new(w));
    }
    workloads.push(Arc::new(gateway(name, &network)));
    let of_here = |text: &str| {
        let here = |d: &&str| !mesh::workloads().iter().any(|w| !is_here(&w.name) && manifests::is(d, "Deployment", &w.name));
        text.split(manifests::BETWEEN).filter(here).collect::<Vec<_>>().join(manifests::BETWEEN)
    };
    let mut files: Vec<(&'static str, String)> = files.iter().map(|(file, text)| (*file, of_here(text))).collect();
    files.push(("network.yaml", NETWORK.replace("NETWORK_HERE", &network).replace("CLUSTER_HERE", name)));
    Plan { name: name.to_owned(), workloads, files }
}

/// The gateway by which the other cluster comes in.
fn gateway(cluster: &str, network: &str) -> Workload {
    let pairs = |pairs: [(&str, &str); 2]| pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>();
    let name = format!("{GATEWAY}-{cluster}");
    Workload {
        owner: name.clone(),
        name,
        namespace: SYSTEM.to_owned(),
        account: GATEWAY.to_owned(),
        labels: pairs([("app", GATEWAY), ("istio", GATEWAY)]),
        proxied: Proxied::Gateway,
        metadata: pairs([("CLUSTER_ID", cluster), ("REQUESTED_NETWORK_VIEW", network)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_in_one_cluster_and_services_are_in_both() {
        let files = mesh::files(1, 2);
        let plans = plans(&["east".to_owned(), "west".to_owned()], &files);
        let text = |p: &Plan| p.files.iter().map(|(_, t)| t.as_str()).collect::<Vec<_>>().join(manifests::BETWEEN);
        let has = |p: &Plan, kind: &str, name: &str| text(p).split(manifests::BETWEEN).any(|d| manifests::is(d, kind, name));
        for w in mesh::workloads() {
            let there: Vec<&str> = plans.iter().filter(|p| has(p, "Deployment", &w.name)).map(|p| p.name.as_str()).collect();
            let run: Vec<&str> = plans.iter().filter(|p| p.workloads.iter().any(|x| x.name == w.name)).map(|p| p.name.as_str()).collect();
            assert!(there == run && run.len() == 1, "{}: {there:?} {run:?}", w.name);
        }
        assert!(plans.iter().all(|p| has(p, "Service", "reviews") && has(p, "VirtualService", "reviews") && has(p, "Gateway", "cross-network")));
        assert!(plans.iter().all(|p| has(p, "Deployment", &format!("{GATEWAY}-{}", p.name)) && p.workloads.iter().all(|w| w.metadata["CLUSTER_ID"] == p.name)));
        assert!(plans.iter().all(|p| p.workloads.iter().all(|w| w.namespace == mesh::NAMESPACE || w.account == GATEWAY)));
    }
}
