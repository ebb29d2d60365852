//! The language that finds and hides nodes and edges of the graph: Kiali's, with its mistakes mended.
//!
//! ```text
//! expression := clause { or clause }          and binds tighter than or
//! clause     := term { [and] term }           all about nodes, or all about edges
//! term       := field operator value | [not] [is|has] word
//! operator   := = != > >= < <= *= ^= $= (contains, begins, ends), each with ! before it
//! ```
//!
//! `err > 1 and protocol = http`, `!healthy`, `rt > 200 or mtls < 100`, `ns=shop workload^=cart`.

use crate::graph::{Edge, Flow, Health, Node, View};
use crate::world::Traffic;
use crate::world::traffic::{Call, Key, Load};

/// An expression that was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Find {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq)]
struct Clause {
    about: About,
    terms: Vec<Term>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Nodes,
    Edges,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    is_not: bool,
    field: &'static str,
    /// `None` for what is so or is not.
    test: Option<(Operator, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Contains,
    Starts,
    Ends,
}

/// What was found of a view: a mark for every node and for every edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    pub nodes: Vec<bool>,
    pub edges: Vec<bool>,
}

/// Fields with their other names: of nodes, compared as texts or numbers.
const NODE_FIELDS: &[&[&str]] = &[
    &["name"],
    &["namespace", "ns"],
    &["app"],
    &["cluster"],
    &["kind", "node"],
    &["service", "svc"],
    &["version"],
    &["workload", "wl"],
    &["operation", "op"],
    &["health"],
    &["in"],
    &["out"],
    &["errin"],
    &["errout"],
];
/// What a node is or has.
const NODE_WORDS: &[&[&str]] = &[
    &["healthy"],
    &["failing"],
    &["idle"],
    &["circuitbreaker", "cb"],
    &["faultinjection", "fi"],
    &["mirroring"],
    &["gateway"],
    &["serviceentry", "se"],
    &["virtualservice", "vs", "requestrouting", "rr"],
    &["requesttimeout", "rto"],
    &["trafficshifting", "ts"],
    &["trafficsource", "root"],
    &["outofmesh", "om"],
];
const EDGE_FIELDS: &[&[&str]] = &[
    &["err", "%err", "%httperr", "%httperror", "%grpcerr", "%grpcerror"],
    &["rate", "http", "grpc"],
    &["tcp", "bytes"],
    &["responsetime", "rt"],
    &["mtls"],
    &["protocol"],
    &["code"],
    &["flags"],
    &["sourceprincipal"],
    &["destprincipal"],
];
const EDGE_WORDS: &[&[&str]] = &[&["mtls"], &["traffic"], &["plain"]];

/// The first name of a field that is called so.
fn find_in(table: &[&'static [&'static str]], name: &str) -> Option<&'static str> {
    table.iter().find(|names| names.iter().any(|n| n.eq_ignore_ascii_case(name))).map(|names| names[0])
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// With a `!` before it or not.
    Operator(Operator, bool),
    Not,
}

