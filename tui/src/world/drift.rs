//! What a proxy holds against what the manifests say that it should.

use super::proxies::{Pages, Teller};
use mesh_envoy::diff::{Change, Difference, Side};
use mesh_envoy::proto_json::{field, items, text};
use mesh_model::Snapshot;
use mesh_resolver::translate::{Model, domain_of};
use mesh_resolver::why::workload_of;
use mesh_resolver::{Held, Mesh, drift, laptop};
use serde_json::Value;

/// Proxies that are compared; each costs a translation.
const MOST: usize = 12;
/// Characters of a value.
const SHOWN: usize = 90;

/// One resource that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `cluster outbound|9080||reviews…`.
    pub resource: String,
    /// A field's path and what it is and should be, or on which side alone the resource is.
    pub fields: Vec<String>,
}

/// The answer for one proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    Compared {
        rows: Vec<Row>,
        same: usize,
        /// What the translation leaves out: differences may come of it.
        not_judged: Vec<String>,
    },
    /// Why not.
    Unknown(String),
}

/// Compares proxies that listen at places of one machine with the manifests: an answer for each, or why there is none.
pub type OnOneMachine = fn(&Snapshot, &[(&Held, &Value)]) -> Vec<Result<drift::Drift, String>>;

/// Compares proxies with the translation of the manifests for them, one answer for each.
pub(super) fn compare(mesh: &Mesh<'_>, pages: &[Pages<'_>], on_one_machine: OnOneMachine) -> Vec<Drift> {
    let has_objects = mesh.snapshot.objects.iter().any(|o| o.role != mesh_model::Role::Assumed);
    let unknown = |why: &str| Drift::Unknown(why.to_owned());
    if !has_objects {
        return pages.iter().map(|_| unknown("no source holds manifests to compare it with")).collect();
    }
    let mesh = Mesh::as_watched(mesh.snapshot, domain_of(mesh.snapshot));
    let mut compared = 0;
    let mut placed: Vec<(usize, Held, Value)> = Vec::new();
    let mut one = |(i, p): (usize, &Pages<'_>)| {
        let Some(text) = p.config_dump.filter(|_| p.teller == Teller::Proxy) else { return unknown("its config dump was not read") };
        compared += 1;
        if compared > MOST {
            return Drift::Unknown(format!("of many proxies only {MOST} are compared here; `meshctl drift` compares all"));
        }
        let Ok(dump) = serde_json::from_str::<Value>(text) else { return unknown("its config dump can't be read") };
        let Ok(held) = Held::read(p.name, &dump) else { return unknown("its config dump can't be read") };
        if laptop::put_back(&dump).is_some() {
            placed.push((i, held, dump));
            return unknown("its listeners are at places of this machine");
        }
        if is_at_loopback(&dump) {
            return unknown("its listeners are at loopback addresses, which no manifest says");
        }
        let model = Model::of(&mesh, drift::control_plane_of(text));
        let Some(id) = workload_of(&model, &held) else { return unknown("the manifests hold no workload of this proxy") };
        match drift::compare(&model, id, &dump) {
            Ok(found) => compared_as(found),
            Err(_) => unknown("its config dump can't be compared"),
        }
    };
    let mut out: Vec<Drift> = pages.iter().enumerate().map(&mut one).collect();
    let proxies: Vec<(&Held, &Value)> = placed.iter().map(|(_, held, dump)| (held, dump)).collect();
    let answers = if proxies.is_empty() { Vec::new() } else { on_one_machine(mesh.snapshot, &proxies) };
    for ((i, ..), answer) in placed.iter().zip(answers) {
        out[*i] = answer.map_or_else(Drift::Unknown, compared_as);
    }
    out
}

fn compared_as(found: drift::Drift) -> Drift {
    Drift::Compared {
        rows: found.report.differences.iter().map(row).collect(),
        same: found.report.same.iter().map(|(_, n)| n).sum(),
        not_judged: found.not_judged,
    }
}

/// Whether every listener of a dump is bound to an address of its own machine: none that is made for a pod is.
fn is_at_loopback(dump: &Value) -> bool {
    let listeners = items(dump, "configs").flat_map(|section| items(section, "dynamic_listeners"));
    let address = |l| field(field(field(field(l, "active_state")?, "listener")?, "address")?, "socket_address");
    let mut addresses = listeners.filter_map(address).map(|a| text(a, "address")).peekable();
    addresses.peek().is_some() && addresses.all(|a| a.starts_with("127."))
}

fn row(difference: &Difference) -> Row {
    let kind = difference.kind.word();
    let value = |v: Option<&Value>| match v.map(Value::to_string) {
        None => "nothing".to_owned(),
        Some(text) if text.chars().count() <= SHOWN => text,
        Some(text) => text.chars().take(SHOWN - 1).chain(['…']).collect(),
    };
    let fields = match &difference.change {
        Change::OnlyIn(Side::Left) => vec!["the manifests ask for it, and the proxy does not have it".to_owned()],
        Change::OnlyIn(Side::Right) => vec!["the proxy has it, and the manifests do not ask for it".to_owned()],
        Change::Fields(fields) => fields.iter().map(|f| format!("{}: should be {}, is {}", f.path, value(f.left.as_ref()), value(f.right.as_ref()))).collect(),
    };
    Row { resource: format!("{kind} {}", difference.name), fields }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_proxy_of_a_demo_is_told_by_its_addresses() {
        let dump = |addresses: &[&str]| {
            let listener = |a: &&str| json!({"active_state": {"listener": {"address": {"socket_address": {"address": a}}}}});
            json!({"configs": [{}, {"dynamic_listeners": addresses.iter().map(listener).collect::<Vec<_>>()}]})
        };
        assert!(is_at_loopback(&dump(&["127.20.0.1", "127.0.0.1"])));
        // As mesh-proxy writes it: its own fields as Envoy does, what it was sent as protobuf's JSON is.
        let sent = json!({"configs": [{"dynamic_listeners": [{"active_state": {"listener": {"address": {"socketAddress": {"address": "127.22.0.1"}}}}}]}]});
        assert!(is_at_loopback(&sent));
        assert!(!is_at_loopback(&dump(&["127.0.0.1", "0.0.0.0"])) && !is_at_loopback(&dump(&[])) && !is_at_loopback(&json!({})));
    }
}
