//! From text to tree. Types are checked here, so that an error has its place.

use super::ast::{Aggregator, At, BinaryOp, Cardinality, Comparison, Expr, ExprKind, Grouping, Matching, Selector, Side, ValueType};
use super::functions::{self, FUNCTIONS, Function, Repeats, UNSUPPORTED};
use super::lexer::{Token, duration, lex};
use super::{Error, Span};
use crate::series::{Matcher, NAME, Op};

/// Deeper queries are refused: evaluation follows the tree's depth.
const DEPTH: usize = 100;

/// Aggregations that Prometheus has behind a feature flag.
const EXPERIMENTAL: &[&str] = &["limitk", "limit_ratio"];

pub fn parse(query: &str) -> Result<Expr, Error> {
    let mut parser = Parser { tokens: lex(query)?, at: 0, depth: 0 };
    let expr = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        other => Err(Error::at(parser.span(), format!("{} after the end of the expression", describe(other)))),
    }
}

/// A series selector alone, as `match[]` takes it.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Error> {
    let expr = parse(text)?;
    match expr.kind {
        ExprKind::Selector(Selector { matchers, range: None, offset: 0, at: None }) => Ok(matchers),
        _ => Err(Error::at(expr.span, "a series selector such as `name{label=\"value\"}` must stand here")),
    }
}

/// `5m`, `1h30m`. Milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    duration(text)
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: usize,
}