/// Longer ones first.
const OPERATORS: [(&str, Operator); 8] = [
    (">=", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("*=", Operator::Contains),
    ("^=", Operator::Starts),
    ("$=", Operator::Ends),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (is_not, after) = rest.strip_prefix('!').map_or((false, rest), |r| (true, r));
        if let Some((mark, operator)) = OPERATORS.iter().find(|(mark, _)| after.starts_with(mark)) {
            out.push(Token::Operator(*operator, is_not));
            rest = &after[mark.len()..];
        } else if is_not {
            out.push(Token::Not);
            rest = after;
        } else if first == '"' {
            let (word, after) = rest[1..].split_once('"').ok_or_else(|| format!("the quotation mark is not closed: {rest}"))?;
            out.push(Token::Word(word.to_owned()));
            rest = after;
        } else {
            let end = rest.find(|c: char| c.is_whitespace() || "!=<>\"".contains(c)).unwrap_or(rest.len());
            // `*`, `^` and `$` belong to an operator before `=` alone.
            let end = if rest[end..].starts_with('=') && rest[..end].ends_with(['*', '^', '$']) { end - 1 } else { end };
            let (word, after) = rest.split_at(end.max(first.len_utf8()));
            out.push(match word.to_lowercase().as_str() {
                "contains" => Token::Operator(Operator::Contains, false),
                "startswith" => Token::Operator(Operator::Starts, false),
                "endswith" => Token::Operator(Operator::Ends, false),
                "not" => Token::Not,
                _ => Token::Word(word.to_owned()),
            });
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

impl Find {
    /// Reads an expression; "" finds nothing. The error says what is wrong.
    pub fn parse(text: &str) -> Result<Find, String> {
        let tokens = tokens(text)?;
        let mut clauses: Vec<Vec<(About, Term)>> = vec![Vec::new()];
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                Token::Word(w) if w.eq_ignore_ascii_case("and") => at += 1,
                Token::Word(w) if w.eq_ignore_ascii_case("or") => {
                    clauses.push(Vec::new());
                    at += 1;
                }
                _ => {
                    let (about, term, next) = term(&tokens, at)?;
                    clauses.last_mut().into_iter().for_each(|c| c.push((about, term.clone())));
                    at = next;
                }
            }
        }
        if clauses.len() > 1 && clauses.iter().any(Vec::is_empty) {
            return Err("something is missing beside `or`".to_owned());
        }
        let clause = |terms: Vec<(About, Term)>| {
            let about = terms[0].0;
            match terms.iter().all(|(a, _)| *a == about) {
                true => Ok(Clause { about, terms: terms.into_iter().map(|(_, t)| t).collect() }),
                false => Err("what stands between two `or` must be about nodes, or about edges: `err > 1 or ns = shop`".to_owned()),
            }
        };
        Ok(Find { clauses: clauses.into_iter().filter(|c| !c.is_empty()).map(clause).collect::<Result<_, _>>()? })
    }
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }
    /// What of a view it fits. Namespaces that are drawn as one node are judged by what they sum up.
    pub fn hits(&self, view: &View, traffic: Option<&Traffic>) -> Hits {
        let clauses = |about: About| self.clauses.iter().filter(move |c| c.about == about);
        let keys: Vec<Key> = view.nodes().iter().map(|n| (n.namespace.clone(), n.name.clone())).collect();
        let mut has_callers = vec![false; keys.len()];
        view.edges().iter().filter(|e| e.from != e.to).for_each(|e| has_callers[e.to] = true);
        let node = |i: usize| {
            let subject = Of { node: &view.nodes()[i], load: traffic.and_then(|t| t.loads.get(&keys[i])), has_callers: has_callers[i] };
            clauses(About::Nodes).any(|c| c.terms.iter().all(|t| t.fits_node(&subject)))
        };
        let edge = |e: &Edge| {
            let calls: Vec<&Call> = traffic.into_iter().flat_map(|t| t.between(&keys[e.from], &keys[e.to])).collect();
            clauses(About::Edges).any(|c| c.terms.iter().all(|t| t.fits_edge(e, &calls)))
        };
        let has_edges = clauses(About::Edges).next().is_some();
        Hits { nodes: (0..keys.len()).map(node).collect(), edges: view.edges().iter().map(|e| has_edges && edge(e)).collect() }
    }
    /// The view without what it fits: edges of hidden nodes go too, and nodes of which every edge is hidden.
    pub fn hide(&self, view: &View, traffic: Option<&Traffic>) -> View {
        if self.is_empty() {
            return view.clone();
        }
        let hits = self.hits(view, traffic);
        let mut edges = vec![0_usize; view.nodes().len()];
        let mut left = vec![0_usize; view.nodes().len()];
        for (i, e) in view.edges().iter().enumerate() {
            let is_left = !hits.edges[i] && !hits.nodes[e.from] && !hits.nodes[e.to];
            for end in [e.from, e.to] {
                edges[end] += 1;
                left[end] += usize::from(is_left);
            }
        }
        let keep: Vec<bool> = (0..view.nodes().len()).map(|n| !hits.nodes[n] && (edges[n] == 0 || left[n] > 0)).collect();
        let gone: std::collections::BTreeSet<(usize, usize)> = view.edges().iter().zip(&hits.edges).filter(|(_, h)| **h).map(|(e, _)| (e.from, e.to)).collect();
        view.part(&keep, |e| !gone.contains(&(e.from, e.to)))
    }
}

