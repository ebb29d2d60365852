//! Ways to break the mesh. Each says what it changes and what has to be named as its cause; a seed chooses the victim.

mod identity;
mod programs;
mod routes;
mod rules;

use crate::manifests::Object;
use crate::mesh::NAMESPACE;
use crate::programs::Behaviour;

/// One way to break the mesh.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    /// In one line.
    pub what: &'static str,
    /// Who may be the victim.
    victims: &'static [&'static str],
    make: fn(&'static str, &mut fastrand::Rng) -> Breakage,
}

/// What is broken, and what is to be found.
#[derive(Clone, Debug, Default)]
pub struct Breakage {
    pub changes: Vec<Change>,
    /// The cause, as `why` names it: `DestinationRule bookinfo/ratings`.
    pub cause: String,
    /// What else belongs to it, and may be named as well.
    pub also: Vec<String>,
    /// What an explanation must say of it: response flags or a status, or words where no call fails for it.
    pub seen: &'static str,
}

#[derive(Clone, Debug)]
pub enum Change {
    Object(Object),
    Program(&'static str, Behaviour),
    Certificate(&'static str, Certificate),
    /// The control plane is gone.
    ControlPlane,
}

/// What is wrong with the certificate that a workload is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certificate {
    Expired,
    /// Of another root, which the workload trusts too.
    OtherRoot,
    /// With a name in another trust domain.
    OtherTrustDomain,
}

impl Change {
    /// What it takes hold of: two changes of one thing can't both be.
    pub fn holds(&self) -> String {
        match self {
            Change::Object(o) => format!("{} {}", o.kind, o.name),
            Change::Program(w, _) => format!("program {w}"),
            Change::Certificate(w, _) => format!("certificate {w}"),
            Change::ControlPlane => "control plane".to_owned(),
        }
    }
}

pub const ALL: &[&[Scenario]] = &[programs::SCENARIOS, routes::SCENARIOS, rules::SCENARIOS, identity::SCENARIOS];

pub fn all() -> impl Iterator<Item = &'static Scenario> {
    ALL.iter().flat_map(|list| list.iter())
}

pub fn find(name: &str) -> Option<&'static Scenario> {
    all().find(|s| s.name == name)
}

impl Scenario {
    /// The breakage of a seed: of the victims that nothing else holds the one that the seed chooses. `None` where there is none left.
    pub fn breakage(&self, seed: u64, held: &dyn Fn(&str) -> bool) -> Option<Breakage> {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut victims = self.victims.to_vec();
        dice.shuffle(&mut victims);
        victims.into_iter().map(|v| (self.make)(v, &mut dice)).find(|b| !b.changes.iter().any(|c| held(&c.holds())))
    }
}

/// The workload that is behind a service which has one.
fn only(service: &'static str) -> &'static str {
    match service {
        "ratings" => "ratings-v1",
        "details" => "details-v1",
        _ => "productpage-v1",
    }
}

fn workload(name: &str) -> String {
    format!("workload {NAMESPACE}/{name}")
}

fn networking(kind: &'static str, name: &str, spec: &str) -> Change {
    object("networking.istio.io/v1", "traffic.yaml", kind, name, spec)
}

fn security(kind: &'static str, name: &str, spec: &str) -> Change {
    object("security.istio.io/v1", "security.yaml", kind, name, spec)
}

/// An object of a specification that is indented by two blanks.
fn object(api: &str, file: &'static str, kind: &'static str, name: &str, spec: &str) -> Change {
    let text = format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: {NAMESPACE}}}\nspec:\n{spec}");
    Change::Object(Object { file, kind, name: name.to_owned(), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_a_seed_gives_the_same_again() {
        let names: BTreeSet<&str> = all().map(|s| s.name).collect();
        assert_eq!(names.len(), all().count());
        for s in all() {
            for seed in 0..20 {
                let [a, b] = [0; 2].map(|_| format!("{:?}", s.breakage(seed, &|_| false)));
                assert_eq!(a, b, "{} {seed}", s.name);
            }
            let causes: BTreeSet<String> = (0..20).filter_map(|seed| s.breakage(seed, &|_| false)).map(|b| b.cause).collect();
            assert!(causes.len() == s.victims.len() || s.victims.len() > 2, "{}: {causes:?}", s.name);
            assert!(s.breakage(1, &|_| true).is_none(), "{}", s.name);
        }
    }

    #[test]
    fn nothing_that_is_written_says_which_scenario_it_is_of() {
        for s in all() {
            for change in s.breakage(3, &|_| false).into_iter().flat_map(|b| b.changes) {
                if let Change::Object(o) = change {
                    assert!(!o.text.contains(s.name) && !o.text.contains('#'), "{}", o.text);
                }
            }
        }
    }
}
