//! `uber-trace-id`, the header of Jaeger's own clients: `TRACE:SPAN:PARENT:FLAGS`, numbers of base 16 with or without zeros in
//! front, colons as they are or as `%3A`. The first bit of the flags is "sampled", the second "debug".
//!
//! Source: "Propagation Format" of Jaeger's client libraries, <https://www.jaegertracing.io/docs/1.35/client-libraries/>.

use super::context::{Context, Found, hex, text};
use crate::message::HeaderMap;
use http::HeaderName;

pub const TRACE_ID: HeaderName = HeaderName::from_static("uber-trace-id");

/// What a client says; `None` where it says nothing by this header.
pub fn extract(headers: &HeaderMap) -> Option<Found> {
    let value = text(headers, &TRACE_ID)?.replace("%3A", ":").replace("%3a", ":");
    Some(read(&value).unwrap_or(Found::Broken))
}

fn read(value: &str) -> Option<Found> {
    let mut parts = value.split(':');
    let (id, span, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_number = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_hexdigit());
    if parts.next().is_some() || !is_number {
        return None;
    }
    let trace = u128::from_str_radix(id, 16).ok().filter(|t| *t != 0)?;
    let span = hex(span).filter(|s| *s != 0)?;
    // Nobody's child has 0, or nothing.
    let parent = if parent.is_empty() { None } else { Some(hex(parent)?).filter(|p| *p != 0) };
    let flags = hex(flags)?;
    Some(Found::Context(Context { trace, span, parent, sampled: false, state: String::new() }, Some(flags & 3 != 0)))
}

/// How a context is told.
pub fn value(context: &Context) -> String {
    format!("{}:{:016x}:{:016x}:{}", context.trace_id(), context.span, context.parent.unwrap_or(0), u8::from(context.sampled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::context::Form;
    use http::HeaderValue;

    fn of(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(TRACE_ID, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn the_header_is_read_in_all_its_spellings() {
        let context = |parent| Context { trace: 0x1_0000_0000_0000_0002, span: 3, parent, ..Context::default() };
        for (text, parent, sampled) in [
            ("10000000000000002:3:0:1", None, true),
            ("00000000000000010000000000000002:0000000000000003:4:0", Some(4), false),
            ("10000000000000002%3A3%3a%3A2", None, true),
        ] {
            assert_eq!(extract(&of(text)), Some(Found::Context(context(parent), Some(sampled))), "{text}");
        }
        for broken in
            ["", "1:2:3", "1:2:3:4:5", "0:1:0:1", "1:0:0:1", "x:1:0:1", "1:1:0:y", "1:11111111111111111:0:1", "111111111111111111111111111111111:1:0:1"]
        {
            assert_eq!(extract(&of(broken)), Some(Found::Broken), "{broken}");
        }
        assert_eq!(extract(&HeaderMap::new()), None);
    }

    #[test]
    fn what_is_told_is_heard_and_b3_stands_beside_it() {
        let context = Context { trace: 5, span: 6, parent: Some(7), sampled: true, state: String::new() };
        let mut told = HeaderMap::new();
        Form::Jaeger.inject(&context, &mut told);
        let text = |name: &HeaderName| told.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let texts = [text(&TRACE_ID), text(&HeaderName::from_static("x-b3-traceid"))];
        assert_eq!(texts, ["0000000000000005:0000000000000006:0000000000000007:1", "0000000000000005"]);
        let heard = Found::Context(Context { sampled: false, ..context }, Some(true));
        assert_eq!(Form::Jaeger.extract(&told), heard);
        told.remove(TRACE_ID);
        assert_eq!(Form::Jaeger.extract(&told), heard);
        // Broken is broken, whatever stands beside it: nobody joins two traces.
        told.insert(TRACE_ID, HeaderValue::from_static("rubbish"));
        assert_eq!(Form::Jaeger.extract(&told), Found::Broken);
    }
}
