//! The tree of a query. Every node knows its place in the text.

use super::Span;
use super::functions::Function;
use crate::series::Matcher;

#[derive(Clone, Debug)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub enum ExprKind {
    Number(f64),
    String(String),
    Selector(Selector),
    Paren(Box<Expr>),
    Negate(Box<Expr>),
    Binary { op: BinaryOp, left: Box<Expr>, right: Box<Expr>, matching: Matching },
    Aggregate { op: Aggregator, of: Box<Expr>, parameter: Option<Box<Expr>>, grouping: Grouping },
    Call { function: &'static Function, arguments: Vec<Expr> },
}

/// `name{matchers}[range] offset …`. Durations in milliseconds.
#[derive(Clone, Debug)]
pub struct Selector {
    pub matchers: Vec<Matcher>,
    pub range: Option<i64>,
    pub offset: i64,
    pub at: Option<At>,
}

/// `@`: the time at which a selector looks, whatever the query's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Time(i64),
    Start,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Scalar,
    Vector,
    Matrix,
    String,
}

impl ValueType {
    pub fn name(self) -> &'static str {
        match self {
            ValueType::Scalar => "scalar",
            ValueType::Vector => "instant vector",
            ValueType::Matrix => "range vector",
            ValueType::String => "string",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }

    pub fn is_set(self) -> bool {
        matches!(self, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
    }

    /// Higher binds tighter.
    pub(super) fn precedence(self) -> u8 {
        use BinaryOp::*;
        match self {
            Or => 1,
            And | Unless => 2,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => 3,
            Add | Subtract => 4,
            Multiply | Divide | Modulo | Atan2 => 5,
            Power => 6,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    OneToOne,
    /// `group_left`, `group_right`: on that side stand the many.
    Many(Side),
    /// Set operators.
    ManyToMany,
}

/// How elements of two vectors find each other, and what a comparison gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matching {
    pub labels: Grouping,
    pub cardinality: Cardinality,
    /// Labels that `group_left(…)` takes over from the one side.
    pub include: Vec<String>,
    pub result: Comparison,
}

/// What a comparison does with what is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Filter,
    /// `bool`: 0 or 1.
    Bool,
}

/// `by`/`on` or `without`/`ignoring`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    By(Vec<String>),
    Without(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregator {
    Sum,
    Avg,
    Max,
    Min,
    Count,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

impl Aggregator {
    pub(super) fn by_name(name: &str) -> Option<Aggregator> {
        use Aggregator::*;
        Some(match name {
            "sum" => Sum,
            "avg" => Avg,
            "max" => Max,
            "min" => Min,
            "count" => Count,
            "group" => Group,
            "stddev" => Stddev,
            "stdvar" => Stdvar,
            "topk" => Topk,
            "bottomk" => Bottomk,
            "quantile" => Quantile,
            "count_values" => CountValues,
            _ => return None,
        })
    }

    /// The type of what stands before the vector, if anything does.
    pub(super) fn parameter(self) -> Option<ValueType> {
        use Aggregator::*;
        match self {
            Topk | Bottomk | Quantile => Some(ValueType::Scalar),
            CountValues => Some(ValueType::String),
            _ => None,
        }
    }
}

impl Expr {
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Selector(s) if s.range.is_some() => ValueType::Matrix,
            ExprKind::Selector(_) | ExprKind::Aggregate { .. } => ValueType::Vector,
            ExprKind::Paren(inner) | ExprKind::Negate(inner) => inner.value_type(),
            ExprKind::Binary { left, right, .. } => {
                let both = left.value_type() == ValueType::Scalar && right.value_type() == ValueType::Scalar;
                if both { ValueType::Scalar } else { ValueType::Vector }
            }
            ExprKind::Call { function, .. } => function.result,
        }
    }

    /// Without parentheses around it.
    pub(super) fn bare(&self) -> &Expr {
        match &self.kind {
            ExprKind::Paren(inner) => inner.bare(),
            _ => self,
        }
    }

    /// All selectors of the query, in its order.
    pub fn selectors(&self) -> Vec<&Selector> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::String(_) => Vec::new(),
            ExprKind::Selector(s) => vec![s],
            ExprKind::Paren(inner) | ExprKind::Negate(inner) => inner.selectors(),
            ExprKind::Binary { left, right, .. } => [left.selectors(), right.selectors()].concat(),
            ExprKind::Aggregate { of, parameter, .. } => parameter.iter().flat_map(|p| p.selectors()).chain(of.selectors()).collect(),
            ExprKind::Call { arguments, .. } => arguments.iter().flat_map(Expr::selectors).collect(),
        }
    }
}
