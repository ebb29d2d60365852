//! By what a list is sorted.

use crate::action::Action;

/// What a list can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum By {
    /// As the world has it.
    #[default]
    Given,
    Name,
    /// What fails, or how bad it is.
    Errors,
    Rate,
    Latency,
    /// When it began.
    Time,
    Namespace,
    Code,
    File,
}

impl By {
    /// Behind "by".
    pub fn name(self) -> &'static str {
        match self {
            By::Given => "default",
            By::Name => "name",
            By::Errors => "errors",
            By::Rate => "rate",
            By::Latency => "latency",
            By::Time => "time",
            By::Namespace => "namespace",
            By::Code => "code",
            By::File => "file",
        }
    }
}

impl By {
    /// What a column's title stands for, the likeliest first.
    fn of(title: &str) -> Vec<By> {
        match title {
            "NAME" | "OBJECT" => vec![By::Name],
            "NAMESPACE" => vec![By::Namespace, By::Name],
            "FAIL" | "FAILED" | "FAILURES" | "ERRORS" => vec![By::Errors],
            "RATE" | "RATE OVER TIME" => vec![By::Rate],
            "P95" | "TOOK" => vec![By::Latency],
            "START" => vec![By::Time],
            "CODE" => vec![By::Code],
            _ => Vec::new(),
        }
    }
}

/// By what, and which way round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    pub by: By,
    pub turned: bool,
}

impl Order {
    /// Takes an action that sorts, in a list that can be sorted by `known`, of which the first is what it begins with. `None` where
    /// the action is another one; the error is for people.
    pub fn act(&mut self, action: Action, known: &[By]) -> Option<Result<(), String>> {
        let at = known.iter().position(|by| *by == self.by).unwrap_or(0);
        match action {
            Action::Sort => *self = Order { by: known.get(at + 1).or(known.first()).copied().unwrap_or_default(), turned: false },
            Action::Turn => self.turned = !self.turned,
            Action::SortBy(by) if !known.contains(&by) => {
                let names: Vec<&str> = known.iter().map(|b| b.name()).collect();
                return Some(Err(format!("this list is not sorted by {}, but by {}", by.name(), names.join(", "))));
            }
            // The same again turns it round.
            Action::SortBy(by) => *self = Order { by, turned: self.by == by && !self.turned },
            _ => return None,
        }
        Some(Ok(()))
    }
    /// Takes a click on a column's title; what the list is not sorted by changes nothing.
    pub fn click(&mut self, title: &str, known: &[By]) {
        // The name of a namespace is its own name in a list of namespaces.
        let by = By::of(title).into_iter().find(|by| known.contains(by));
        if let Some(by) = by {
            // The first of a list is sorted by already.
            let _ = self.act(Action::SortBy(by), known);
        }
    }
    /// `by rate`, `by rate, turned round`; "" for a list as it begins.
    pub fn said(self, first: By) -> String {
        match (self.by == first, self.turned) {
            (true, false) => String::new(),
            (_, false) => format!("by {}", self.by.name()),
            (_, true) => format!("by {}, turned round", self.by.name()),
        }
    }
    /// Turns a sorted list round where that is asked for.
    pub fn turn<T>(self, list: &mut [T]) {
        if self.turned {
            list.reverse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_sort_and_the_same_again_turns_round() {
        let known = [By::Given, By::Name, By::Rate];
        let mut order = Order::default();
        let mut said = |action| {
            let done = order.act(action, &known);
            (done, order.said(By::Given))
        };
        assert_eq!(said(Action::SortBy(By::Rate)), (Some(Ok(())), "by rate".to_owned()));
        assert_eq!(said(Action::SortBy(By::Rate)).1, "by rate, turned round");
        assert_eq!(said(Action::SortBy(By::Name)).1, "by name");
        assert_eq!(said(Action::Turn).1, "by name, turned round");
        assert_eq!(said(Action::Sort).1, "by rate");
        assert_eq!(said(Action::Sort).1, "");
        let (wrong, _) = said(Action::SortBy(By::Code));
        assert_eq!(wrong, Some(Err("this list is not sorted by code, but by default, name, rate".to_owned())));
        assert_eq!(said(Action::Down).0, None);
        order.click("NAMESPACE", &known);
        assert_eq!(order, Order { by: By::Name, turned: false });
        order.click("WARNINGS", &known);
        order.click("NAMESPACE", &known);
        assert_eq!(order, Order { by: By::Name, turned: true });
    }
}
