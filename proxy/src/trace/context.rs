//! Where a request stands in its trace, and how headers say so: B3 in one header or in several, W3C Trace Context.
//!
//! What is read and written is what Envoy 1.40 reads and writes. Headers of other systems, as `uber-trace-id` without the
//! feature `jaeger`, go through as they came.

use crate::message::HeaderMap;
use http::{HeaderName, HeaderValue};

/// Numbers of a trace and of a span in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// The upper half is 0 in traces of 64 bits.
    pub trace: u128,
    pub span: u64,
    pub parent: Option<u64>,
    pub sampled: bool,
    /// `tracestate`
    pub state: String,
}

impl Context {
    /// 32 digits, or 16 for a number of 64 bits.
    pub fn trace_id(&self) -> String {
        if self.trace >> 64 == 0 { format!("{:016x}", self.trace) } else { format!("{:032x}", self.trace) }
    }
}

/// What a client's headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: a trace may begin here. Whether it is to be told of may stand in them all the same.
    Nothing(Option<bool>),
    /// The client's own place; what it does not say of sampling is decided here.
    Context(Context, Option<bool>),
    /// Something that can't be read. The request goes on with it, and has no span.
    Broken,
}

const B3: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The header of each way that a context is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// B3, as a client has it, with W3C beside it where that is wanted.
    B3 {
        with_w3c: bool,
    },
    W3c,
    /// `uber-trace-id`, and B3 beside it.
    #[cfg(feature = "jaeger")]
    Jaeger,
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

/// Digits of base 16, as many as there are.
pub(super) fn hex(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    if all { u64::from_str_radix(text, 16).ok() } else { None }
}

/// 16 or 32 digits, or fewer than 16.
fn trace(text: &str) -> Option<u128> {
    if text.len() == 32 {
        let (high, low) = text.split_at_checked(16)?;
        return Some(u128::from(hex(high)?) << 64 | u128::from(hex(low)?));
    }
    hex(text).map(u128::from)
}

impl Form {
    /// What a client says.
    pub fn extract(self, headers: &HeaderMap) -> Found {
        let with_w3c = match self {
            Form::W3c => return w3c(headers),
            Form::B3 { with_w3c } => with_w3c,
            #[cfg(feature = "jaeger")]
            Form::Jaeger => match super::uber::extract(headers) {
                Some(found) => return found,
                None => false,
            },
        };
        if let Some(single) = text(headers, &B3) {
            return b3(single);
        }
        let sampled = text(headers, &SAMPLED).map(|s| s == "1" || s == "true");
        match (text(headers, &TRACE_ID), text(headers, &SPAN_ID)) {
            (Some(id), Some(span)) => {
                let parent = text(headers, &PARENT_ID).filter(|p| !p.is_empty());
                let (Some(id), Some(span), Ok(parent)) = (trace(id), hex(span), parent.map(|p| hex(p).ok_or(())).transpose()) else { return Found::Broken };
                Found::Context(Context { trace: id, span, parent, sampled: false, state: String::new() }, sampled)
            }
            _ if with_w3c => match w3c(headers) {
                // Zipkin's tracer hands `tracestate` on as it came.
                Found::Context(context, sampled) => Found::Context(Context { state: String::new(), ..context }, sampled),
                Found::Nothing(_) | Found::Broken => Found::Nothing(sampled),
            },
            _ => Found::Nothing(sampled),
        }
    }
    /// Tells an upstream of a context, in the client's own way.
    pub fn inject(self, context: &Context, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        };
        let sampled = if context.sampled { "1" } else { "0" };
        let w3c = match self {
            Form::W3c => true,
            Form::B3 { with_w3c } => with_w3c,
            #[cfg(feature = "jaeger")]
            Form::Jaeger => {
                set(super::uber::TRACE_ID, super::uber::value(context));
                false
            }
        };
        if w3c {
            set(TRACEPARENT, format!("00-{:032x}-{:016x}-{:02x}", context.trace, context.span, u8::from(context.sampled)));
        }
        if self == Form::W3c {
            return set(TRACESTATE, context.state.clone());
        }
        let (id, span) = (context.trace_id(), format!("{:016x}", context.span));
        if headers.contains_key(B3) {
            let parent = context.parent.map_or_else(String::new, |p| format!("-{p:016x}"));
            if let Ok(value) = HeaderValue::from_str(&format!("{id}-{span}-{sampled}{parent}")) {
                headers.insert(B3, value);
            }
            return;
        }
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(TRACE_ID, &id);
        set(SPAN_ID, &span);
        if let Some(parent) = context.parent {
            set(PARENT_ID, &format!("{parent:016x}"));
        }
        set(SAMPLED, sampled);
    }
}

/// `TRACE-SPAN`, `TRACE-SPAN-SAMPLED`, `TRACE-SPAN-SAMPLED-PARENT`, or `SAMPLED` alone.
fn b3(value: &str) -> Found {
    let flag = |text: &str| match text {
        "0" => Some(false),
        "1" | "d" => Some(true),
        _ => None,
    };
    if value.len() == 1 {
        return flag(value).map_or(Found::Broken, |f| Found::Nothing(Some(f)));
    }
    let mut parts = value.split('-');
    let (Some(id), Some(span)) = (parts.next(), parts.next()) else { return Found::Broken };
    if !matches!(id.len(), 16 | 32) || span.len() != 16 {
        return Found::Broken;
    }
    let (Some(trace), Some(span)) = (trace(id), hex(span)) else { return Found::Broken };
    let mut context = Context { trace, span, parent: None, sampled: false, state: String::new() };
    let Some(sampled) = parts.next() else { return Found::Context(context, None) };
    let Some(sampled) = flag(sampled) else { return Found::Broken };
    if let Some(parent) = parts.next() {
        let Some(parent) = hex(parent).filter(|_| parent.len() == 16) else { return Found::Broken };
        context.parent = Some(parent);
    }
    if parts.next().is_some() {
        return Found::Broken;
    }
    Found::Context(context, Some(sampled))
}