fn describe(token: &Token) -> String {
    match token {
        Token::Word(word) => format!("`{word}`"),
        Token::Number(_) => "a number".to_owned(),
        Token::Duration(_) => "a duration".to_owned(),
        Token::String(_) => "a string".to_owned(),
        Token::Sign(sign) => format!("`{sign}`"),
        Token::End => "the end".to_owned(),
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn after(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&Token::End, |t| &t.0)
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn next(&mut self) -> (Token, Span) {
        let token = self.tokens[self.at].clone();
        // The end is never passed.
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(s) if *s == sign)
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = self.is_sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, sign: &'static str, place: &str) -> Result<Span, Error> {
        let span = self.span();
        if self.accept(sign) { Ok(span) } else { Err(Error::at(span, format!("`{sign}` must {place}, not {}", describe(self.peek())))) }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(w) if w.eq_ignore_ascii_case(word))
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.next();
        }
        found
    }

    fn operator(&self) -> Option<BinaryOp> {
        use BinaryOp::*;
        Some(match self.peek() {
            Token::Sign("+") => Add,
            Token::Sign("-") => Subtract,
            Token::Sign("*") => Multiply,
            Token::Sign("/") => Divide,
            Token::Sign("%") => Modulo,
            Token::Sign("^") => Power,
            Token::Sign("==") => Equal,
            Token::Sign("!=") => NotEqual,
            Token::Sign("<") => Less,
            Token::Sign("<=") => LessEqual,
            Token::Sign(">") => Greater,
            Token::Sign(">=") => GreaterEqual,
            Token::Word(w) => match w.to_ascii_lowercase().as_str() {
                "and" => And,
                "or" => Or,
                "unless" => Unless,
                "atan2" => Atan2,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// An expression of operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Expr, Error> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(Error::at(self.span(), format!("more than {DEPTH} levels of nesting")));
        }
        let mut left = self.unary()?;
        while let Some(op) = self.operator().filter(|op| op.precedence() >= least) {
            let at = self.next().1;
            let matching = self.matching(op, at)?;
            // `^` groups from the right, all others from the left.
            let right = self.expression(op.precedence() + u8::from(op != BinaryOp::Power))?;
            left = binary(op, at, left, right, matching)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Error> {
        let start = self.span();
        let is_minus = self.is_sign("-");
        if !is_minus && !self.is_sign("+") {
            return self.postfix();
        }
        self.next();
        // A sign binds as `*` does: `-2^2` is -4.
        let of = self.expression(BinaryOp::Power.precedence())?;
        let span = start.to(of.span);
        match of.value_type() {
            ValueType::Scalar | ValueType::Vector => {}
            other => return Err(Error::at(span, format!("a sign before a {}; it takes a scalar or an instant vector", other.name()))),
        }
        let kind = match of.kind {
            ExprKind::Number(n) => ExprKind::Number(if is_minus { -n } else { n }),
            _ if is_minus => ExprKind::Negate(Box::new(of)),
            kind => kind,
        };
        Ok(Expr { kind, span })
    }

    fn postfix(&mut self) -> Result<Expr, Error> {
        let mut expr = self.primary()?;
        loop {
            let span = self.span();
            if self.accept("[") {
                let range = self.duration("a range such as `[5m]`")?;
                if self.is_sign(":") {
                    return Err(Error::at(span.to(self.span()), "subqueries (`[1h:5m]`) are not supported"));
                }
                let end = self.expect("]", "end a range")?;
                let whole = expr.span.to(end);
                match &mut expr.kind {
                    ExprKind::Selector(Selector { range: known @ None, offset: 0, at: None, .. }) if range > 0 => *known = Some(range),
                    ExprKind::Selector(Selector { range: None, offset: 0, at: None, .. }) => {
                        return Err(Error::at(span.to(end), "a range must be longer than 0"));
                    }
                    _ => return Err(Error::at(span.to(end), "a range can stand behind a selector alone, before its `offset`; subqueries are not supported")),
                }
                expr.span = whole;
            } else if self.accept_word("offset") {
                let is_back = self.accept("-");
                let offset = self.duration("an offset such as `offset 5m`")?;
                match &mut expr.kind {
                    ExprKind::Selector(Selector { offset: known @ 0, .. }) => *known = if is_back { -offset } else { offset },
                    _ => return Err(Error::at(span, "`offset` can stand once, and behind a selector alone")),
                }
            } else if self.accept("@") {
                let at = self.at_modifier()?;
                match &mut expr.kind {
                    ExprKind::Selector(Selector { at: known @ None, .. }) => *known = Some(at),
                    _ => return Err(Error::at(span, "`@` can stand once, and behind a selector alone")),
                }
            } else {
                return Ok(expr);
            }
        }
    }

    fn at_modifier(&mut self) -> Result<At, Error> {
        let is_negative = self.accept("-");
        let (token, span) = self.next();
        let named = match &token {
            Token::Number(seconds) if seconds.is_finite() && seconds.abs() < 1e15 => {
                let milliseconds = (seconds * 1000.0).round() as i64;
                return Ok(At::Time(if is_negative { -milliseconds } else { milliseconds }));
            }
            Token::Word(w) if w == "start" => At::Start,
            Token::Word(w) if w == "end" => At::End,
            _ => return Err(Error::at(span, "a time in seconds, `start()` or `end()` must follow `@`")),
        };
        self.expect("(", "follow `start` and `end`")?;
        self.expect(")", "follow `(`")?;
        Ok(named)
    }

    fn duration(&mut self, what: &str) -> Result<i64, Error> {
        let (token, span) = self.next();
        match token {
            Token::Duration(milliseconds) => Ok(milliseconds),
            // As of Prometheus 3 a bare number is seconds.
            Token::Number(seconds) if seconds.is_finite() && (0.0..1e12).contains(&seconds) => Ok((seconds * 1000.0).round() as i64),
            other => Err(Error::at(span, format!("{what} must stand here, not {}", describe(&other)))),
        }
    }

    fn primary(&mut self) -> Result<Expr, Error> {
        let (token, span) = (self.peek().clone(), self.span());
        match token {
            Token::Number(n) => {
                self.next();
                Ok(Expr { kind: ExprKind::Number(n), span })
            }
            Token::Duration(_) => Err(Error::at(span, "a duration stands in brackets or behind `offset`")),
            Token::String(text) => {
                self.next();
                Ok(Expr { kind: ExprKind::String(text), span })
            }
            Token::Sign("(") => {
                self.next();
                let inner = self.expression(0)?;
                let end = self.expect(")", "close the parenthesis")?;
                Ok(Expr { kind: ExprKind::Paren(Box::new(inner)), span: span.to(end) })
            }
            Token::Sign("{") => self.selector(None, span),
            Token::Word(word) => self.word(word, span),
            other => Err(Error::at(span, format!("an expression must stand here, not {}", describe(&other)))),
        }
    }

    fn word(&mut self, word: String, span: Span) -> Result<Expr, Error> {
        let lower = word.to_ascii_lowercase();
        if matches!(lower.as_str(), "inf" | "nan") && !matches!(self.after(), Token::Sign("{")) {
            self.next();
            return Ok(Expr { kind: ExprKind::Number(if lower == "inf" { f64::INFINITY } else { f64::NAN }), span });
        }
        let is_call = matches!(self.after(), Token::Sign("("));
        let is_grouped = matches!(self.after(), Token::Word(w) if w.eq_ignore_ascii_case("by") || w.eq_ignore_ascii_case("without"));
        if let Some(op) = Aggregator::by_name(&lower).filter(|_| is_call || is_grouped) {
            self.next();
            return self.aggregation(op, &lower, span);
        }
        if is_call {
            self.next();
            return self.call(&word, span);
        }
        if ["by", "without", "on", "ignoring", "group_left", "group_right", "offset", "bool", "and", "or", "unless", "atan2"].contains(&lower.as_str())
            && !matches!(self.after(), Token::Sign("{"))
        {
            return Err(Error::at(span, format!("an expression must stand here, not the keyword `{word}`")));
        }
        self.next();
        self.selector(Some(word), span)
    }

    fn selector(&mut self, name: Option<String>, start: Span) -> Result<Expr, Error> {
        let mut matchers = Vec::new();
        let mut span = start;
        let mut has_name = name.is_some();
        if let Some(name) = name {
            matchers.push(Matcher::new(NAME, Op::Equal, name).map_err(|e| Error::at(start, e))?);
        }
        if self.accept("{") {
            loop {
                if self.is_sign("}") {
                    break;
                }
                let (token, at) = self.next();
                match token {
                    Token::Word(label) if !label.contains(':') => matchers.push(self.matcher(label, at)?),
                    // Prometheus 3: a quoted label, or the metric's name.
                    Token::String(label) if matches!(self.peek(), Token::Sign("=" | "!=" | "=~" | "!~")) => matchers.push(self.matcher(label, at)?),
                    Token::String(name) if !has_name => {
                        has_name = true;
                        matchers.push(Matcher::new(NAME, Op::Equal, name).map_err(|e| Error::at(at, e))?);
                    }
                    Token::String(_) => return Err(Error::at(at, "the metric's name is given twice")),
                    other => return Err(Error::at(at, format!("a label's name must stand here, not {}", describe(&other)))),
                }
                if !self.accept(",") && !self.is_sign("}") {
                    return Err(Error::at(self.span(), format!("`,` or `}}` must follow a matcher, not {}", describe(self.peek()))));
                }
            }
            span = start.to(self.expect("}", "close the selector")?);
        }
        if matchers.iter().all(|m| m.matches("")) {
            return Err(Error::at(span, "a selector needs at least one matcher that the empty value does not fulfil, or it selects everything"));
        }
        Ok(Expr { kind: ExprKind::Selector(Selector { matchers, range: None, offset: 0, at: None }), span })
    }

    fn matcher(&mut self, label: String, at: Span) -> Result<Matcher, Error> {
        let op = match self.next() {
            (Token::Sign("="), _) => Op::Equal,
            (Token::Sign("!="), _) => Op::NotEqual,
            (Token::Sign("=~"), _) => Op::Matches,
            (Token::Sign("!~"), _) => Op::NotMatches,
            (other, span) => return Err(Error::at(span, format!("`=`, `!=`, `=~` or `!~` must follow the label `{label}`, not {}", describe(&other)))),
        };
        match self.next() {
            (Token::String(value), span) => Matcher::new(label, op, value).map_err(|e| Error::at(span, format!("not a regular expression: {e}"))),
            (other, span) => Err(Error::at(at.to(span), format!("a quoted value must follow `{label}{}`, not {}", op.text(), describe(&other)))),
        }
    }

    fn label_list(&mut self) -> Result<Vec<String>, Error> {
        self.expect("(", "start the list of labels")?;
        let mut labels = Vec::new();
        while !self.is_sign(")") {
            match self.next() {
                (Token::Word(label) | Token::String(label), _) if !label.contains(':') => labels.push(label),
                (other, span) => return Err(Error::at(span, format!("a label's name must stand here, not {}", describe(&other)))),
            }
            if !self.accept(",") && !self.is_sign(")") {
                return Err(Error::at(self.span(), format!("`,` or `)` must follow a label, not {}", describe(self.peek()))));
            }
        }
        self.next();
        Ok(labels)
    }

    fn grouping(&mut self) -> Result<Option<Grouping>, Error> {
        if self.accept_word("by") {
            Ok(Some(Grouping::By(self.label_list()?)))
        } else if self.accept_word("without") {
            Ok(Some(Grouping::Without(self.label_list()?)))
        } else {
            Ok(None)
        }
    }

    fn arguments(&mut self) -> Result<(Vec<Expr>, Span), Error> {
        self.expect("(", "start the arguments")?;
        let mut arguments = Vec::new();
        while !self.is_sign(")") {
            arguments.push(self.expression(0)?);
            if !self.accept(",") {
                break;
            }
        }
        let end = self.expect(")", "close the arguments")?;
        Ok((arguments, end))
    }

    fn aggregation(&mut self, op: Aggregator, name: &str, start: Span) -> Result<Expr, Error> {
        let before = self.grouping()?;
        let (mut arguments, mut end) = self.arguments()?;
        let grouping = match before {
            Some(grouping) => Some(grouping),
            None => {
                let grouping = self.grouping()?;
                if grouping.is_some() {
                    end = self.tokens[self.at - 1].1;
                }
                grouping
            }
        };
        let span = start.to(end);
        let wanted = 1 + usize::from(op.parameter().is_some());
        if arguments.len() != wanted {
            return Err(Error::at(span, format!("`{name}` takes {wanted} argument{}, not {}", if wanted == 1 { "" } else { "s" }, arguments.len())));
        }
        let of = arguments.pop().ok_or_else(|| Error::at(span, "no argument"))?;
        expect_type(&of, ValueType::Vector, name)?;
        let parameter = arguments.pop();
        if let (Some(parameter), Some(wanted)) = (&parameter, op.parameter()) {
            expect_type(parameter, wanted, name)?;
        }
        let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
        Ok(Expr { kind: ExprKind::Aggregate { op, of: Box::new(of), parameter: parameter.map(Box::new), grouping }, span })
    }

    fn call(&mut self, name: &str, start: Span) -> Result<Expr, Error> {
        let Some(function) = functions::by_name(name) else { return Err(Error::at(start, unknown(name))) };
        let (arguments, end) = self.arguments()?;
        let span = start.to(end);
        check_count(function, arguments.len(), span)?;
        for (index, argument) in arguments.iter().enumerate() {
            let wanted = function.arguments[index.min(function.arguments.len() - 1)];
            expect_type(argument, wanted, name)?;
        }
        Ok(Expr { kind: ExprKind::Call { function, arguments }, span })
    }

    fn matching(&mut self, op: BinaryOp, at: Span) -> Result<Matching, Error> {
        let cardinality = if op.is_set() { Cardinality::ManyToMany } else { Cardinality::OneToOne };
        let mut matching = Matching { labels: Grouping::Without(Vec::new()), cardinality, include: Vec::new(), result: Comparison::Filter };
        if self.is_word("bool") {
            let span = self.next().1;
            if !op.is_comparison() {
                return Err(Error::at(span, "`bool` goes with comparisons alone"));
            }
            matching.result = Comparison::Bool;
        }
        let mut has_labels = true;
        if self.accept_word("on") {
            matching.labels = Grouping::By(self.label_list()?);
        } else if self.accept_word("ignoring") {
            matching.labels = Grouping::Without(self.label_list()?);
        } else {
            has_labels = false;
        }
        for (word, side) in [("group_left", Side::Left), ("group_right", Side::Right)] {
            if self.is_word(word) {
                let span = self.next().1;
                if op.is_set() {
                    return Err(Error::at(span, format!("`{word}` does not go with `and`, `or` and `unless`")));
                }
                if !has_labels {
                    return Err(Error::at(at.to(span), format!("`{word}` needs `on(…)` or `ignoring(…)` before it")));
                }
                matching.cardinality = Cardinality::Many(side);
                if self.is_sign("(") {
                    matching.include = self.label_list()?;
                }
                if let Grouping::By(labels) = &matching.labels
                    && let Some(label) = matching.include.iter().find(|l| labels.contains(l))
                {
                    return Err(Error::at(span, format!("the label `{label}` stands both in `on(…)` and in `{word}(…)`")));
                }
            }
        }
        Ok(matching)
    }
}

fn expect_type(expr: &Expr, wanted: ValueType, name: &str) -> Result<(), Error> {
    let found = expr.value_type();
    if found == wanted {
        return Ok(());
    }
    let hint = match (wanted, found) {
        (ValueType::Matrix, ValueType::Vector) => "; add a range: `[5m]`",
        (ValueType::Vector, ValueType::Matrix) => "; remove its range, or put `rate(…)` around it",
        (ValueType::Vector, ValueType::Scalar) => "; `vector(…)` makes one",
        _ => "",
    };
    Err(Error::at(expr.span, format!("`{name}` takes a {} here, not a {}{hint}", wanted.name(), found.name())))
}

fn check_count(function: &Function, count: usize, span: Span) -> Result<(), Error> {
    let most = if function.repeats == Repeats::LastArgument { usize::MAX } else { function.arguments.len() };
    if (function.least..=most).contains(&count) {
        return Ok(());
    }
    let wanted = match (function.least, most) {
        (a, b) if a == b => format!("{a}"),
        (a, usize::MAX) => format!("at least {a}"),
        (a, b) => format!("{a} to {b}"),
    };
    Err(Error::at(span, format!("`{}` takes {wanted} arguments, not {count}", function.name)))
}

fn unknown(name: &str) -> String {
    if UNSUPPORTED.contains(&name) || EXPERIMENTAL.contains(&name) {
        return format!("the function `{name}` is not supported");
    }
    let lower = name.to_ascii_lowercase();
    let near = FUNCTIONS.iter().map(|f| f.name).chain(["sum", "avg", "max", "min", "count", "topk", "bottomk", "quantile"]);
    match near.map(|n| (distance(&lower, n), n)).min().filter(|(d, _)| *d <= 2) {
        Some((_, near)) => format!("there is no function `{name}`; did you mean `{near}`?"),
        None => format!("there is no function `{name}`"),
    }
}

/// How many letters must change to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

fn binary(op: BinaryOp, at: Span, left: Expr, right: Expr, matching: Matching) -> Result<Expr, Error> {
    let span = left.span.to(right.span);
    for side in [&left, &right] {
        if matches!(side.value_type(), ValueType::Matrix | ValueType::String) {
            return Err(Error::at(side.span, format!("an operator takes scalars and instant vectors, not a {}", side.value_type().name())));
        }
    }
    let scalars = [&left, &right].iter().filter(|e| e.value_type() == ValueType::Scalar).count();
    if op.is_set() && scalars > 0 {
        return Err(Error::at(at, "`and`, `or` and `unless` take two instant vectors"));
    }
    if scalars == 2 && op.is_comparison() && matching.result == Comparison::Filter {
        return Err(Error::at(at, "a comparison of two scalars needs `bool`"));
    }
    let has_matching = matching.labels != Grouping::Without(Vec::new()) || matches!(matching.cardinality, Cardinality::Many(_));
    if scalars > 0 && has_matching {
        return Err(Error::at(at, "`on`, `ignoring` and `group_…` go between two instant vectors alone"));
    }
    Ok(Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right), matching }, span })
}
