//! The DestinationRule of a service: the one that counts, changed, or a new one that keeps what counted before.

use super::object;
use super::target::Target;
use mesh_analyzers::schema::json;
use mesh_model::{Kind, Object};
use mesh_resolver::{Mesh, destination_rule};
use serde_json::{Value, json};

/// A rule to be changed, and what is to be said of others.
pub struct Rule<'a> {
    pub value: Value,
    /// Those that are united with it, the changed one first; none where it is new.
    pub united: Vec<&'a Object>,
    pub notes: Vec<String>,
}

/// The rule that clients of the service's own namespace go by; of several that are united the one whose traffic policy counts
/// comes first.
pub fn rule<'a>(mesh: &Mesh<'a>, target: &Target<'_, '_>) -> Rule<'a> {
    let effective = mesh.destination_rules.effective(&target.namespace, &target.host, &target.namespace);
    let is_exact = |o: &&Object| o.spec().is_some_and(|s| target.is(s.text_of("host"), o.namespace(), mesh));
    let mut united: Vec<&Object> = effective.iter().copied().filter(is_exact).collect();
    let policy = destination_rule::traffic_policy(&effective);
    let of_clients = |o: &&&Object| is_exact(o) && !united.iter().any(|u| std::ptr::eq(*u, **o)) && o.namespace() != target.namespace;
    let notes = mesh.objects(Kind::DestinationRule).iter().filter(of_clients);
    let notes = notes.map(|o| format!("clients of namespace {} may go by {}, which is not changed", o.namespace(), o.origin())).collect();
    if let Some((deciding, _)) = policy
        && let Some(i) = united.iter().position(|o| std::ptr::eq(*o, deciding))
    {
        united.swap(0, i);
    }
    let value = match united.first() {
        Some(first) => object::existing(first),
        None => {
            let mut spec = json!({"host": target.host});
            // A rule of the host's own hides one with a wildcard: what that says is kept.
            if let Some((_, policy)) = policy {
                spec["trafficPolicy"] = json::value(policy);
            }
            let name = object::free_name(mesh, Kind::DestinationRule, &target.namespace, &target.name);
            object::new("networking.istio.io/v1", "DestinationRule", &target.namespace, &name, spec)
        }
    };
    Rule { value, united, notes }
}
