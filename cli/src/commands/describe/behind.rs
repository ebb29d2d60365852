//! What stands behind a Service: its workloads, and the policies that they are under.

use super::{Fact, Facts, workload};
use mesh_model::{Kind, Role};
use mesh_resolver::{InMesh, Mesh, Service, Workload};

const ABOUT: &str = "leads to";
/// Workloads that are named.
const NAMED: usize = 10;

pub fn of_service(mesh: &Mesh<'_>, service: &Service<'_>, facts: &mut Facts) {
    let is_own = |w: &&Workload<'_>| w.object.role != Role::Assumed && mesh.services.selecting(w).iter().any(|s| std::ptr::eq(s.object, service.object));
    let mut all: Vec<&Workload<'_>> = mesh.workloads.all().iter().filter(is_own).collect();
    all.sort_by_key(|w| w.object.origin());
    if all.is_empty() {
        // A ServiceEntry, and a Service whose endpoints somebody else writes, select nobody.
        if service.object.kind == Kind::Service && !service.selector().is_empty() {
            facts.warn(ABOUT, "no workload of the input");
        }
        return;
    }
    for w in all.iter().take(NAMED) {
        let says = match mesh.in_mesh(w) {
            InMesh::Sidecar => "with a sidecar",
            InMesh::Ambient => "captured by its node's ztunnel",
            InMesh::Gateway => "a gateway",
            InMesh::No => "not in the mesh",
            InMesh::Unknown => "in the mesh or not: its Namespace is not in the input",
        };
        facts.of(ABOUT, w.object, says);
    }
    if let Some(more) = all.len().checked_sub(NAMED).filter(|n| *n > 0) {
        facts.say(ABOUT, format!("and {more} more"));
    }
    // What is the same for all is said once.
    let mut merged: Vec<(Fact, Vec<&str>)> = Vec::new();
    for w in &all {
        let mut own = Facts(Vec::new(), facts.1.clone());
        workload::policies(mesh, w, &mut own);
        for fact in own.0 {
            match merged.iter_mut().find(|(f, _)| (&f.about, &f.object, &f.says) == (&fact.about, &fact.object, &fact.says)) {
                Some((_, of)) => of.push(w.object.name()),
                None => merged.push((fact, vec![w.object.name()])),
            }
        }
    }
    // Under one heading what belongs there, in the order of the headings.
    let mut headings: Vec<String> = Vec::new();
    for (fact, _) in &merged {
        if !headings.contains(&fact.about) {
            headings.push(fact.about.clone());
        }
    }
    for heading in headings {
        for (fact, of) in merged.iter().filter(|(f, _)| f.about == heading) {
            let whose = if of.len() == all.len() { String::new() } else { format!(" ({})", of.join(", ")) };
            facts.0.push(Fact { about: fact.about.clone(), says: format!("{}{whose}", fact.says), object: fact.object.clone(), is_warning: fact.is_warning });
        }
    }
}
