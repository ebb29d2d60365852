//! From text to an expression.

use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Term(Term),
}

/// What a term is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Node,
    Edge,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Text {
        of: Text,
        op: TextOp,
        value: String,
    },
    Number {
        of: Number,
        op: NumberOp,
        value: f64,
    },
    Is(Mark),
    /// A label of Kubernetes that is there.
    HasLabel(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text {
    App,
    Cluster,
    /// Of operation, app, service or workload.
    Name,
    Namespace,
    /// The node's type.
    Node,
    Operation,
    Service,
    Version,
    Workload,
    Label(String),
    DestinationPrincipal,
    SourcePrincipal,
    Protocol,
    /// Of the response flags, one by one.
    Flag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Rank,
    HttpIn,
    HttpOut,
    GrpcIn,
    GrpcOut,
    TcpIn,
    TcpOut,
    Http,
    Grpc,
    Tcp,
    HttpErrors,
    HttpShare,
    GrpcErrors,
    GrpcShare,
    ResponseTime,
    Throughput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    CircuitBreaker,
    Dead,
    FaultInjection,
    Healthy,
    Idle,
    Inaccessible,
    Mirroring,
    OutOfMesh,
    Outside,
    RequestRouting,
    RequestTimeout,
    ServiceEntry,
    Sidecar,
    TcpTrafficShifting,
    TrafficShifting,
    TrafficSource,
    VirtualService,
    WorkloadEntry,
    Mtls,
    Traffic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextOp {
    Equal,
    Contains,
    StartsWith,
    EndsWith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberOp {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindError {
    /// Characters before it.
    pub at: usize,
    pub message: String,
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.message)
    }
}

impl Term {
    pub fn sort(&self) -> Sort {
        use {Mark as M, Number as N, Text as T};
        match self {
            Term::Text { of: T::DestinationPrincipal | T::SourcePrincipal | T::Protocol | T::Flag, .. } | Term::Is(M::Mtls | M::Traffic) => Sort::Edge,
            Term::Number { of, .. } => match of {
                N::Rank | N::HttpIn | N::HttpOut | N::GrpcIn | N::GrpcOut | N::TcpIn | N::TcpOut => Sort::Node,
                _ => Sort::Edge,
            },
            Term::Text { .. } | Term::Is(_) | Term::HasLabel(_) => Sort::Node,
        }
    }
}

/// Sorts of all terms: nodes, edges.
fn sorts(expr: &Expr) -> (bool, bool) {
    match expr {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().map(sorts).fold((false, false), |a, b| (a.0 || b.0, a.1 || b.1)),
        Expr::Not(inner) => sorts(inner),
        Expr::Term(term) => (term.sort() == Sort::Node, term.sort() == Sort::Edge),
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Token {
    text: String,
    at: usize,
    /// A quoted text is a value, whatever it says.
    is_quoted: bool,
}

/// Operators, the longest first.
const OPERATORS: [&str; 13] = ["!*=", "!^=", "!$=", "!=", ">=", "<=", "*=", "^=", "$=", "=", ">", "<", "!"];

fn tokens(text: &str) -> Result<Vec<Token>, FindError> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let start = at;
        let operator = OPERATORS.iter().find(|o| o.chars().eq(chars[at..].iter().copied().take(o.len())));
        let (text, is_quoted) = if matches!(c, '(' | ')') {
            at += 1;
            (c.to_string(), false)
        } else if let Some(operator) = operator {
            at += operator.len();
            ((*operator).to_owned(), false)
        } else if matches!(c, '"' | '\'') {
            let end = chars[at + 1..].iter().position(|d| *d == c).ok_or_else(|| FindError { at, message: "the quote does not end".to_owned() })?;
            let inner = chars[at + 1..at + 1 + end].iter().collect();
            at += end + 2;
            (inner, true)
        } else {
            while at < chars.len() && !chars[at].is_whitespace() && !matches!(chars[at], '(' | ')' | '=' | '!' | '<' | '>') && !is_operator(&chars[at..]) {
                at += 1;
            }
            (chars[start..at].iter().collect(), false)
        };
        out.push(Token { text, at: start, is_quoted });
    }
    Ok(out)
}

/// `*=`, `^=` and `$=` end a word; the characters alone do not.
fn is_operator(chars: &[char]) -> bool {
    matches!(chars, ['*' | '^' | '$', '=', ..])
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
}

/// Parentheses in each other.
const DEPTH: usize = 64;

pub(super) fn parse(text: &str) -> Result<Expr, FindError> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.chars().count() };
    let expr = parser.or(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(token) => Err(FindError { at: token.at, message: format!("`{}` is not expected here: `and` or `or` joins two conditions", token.text) }),
    }
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn at(&self) -> usize {
        self.peek().map_or(self.end, |t| t.at)
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, FindError> {
        Err(FindError { at: self.at(), message: message.into() })
    }

    /// Takes the next token if it is one of these words.
    fn take(&mut self, words: &[&str]) -> bool {
        let is_one = self.peek().is_some_and(|t| !t.is_quoted && words.iter().any(|w| t.text.eq_ignore_ascii_case(w)));
        self.next += usize::from(is_one);
        is_one
    }

    fn or(&mut self, depth: usize) -> Result<Expr, FindError> {
        let mut parts = vec![self.and(depth)?];
        while self.take(&["or"]) {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, FindError> {
        let start = self.at();
        let mut parts = vec![self.not(depth)?];
        while self.take(&["and"]) {
            parts.push(self.not(depth)?);
        }
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let expr = Expr::And(parts);
        if sorts(&expr) == (true, true) {
            return Err(FindError { at: start, message: "`and` joins conditions on nodes with conditions on edges: nothing is both; use `or`".to_owned() });
        }
        Ok(expr)
    }

    fn not(&mut self, depth: usize) -> Result<Expr, FindError> {
        let mut is_negated = false;
        while self.take(&["!", "not"]) {
            is_negated = !is_negated;
        }
        if is_negated {
            return Ok(Expr::Not(Box::new(self.not(depth)?)));
        }
        if self.take(&["("]) {
            if depth == DEPTH {
                return self.fail("parentheses stand too deep in each other");
            }
            let inner = self.or(depth + 1)?;
            return if self.take(&[")"]) { Ok(inner) } else { self.fail("a `)` is missing") };
        }
        self.term()
    }

    fn term(&mut self) -> Result<Expr, FindError> {
        self.take(&["is", "has"]);
        let Some(token) = self.peek().cloned() else { return self.fail("a condition is missing") };
        self.next += 1;
        let word = token.text.to_ascii_lowercase();
        let is_negated = |text: &str| text.starts_with('!');
        let not_word =
            self.peek().is_some_and(|t| t.text.eq_ignore_ascii_case("not") || t.text == "!") && self.tokens.get(self.next + 1).is_some_and(is_word_operator);
        self.next += usize::from(not_word);
        let operator = self
            .peek()
            .filter(|t| !t.is_quoted && (OPERATORS.contains(&t.text.as_str()) && t.text != "!" || is_word_operator(t)))
            .map(|t| t.text.to_ascii_lowercase());
        let label = token.text.get(..6).filter(|p| p.eq_ignore_ascii_case("label:")).map(|_| token.text[6..].to_owned());
        let Some(operator) = operator else {
            if let Some(label) = label {
                return Ok(Expr::Term(Term::HasLabel(label)));
            }
            return match mark(&word) {
                Some(mark) => Ok(Expr::Term(Term::Is(mark))),
                None => {
                    Err(FindError { at: token.at, message: format!("`{}` is no property; some are healthy, idle, dead, outofmesh, mtls, traffic", token.text) })
                }
            };
        };
        self.next += 1;
        let Some(value) = self.peek().cloned().filter(|t| t.is_quoted || !matches!(t.text.as_str(), "(" | ")")) else {
            return self.fail("a value is missing");
        };
        self.next += 1;
        let is_not = is_negated(&operator) ^ not_word;
        let operator = operator.trim_start_matches('!');
        let term = if let Some(of) = number(&word) {
            let op = match operator {
                "=" => NumberOp::Equal,
                ">" => NumberOp::Greater,
                ">=" => NumberOp::GreaterOrEqual,
                "<" => NumberOp::Less,
                "<=" => NumberOp::LessOrEqual,
                _ => return Err(FindError { at: token.at, message: format!("`{word}` is a number: = != < <= > >= compare it") }),
            };
            // `NaN` is what has no value.
            let number = value.text.trim_end_matches('%').parse().map_err(|_| FindError { at: value.at, message: format!("`{}` is no number", value.text) })?;
            Term::Number { of, op, value: number }
        } else if let Some(of) = label.map(Text::Label).or_else(|| text_of(&word)) {
            let op = match operator {
                "=" => TextOp::Equal,
                "*=" | "contains" => TextOp::Contains,
                "^=" | "startswith" => TextOp::StartsWith,
                "$=" | "endswith" => TextOp::EndsWith,
                _ => return Err(FindError { at: token.at, message: format!("`{word}` is a text: = != *= ^= $= and their negations compare it") }),
            };
            Term::Text { of, op, value: value.text }
        } else {
            return Err(FindError {
                at: token.at,
                message: format!("`{}` is nothing that can be compared; some are name, app, ns, httpin, rt, %httperr", token.text),
            });
        };
        Ok(if is_not { Expr::Not(Box::new(Expr::Term(term))) } else { Expr::Term(term) })
    }
}

fn is_word_operator(token: &Token) -> bool {
    !token.is_quoted && ["contains", "startswith", "endswith"].iter().any(|w| token.text.eq_ignore_ascii_case(w))
}

fn text_of(word: &str) -> Option<Text> {
    Some(match word {
        "app" => Text::App,
        "cluster" => Text::Cluster,
        "name" => Text::Name,
        "namespace" | "ns" => Text::Namespace,
        "node" => Text::Node,
        "operation" | "op" => Text::Operation,
        "service" | "svc" => Text::Service,
        "version" => Text::Version,
        "workload" | "wl" => Text::Workload,
        "destprincipal" => Text::DestinationPrincipal,
        "sourceprincipal" => Text::SourcePrincipal,
        "protocol" => Text::Protocol,
        "flag" => Text::Flag,
        _ => return None,
    })
}

fn number(word: &str) -> Option<Number> {
    Some(match word {
        "rank" => Number::Rank,
        "httpin" => Number::HttpIn,
        "httpout" => Number::HttpOut,
        "grpcin" => Number::GrpcIn,
        "grpcout" => Number::GrpcOut,
        "tcpin" => Number::TcpIn,
        "tcpout" => Number::TcpOut,
        "http" => Number::Http,
        "grpc" => Number::Grpc,
        "tcp" => Number::Tcp,
        "%httperr" | "%httperror" => Number::HttpErrors,
        "%httptraffic" => Number::HttpShare,
        "%grpcerr" | "%grpcerror" => Number::GrpcErrors,
        "%grpctraffic" => Number::GrpcShare,
        "responsetime" | "rt" => Number::ResponseTime,
        "throughput" => Number::Throughput,
        _ => return None,
    })
}

fn mark(word: &str) -> Option<Mark> {
    Some(match word {
        "circuitbreaker" | "cb" => Mark::CircuitBreaker,
        "dead" => Mark::Dead,
        "faultinjection" | "fi" => Mark::FaultInjection,
        "healthy" => Mark::Healthy,
        "idle" => Mark::Idle,
        "inaccessible" => Mark::Inaccessible,
        "mirroring" => Mark::Mirroring,
        "outofmesh" | "om" => Mark::OutOfMesh,
        "outside" | "outsider" => Mark::Outside,
        "requestrouting" | "rr" => Mark::RequestRouting,
        "requesttimeout" | "rto" => Mark::RequestTimeout,
        "serviceentry" | "se" => Mark::ServiceEntry,
        "sidecar" | "sc" => Mark::Sidecar,
        "tcptrafficshifting" | "tcpts" => Mark::TcpTrafficShifting,
        "trafficshifting" | "ts" => Mark::TrafficShifting,
        "trafficsource" | "root" => Mark::TrafficSource,
        "virtualservice" | "vs" => Mark::VirtualService,
        "workloadentry" | "we" => Mark::WorkloadEntry,
        "mtls" => Mark::Mtls,
        "traffic" => Mark::Traffic,
        _ => return None,
    })
}
