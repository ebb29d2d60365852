//! An HTTP match of a VirtualService as a set of requests.

use crate::containment::pattern::Case;
use crate::containment::{Field, Pattern, Requests};
use mesh_model::Node;
use std::collections::BTreeSet;

/// A match and where it applies.
#[derive(Clone)]
pub struct HttpMatch<'a> {
    pub node: Node<'a>,
    pub requests: Requests,
    /// Gateways, `mesh` among them.
    pub gateways: BTreeSet<&'a str>,
}

/// The matches of a route; one that takes everything where it has none. `None` when a match says something that is not
/// understood here.
pub fn matches_of<'a>(route: Node<'a>, gateways: &BTreeSet<&'a str>) -> Option<Vec<HttpMatch<'a>>> {
    let Some(list) = route.get("match").filter(|m| m.is_sequence() && !m.is_empty()) else {
        return Some(vec![HttpMatch { node: route, requests: Requests::default(), gateways: gateways.clone() }]);
    };
    list.items().map(|m| one(m, gateways)).collect()
}

fn one<'a>(m: Node<'a>, gateways: &BTreeSet<&'a str>) -> Option<HttpMatch<'a>> {
    if !m.is_mapping() {
        return None;
    }
    let mut r = Requests::default();
    let mut own = gateways.clone();
    // A match that names gateways is not asked for the caller's labels and namespace.
    let any_source = m.get("gateways").is_some_and(|g| !g.is_empty());
    for (key, value) in m.entries().filter(|(_, v)| !v.is_null()) {
        match key.text() {
            "name" | "statPrefix" | "ignoreUriCase" => {}
            "uri" => {
                let case = if m.get("ignoreUriCase").and_then(Node::bool) == Some(true) { Case::Ignored } else { Case::Sensitive };
                r.within(Field::Path, string_match(value, case)?);
            }
            "method" => r.within(Field::Method, string_match(value, Case::Sensitive)?),
            "authority" => r.within(Field::Authority, string_match(value, Case::Sensitive)?),
            "scheme" => r.within(Field::Scheme, string_match(value, Case::Sensitive)?),
            "headers" => {
                for (name, v) in value.entries() {
                    r.within(header(name.text()), header_match(v)?);
                }
            }
            "withoutHeaders" => {
                for (name, v) in value.entries() {
                    // A claim can have several values; what is not among them says little.
                    if name.text().starts_with('@') {
                        return None;
                    }
                    r.outside(header(name.text()), header_match(v)?);
                }
            }
            "queryParams" => {
                for (name, v) in value.entries() {
                    r.within(Field::Query(name.text().to_owned()), string_match(v, Case::Sensitive)?);
                }
            }
            "port" => {
                let port = value.int()?;
                if port != 0 {
                    r.within(Field::Port, Pattern::exact(&port.to_string(), Case::Sensitive));
                }
            }
            "sourceNamespace" | "sourceLabels" if any_source => {}
            "sourceNamespace" => r.within(Field::SourceNamespace, Pattern::exact(value.text(), Case::Sensitive)),
            "sourceLabels" => {
                for (name, v) in value.entries() {
                    r.within(Field::SourceLabel(name.text().to_owned()), Pattern::exact(v.text(), Case::Sensitive));
                }
            }
            "gateways" => {
                if !value.is_empty() {
                    own = value.items().map(Node::text).collect();
                }
            }
            _ => return None,
        }
    }
    Some(HttpMatch { node: m, requests: r, gateways: own })
}

/// Names of headers have no case; those of claims (`@request.auth.claims…`) have.
fn header(name: &str) -> Field {
    Field::Header(if name.starts_with('@') { name.to_owned() } else { name.to_ascii_lowercase() })
}

/// `exact`, `prefix` or `regex`; an empty one takes any value that is there.
fn string_match(v: Node<'_>, case: Case) -> Option<Pattern> {
    if !v.is_mapping() {
        return if v.is_null() { Some(Pattern::any()) } else { None };
    }
    let mut entries = v.entries().filter(|(_, v)| !v.is_null());
    let Some((kind, value)) = entries.next() else { return Some(Pattern::any()) };
    if entries.next().is_some() {
        return None;
    }
    let text = value.str()?;
    match kind.text() {
        "exact" => Some(Pattern::exact(text, case)),
        "prefix" => Some(Pattern::prefix(text, case)),
        "regex" => Some(Pattern::regex(text)),
        _ => None,
    }
}

/// The same for headers, where the regular expression `*` asks for presence.
fn header_match(v: Node<'_>) -> Option<Pattern> {
    if v.text_of("regex") == "*" { Some(Pattern::any()) } else { string_match(v, Case::Sensitive) }
}
