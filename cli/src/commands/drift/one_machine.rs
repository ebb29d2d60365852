//! Proxies of a mesh on one machine, a demo or `controlplane --laptop`: what they hold is compared with what such a control plane
//! makes of the manifests, at whatever places it would put that.

use super::NO_WORKLOAD;
use mesh_controlplane::bind::{Bind, Loopback, Messages, Outside, Places};
use mesh_controlplane::client::Client;
use mesh_controlplane::input::keep_what_counts;
use mesh_controlplane::translate::{placed, proxy_of, workload_of};
use mesh_envoy::api::discovery::Node;
use mesh_model::{Completeness, Role, Snapshot};
use mesh_resolver::drift::{Drift, Resources, compare_on_one_machine, control_plane_of, not_judged};
use mesh_resolver::translate::{Addresses, Interception, Model, domain_of};
use mesh_resolver::{Held, Mesh};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Compares proxies, and adds what was found or why nothing was.
pub fn compare(snapshot: &Snapshot, proxies: &[(&Held, &Value)], found: &mut Vec<(String, Drift)>, problems: &mut Vec<String>) {
    for ((held, _), answer) in proxies.iter().zip(each(snapshot, proxies)) {
        match answer {
            Ok(drift) => found.push((held.name.clone(), drift)),
            Err(why) => problems.push(format!("{}: {why}", held.name)),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
}

/// Compares proxies, each by the manifests of its own cluster: an answer for each of them, or why there is none.
pub fn each(snapshot: &Snapshot, proxies: &[(&Held, &Value)]) -> Vec<Result<Drift, String>> {
    let mut out: Vec<Result<Drift, String>> = proxies.iter().map(|_| Err("its dump does not say which proxy it is".to_owned())).collect();
    let mut by_cluster: BTreeMap<u16, Vec<(usize, &Value, Client)>> = BTreeMap::new();
    for (i, (_, dump)) in proxies.iter().enumerate() {
        let Some(client) = client_of(dump) else { continue };
        let cluster = snapshot.clusters.iter().position(|c| *c == client.cluster).and_then(|i| u16::try_from(i).ok()).unwrap_or(0);
        by_cluster.entry(cluster).or_default().push((i, dump, client));
    }
    for (cluster, proxies) in by_cluster {
        let own = as_control_plane(snapshot, cluster);
        let mesh = Mesh::as_watched(&own, domain_of(&own));
        for (i, dump, client) in proxies {
            out[i] = one(&mesh, cluster, &client, dump);
        }
    }
    out
}

/// The input as the control plane of one cluster reads it: addresses are supposed by the order of what is there, so that nothing may
/// be there which it does not know.
fn as_control_plane(snapshot: &Snapshot, cluster: u16) -> Snapshot {
    let mut own = snapshot.clone();
    own.objects.retain(|o| o.role != Role::Assumed);
    own.completeness = Completeness::Complete;
    keep_what_counts(&mut own, cluster);
    own
}

fn one(mesh: &Mesh<'_>, cluster: u16, client: &Client, dump: &Value) -> Result<Drift, String> {
    let control_plane = control_plane_of(&dump.to_string());
    let model = Model::build(mesh, control_plane, Addresses::Supposed);
    let id = workload_of(&model, client).ok_or(NO_WORKLOAD)?;
    let proxy = mesh_resolver::translate::Proxy { interception: Interception::Redirect, ..proxy_of(&model, client, Some(id)) };
    let translation = model.translate_as(&proxy, control_plane);
    let not_judged = not_judged(&translation);
    // Who is outside is reached where it is, or played: the dump tells which.
    let outside = if dump.to_string().contains(&format!("\"{}\"", mesh_resolver::laptop::PLAYS)) { Outside::Played } else { Outside::AsWritten };
    let mut bind = Bind::new(Places::new(Loopback::Addresses)).of_cluster(cluster).with_outside(outside);
    bind.learn(&model);
    let Messages { listeners, routes, clusters, .. } = placed(&model, translation, id, &proxy, &mut bind);
    let wished = Resources { clusters: values(&clusters), listeners: values(&listeners), routes: values(&routes) };
    let report = compare_on_one_machine(wished, dump).map_err(|(_, e)| e.to_string())?;
    Ok(Drift { report, not_judged })
}

fn values<M: Serialize>(messages: &[M]) -> Vec<Value> {
    // Our own messages are JSON always.
    messages.iter().map(|m| serde_json::to_value(m).unwrap_or_default()).collect()
}

/// Who a proxy is, by the bootstrap in its dump.
fn client_of(dump: &Value) -> Option<Client> {
    let sections = dump.get("configs")?.as_array()?;
    let node = sections.iter().find_map(|s| s.get("bootstrap"))?.get("node")?;
    let node = Node {
        id: node.get("id")?.as_str()?.to_owned(),
        metadata: node.get("metadata").and_then(|m| serde_json::from_value(m.clone()).ok()),
        ..Node::default()
    };
    Client::read(Some(&node)).ok()
}
