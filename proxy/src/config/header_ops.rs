//! Headers that configuration adds and takes away (`request_headers_to_add` and its kin).

use crate::format::{Absent, Template};
use crate::http::exchange::Exchange;
use crate::http::limit;
use crate::message::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use mesh_envoy::engine::field::{Message, Read};
use mesh_envoy::engine::gate::Append;

/// Changes to a set of headers. Most scopes have none, and there are four for each route and four for each virtual host.
#[derive(Clone, Debug, Default)]
pub struct HeaderOps(Option<Box<Ops>>);

/// What is removed goes first.
#[derive(Clone, Debug, Default)]
struct Ops {
    remove: Vec<HeaderName>,
    add: Vec<Addition>,
}

#[derive(Clone, Debug)]
struct Addition {
    name: HeaderName,
    value: Value,
    append: Append,
    keeps_empty: bool,
}

#[derive(Clone, Debug)]
enum Value {
    Fixed(HeaderValue),
    Made(Template),
}

/// The headers that a scope changes on the way to the upstream, and back.
#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    pub request: HeaderOps,
    pub response: HeaderOps,
}

impl HeaderChanges {
    /// Of a route, a virtual host, a route configuration or a weighted cluster.
    pub fn read(m: &Message<'_, '_>) -> Read<HeaderChanges> {
        Ok(HeaderChanges {
            request: HeaderOps::read(m, "request_headers_to_add", "request_headers_to_remove")?,
            response: HeaderOps::read(m, "response_headers_to_add", "response_headers_to_remove")?,
        })
    }
}

impl HeaderOps {
    pub fn read(m: &Message<'_, '_>, add: &str, remove: &str) -> Read<HeaderOps> {
        let mut ops = Ops::default();
        for name in m.texts(remove)? {
            ops.remove.push(header_name(name).map_err(|what| m.unknown_field(remove, what))?);
        }
        for option in m.messages(add)? {
            ops.add.push(Addition::read(&option)?);
        }
        let is_empty = ops.add.is_empty() && ops.remove.is_empty();
        Ok(HeaderOps((!is_empty).then(|| Box::new(ops))))
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Changes headers; values may speak of the exchange.
    pub fn apply(&self, headers: &mut HeaderMap, exchange: &Exchange) {
        let Some(ops) = &self.0 else { return };
        for name in &ops.remove {
            headers.remove(name);
        }
        let mut put = Vec::with_capacity(ops.add.len());
        for addition in &ops.add {
            let value = match &addition.value {
                Value::Fixed(value) => value.clone(),
                Value::Made(template) => {
                    let mut text = String::new();
                    template.write(exchange, Absent::Nothing, &mut text);
                    // What a request says may not be fit for a header.
                    let Ok(value) = HeaderValue::from_str(&text) else { continue };
                    value
                }
            };
            if !value.is_empty() || addition.keeps_empty {
                put.push((addition.name.clone(), value, addition.append));
            }
        }
        limit::put(headers, put);
    }
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    if name.starts_with(':') || name.eq_ignore_ascii_case("host") {
        return Err(format!("`{name}` can't be changed this way"));
    }
    HeaderName::from_bytes(name.to_ascii_lowercase().as_bytes()).map_err(|_| format!("`{name}` is no name of a header"))
}

impl Addition {
    /// `HeaderValueOption`
    fn read(m: &Message<'_, '_>) -> Read<Addition> {
        let header = m.message_or_empty("header")?;
        let (key, text) = (header.text("key")?, header.text("value")?);
        let name = header_name(key).map_err(|what| header.unknown_field("key", what))?;
        let template = Template::parse(text).map_err(|what| header.unknown_field("value", what))?;
        let value = match template.literal() {
            Some(text) => Value::Fixed(HeaderValue::from_str(text).map_err(|_| header.unknown_field("value", "no value of a header"))?),
            None => Value::Made(template),
        };
        let actions = ["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"];
        let append = match (m.enumeration("append_action", &actions)?, m.bool("append")?) {
            ("ADD_IF_ABSENT", _) => Append::IfAbsent,
            ("OVERWRITE_IF_EXISTS_OR_ADD", _) => Append::Overwrite,
            ("OVERWRITE_IF_EXISTS", _) => Append::OverwriteIfExists,
            (_, Some(false)) => Append::Overwrite,
            _ => Append::Always,
        };
        Ok(Addition { name, value, append, keeps_empty: m.flag("keep_empty_value")? })
    }
}
