//! Values that may be secret never stand in what a rule says: they are replaced by their length and a hash, in one place,
//! whichever rule spoke.

use crate::finding::Finding;
use mesh_envoy::redact;
use mesh_model::{Kind, Node, Object};
use std::borrow::Cow;

/// Keys whose values are secret wherever they stand.
const KEYS: &[&str] =
    &["jwks", "accessToken", "password", "inlineCode", "inline_code", "inlineString", "inline_string", "inlineBytes", "inline_bytes", "privateKeyPem"];

/// Whether a value of an object may be secret: anything in a Secret, the value of a header that carries credentials or of
/// an environment variable, inline keys and code.
pub fn may_hold(object: &Object, node: Node<'_>) -> bool {
    let mut around = std::iter::successors(Some(node), |n| n.parent());
    object.kind == Kind::Secret
        || around.any(|n| n.key().is_some_and(|key| KEYS.contains(&key)) || is_header_value(n) || is_environment_value(n) || is_condition_on_header(n))
}

/// Below `headers: {authorization: …}`, `set: {…}` and `add: {…}`, or beside `name: authorization`.
fn is_header_value(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else { return false };
    match (node.key(), parent.key()) {
        (Some("value"), _) if redact::is_secret_header(parent.text_of("name")) => true,
        (Some(name), Some("headers" | "withoutHeaders" | "set" | "add" | "includeRequestHeadersInCheck" | "includeAdditionalHeadersInCheck")) => {
            redact::is_secret_header(name)
        }
        _ => false,
    }
}

/// `value` of an item of `env`.
fn is_environment_value(node: Node<'_>) -> bool {
    node.key() == Some("value") && node.parent().and_then(|item| item.parent()).is_some_and(|list| list.key() == Some("env"))
}

/// `values` beside `key: request.headers[authorization]`.
fn is_condition_on_header(node: Node<'_>) -> bool {
    let Some(condition) = node.parent().filter(|_| matches!(node.key(), Some("values" | "notValues"))) else { return false };
    let name = condition.text_of("key").strip_prefix("request.headers[").and_then(|rest| rest.strip_suffix(']'));
    name.is_some_and(redact::is_secret_header)
}

/// Replaces what may be secret in a finding.
pub fn hide(finding: &mut Finding<'_>) {
    let places = std::iter::once((finding.object, finding.at)).chain(finding.related.iter().map(|r| (r.object, r.at)));
    // The name of a Secret is none.
    let scalars = places.filter(|(object, at)| at.is_scalar() && !at.text().is_empty() && *at != object.name_node());
    let secrets: Vec<&str> = scalars.filter(|(object, at)| may_hold(object, *at)).map(|(_, at)| at.text()).collect();
    let clean = |text: &mut String| {
        for secret in &secrets {
            let quoted = format!("{secret:?}");
            // A value as short as this is also part of other words.
            if secret.len() > 2 && (text.contains(secret) || text.contains(&quoted)) {
                *text = text.replace(&quoted, &redact::placeholder(secret.as_bytes())).replace(secret, &redact::placeholder(secret.as_bytes()));
            }
        }
        if let Cow::Owned(safe) = redact::text(text) {
            *text = safe;
        }
    };
    clean(&mut finding.message);
    if let Some(help) = finding.help.as_mut().filter(|help| matches!(help, Cow::Owned(_))) {
        clean(help.to_mut());
    }
    finding.related.iter_mut().map(|r| &mut r.label).for_each(clean);
    // A fix must be right to the letter: one that would show a secret is not offered.
    let shows = |text: &str| secrets.iter().any(|s| text.contains(s)) || redact::text(text) != text;
    if finding.fix.as_ref().is_some_and(|f| shows(&f.title) || shows(&f.replacement)) {
        finding.fix = None;
    }
}
