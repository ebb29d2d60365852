//! The one table of what a key can do: it makes the key map, the footer's hints, the help and the palette.

use crate::widgets::By;

/// Everything that a key can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    PageUp,
    PageDown,
    Open,
    Escape,
    Back,
    Quit,
    Suspend,
    NextPane,
    PreviousPane,
    Screen(Tab),
    Filter,
    NextMatch,
    PreviousMatch,
    Command,
    Palette,
    Help,
    LastScreen,
    HistoryBack,
    HistoryForward,
    Refresh,
    CopyName,
    CopyCommand,
    Mouse,
    Window,
    Earlier,
    Later,
    Pause,
    Sort,
    /// By a column of its own; the same again turns the list round.
    SortBy(By),
    Turn,
    Yaml,
    All,
    Edit,
    Interval,
    Explain,
    Findings,
    Graph,
    Inspector,
    Detail,
    Focus,
    More,
    Fewer,
    Collapse,
    CollapseAll,
    Boxes,
    Form,
    Relayout,
    Labels,
    GraphType,
    Source,
    Find,
    Hide,
    PanLeft,
    PanRight,
    PanUp,
    PanDown,
    CriticalPath,
    NextChange,
    PreviousChange,
    FirstError,
    Drift,
    Request,
}

/// The screens that numbers switch to, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tab {
    Overview,
    Graph,
    Detail,
    Findings,
    Traces,
    Proxies,
    Mesh,
    Logs,
}

impl Tab {
    pub const ALL: [Tab; 8] = [Tab::Overview, Tab::Graph, Tab::Detail, Tab::Findings, Tab::Traces, Tab::Proxies, Tab::Mesh, Tab::Logs];
    /// As commands and crumbs call it.
    pub fn name(self) -> &'static str {
        match self {
            Tab::Overview => "overview",
            Tab::Graph => "graph",
            Tab::Detail => "detail",
            Tab::Findings => "findings",
            Tab::Traces => "traces",
            Tab::Proxies => "proxies",
            Tab::Mesh => "mesh",
            Tab::Logs => "logs",
        }
    }
}

/// Where an action exists. An inner scope may add keys and never gives one of an outer scope another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Global,
    /// Screens with a list that has a selected row.
    List,
    Overview,
    Graph,
    Detail,
    Findings,
    Proxies,
    Traces,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Global => "Everywhere",
            Scope::List => "In lists",
            Scope::Overview => "In the overview",
            Scope::Graph => "In the graph",
            Scope::Detail => "In the detail",
            Scope::Findings => "In the findings",
            Scope::Proxies => "In the proxies",
            Scope::Traces => "In the traces",
        }
    }
}

/// One action: its name in the configuration, its keys, what it does, and the word for the footer ("" for none).
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub action: Action,
    pub scope: Scope,
    pub id: &'static str,
    /// Separated by blanks.
    pub keys: &'static str,
    pub what: &'static str,
    pub hint: &'static str,
}

const fn spec(action: Action, scope: Scope, id: &'static str, keys: &'static str, what: &'static str, hint: &'static str) -> Spec {
    Spec { action, scope, id, keys, what, hint }
}

