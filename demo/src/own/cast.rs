//! What a mesh of one's own is started with.

use super::{Own, look, provide};
use crate::proxies::Proxies;
use crate::topology::Followed;
use crate::{Cast, DemoError, Given, Mesh, Options, control_plane, generate, manifests};
use mesh_controlplane::Settings;
use mesh_controlplane::bind::Outside;
use mesh_controlplane::places::Reserved;
use std::path::PathBuf;
use std::sync::Arc;

/// Workloads that an error names.
const SHOWN: usize = 20;

fn folder() -> Result<tempfile::TempDir, DemoError> {
    crate::folders::own("meshctl-demo-").map_err(DemoError::Folder)
}

/// Writes what is to be written, and starts the control plane, the programs and the proxies.
pub fn cast(mesh: &Mesh, options: &Options, given: &Given<'_>) -> Result<Cast, DemoError> {
    let mut folders = Vec::new();
    let mut graph = None;
    let mut sources: Vec<PathBuf> = match mesh {
        Mesh::Bookinfo => Vec::new(),
        Mesh::Manifests(paths) => paths.clone(),
        Mesh::Graph(file) => {
            let made = folder()?;
            graph = Some(Followed::begin(file, made.path()).map_err(DemoError::Mesh)?);
            let path = made.path().to_owned();
            folders.push(made);
            vec![path]
        }
        Mesh::Generated(size) => {
            let made = folder()?;
            manifests::write(made.path(), &generate::files(*size, options.seed), &[]).map_err(DemoError::Folder)?;
            let path = made.path().to_owned();
            folders.push(made);
            vec![path]
        }
    };
    let seen = look(&sources)?;
    provide(&seen)?;
    if let Some(name) = options.processes.as_ref().and_then(|p| p.unknown(&seen.names)) {
        let some = seen.names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if seen.names.len() > SHOWN { ", …" } else { "" };
        return Err(DemoError::Mesh(format!("--envoy: no workload is called `{name}`; there are {some}{more}")));
    }
    let added = folder()?;
    sources.push(added.path().to_owned());
    // Where ports tell places apart: a few for each workload, and one for each service that has a listener of its own.
    let ports = seen.workloads.saturating_mul(6 + seen.tcp_services).saturating_add(100).min(usize::from(u16::MAX));
    let reserved = Reserved::new(options.loopback, &seen.ports, u16::try_from(ports).unwrap_or(u16::MAX));
    let reserved = reserved.map_err(|e| DemoError::System(format!("no addresses for the workloads: {e}")))?;
    let translation = Settings { laptop: Some(reserved.loopback), outside: Outside::Played, ..Settings::default() };
    let control = control_plane(&sources, translation, &seen.trust_domain, &options.say)?;
    let (proxies, said) = Proxies::new(&seen.trust_domain, given.logs).placed(options.processes.as_ref())?;
    let proxies = Arc::new(proxies);
    let own =
        Own::begin(control.clone(), proxies.clone(), given.runtime.clone(), (added.path().to_owned(), given.traces), graph, options.say.clone(), options.seed)?;
    folders.push(added);
    let told = said.as_ref().map(|folder| folder.path().to_owned());
    folders.extend(said);
    Ok(Cast { control, proxies, scenery: None, manifests: sources, clusters: Vec::new(), said: told, gateway: None, own: Some(own), folders, reserved })
}
