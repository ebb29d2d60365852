//! Resources that follow those of an earlier reading: what can't differ is neither translated nor encoded again.

use super::{Wanted, add_empty, of_cluster};
use crate::resource::{Resource, Resources, Type};
use mesh_envoy::api::cluster::Cluster;
use mesh_resolver::translate::{ControlPlane, Differences, Entry, Kept, Model, Renewed, Section};
use prost::{Message, Name};
use std::sync::Arc;

/// What one proxy gets, with what the next reading needs of it; `old` is what differs, and what it got before.
pub fn encode(
    model: &Model<'_, '_>,
    wanted: &Wanted,
    control_plane: ControlPlane,
    old: Option<(&Differences, &(Kept, Arc<Resources>))>,
    names: &Arc<Resource>,
    version: &str,
) -> (Kept, Arc<Resources>) {
    let renewed = model.renew(&wanted.proxy, control_plane, old.map(|(differences, (kept, _))| (kept, differences)));
    let none = Resources::default();
    let before = old.map_or(&none, |(_, (_, resources))| resources);
    let Renewed { clusters, endpoints, listeners, routes, kept, .. } = renewed;
    let mut out = Resources::empty(version);
    put(&mut out, before, Type::Endpoint, endpoints, |e| Resource::new(&e.cluster_name, e));
    put(&mut out, before, Type::Cluster, clusters, |c: &Cluster| of_cluster(c));
    add_empty(&mut out);
    put(&mut out, before, Type::Listener, listeners, |l| Resource::new(&l.name, l));
    put(&mut out, before, Type::Route, routes, |r| Resource::new(&r.name, r));
    out.share(Type::Names, Arc::clone(names));
    out.seal();
    (kept, Arc::new(out))
}

fn put<M: Message + Name>(out: &mut Resources, before: &Resources, kind: Type, section: Section<'_, M>, encode: impl Fn(&M) -> Resource) {
    match section {
        Section::Same => out.take_over(kind, before),
        Section::Changed(entries) => {
            for entry in entries {
                match entry {
                    Entry::Same(name) => before.of(kind).get(&name).into_iter().for_each(|r| out.share(kind, Arc::clone(r))),
                    Entry::New(piece) => out.insert(kind, encode(&piece.message)),
                }
            }
        }
    }
}
