//! What a mesh of one's own is started with.

use super::spread::Spread;
use super::supply::ADDED;
use super::{Own, Place, Sources, look, provide};
use crate::clusters::{self, Planes};
use crate::proxies::Proxies;
use crate::state::Cluster;
use crate::topology::Followed;
use crate::{Cast, DemoError, Given, Mesh, Options, generate, manifests};
use mesh_controlplane::bind::Outside;
use mesh_controlplane::places::Reserved;
use mesh_controlplane::{Cluster as Input, Running};
use std::path::PathBuf;
use std::sync::Arc;

/// Workloads that an error names.
const SHOWN: usize = 20;

fn folder() -> Result<crate::folders::Own, DemoError> {
    crate::folders::own("").map_err(DemoError::Folder)
}

/// What is wrong with the names of clusters.
fn odd(clusters: &[String]) -> Option<String> {
    let (most, bad) = (clusters::NAMES.len(), clusters.iter().find(|c| c.as_str() == ADDED));
    if clusters.len() > most {
        return Some(format!("--clusters: {} are more than the {most} whose addresses can be told apart", clusters.len()));
    }
    bad.map(|name| format!("--clusters: {name} is what the demo calls its own folders"))
}

/// Writes what is to be written, and starts the control plane, the programs and the proxies.
pub fn cast(mesh: &Mesh, options: &Options, given: &Given<'_>) -> Result<Cast, DemoError> {
    let mut folders = Vec::new();
    let mut graph = None;
    if let Some(problem) = odd(&options.clusters) {
        return Err(DemoError::Usage(problem));
    }
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
    let several = options.clusters.len() > 1;
    let (mut spread, mut say) = (None, options.say.clone());
    if several {
        let (made, notes) = Spread::begin(&sources, &options.clusters, &options.places, added.path())?;
        notes.iter().for_each(|n| say(n));
        say = made.heard(&say);
        spread = Some(made);
    }
    let of_cluster = |name: &String| added.path().join(name);
    let inputs: Vec<Input> = match options.clusters.as_slice() {
        [_, _, ..] => options.clusters.iter().map(|c| Input { name: c.clone(), paths: vec![of_cluster(c).display().to_string()] }).collect(),
        _ => {
            sources.push(added.path().to_owned());
            vec![Input { name: String::new(), paths: sources.iter().map(|p| p.display().to_string()).collect() }]
        }
    };
    // Where ports tell places apart: a few for each workload, and one for each service that has a listener of its own.
    let ports = seen.workloads.saturating_mul(6 + seen.tcp_services).saturating_add(100).min(usize::from(u16::MAX));
    let ports = u16::try_from(ports).unwrap_or(u16::MAX);
    let reserved = Reserved::new(options.loopback, &seen.ports, ports);
    let reserved = reserved.map_err(|e| DemoError::System(format!("no addresses for the workloads: {e}")))?;
    let Planes { running, reserved: more } = Planes::start(&inputs, &seen.trust_domain, (reserved.loopback, ports), Outside::Played, &say)?;
    let (proxies, said) = Proxies::new(&seen.trust_domain, given.logs).placed(options.processes.as_ref())?;
    let place = |(input, control): (&Input, &Arc<Running>)| Place {
        control: control.clone(),
        supplied: if several { of_cluster(&input.name).join(ADDED) } else { added.path().to_owned() },
        cluster: input.name.clone(),
    };
    let places = inputs.iter().zip(&running).map(place).collect();
    let told =
        |(input, control): (&Input, &Arc<Running>)| Cluster { name: input.name.clone(), manifests: of_cluster(&input.name), control_plane: control.http };
    let clusters: Vec<Cluster> = inputs.iter().zip(&running).filter(|_| several).map(told).collect();
    let manifests = if several { clusters.iter().take(1).map(|c| c.manifests.clone()).collect() } else { sources };
    let proxies = Arc::new(proxies);
    let own = Own::begin(places, Sources { graph, spread }, &proxies, (given.runtime.clone(), given.traces), say, options.seed)?;
    let control = running.first().cloned().ok_or_else(|| DemoError::System("there is no cluster".to_owned()))?;
    folders.push(added);
    let told = said.as_ref().map(|folder| folder.path().to_owned());
    folders.extend(said);
    let reserved = std::iter::once(reserved).chain(more).collect();
    Ok(Cast { control, proxies, scenery: None, manifests, clusters, said: told, gateway: None, own: Some(own), folders, reserved })
}