/// One term from a place on, and the place behind it.
fn term(tokens: &[Token], start: usize) -> Result<(About, Term, usize), String> {
    let mut at = start;
    let mut is_not = false;
    while tokens.get(at) == Some(&Token::Not) {
        is_not = !is_not;
        at += 1;
    }
    if matches!(tokens.get(at), Some(Token::Word(w)) if w.eq_ignore_ascii_case("is") || w.eq_ignore_ascii_case("has")) {
        at += 1;
    }
    let Some(Token::Word(name)) = tokens.get(at) else { return Err("a field or a word such as `healthy` must stand before an operator".to_owned()) };
    at += 1;
    // `not` may stand before an operator that is a word.
    let negates = tokens.get(at) == Some(&Token::Not) && matches!(tokens.get(at + 1), Some(Token::Operator(..)));
    let operator = tokens.get(at + usize::from(negates));
    if let Some(Token::Operator(operator, not)) = operator {
        let (about, field) = match (find_in(EDGE_FIELDS, name), find_in(NODE_FIELDS, name)) {
            (Some(field), _) => (About::Edges, field),
            (None, Some(field)) => (About::Nodes, field),
            (None, None) => return Err(unknown(name, &[NODE_FIELDS, EDGE_FIELDS])),
        };
        at += usize::from(negates) + 1;
        let Some(Token::Word(value)) = tokens.get(at) else { return Err(format!("a value must stand behind `{name}` and its operator")) };
        return Ok((about, Term { is_not: is_not ^ not ^ negates, field, test: Some((*operator, value.clone())) }, at + 1));
    }
    let (about, field) = match (find_in(NODE_WORDS, name), find_in(EDGE_WORDS, name)) {
        (Some(field), _) => (About::Nodes, field),
        (None, Some(field)) => (About::Edges, field),
        (None, None) if find_in(NODE_FIELDS, name).or(find_in(EDGE_FIELDS, name)).is_some() => {
            return Err(format!("`{name}` is compared with something: `{name} = …`, `{name} > …`"));
        }
        (None, None) => return Err(unknown(name, &[NODE_WORDS, EDGE_WORDS])),
    };
    Ok((about, Term { is_not, field, test: None }, at))
}

fn unknown(name: &str, tables: &[&[&'static [&'static str]]]) -> String {
    let all: Vec<&str> = tables.iter().flat_map(|t| t.iter()).map(|names| names[0]).collect();
    let near = all.iter().min_by_key(|n| crate::keys::distance(name, n)).filter(|n| crate::keys::distance(name, n) <= 2);
    match near {
        Some(near) => format!("nothing is known as `{name}`; is `{near}` meant?"),
        None => format!("nothing is known as `{name}`; there are {}", all.join(", ")),
    }
}

/// A node and what is known of it.
struct Of<'o> {
    node: &'o Node,
    load: Option<&'o Load>,
    has_callers: bool,
}

