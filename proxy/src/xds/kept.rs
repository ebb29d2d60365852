//! The last good configuration on disk: what a proxy that starts while its control plane is away serves. Secrets are never in
//! it. The file is for its owner alone, and written as a whole or not at all.
//!
//! A line that says what it is, then messages with their length before them: a `DeltaDiscoveryResponse` a kind, with the
//! node's id as the control plane's name. Another node's file is not taken.

use super::dynamic::Tables;
use super::kind::Kind;
use super::protocol::{Answer, Update};
use super::table::Table;
use mesh_envoy::api::discovery::{ControlPlane, DeltaDiscoveryResponse, Resource};
use prost::Message;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const FIRST_LINE: &[u8] = b"mesh-proxy last good configuration 1\n";
/// In the order in which they are taken again.
const KINDS: [Kind; 5] = [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Routes, Kind::Extension];

fn message<T>(table: &Table<T>, kind: Kind, node: &str) -> DeltaDiscoveryResponse {
    let resource = |(name, entry): (&String, &super::table::Entry<T>)| {
        let held = entry.newest()?;
        Some(Resource { version: held.version.clone(), resource: Some(held.body.clone()), name: name.clone(), aliases: Vec::new() })
    };
    DeltaDiscoveryResponse {
        system_version_info: table.version.clone(),
        resources: table.entries.iter().filter_map(resource).collect(),
        type_url: kind.url(),
        control_plane: Some(ControlPlane { identifier: node.to_owned() }),
        ..DeltaDiscoveryResponse::default()
    }
}

/// The content of the file.
pub fn encode(tables: &Tables, node: &str) -> Vec<u8> {
    let mut out = FIRST_LINE.to_vec();
    for kind in KINDS {
        let message = match kind {
            Kind::Cluster => message(&tables.clusters, kind, node),
            Kind::Endpoints => message(&tables.endpoints, kind, node),
            Kind::Listener => message(&tables.listeners, kind, node),
            Kind::Routes => message(&tables.routes, kind, node),
            Kind::Extension => message(&tables.extensions, kind, node),
            Kind::Secret => continue,
        };
        out.extend(message.encode_length_delimited_to_vec());
    }
    out
}

/// Writes a file in place of the one that was there.
///
/// # Errors
/// It can't be written; the old one stays.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // What an earlier try left may have other rights.
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// What a file holds, for this node.
///
/// # Errors
/// Why nothing comes of it. `None` where there is no file.
pub fn read(path: &Path, node: &str) -> Result<Option<Vec<Update>>, String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let mut rest = bytes.strip_prefix(FIRST_LINE).ok_or("it is no file of mesh-proxy's configuration")?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let message = DeltaDiscoveryResponse::decode_length_delimited(&mut rest).map_err(|e| format!("it is damaged: {e}"))?;
        let of = message.control_plane.as_ref().map_or("", |c| &c.identifier);
        if of != node {
            return Err(format!("it is of the node {of:?}, and this is {node:?}"));
        }
        out.extend(message.update().filter(|u| u.kind != Kind::Secret));
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xds::table::Held;
    use mesh_envoy::api::Any;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;
    use std::time::SystemTime;

    #[test]
    fn what_is_written_comes_back_for_the_same_node_and_is_for_its_owner_alone() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = scratch.path().join("kept");
        assert_eq!(read(&path, "n"), Ok(None));
        let mut tables = Tables::default();
        let held = Held {
            value: Arc::default(),
            body: Any { type_url: Kind::Endpoints.url(), value: vec![10, 1, b'a'] },
            version: "7".into(),
            updated: SystemTime::now(),
            secrets: Vec::new(),
        };
        tables.endpoints.entries.entry("a".into()).or_default().active = Some(held);
        write(&path, &encode(&tables, "n")).expect("written");
        write(&path, &encode(&tables, "n")).expect("written again");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        let updates = read(&path, "n").expect("readable").expect("there");
        let found: Vec<_> = updates.iter().flat_map(|u| u.given.iter().map(|g| (u.kind, g.name.as_str(), g.version.as_str()))).collect();
        assert_eq!(found, [(Kind::Endpoints, "a", "7")]);
        assert!(read(&path, "other").is_err_and(|e| e.contains("\"other\"")));
        let bytes = std::fs::read(&path).expect("a file");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
        assert!(read(&path, "n").is_err_and(|e| e.contains("damaged")));
        std::fs::write(&path, "{}").expect("another file");
        assert!(read(&path, "n").is_err());
    }
}
