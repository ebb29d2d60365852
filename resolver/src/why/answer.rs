//! What `why` answers: steps with a mark each, and how the request ends.

use mesh_model::{Node, Object};

/// What a step is worth. Of several the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Good,
    /// It works, and hardly as it is meant.
    Doubtful,
    /// What decides is not in the input, or not known.
    NotJudged,
    /// The request fails here.
    Broken,
}

impl Mark {
    pub fn name(self) -> &'static str {
        match self {
            Mark::Good => "good",
            Mark::Doubtful => "doubtful",
            Mark::NotJudged => "not judged",
            Mark::Broken => "broken",
        }
    }
}

/// What a step is about, in the order of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Source,
    Host,
    Listener,
    Route,
    Destination,
    Endpoints,
    Encryption,
    Inbound,
    Authentication,
    Authorization,
    Limit,
    Application,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Stage::Source => "source",
            Stage::Host => "host",
            Stage::Listener => "listener",
            Stage::Route => "route",
            Stage::Destination => "destination",
            Stage::Endpoints => "endpoints",
            Stage::Encryption => "encryption",
            Stage::Inbound => "inbound",
            Stage::Authentication => "authentication",
            Stage::Authorization => "authorization",
            Stage::Limit => "limit",
            Stage::Application => "application",
        }
    }
}

/// An object, and the place in it where it is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// `Kind namespace/name`.
    pub object: String,
    /// `file:line:column`; "" where only a proxy's dump names it.
    pub place: String,
    /// `spec.http[0]`; "" for the object as a whole.
    pub field: String,
}

impl Thing {
    pub fn at(object: &Object, node: Node<'_>) -> Thing {
        let position = node.position();
        let is_whole = node.id() == object.name_node().id() || node.id() == object.root().id();
        let field = if is_whole { String::new() } else { node.path_from(object.root()) };
        Thing { object: object.origin(), place: format!("{}:{}:{}", node.source().name(), position.line, position.column), field }
    }
    pub fn whole(object: &Object) -> Thing {
        Thing::at(object, object.name_node())
    }
    /// The object that Envoy's metadata names: `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews`
    /// is `VirtualService default/reviews`.
    pub fn of_metadata(source: &str) -> Option<Thing> {
        let mut parts = source.strip_prefix("/apis/")?.split('/').skip(2);
        let (Some("namespaces"), Some(namespace), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next(), parts.next()) else { return None };
        let words = kind.split('-').map(|w| w.chars().take(1).flat_map(char::to_uppercase).chain(w.chars().skip(1)).collect::<String>());
        Some(Thing { object: format!("{} {namespace}/{name}", words.collect::<String>()), place: String::new(), field: String::new() })
    }
}

/// A candidate that was passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    pub name: String,
    pub thing: Option<Thing>,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub stage: Stage,
    pub mark: Mark,
    pub says: String,
    pub thing: Option<Thing>,
    /// What would change it; "" where nothing needs to.
    pub change: String,
    pub misses: Vec<Miss>,
}

impl Step {
    pub fn new(stage: Stage, mark: Mark, says: impl Into<String>) -> Step {
        Step { stage, mark, says: says.into(), thing: None, change: String::new(), misses: Vec::new() }
    }
    pub fn thing(mut self, thing: impl Into<Option<Thing>>) -> Step {
        self.thing = thing.into();
        self
    }
    pub fn change(mut self, change: impl Into<String>) -> Step {
        self.change = change.into();
        self
    }
    pub fn misses(mut self, misses: Vec<Miss>) -> Step {
        self.misses = misses;
        self
    }
}

/// Steps at one place: the client, a share of its requests, a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub title: String,
    /// Others whose steps are the same.
    pub also: Vec<String>,
    pub steps: Vec<Step>,
}

/// How a share of the requests ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// In a million.
    pub share: u64,
    /// The cluster that it goes to, and the server that it reaches; "" for none.
    pub cluster: String,
    pub server: String,
    pub mark: Mark,
    pub says: String,
    /// What the client gets of a proxy; `None` where the application answers, or nobody does.
    pub status: Option<u16>,
    /// Response flags as the client's access log shows them; "" for none.
    pub flags: String,
    pub details: String,
}

/// The answer to one question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub from: String,
    pub request: String,
    pub parts: Vec<Part>,
    pub outcomes: Vec<Outcome>,
    pub assumptions: Vec<String>,
    /// What could not be seen or read.
    pub problems: Vec<String>,
}

impl Answer {
    /// The worst of steps and outcomes.
    pub fn mark(&self) -> Mark {
        let steps = self.parts.iter().flat_map(|p| &p.steps).map(|s| s.mark);
        steps.chain(self.outcomes.iter().map(|o| o.mark)).max().unwrap_or(Mark::NotJudged)
    }
    /// Whether everything that decides was seen.
    pub fn is_complete(&self) -> bool {
        let marks = self.parts.iter().flat_map(|p| &p.steps).map(|s| s.mark).chain(self.outcomes.iter().map(|o| o.mark));
        self.problems.is_empty() && !marks.into_iter().any(|m| m == Mark::NotJudged)
    }
    pub(super) fn assume(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.assumptions.contains(&text) {
            self.assumptions.push(text);
        }
    }
}
