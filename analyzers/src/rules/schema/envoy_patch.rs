//! The value of an EnvoyFilter's patch: a message of Envoy's, which istiod decodes.

use crate::envoy_api::{self, Fault};
use crate::validation::Checks;
use crate::validation::report::Said;
use mesh_model::Node;

/// What the targets of patches are in Envoy's API.
const MESSAGES: &[(&str, &str)] = &[
    ("CLUSTER", "envoy.config.cluster.v3.Cluster"),
    ("LISTENER", "envoy.config.listener.v3.Listener"),
    ("ROUTE_CONFIGURATION", "envoy.config.route.v3.RouteConfiguration"),
    ("FILTER_CHAIN", "envoy.config.listener.v3.FilterChain"),
    ("HTTP_FILTER", "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"),
    ("NETWORK_FILTER", "envoy.config.listener.v3.Filter"),
    ("VIRTUAL_HOST", "envoy.config.route.v3.VirtualHost"),
    ("HTTP_ROUTE", "envoy.config.route.v3.Route"),
    ("EXTENSION_CONFIG", "envoy.config.core.v3.TypedExtensionConfig"),
    ("BOOTSTRAP", "envoy.config.bootstrap.v3.Bootstrap"),
    ("LISTENER_FILTER", "envoy.config.listener.v3.ListenerFilter"),
];

/// Checks the value of a patch of `apply_to`. As istiod does, a patch is refused once, with all that is wrong in it;
/// only where nothing is, it is warned of.
pub fn check<'a>(checks: &mut Checks<'a, '_>, apply_to: &str, value: Node<'a>) {
    let message = MESSAGES.iter().find(|(target, _)| *target == apply_to);
    let Some(verdict) = message.and_then(|(_, name)| envoy_api::judge(name, value)) else { return };
    if let Some((first, more)) = verdict.errors.split_first() {
        let said = checks.error_once(&first.key, first.at, &first.message);
        tell(said, first, "istiod cannot decode the patch and refuses the EnvoyFilter", more);
        return;
    }
    if let Some((first, more)) = verdict.unknown.split_first() {
        let said = checks.warn_once(&first.key, first.at, &first.message);
        tell(said, first, "look the field up in the API of the Envoy version that the proxies run", more);
    }
    if let Some((first, more)) = verdict.frozen.split_first() {
        let key: Vec<&str> = verdict.frozen.iter().map(|n| n.text()).collect();
        let message = format!("`{}` is a type of a version of Envoy's API that is not worked on any more", first.text());
        let said = checks.warn_once(&format!("frozen {}", key.join(" ")), *first, message);
        more.iter().fold(said, |said, at| said.related_here(*at, "so is this"));
    }
    if let Some(((first, name), more)) = verdict.untyped.split_first() {
        let names: Vec<&str> = verdict.untyped.iter().map(|(_, n)| *n).collect();
        let what = if name.is_empty() { "an extension of the patch".to_owned() } else { format!("extension `{name}` of the patch") };
        let message = format!("{what} has no `typed_config`: Envoy does not find extensions by name alone");
        let said = checks.warn_once(&format!("no typed_config {}", names.join(" ")), *first, message);
        let said = said.help("give its configuration in `typed_config`, with an `@type`");
        more.iter().fold(said, |said, (at, _)| said.related_here(*at, "nor has this"));
    }
}

/// Help, the value that was probably meant, and what else is wrong.
fn tell<'a>(said: Said<'_, 'a>, first: &Fault<'a>, help: &'static str, more: &[Fault<'a>]) {
    let said = match &first.near {
        Some(near) => said.help(format!("did you mean `{near}`?")).fix_value(near),
        None => said.help(help),
    };
    more.iter().take(20).fold(said, |said, fault| said.related_here(fault.at, &fault.message));
}
