//! What sources are asked for, and which screen shows what of it: nothing else is asked while it is shown.

use super::{Ask, Load, World};
use crate::action::Tab;

/// A kind of facts. Its order is that in which sources are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Config dumps, admin ports, what control planes say of their proxies.
    Proxies,
    /// Access logs.
    Logs,
    /// Servers and files of traces.
    Traces,
    /// Prometheus, series, pages of metrics.
    Metrics,
    /// Manifests and clusters, and what is judged of them.
    Configuration,
}

/// What each screen shows. The ranking of the overview comes from all that says what is wrong; a request's logs and traces
/// are not part of it.
pub const NEEDS: [(Tab, &[Section]); 8] = [
    (Tab::Overview, &[Section::Configuration, Section::Proxies, Section::Metrics]),
    (Tab::Graph, &[Section::Configuration, Section::Metrics]),
    (Tab::Detail, &[Section::Configuration, Section::Proxies, Section::Metrics, Section::Traces, Section::Logs]),
    (Tab::Findings, &[Section::Configuration]),
    (Tab::Traces, &[Section::Traces]),
    (Tab::Proxies, &[Section::Configuration, Section::Proxies]),
    (Tab::Mesh, &[Section::Configuration, Section::Proxies, Section::Metrics]),
    (Tab::Logs, &[Section::Logs]),
];

/// What a screen shows.
pub fn needs(tab: Tab) -> Sections {
    NEEDS.iter().find(|(t, _)| *t == tab).map_or(Sections::ALL, |(_, list)| Sections::of(list))
}

/// Some of the sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections(u8);

impl Section {
    pub const ALL: [Section; 5] = [Section::Proxies, Section::Logs, Section::Traces, Section::Metrics, Section::Configuration];
    /// Whether what it gives for one asking it gives for the other as well. How far rates look back is nothing to manifests,
    /// proxies and logs, and what the graph's nodes are is something to metrics alone.
    pub fn is_same(self, one: Ask, other: Ask) -> bool {
        match self {
            Section::Metrics => one == other,
            Section::Traces => one.is_same_time(other),
            Section::Proxies | Section::Logs | Section::Configuration => one.back == other.back,
        }
    }
    /// Whether what it gave then can be shown where it fails now: another type of graph is of the same traffic.
    pub fn is_same_time(self, one: Ask, other: Ask) -> bool {
        self.is_same(one, Ask { graph: one.graph, ..other })
    }
}

impl Sections {
    pub const NONE: Sections = Sections(0);
    pub const ALL: Sections = Sections(0b1_1111);
    pub fn of(list: &[Section]) -> Sections {
        list.iter().fold(Sections::NONE, |all, s| all.with(*s))
    }
    #[must_use]
    pub const fn with(self, section: Section) -> Sections {
        Sections(self.0 | (1 << section as u8))
    }
    #[must_use]
    pub fn without(self, others: Sections) -> Sections {
        Sections(self.0 & !others.0)
    }
    #[must_use]
    pub fn and(self, others: Sections) -> Sections {
        Sections(self.0 | others.0)
    }
    pub fn contains(self, section: Section) -> bool {
        self.0 & (1 << section as u8) != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub fn iter(self) -> impl Iterator<Item = Section> {
        Section::ALL.into_iter().filter(move |s| self.contains(*s))
    }
    /// With what it is judged by: what proxies hold and what was measured mean nothing without the objects.
    #[must_use]
    pub fn whole(self) -> Sections {
        let stands_on_objects = self.contains(Section::Proxies) || self.contains(Section::Metrics);
        if stands_on_objects { self.with(Section::Configuration) } else { self }
    }
}

impl Load {
    /// What is asked. Failing calls are explained by what proxies say: metrics that were read before any proxy was are read again
    /// with them.
    pub fn whole(self, before: Option<&World>) -> Sections {
        let knows = |section| before.is_some_and(|b| b.read.contains_key(&section));
        let is_first = self.sections.contains(Section::Proxies) && !knows(Section::Proxies) && knows(Section::Metrics);
        let sections = if is_first { self.sections.with(Section::Metrics) } else { self.sections };
        sections.whole()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_screen_has_its_needs_and_asks_for_no_more_than_it_shows() {
        for tab in Tab::ALL {
            assert_eq!(NEEDS.iter().filter(|(t, _)| *t == tab).count(), 1, "{tab:?}");
            // What is asked for is what stands in the table.
            assert_eq!(needs(tab).whole(), needs(tab), "{tab:?}");
        }
        let asking = |section| -> Vec<Tab> { NEEDS.iter().filter(|(_, list)| list.contains(&section)).map(|(t, _)| *t).collect() };
        assert_eq!(asking(Section::Traces), [Tab::Detail, Tab::Traces]);
        assert_eq!(asking(Section::Logs), [Tab::Detail, Tab::Logs]);
        assert_eq!(asking(Section::Metrics), [Tab::Overview, Tab::Graph, Tab::Detail, Tab::Mesh]);
        assert_eq!(asking(Section::Proxies), [Tab::Overview, Tab::Detail, Tab::Proxies, Tab::Mesh]);
    }

    #[test]
    fn sets_are_sets() {
        let two = Sections::of(&[Section::Metrics, Section::Logs]);
        assert_eq!(two.iter().collect::<Vec<_>>(), [Section::Logs, Section::Metrics]);
        assert_eq!(two.without(Sections::of(&[Section::Logs])).whole().iter().count(), 2);
        assert_eq!(Section::ALL.iter().fold(Sections::NONE, |all, s| all.with(*s)), Sections::ALL);
        assert!(Sections::NONE.whole().is_empty() && two.contains(Section::Logs) && !two.contains(Section::Traces));
    }
}