/// `VERSION-TRACE-PARENT-FLAGS` (W3C Trace Context, level 1).
fn w3c(headers: &HeaderMap) -> Found {
    let Some(value) = text(headers, &TRACEPARENT) else { return Found::Nothing(None) };
    let mut parts = value.split('-');
    let lengths = [2, 32, 16, 2];
    let mut next = |i: usize| parts.next().filter(|p| p.len() == lengths[i] && p.bytes().all(|b| b.is_ascii_hexdigit()));
    let (Some(_), Some(id), Some(span), Some(flags)) = (next(0), next(1), next(2), next(3)) else { return Found::Broken };
    let (Some(id), Some(span), Some(flags)) = (trace(id).filter(|t| *t != 0), hex(span).filter(|s| *s != 0), hex(flags)) else { return Found::Broken };
    if parts.next().is_some() {
        return Found::Broken;
    }
    let state: Vec<&str> = headers.get_all(TRACESTATE).filter_map(|v| v.to_str().ok()).collect();
    let context = Context { trace: id, span, parent: None, sampled: false, state: state.join(",") };
    Found::Context(context, Some(flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_str(v).expect("a value"))).collect()
    }
    const B: Form = Form::B3 { with_w3c: false };
    const BOTH: Form = Form::B3 { with_w3c: true };
    const ID: &str = "463ac35c9f6413ad48485a3953bb6124";

    #[test]
    fn each_form_is_read_as_envoy_reads_it() {
        let context = |parent| Context { trace: 0x463a_c35c_9f64_13ad_4848_5a39_53bb_6124, span: 0xa2fb_4a1d_1a96_d312, parent, ..Context::default() };
        let several = headers(&[("x-b3-traceid", ID), ("x-b3-spanid", "a2fb4a1d1a96d312"), ("x-b3-parentspanid", "1"), ("x-b3-sampled", "true")]);
        assert_eq!(B.extract(&several), Found::Context(context(Some(1)), Some(true)));
        let single = |rest: &str| B.extract(&headers(&[("b3", &format!("{ID}-a2fb4a1d1a96d312{rest}"))]));
        assert_eq!(single(""), Found::Context(context(None), None));
        assert_eq!(single("-d"), Found::Context(context(None), Some(true)));
        assert_eq!(single("-0-0000000000000007"), Found::Context(context(Some(7)), Some(false)));
        assert_eq!(B.extract(&headers(&[("b3", "0")])), Found::Nothing(Some(false)));
        for broken in ["", "zzz", "-x", "-1-2", "-1-0000000000000007-1"] {
            assert_eq!(single(&format!("{broken}!")), Found::Broken, "{broken}");
        }
        let parent = format!("00-{ID}-a2fb4a1d1a96d312-01");
        let w3c = headers(&[("traceparent", &parent), ("tracestate", "a=b")]);
        assert_eq!(Form::W3c.extract(&w3c), Found::Context(Context { state: "a=b".to_owned(), ..context(None) }, Some(true)));
        assert_eq!((B.extract(&w3c), BOTH.extract(&w3c)), (Found::Nothing(None), Found::Context(context(None), Some(true))));
        assert_eq!(Form::W3c.extract(&headers(&[("traceparent", "bad")])), Found::Broken);
    }

    #[test]
    fn a_client_is_answered_in_its_own_way() {
        let context = Context { trace: 5, span: 6, parent: Some(7), sampled: true, state: String::new() };
        let mut of_single = headers(&[("b3", "0")]);
        B.inject(&context, &mut of_single);
        assert_eq!(of_single, headers(&[("b3", "0000000000000005-0000000000000006-1-0000000000000007")]));
        let mut others = headers(&[("uber-trace-id", "1:2:3:1")]);
        BOTH.inject(&context, &mut others);
        assert_eq!(others.get("uber-trace-id").expect("a header"), "1:2:3:1");
        assert_eq!(
            (others.get("x-b3-parentspanid").expect("a header"), others.get("x-b3-sampled").expect("a header")),
            (&"0000000000000007".parse().expect("a value"), &"1".parse().expect("a value"))
        );
        assert_eq!(others.get("traceparent").expect("a header"), "00-00000000000000000000000000000005-0000000000000006-01");
    }

    proptest! {
        /// What one proxy tells, the next one hears; and no text breaks the reader.
        #[test]
        fn what_is_told_is_heard(trace in 1u128.., span in 1u64.., parent in proptest::option::of(1u64..), sampled: bool, rubbish in "[ -~]{0,70}") {
            let context = Context { trace, span, parent, sampled, state: String::new() };
            for (form, before) in [(B, HeaderMap::new()), (B, headers(&[("b3", "1")])), (Form::W3c, HeaderMap::new())] {
                let mut told = before;
                form.inject(&context, &mut told);
                let parent = parent.filter(|_| form != Form::W3c);
                prop_assert_eq!(form.extract(&told), Found::Context(Context { parent, sampled: false, ..context.clone() }, Some(sampled)));
            }
            for form in [B, BOTH, Form::W3c] {
                form.extract(&headers(&[("b3", &rubbish)]));
                form.extract(&headers(&[("traceparent", &rubbish), ("x-b3-traceid", &rubbish), ("x-b3-spanid", &rubbish)]));
            }
        }
    }
}