impl Term {
    fn fits_node(&self, of: &Of<'_>) -> bool {
        let load = of.load;
        let text = |t: &str| self.compares(&[t]);
        let of_kind = |kind: &str| if load.is_some_and(|l| l.kind == kind) { self.compares(&[&of.node.name]) } else { self.compares(&[]) };
        let inbound = load.map(|l| l.inbound).or(of.node.flow);
        let has = |badge: char| of.node.badges.contains(badge);
        let found = match (&self.test, self.field) {
            (Some(_), "name") => {
                let services = load.map_or(&[][..], |l| l.services.as_slice());
                self.compares(&services.iter().map(|(_, s)| s.as_str()).chain([of.node.name.as_str(), load.map_or("", |l| &l.app)]).collect::<Vec<_>>())
            }
            (Some(_), "namespace") => text(load.map_or(&of.node.namespace, |l| &l.namespace)),
            (Some(_), "app") => text(load.map_or("", |l| &l.app)),
            (Some(_), "cluster") => text(load.map_or("", |l| &l.cluster)),
            (Some(_), "kind") => text(load.map_or(&of.node.figures, |l| l.kind)),
            (Some(_), "service") => {
                let services = load.map_or(&[][..], |l| l.services.as_slice());
                self.compares(&services.iter().map(|(_, s)| s.as_str()).collect::<Vec<_>>())
            }
            (Some(_), "version") => text(load.map_or("", |l| &l.version)),
            (Some(_), "workload") => of_kind("workload"),
            (Some(_), "operation") => of_kind("operation"),
            (Some(_), "health") => text(name_of(of.node.health)),
            (Some(_), "in") => self.measures(inbound.map(|f| amount(&f))),
            (Some(_), "out") => self.measures(load.map(|l| amount(&l.outbound))),
            (Some(_), "errin") => self.measures(inbound.and_then(|f| f.errors())),
            (Some(_), "errout") => self.measures(load.and_then(|l| l.outbound.errors())),
            (None, "healthy") => !matches!(of.node.health, Health::Degraded | Health::Failing),
            (None, "failing") => of.node.health == Health::Failing,
            (None, "idle") => of.node.health == Health::Idle,
            (None, "circuitbreaker") => has('C'),
            (None, "faultinjection") => has('F'),
            (None, "mirroring") => has('M'),
            (None, "gateway") => has('G'),
            (None, "serviceentry") => has('E'),
            (None, "virtualservice") => has('V'),
            (None, "requesttimeout") => has('T'),
            (None, "trafficshifting") => has('S'),
            (None, "trafficsource") => !of.has_callers,
            (None, "outofmesh") => load.is_some_and(|l| l.is_out_of_mesh),
            _ => false,
        };
        found != self.is_not
    }
    fn fits_edge(&self, edge: &Edge, calls: &[&Call]) -> bool {
        let flow = edge.flow;
        let endings = |of: fn(&crate::world::traffic::Ending) -> &str| -> Vec<&str> { calls.iter().flat_map(|c| &c.endings).map(of).collect() };
        let found = match (&self.test, self.field) {
            (Some(_), "err") => self.measures(flow.and_then(|f| f.errors())),
            (Some(_), "rate") => self.measures(flow.map(|f| f.requests)),
            (Some(_), "tcp") => self.measures(flow.map(|f| f.bytes)),
            (Some(_), "responsetime") => self.measures(flow.and_then(|f| f.p95)),
            (Some(_), "mtls") => self.measures(flow.and_then(|f| f.mtls())),
            (Some(_), "protocol") => self.compares(&calls.iter().map(|c| c.protocol.as_str()).collect::<Vec<_>>()),
            (Some(_), "code") => self.compares(&endings(|e| &e.code)),
            (Some(_), "flags") => self.compares(&endings(|e| &e.flags)),
            (Some(_), "sourceprincipal") => self.compares(&calls.iter().map(|c| c.source_principal.as_str()).collect::<Vec<_>>()),
            (Some(_), "destprincipal") => self.compares(&calls.iter().map(|c| c.destination_principal.as_str()).collect::<Vec<_>>()),
            (None, "mtls") => flow.and_then(|f| f.mtls()).is_some_and(|p| p > 0.0),
            (None, "plain") => flow.and_then(|f| f.mtls()).is_some_and(|p| p < 100.0),
            (None, "traffic") => flow.is_some_and(|f| !f.is_idle()),
            _ => false,
        };
        found != self.is_not
    }
    /// Whether one of the values fits, case not counting.
    fn compares(&self, values: &[&str]) -> bool {
        let Some((operator, wanted)) = &self.test else { return false };
        if wanted.eq_ignore_ascii_case("nan") {
            return values.iter().all(|v| v.is_empty());
        }
        let wanted = wanted.to_lowercase();
        values.iter().any(|value| {
            let value = value.to_lowercase();
            match operator {
                Operator::Equal => value == wanted,
                Operator::Contains => value.contains(&wanted),
                Operator::Starts => value.starts_with(&wanted),
                Operator::Ends => value.ends_with(&wanted),
                Operator::Greater => value > wanted,
                Operator::GreaterEqual => value >= wanted,
                Operator::Less => value < wanted,
                Operator::LessEqual => value <= wanted,
            }
        })
    }
    /// A number that is not known fits nothing but `= NaN`.
    fn measures(&self, value: Option<f64>) -> bool {
        let Some((operator, wanted)) = &self.test else { return false };
        if wanted.eq_ignore_ascii_case("nan") {
            return value.is_none();
        }
        let wanted = match wanted.to_lowercase().as_str() {
            "off" => 0.0,
            "on" => 100.0,
            text => match text.trim_end_matches('%').parse::<f64>() {
                Ok(n) => n,
                Err(_) => return false,
            },
        };
        // `!= 5` does not find what has no value.
        let Some(value) = value else { return self.is_not };
        match operator {
            Operator::Greater => value > wanted,
            Operator::GreaterEqual => value >= wanted,
            Operator::Less => value < wanted,
            Operator::LessEqual => value <= wanted,
            _ => (value - wanted).abs() < 1e-9,
        }
    }
}

fn amount(flow: &Flow) -> f64 {
    if flow.requests > 0.0 { flow.requests } else { flow.bytes }
}

