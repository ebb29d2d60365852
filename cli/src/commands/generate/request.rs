//! Faults and time-outs of the requests to a service.

use super::Made;
use super::rules::{self, Changed, Layers};
use super::target;
use crate::args::generate::{Fault, Timeout};
use crate::status::Failure;
use mesh_resolver::Mesh;
use serde_json::{Map, Value, json};

pub fn fault(args: &Fault, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let target = target::find(&args.service, args.common.mesh.namespace.as_deref(), mesh)?;
    if !(args.percent > 0.0 && args.percent <= 100.0) {
        return Err(Failure::usage(format!("--percent takes a share above 0 and up to 100, not {}", args.percent)));
    }
    let percentage = json!({"value": number(args.percent)});
    let mut fault = Map::new();
    if let Some(delay) = &args.delay {
        fault.insert("delay".to_owned(), json!({"fixedDelay": duration("--delay", delay)?, "percentage": percentage}));
    }
    if let Some(status) = args.abort {
        fault.insert("abort".to_owned(), json!({"httpStatus": status, "percentage": percentage}));
    }
    if let Some(status) = &args.abort_grpc {
        fault.insert("abort".to_owned(), json!({"grpcStatus": status, "percentage": percentage}));
    }
    let mut only = Map::new();
    if !args.headers.is_empty() {
        let mut headers = Map::new();
        for header in &args.headers {
            let pair = header.split_once(':').map(|(n, v)| (n.trim().to_ascii_lowercase(), v.trim()));
            let (name, value) = pair.filter(|(n, _)| !n.is_empty()).ok_or_else(|| Failure::usage(format!("--header takes `NAME: VALUE`, not `{header}`")))?;
            headers.insert(name, json!({"exact": value}));
        }
        only.insert("headers".to_owned(), headers.into());
    }
    if !args.source_labels.is_empty() {
        only.insert("sourceLabels".to_owned(), labels("--source-label", &args.source_labels)?);
    }
    let change = |rule: &Value| {
        let mut with = rule.clone();
        with["fault"] = fault.clone().into();
        if only.is_empty() {
            return Changed::To(vec![with]);
        }
        with["match"] = narrowed(&rule["match"], &only);
        if let Some(name) = rule["name"].as_str() {
            with["name"] = format!("{name}-fault").into();
        }
        Changed::To(vec![with, rule.clone()])
    };
    rules::edit(mesh, &target, Layers::Http, &change)
}

/// Each of the matches with more conditions; where there is none these alone.
fn narrowed(matches: &Value, only: &Map<String, Value>) -> Value {
    let old = matches.as_array().filter(|m| !m.is_empty()).cloned().unwrap_or_else(|| vec![json!({})]);
    let narrow = |mut one: Value| {
        for (key, more) in only {
            for (name, value) in more.as_object().into_iter().flatten() {
                one[key.as_str()][name.as_str()] = value.clone();
            }
        }
        one
    };
    old.into_iter().map(narrow).collect()
}

pub fn timeout(args: &Timeout, mesh: &Mesh<'_>) -> Result<Made, Failure> {
    let target = target::find(&args.service, args.common.mesh.namespace.as_deref(), mesh)?;
    let timeout = duration("TIMEOUT", &args.timeout)?;
    let per_try = args.per_try.as_ref().map(|d| duration("--per-try", d)).transpose()?;
    let change = |rule: &Value| {
        let mut out = rule.clone();
        out["timeout"] = timeout.into();
        if let Some(attempts) = args.retries {
            let mut retries = json!({"attempts": attempts});
            // Without tries nothing else may be said of them.
            if attempts > 0 {
                per_try.iter().for_each(|d| retries["perTryTimeout"] = (*d).into());
                args.retry_on.iter().for_each(|on| retries["retryOn"] = on.as_str().into());
            }
            out["retries"] = retries;
        }
        Changed::To(vec![out])
    };
    rules::edit(mesh, &target, Layers::Http, &change)
}

/// A time as Istio takes it, a millisecond at least.
pub fn duration<'t>(flag: &str, text: &'t str) -> Result<&'t str, Failure> {
    let is_time = mesh_model::duration::parse(text).is_some_and(|nanos| nanos >= 1_000_000);
    if is_time { Ok(text) } else { Err(Failure::usage(format!("{flag} takes a time such as 500ms or 2s, not `{text}`"))) }
}

/// Labels, `KEY=VALUE` each.
pub fn labels(flag: &str, list: &[String]) -> Result<Value, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), Value::from(value))),
        _ => Err(Failure::usage(format!("{flag} takes KEY=VALUE, not `{text}`"))),
    };
    list.iter().map(pair).collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

/// A number without a fraction that it does not have.
pub fn number(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() < 1e9 { json!(n as i64) } else { json!(n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_are_narrowed_and_not_widened() {
        let only = json!({"headers": {"a": {"exact": "b"}}});
        let only = only.as_object().expect("a map");
        assert_eq!(narrowed(&Value::Null, only), json!([{"headers": {"a": {"exact": "b"}}}]));
        let two = json!([{"uri": {"prefix": "/x"}}, {"headers": {"c": {"exact": "d"}}}]);
        let want = json!([{"uri": {"prefix": "/x"}, "headers": {"a": {"exact": "b"}}}, {"headers": {"a": {"exact": "b"}, "c": {"exact": "d"}}}]);
        assert_eq!(narrowed(&two, only), want);
    }
}
