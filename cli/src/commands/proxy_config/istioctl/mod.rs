//! `proxy-config` to the letter as istioctl prints it (`--compat istioctl`).

pub mod bootstrap;
pub mod cluster;
pub mod endpoint;
pub mod listener;
pub mod route;
pub mod secret;

use mesh_envoy::dump::cluster::Metadata;

/// Blanks between columns, as each table of istioctl has them.
pub const WIDE: usize = 5;
pub const NARROW: usize = 1;

/// `name.namespace` of the Istio object behind a resource, `<unknown>` for one of another API group.
pub fn management(metadata: &Metadata<'_>) -> String {
    let path = metadata.istio_config();
    if path.is_empty() {
        return String::new();
    }
    if !path.starts_with("/apis/networking.istio.io/") {
        return "<unknown>".to_owned();
    }
    let pieces: Vec<&str> = path.split('/').collect();
    match pieces.as_slice() {
        [_, _, _, _, _, namespace, _, name] => format!("{name}.{namespace}"),
        _ => String::new(),
    }
}
