//! Bookinfo in our own writing: its programs, its proxies, and where its load goes in.

use crate::apps::{self, Outbound};
use crate::orders::Scenery;
use crate::places::Reserved;
use crate::programs::Programs;
use crate::proxies::Proxies;
use crate::workload::Workload;
use crate::{Cast, DemoError, Given, Options, control_plane, listen, mesh};
use mesh_controlplane::Settings;
use mesh_controlplane::bind::Role;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// More ports than it needs.
const PORTS: u16 = 100;

pub fn cast(options: &Options, given: &Given<'_>) -> Result<Cast, DemoError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let outside = listen(any).map_err(|e| DemoError::System(format!("no port for {}: {e}", mesh::OUTSIDE)))?;
    let files = mesh::files(outside.local_addr().map_err(|e| DemoError::System(e.to_string()))?.port(), given.traces);
    let folder = mesh::folder(&files).map_err(DemoError::Folder)?;
    let programs: Arc<Programs> = Arc::default();
    let reserved = Reserved::new(options.loopback, PORTS).map_err(|e| DemoError::System(format!("no addresses for the workloads: {e}")))?;
    let manifests = vec![folder.path().to_owned()];
    let translation = Settings { laptop: Some(reserved.loopback), ..Settings::default() };
    let control = control_plane(&manifests, translation, mesh::TRUST_DOMAIN, &options.say)?;
    let place = |w: &Workload, role: Role, port: u16| {
        control.place(&w.id(), role, port).ok_or_else(|| DemoError::Workload(w.name.clone(), "it has no place".to_owned()))
    };
    let workloads = mesh::workloads();
    for w in workloads.iter().filter(|w| !w.is_gateway()) {
        let at = place(w, Role::Application, mesh::PORT)?;
        let outbound = Outbound { services: place(w, Role::Outbound, mesh::PORT)?, outside: place(w, Role::Outbound, mesh::OUTSIDE_PORT)? };
        let socket = listen(at).map_err(|e| DemoError::Workload(w.name.clone(), format!("{at}: {e}")))?;
        given.runtime.spawn(apps::serve(w.clone(), socket, outbound, programs.clone()));
    }
    given.runtime.spawn(apps::serve_outside(outside));
    let proxies = Arc::new(Proxies::new(mesh::TRUST_DOMAIN, given.logs));
    for w in &workloads {
        proxies.start(w, &control, &options.say).map_err(|e| DemoError::Workload(w.name.clone(), e))?;
    }
    let entry = workloads.iter().find(|w| w.account == mesh::GATEWAY).ok_or_else(|| DemoError::System("there is no gateway".to_owned()))?;
    let gateway = Some((place(entry, Role::Inbound, mesh::GATEWAY_PORT)?, mesh::HOST.to_owned()));
    let scenery = Some(Scenery { folder: folder.path().to_owned(), files, programs });
    Ok(Cast { control, proxies, scenery, manifests, gateway, own: None, folders: vec![folder], reserved })
}
