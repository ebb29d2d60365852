//! What is selected stays selected where another type of graph is drawn.

use super::{Graph, Name};
use crate::world::World;
use crate::world::traffic::{Load, Traffic};
use mesh_model::graph::GraphType;

/// The nodes that are named here, as the graph knew them in which they were chosen.
#[derive(Default)]
pub(super) struct Standing {
    of: GraphType,
    selected: Option<Box<Load>>,
    focused: Option<Box<Load>>,
    /// Whether the selected node was named by another screen, which knows workloads and objects.
    pub is_named_elsewhere: bool,
}

/// The node of the drawn graph that a named one is.
fn found(world: &World, drawn: &Traffic, node: &Name, load: Option<&Load>) -> Option<Name> {
    let of_workloads = || world.traffic.shared().and_then(|t| t.loads.get(node));
    drawn.standing_for(node, load.or_else(of_workloads)).cloned()
}

/// Keeps what is known of a node that is drawn; of one that is not, what was known.
fn keep(drawn: &Traffic, node: Option<&Name>, known: &mut Option<Box<Load>>) {
    if let Some(load) = node.and_then(|n| drawn.loads.get(n)).filter(|load| known.as_deref() != Some(load)) {
        *known = Some(Box::new(load.clone()));
    }
}

impl Graph {
    /// Selects the counterpart of what was selected in another type of graph, or was named by another screen; the focus
    /// goes along. What only stopped calling is not replaced: it may come back.
    pub(super) fn follow(&mut self, world: &World) {
        let Some(drawn) = world.drawn().filter(|_| self.is_traffic(world)) else { return };
        let Standing { of, selected, focused, is_named_elsewhere } = &mut self.standing;
        let is_other = std::mem::replace(of, drawn.graph_type) != drawn.graph_type;
        if let Some(node) = self.selected.as_mut().filter(|_| is_other || *is_named_elsewhere) {
            let load = selected.as_deref().filter(|_| !*is_named_elsewhere);
            if let Some(found) = found(world, drawn, node, load) {
                *node = found;
                *is_named_elsewhere = false;
            }
        }
        if let Some((node, _)) = self.asked.focus.as_mut().filter(|_| is_other)
            && let Some(found) = found(world, drawn, node, focused.as_deref())
        {
            *node = found;
        }
        keep(drawn, self.selected.as_ref(), selected);
        keep(drawn, self.asked.focus.as_ref().map(|(node, _)| node), focused);
    }
    /// What Detail calls a node: a workload, or a service by its object.
    pub(super) fn detail_of(&self, node: Name, world: &World) -> Name {
        let Some(drawn) = world.drawn().filter(|t| self.is_traffic(world) && t.graph_type != GraphType::Workload) else { return node };
        let Some(load) = drawn.loads.get(&node) else { return node };
        let is_known = |key: &&Name| world.configuration.known().is_some_and(|c| c.view.find(&key.0, &key.1).is_some());
        let service = load.services.iter().find(is_known).filter(|_| load.kind == "service");
        let workload = || world.traffic.shared().and_then(|t| t.standing_for(&node, Some(load)));
        service.or_else(workload).cloned().unwrap_or(node)
    }
}