/// The word for a health in filters, expressions and text.
pub fn name_of(health: Health) -> &'static str {
    match health {
        Health::Failing => "failing",
        Health::Degraded => "degraded",
        Health::Ok => "ok",
        Health::Idle => "idle",
        Health::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        let node = |namespace: &str, name: &str, health, badges: &str| Node {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            health,
            badges: badges.to_owned(),
            ..Node::default()
        };
        let nodes = vec![
            node("shop", "api", Health::Ok, "V"),
            node("shop", "cart", Health::Failing, "CF"),
            node("pay", "ledger", Health::Idle, ""),
            node("pay", "card", Health::Ok, ""),
        ];
        let edge = |from, to, requests, failed, mtls: f64| Edge {
            from,
            to,
            health: Health::Ok,
            label: String::new(),
            flow: Some(Flow { requests, failed, p95: Some(requests * 10.0), secure: mtls, judged: 1.0, ..Flow::default() }),
        };
        // View::new sorts: card, ledger, api, cart.
        View::new(nodes, vec![edge(0, 1, 10.0, 2.0, 1.0), edge(1, 3, 5.0, 0.0, 0.0), edge(0, 3, 1.0, 0.0, 1.0)])
    }

    fn found(text: &str) -> (String, String) {
        let view = view();
        let hits = Find::parse(text).expect(text).hits(&view, None);
        let name = |i: usize| view.nodes()[i].name.as_str();
        let nodes: Vec<&str> = (0..4).filter(|i| hits.nodes[*i]).map(name).collect();
        let edges: Vec<String> = view.edges().iter().zip(&hits.edges).filter(|(_, h)| **h).map(|(e, _)| format!("{}>{}", name(e.from), name(e.to))).collect();
        (nodes.join(" "), edges.join(" "))
    }

    #[test]
    fn fields_words_and_their_opposites() {
        for (text, nodes, edges) in [
            ("", "", ""),
            ("ns=shop", "api cart", ""),
            ("NS = Shop AND name ^= c", "cart", ""),
            ("ns=shop name^=c", "cart", ""),
            ("name *= ar", "card cart", ""),
            ("name not contains ar", "ledger api", ""),
            ("name !$= t", "card ledger api", ""),
            ("!healthy", "cart", ""),
            ("not is healthy", "cart", ""),
            ("! idle ns=pay", "card", ""),
            ("has cb or vs", "api cart", ""),
            ("trafficsource", "ledger api", ""),
            ("err > 1", "", "api>cart"),
            ("err>=20 or rt<20", "", "api>card api>cart"),
            ("mtls = off", "", "cart>card"),
            ("plain", "", "cart>card"),
            ("!mtls", "", "cart>card"),
            ("err > 1 or ns = pay", "card ledger", "api>cart"),
            // and binds tighter than or
            ("ns=shop fi or ns=pay idle", "ledger cart", ""),
            ("in = NaN", "card ledger api cart", ""),
            ("rt != 100", "", "api>card cart>card"),
            ("name = \"cart\"", "cart", ""),
        ] {
            assert_eq!(found(text), (nodes.to_owned(), edges.to_owned()), "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (text, part) in [
            ("heathy", "is `healthy` meant?"),
            ("err >", "a value must stand behind `err`"),
            ("> 1", "must stand before an operator"),
            ("err > 1 ns = shop", "about nodes, or about edges"),
            ("ns=a or", "something is missing beside `or`"),
            ("name", "is compared with something"),
            ("name = \"x", "not closed"),
            ("colour = red", "there are name, namespace"),
        ] {
            let error = Find::parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn hiding_takes_edges_of_nodes_and_nodes_without_edges_along() {
        let names = |text: &str| {
            let left = Find::parse(text).expect(text).hide(&view(), None);
            left.nodes().iter().map(|n| n.name.clone()).collect::<Vec<_>>().join(" ") + &format!(" {}", left.edges().len())
        };
        assert_eq!(names("name=cart"), "card ledger api 1");
        assert_eq!(names("name=card"), "ledger api cart 1");
        // card loses both of its edges; ledger never had one.
        assert_eq!(names("rt < 60"), "ledger api cart 1");
        assert_eq!(names(""), "card ledger api cart 3");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-z!=<>*^$\" %0-9]{0,40}") {
            if let Ok(find) = Find::parse(&text) {
                find.hide(&view(), None);
            }
        }
    }
}