/// Every action, in the order of the help.
pub const ACTIONS: &[Spec] = &[
    spec(Action::Open, Scope::List, "open", "enter", "open what is selected", "open"),
    spec(Action::Explain, Scope::Findings, "explain", "x", "show or hide the explanation of the code", "explain"),
    spec(Action::Findings, Scope::Overview, "show-findings", "f", "the findings of the selected namespace", "findings"),
    spec(Action::Graph, Scope::Overview, "show-graph", "m", "the graph (map) of the selected namespace", "map"),
    spec(Action::All, Scope::Detail, "all", "w", "all services, workloads and gateways as a list, and one of them again", "all"),
    spec(Action::Graph, Scope::Detail, "show-node-in-graph", "m", "the graph (map) at this one", "map"),
    spec(Action::CriticalPath, Scope::Traces, "critical-path", "p", "in a waterfall, show only what the end waited for, and everything again", "path"),
    spec(Action::Graph, Scope::Traces, "show-span-in-graph", "m", "the graph (map) at the selected span's workload", "map"),
    spec(Action::Drift, Scope::Proxies, "difference", "d", "what the proxy holds against what the manifests say that it should, and back", "difference"),
    spec(
        Action::Request,
        Scope::Proxies,
        "request",
        "w",
        "what a request would do: GET http://HOST:PORT/PATH -H 'NAME: VALUE' at the selected proxy; SENDER http://… by the manifests",
        "request",
    ),
    spec(Action::Open, Scope::Graph, "open-node", "enter", "the detail of the selected node; a collapsed namespace opens", "open"),
    spec(Action::Focus, Scope::Graph, "focus", "e", "show only what is near the selected node, and everything again", "focus"),
    spec(Action::More, Scope::Graph, "more-hops", "+", "one hop more around the focus", ""),
    spec(Action::Fewer, Scope::Graph, "fewer-hops", "_", "one hop fewer around the focus", ""),
    spec(Action::Detail, Scope::Graph, "detail-level", "z", "boxes, lines or what fits", "size"),
    spec(Action::Collapse, Scope::Graph, "collapse", "x", "draw the selected node's namespace as one node, and open it again", "collapse"),
    spec(Action::CollapseAll, Scope::Graph, "collapse-all", "X", "draw every namespace as one node, and open them again", ""),
    spec(Action::Boxes, Scope::Graph, "boxes", "b", "walk among the namespaces' boxes (x collapses one, enter goes into it), and among nodes again", "boxes"),
    spec(Action::Form, Scope::Graph, "form", "v", "picture, matrix or tree", "matrix/tree"),
    spec(Action::Inspector, Scope::Graph, "inspector", "i", "show or hide what is known of the selected node", "inspector"),
    spec(Action::Find, Scope::Graph, "find", "f", "mark what an expression finds: err > 1, !healthy, ns = shop; n N go to it", "find"),
    spec(Action::Hide, Scope::Graph, "hide", "F", "leave out what an expression finds", ""),
    spec(Action::Labels, Scope::Graph, "labels", "a", "other labels: rates, errors, response times, mutual TLS", "labels"),
    spec(Action::GraphType, Scope::Graph, "graph-type", "g", "another type of graph: workloads, apps, versioned apps, services", "type"),
    spec(Action::Source, Scope::Graph, "graph-of", "s", "what traffic did, or what configuration says", ""),
    spec(Action::Relayout, Scope::Graph, "relayout", "=", "lay out from scratch", ""),
    spec(Action::PanLeft, Scope::Graph, "pan-left", "H", "move the picture", ""),
    spec(Action::PanDown, Scope::Graph, "pan-down", "J", "move the picture", ""),
    spec(Action::PanUp, Scope::Graph, "pan-up", "K", "move the picture", ""),
    spec(Action::PanRight, Scope::Graph, "pan-right", "L", "move the picture", ""),
    spec(Action::Down, Scope::Global, "down", "j down", "down; in the graph to the next node beside", ""),
    spec(Action::Up, Scope::Global, "up", "k up", "up; in the graph to the node before", ""),
    spec(Action::Left, Scope::Global, "left", "h left", "left; in the graph to a caller", ""),
    spec(Action::Right, Scope::Global, "right", "l right", "right; in the graph to a callee", ""),
    spec(Action::Top, Scope::List, "top", "g home", "to the first row", ""),
    spec(Action::Bottom, Scope::Global, "bottom", "G end", "to the last row", ""),
    spec(Action::PageDown, Scope::Global, "page-down", "ctrl-d pgdn", "a page down", ""),
    spec(Action::PageUp, Scope::Global, "page-up", "ctrl-u pgup", "a page up", ""),
    spec(Action::Sort, Scope::List, "sort", "o", "sort by the next column", ""),
    spec(Action::Turn, Scope::List, "sort-turn", "O", "the other way round", ""),
    spec(Action::SortBy(By::Name), Scope::List, "sort-name", "A", "sort by name; again turns it round, as with the following", ""),
    spec(Action::SortBy(By::Errors), Scope::List, "sort-errors", "E", "sort by what fails or how bad it is", ""),
    spec(Action::SortBy(By::Rate), Scope::List, "sort-rate", "R", "sort by rate", ""),
    spec(Action::SortBy(By::Latency), Scope::List, "sort-latency", "P", "sort by latency: the 95th percentile, or how long it took", ""),
    spec(Action::SortBy(By::Time), Scope::List, "sort-time", "S", "sort by when it began", ""),
    spec(Action::Edit, Scope::List, "edit", "e", "the object in focus in $VISUAL or $EDITOR, where it is a file", ""),
    spec(Action::NextPane, Scope::Global, "next-pane", "tab", "to the next pane", ""),
    spec(Action::PreviousPane, Scope::Global, "previous-pane", "backtab", "to the pane before", ""),
    spec(Action::Filter, Scope::Global, "filter", "/", "filter: words, !word, ns:NAME, level:error, health:failing", "filter"),
    spec(Action::NextMatch, Scope::Global, "next-match", "n", "to the next match of the filter", ""),
    spec(Action::PreviousMatch, Scope::Global, "previous-match", "N", "to the match before", ""),
    spec(Action::Command, Scope::Global, "command", ":", "type a command; tab completes it", "command"),
    spec(Action::Palette, Scope::Global, "palette", "ctrl-p", "find any action, screen or object", "go to"),
    spec(Action::Help, Scope::Global, "help", "?", "the keys of this screen", "help"),
    spec(Action::Back, Scope::Global, "back", "q", "back; at the first screen quit", "back"),
    spec(Action::Escape, Scope::Global, "escape", "esc", "close what is open, then clear the filter, then back; never quits", ""),
    spec(Action::LastScreen, Scope::Global, "last-screen", "-", "to the screen before this one, and back again", ""),
    spec(Action::HistoryBack, Scope::Global, "history-back", "[", "back in the history", ""),
    spec(Action::HistoryForward, Scope::Global, "history-forward", "]", "forward in the history", ""),
    spec(Action::Screen(Tab::Overview), Scope::Global, "overview", "1", "namespaces and what is wrong now", ""),
    spec(Action::Screen(Tab::Graph), Scope::Global, "graph", "2", "the graph", ""),
    spec(Action::Screen(Tab::Detail), Scope::Global, "detail", "3", "one service or workload", ""),
    spec(Action::Screen(Tab::Findings), Scope::Global, "findings", "4", "what is wrong in the configuration", ""),
    spec(Action::Screen(Tab::Traces), Scope::Global, "traces", "5", "traces", ""),
    spec(Action::Screen(Tab::Proxies), Scope::Global, "proxies", "6", "what proxies hold", ""),
    spec(Action::Screen(Tab::Mesh), Scope::Global, "mesh", "7", "clusters, versions and certificates", ""),
    spec(Action::Screen(Tab::Logs), Scope::Global, "logs", "8", "access logs", ""),
    spec(Action::Refresh, Scope::Global, "refresh", "r", "read the sources again", ""),
    spec(Action::Interval, Scope::Global, "interval", "T", "read the sources again less often; after the longest time never, then often", ""),
    spec(Action::Yaml, Scope::Global, "yaml", "y", "the object in focus as YAML; in the proxies what the proxy holds", "yaml"),
    spec(Action::CopyName, Scope::Global, "copy", "c", "copy the name of what is selected", ""),
    spec(Action::CopyCommand, Scope::Global, "copy-command", "C", "show and copy the command that prints the same", ""),
    spec(Action::Window, Scope::Global, "window", "t", "a longer time window of traffic; after the longest the shortest", ""),
    spec(Action::Earlier, Scope::Global, "earlier", "<", "half a window earlier; in a replay the moment before", ""),
    spec(Action::Later, Scope::Global, "later", ">", "half a window later; in a replay the next moment", ""),
    spec(Action::PreviousChange, Scope::Global, "previous-change", "{", "in a replay, to where the configuration changed before", ""),
    spec(Action::NextChange, Scope::Global, "next-change", "}", "in a replay, to where the configuration changes next", ""),
    spec(Action::FirstError, Scope::Global, "first-error", "!", "in a replay, to where more fails than usual for the first time", ""),
    spec(Action::Pause, Scope::Global, "pause", "space", "do not read the sources again by themselves, and do again; in a replay play and stop", ""),
    spec(Action::Mouse, Scope::Global, "mouse", "M", "leave the mouse to the terminal, and take it again", ""),
    spec(Action::Suspend, Scope::Global, "suspend", "ctrl-z", "suspend", ""),
    spec(Action::Quit, Scope::Global, "quit", "ctrl-c", "quit at once", ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_key_means_one_thing_wherever_it_works() {
        let mut seen: BTreeMap<(&str, Scope), &str> = BTreeMap::new();
        for s in ACTIONS {
            for key in s.keys.split(' ') {
                assert_eq!(seen.insert((key, s.scope), s.id), None, "{key} twice in {:?}", s.scope);
                if s.scope != Scope::Global {
                    assert_eq!(ACTIONS.iter().find(|g| g.scope == Scope::Global && g.keys.split(' ').any(|k| k == key)).map(|g| g.id), None, "{key} is global");
                }
            }
        }
        let mut ids: Vec<&str> = ACTIONS.iter().map(|s| s.id).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "an id twice");
    }
}
