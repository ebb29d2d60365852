//! Bookinfo in our own writing: its programs, its proxies, and where its load goes in.

use crate::apps::{self, Outbound};
use crate::clusters::{self, Clusters};
use crate::orders::Scenery;
use crate::programs::Programs;
use crate::proxies::Proxies;
use crate::workload::Workload;
use crate::{Cast, DemoError, Given, Options, listen, mesh};
use mesh_controlplane::bind::Role;
use mesh_controlplane::places::Reserved;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

pub fn cast(options: &Options, given: &Given<'_>) -> Result<Cast, DemoError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let outside = listen(any).map_err(|e| DemoError::System(format!("no port for {}: {e}", mesh::OUTSIDE)))?;
    let port = outside.local_addr().map_err(|e| DemoError::System(e.to_string()))?.port();
    let programs: Arc<Programs> = Arc::default();
    let reserved =
        Reserved::new(options.loopback, clusters::SERVED, clusters::PORTS).map_err(|e| DemoError::System(format!("no addresses for the workloads: {e}")))?;
    let clusters = Clusters::start(options, (port, given.traces), &reserved)?;
    let first = clusters.all().first().ok_or_else(|| DemoError::System("there is no cluster".to_owned()))?;
    let (control, manifests) = (first.control.clone(), vec![first.folder.path().to_owned()]);
    let place = |w: &Workload, role: Role, port: u16| {
        let place = clusters.of(w).and_then(|c| c.control.place(&w.id(), role, port));
        place.ok_or_else(|| DemoError::Workload(w.name.clone(), "it has no place".to_owned()))
    };
    for w in clusters.workloads().filter(|w| !w.is_gateway()) {
        let at = place(w, Role::Application, mesh::PORT)?;
        let outbound = Outbound { services: place(w, Role::Outbound, mesh::PORT)?, outside: place(w, Role::Outbound, mesh::OUTSIDE_PORT)? };
        let socket = listen(at).map_err(|e| DemoError::Workload(w.name.clone(), format!("{at}: {e}")))?;
        given.runtime.spawn(apps::serve(w.clone(), socket, outbound, programs.clone()));
    }
    given.runtime.spawn(apps::serve_outside(outside));
    let (proxies, folder) = Proxies::new(mesh::TRUST_DOMAIN, given.logs).placed(options.processes.as_ref())?;
    let (proxies, said) = (Arc::new(proxies), folder.as_ref().map(|f| f.path().to_owned()));
    let folders = folder.into_iter().collect();
    for (w, cluster) in clusters.workloads().filter_map(|w| Some((w, clusters.of(w)?))) {
        proxies.start(w, &cluster.control, &options.say).map_err(|e| DemoError::Workload(w.name.clone(), e))?;
    }
    let entry = clusters.workloads().find(|w| w.account == mesh::GATEWAY).ok_or_else(|| DemoError::System("there is no gateway".to_owned()))?;
    let gateway = Some((place(entry, Role::Inbound, mesh::GATEWAY_PORT)?, mesh::HOST.to_owned()));
    let told = clusters.told();
    let scenery = Some(Scenery { clusters, programs });
    Ok(Cast { control, proxies, scenery, manifests, clusters: told, said, gateway, own: None, folders, reserved: vec![reserved] })
}
