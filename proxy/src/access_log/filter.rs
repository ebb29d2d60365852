//! Which requests and connections a log tells of (`envoy.config.accesslog.v3.AccessLogFilter`).

use crate::format::Subject;
use crate::message::HeaderMap;
use crate::telemetry::expression::Expression;
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::route::Fraction;
use mesh_envoy::grpc;
use mesh_envoy::matcher::{HeaderMatcher, HeaderTest, StringMatcher, StringTest, Truth};

#[derive(Clone, Debug)]
pub enum Filter {
    /// Any of these flags is raised; an empty list is any flag at all.
    Flags(Vec<Box<str>>),
    Status(Comparison),
    /// Milliseconds.
    Duration(Comparison),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Header(Box<HeaderMatcher>),
    /// Of gRPC, by number.
    Grpc {
        statuses: Vec<u64>,
        excludes: bool,
    },
    Share(Fraction),
    /// The request is traced.
    Traced,
    Expression(Expression),
    /// What there never is is never left out.
    Everything,
}

#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    operator: Operator,
    value: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    AtLeast,
    AtMost,
    Other,
}

impl Comparison {
    fn read(m: &Message<'_, '_>) -> Read<Comparison> {
        let comparison = m.message_or_empty("comparison")?;
        let operator = match comparison.enumeration("op", &["EQ", "GE", "LE", "NE"])? {
            "GE" => Operator::AtLeast,
            "LE" => Operator::AtMost,
            "NE" => Operator::Other,
            _ => Operator::Equal,
        };
        // The key of the runtime overrides it, and there is no runtime.
        Ok(Comparison { operator, value: comparison.message_or_empty("value")?.uint("default_value")?.unwrap_or(0) })
    }
    fn holds(self, value: u64) -> bool {
        match self.operator {
            Operator::Equal => value == self.value,
            Operator::AtLeast => value >= self.value,
            Operator::AtMost => value <= self.value,
            Operator::Other => value != self.value,
        }
    }
}

/// How deep filters may stand in one another.
const DEEPEST: usize = 16;

impl Filter {
    pub fn read(m: &Message<'_, '_>) -> Read<Filter> {
        Filter::at(m, 0)
    }
    fn at(m: &Message<'_, '_>, depth: usize) -> Read<Filter> {
        if depth > DEEPEST {
            return Err(m.unknown("filters stand too deep in one another"));
        }
        let list = |name: &str| -> Read<Vec<Filter>> { m.message_or_empty(name)?.messages("filters")?.iter().map(|f| Filter::at(f, depth + 1)).collect() };
        if let Some(f) = m.message("response_flag_filter")? {
            return Ok(Filter::Flags(f.texts("flags")?.into_iter().map(Into::into).collect()));
        }
        if let Some(f) = m.message("status_code_filter")? {
            return Ok(Filter::Status(Comparison::read(&f)?));
        }
        if let Some(f) = m.message("duration_filter")? {
            return Ok(Filter::Duration(Comparison::read(&f)?));
        }
        if m.has("and_filter") {
            return Ok(Filter::All(list("and_filter")?));
        }
        if m.has("or_filter") {
            return Ok(Filter::Any(list("or_filter")?));
        }
        if let Some(f) = m.message("header_filter")? {
            let matcher = HeaderMatcher::compile(f.value("header").unwrap_or(&serde_json::Value::Null));
            if let HeaderTest::Text(StringMatcher { test: StringTest::Unknown(why), .. }) = &matcher.test {
                return Err(f.unknown_field("header", why.clone()));
            }
            return Ok(Filter::Header(Box::new(matcher)));
        }
        if let Some(f) = m.message("grpc_status_filter")? {
            let mut statuses = Vec::new();
            for value in f.values("statuses")? {
                let named = value.as_str().and_then(grpc::number_of).map(u64::from);
                statuses.push(named.or(value.as_u64()).ok_or_else(|| f.unknown_field("statuses", format!("{value} is no status of gRPC")))?);
            }
            return Ok(Filter::Grpc { statuses, excludes: f.flag("exclude")? });
        }
        if let Some(f) = m.message("runtime_filter")? {
            return Ok(Filter::Share(Fraction::read(&f.message_or_empty("percent_sampled")?)?));
        }
        if m.has("traceable_filter") {
            return Ok(Filter::Traced);
        }
        if m.has("not_health_check_filter") {
            return Ok(Filter::Everything);
        }
        if let Some(f) = m.message("extension_filter")?
            && let Some(("envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", config)) = f.any("typed_config")?
        {
            return Ok(Filter::Expression(Expression::parse(config.text("expression")?).map_err(|what| config.unknown_field("expression", what))?));
        }
        Err(m.unknown("a filter that mesh-proxy does not support"))
    }
    /// Whether it lets a subject into the log.
    pub fn takes(&self, subject: &impl Subject) -> bool {
        let (record, exchange) = (subject.record(), subject.exchange());
        match self {
            Filter::Flags(wanted) if wanted.is_empty() => !record.flags.is_empty(),
            Filter::Flags(wanted) => record.flags.iter().any(|f| wanted.iter().any(|w| **w == **f)),
            Filter::Status(comparison) => comparison.holds(exchange.map_or(0, |e| u64::from(e.status))),
            Filter::Duration(comparison) => comparison.holds(u64::try_from(record.begun.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Filter::All(list) => list.iter().all(|f| f.takes(subject)),
            Filter::Any(list) => list.iter().any(|f| f.takes(subject)),
            Filter::Header(matcher) => {
                let empty = HeaderMap::new();
                let headers = exchange.map_or(&empty, |e| &e.headers);
                let pseudo = exchange
                    .map_or([("", ""); 4], |e| [(":method", e.method.as_str()), (":path", &e.path), (":authority", &e.authority), (":scheme", e.scheme)]);
                let value = pseudo.iter().find(|(name, _)| *name == matcher.name).map(|(_, v)| *v);
                let value = value.or_else(|| headers.get(&*matcher.name).and_then(|v| v.to_str().ok()));
                matcher.matches(value) == Truth::Yes
            }
            Filter::Grpc { statuses, excludes } => {
                let status =
                    exchange.and_then(|e| e.grpc_status.or_else(|| Some(u64::from(crate::http::respond::grpc_status(e.status))).filter(|_| e.status != 200)));
                status.unwrap_or(0) < 17 && statuses.contains(&status.unwrap_or(0)) != *excludes
            }
            Filter::Share(share) => share.is_always() || (!share.is_never() && share.holds(record.client.worker.dice().u64(..))),
            Filter::Traced => exchange.and_then(|e| e.trace.as_ref()?.own.as_ref()).is_some_and(|o| o.context.sampled),
            Filter::Expression(expression) => expression.holds(subject),
            Filter::Everything => true,
        }
    }
}
