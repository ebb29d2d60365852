//! ## IST0106 SchemaValidationError (Error)
//!
//! **What it checks.** A Telemetry that Istio refuses: providers and tags without a name or value, a sampling rate out of
//! range.
//!
//! **Why it matters.** The object never takes effect: metrics, traces and logs stay as they were.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: tracing, namespace: shop}
//! spec:
//!   tracing:
//!   - randomSamplingPercentage: 110
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: tracing, namespace: shop}
//! spec:
//!   tracing:
//!   - randomSamplingPercentage: 10
//! ```
//!
//! ## IST0133 SchemaWarning (Warning)
//!
//! **What it checks.** Several entries of `tracing`, or several providers in one: Istio uses only the first.
//!
//! **Why it matters.** The others have no effect.
//!
//! **Bad**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: tracing, namespace: shop}
//! spec:
//!   tracing:
//!   - providers: [{name: zipkin}, {name: otel}]
//! ```
//!
//! **Good**
//!
//! ```yaml
//! apiVersion: telemetry.istio.io/v1
//! kind: Telemetry
//! metadata: {name: tracing, namespace: shop}
//! spec:
//!   tracing:
//!   - providers: [{name: zipkin}]
//! ```

use crate::rule::{Context, Sink};
use crate::validation::{Checks, each, fields, float, message, messages, target, text};
use mesh_model::{Kind, Node};

pub fn run<'a>(cx: &Context<'a>, sink: &mut Sink<'a>) {
    each(cx, sink, Kind::Telemetry, |checks, spec| {
        target::check_attachment(checks, spec);
        for metrics in messages(spec, "metrics") {
            check_providers(checks, metrics);
            for o in spec_overrides(metrics) {
                check_override(checks, o);
            }
        }
        check_tracing(checks, spec);
        for logging in messages(spec, "accessLogging") {
            match message(logging, "filter").map(|f| (f, f.get("expression"))) {
                Some((filter, None)) => {
                    checks.error_once("empty CEL expression", filter, "a `filter` has no `expression`");
                }
                Some((_, Some(at))) if at.str() == Some("") => {
                    checks.error_once("empty CEL expression", at, "the `expression` of a `filter` is empty");
                }
                Some((_, Some(at))) if at.str().is_some() => check_expression(checks, at),
                _ => {}
            }
            check_providers(checks, logging);
        }
    });
}

fn spec_overrides(metrics: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    metrics.list("overrides")
}

/// The filter of an access log is a CEL expression: here only that its brackets and strings are closed, since the rest
/// depends on Envoy's own functions.
fn check_expression<'a>(checks: &mut Checks<'a, '_>, at: Node<'a>) {
    let mut open: Vec<char> = Vec::new();
    let mut chars = at.text().chars().peekable();
    let mut broken = at.text().trim().is_empty();
    while let Some(c) = chars.next() {
        match c {
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => broken |= !matches!((open.pop(), c), (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')),
            '"' | '\'' => {
                let mut closed = false;
                while let Some(d) = chars.next() {
                    if d == '\\' {
                        chars.next();
                    } else if d == c {
                        closed = true;
                        break;
                    }
                }
                broken |= !closed;
            }
            _ => {}
        }
    }
    if broken || !open.is_empty() || kube_cel::cel::Program::compile(at.text()).is_err() {
        checks.error(at, format!("`{}` is no CEL expression", at.text()));
    }
}

fn check_providers<'a>(checks: &mut Checks<'a, '_>, node: Node<'a>) {
    if let Some(p) = node.list("providers").find(|p| p.is_null() || (p.is_mapping() && fields::lacks_text(*p, "name"))) {
        checks.error(p, "a provider has no `name`");
    }
}

fn check_tracing<'a>(checks: &mut Checks<'a, '_>, spec: Node<'a>) {
    if let Some(list) = spec.get("tracing").filter(|l| l.is_sequence() && l.len() > 1) {
        checks.warn(list, "several entries of `tracing` are given; only one is supported");
    }
    for tracing in messages(spec, "tracing") {
        if let Some(list) = tracing.get("providers").filter(|l| l.is_sequence() && l.len() > 1) {
            checks.warn(list, "several tracing providers are given; only one is supported");
        }
        check_providers(checks, tracing);
        if let Some(rate) = float(tracing, "randomSamplingPercentage").filter(|r| !(0.0..=100.0).contains(r)) {
            let at = tracing.get("randomSamplingPercentage").unwrap_or(tracing);
            checks.error_once("sampling out of range", at, format!("`randomSamplingPercentage` is {rate}, outside of 0 to 100"));
        }
        for (name, tag) in tracing.map("customTags") {
            if name.text().is_empty() {
                checks.error(name, "a custom tag has no name");
            }
            if tag.is_null() {
                checks.error(name, format!("custom tag `{}` is null", name.text()));
                continue;
            }
            for (kind, field) in [("literal", "value"), ("header", "name"), ("environment", "name")] {
                if let Some(source) = message(tag, kind).filter(|s| fields::lacks_text(*s, field)) {
                    checks.error(source, format!("a custom tag of kind `{kind}` has no `{field}`"));
                }
            }
        }
    }
}

fn check_override<'a>(checks: &mut Checks<'a, '_>, o: Node<'a>) {
    if o.is_null() {
        checks.error(o, "an entry of `overrides` is null");
        return;
    }
    for (name, tag) in o.map("tagOverrides") {
        if name.text().is_empty() {
            checks.warn(name, "an entry of `tagOverrides` has no name");
        }
        if tag.is_null() {
            checks.error(name, "an entry of `tagOverrides` is null");
            continue;
        }
        if !tag.is_mapping() {
            continue;
        }
        match text(tag, "operation") {
            "" | "UPSERT" if fields::lacks_text(tag, "value") => {
                checks.error(tag, "a tag override of the operation UPSERT has no `value`");
            }
            "REMOVE" if fields::has_text(tag, "value") => {
                checks.error(tag, "a tag override of the operation REMOVE has a `value`").help("only UPSERT takes a value");
            }
            _ => {}
        }
    }
    if let Some(m) = message(o, "match")
        && m.get("customMetric").is_some_and(|c| c.str() == Some(""))
    {
        checks.error(m, "`customMetric` is empty");
    }
}
