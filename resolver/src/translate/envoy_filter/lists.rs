//! Patches of lists: filters and routes, each with where it came from.

use super::patch::Operation;
use crate::translate::Origin;

/// An element, and the EnvoyFilter that put it there.
pub(super) type Placed<'a, T> = (T, Option<Origin<'a>>);

/// What a patch is to find in the list.
pub(super) enum Target<'t, T> {
    /// It names nothing.
    Any,
    One(&'t dyn Fn(&T) -> bool),
}

/// Takes one insertion, replacement or removal into a list. `make` is asked where there is a place for it; a merge is none
/// of these.
pub(super) fn edit<'a, T>(list: &mut Vec<Placed<'a, T>>, operation: Operation, target: &Target<'_, T>, make: impl FnOnce() -> Option<T>, origin: Origin<'a>) {
    let found = match target {
        Target::Any => None,
        Target::One(is_it) => list.iter().position(|(t, _)| is_it(t)),
    };
    let at = match (operation, target, found) {
        (Operation::Add, ..) | (Operation::InsertAfter, Target::Any, _) => Some(list.len()),
        (Operation::InsertFirst, ..) | (Operation::InsertBefore, Target::Any, _) => Some(0),
        (Operation::InsertAfter, _, Some(i)) => Some(i + 1),
        (Operation::InsertBefore, _, Some(i)) => Some(i),
        (Operation::Replace, _, Some(i)) => {
            if let Some(new) = make() {
                list[i] = (new, Some(origin));
            }
            return;
        }
        (Operation::Remove, Target::One(is_it), _) => return list.retain(|(t, _)| !is_it(t)),
        _ => None,
    };
    if let Some(at) = at
        && let Some(new) = make()
    {
        list.insert(at, (new, Some(origin)));
    }
}
