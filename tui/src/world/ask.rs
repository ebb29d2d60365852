//! Of which time traffic is asked for, and what the nodes of its graph are.

use mesh_model::graph::GraphType;

/// How far rates look back, and how far before the newest sample that is, in seconds; what the graph's nodes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub window: i64,
    pub back: i64,
    pub graph: GraphType,
}

impl Default for Ask {
    fn default() -> Ask {
        Ask { window: 600, back: 0, graph: GraphType::default() }
    }
}

/// The types of graphs, in the order in which a key goes through them: of each what its nodes are called.
pub const TYPES: [(GraphType, &str); 4] =
    [(GraphType::Workload, "workloads"), (GraphType::App, "apps"), (GraphType::VersionedApp, "versioned apps"), (GraphType::Service, "services")];

/// What the nodes of a graph are.
pub fn nodes_of(graph: GraphType) -> &'static str {
    TYPES.iter().find(|(t, _)| *t == graph).map_or("", |(_, nodes)| nodes)
}

const WINDOWS: [i64; 7] = [60, 300, 600, 1800, 3600, 3 * 3600, 12 * 3600];

impl Ask {
    /// The next longer window; after the longest the shortest.
    pub fn wider(self) -> Ask {
        let window = WINDOWS.into_iter().find(|w| *w > self.window).unwrap_or(WINDOWS[0]);
        Ask { window, ..self }
    }
    /// The next type of graph; after the last the first.
    pub fn next_type(self) -> Ask {
        let at = TYPES.iter().position(|(t, _)| *t == self.graph).map_or(0, |i| (i + 1) % TYPES.len());
        Ask { graph: TYPES[at].0, ..self }
    }
    /// Half a window back, within a recording of so many seconds.
    pub fn earlier(self, span: i64) -> Ask {
        Ask { back: (self.back + self.step()).min(span.max(0)), ..self }
    }
    pub fn later(self) -> Ask {
        Ask { back: (self.back - self.step()).max(0), ..self }
    }
    /// The same time.
    pub fn is_same_time(self, other: Ask) -> bool {
        (self.window, self.back) == (other.window, other.back)
    }
    fn step(self) -> i64 {
        (self.window / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_go_round_and_are_asked_for_at_one_time() {
        let mut ask = Ask::default();
        let seen: Vec<&str> = (0..TYPES.len())
            .map(|_| {
                ask = ask.next_type();
                nodes_of(ask.graph)
            })
            .collect();
        assert_eq!(seen, ["apps", "versioned apps", "services", "workloads"]);
        assert!(ask.is_same_time(ask.next_type()) && ask != ask.next_type());
    }

    #[test]
    fn windows_go_round_and_time_stays_within_the_recording() {
        let mut ask = Ask::default();
        let seen: Vec<i64> = (0..WINDOWS.len())
            .map(|_| {
                ask = ask.wider();
                ask.window
            })
            .collect();
        assert_eq!(seen, [1800, 3600, 10_800, 43_200, 60, 300, 600]);
        let back = Ask::default().earlier(500).earlier(500);
        assert_eq!((back.back, back.later().back, back.later().later().back), (500, 200, 0));
    }
}
