//! Lists, page by page, as objects of the model.

use super::client::Cluster;
use super::discovery::Resource;
use super::error::ApiError;
use super::{fields, render};
use mesh_model::yaml::{Limits, parse_document};
use mesh_model::{Object, Source, Span};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Objects a page; what kubectl asks for.
const PAGE: usize = 500;
/// How often a list is begun anew whose place was forgotten meanwhile.
const RESTARTS: usize = 2;

/// The objects of one list, and those that could not be read.
#[derive(Debug, Default)]
pub struct Listed {
    pub objects: Vec<Object>,
    /// What is wrong with an item, by its place in the list.
    pub odd: Vec<String>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PageMeta {
    r#continue: String,
}

/// All objects at a path. A list whose continuation expires is begun anew, at last in one piece.
pub async fn list(cluster: &Cluster, resource: &Resource, path: &str, selector: &str) -> Result<Listed, ApiError> {
    let mut out = Listed::default();
    let mut token = String::new();
    let mut restarts = 0;
    loop {
        let limit = if restarts > RESTARTS { String::new() } else { format!("limit={PAGE}") };
        let query: Vec<String> = [limit, selector.to_owned(), if token.is_empty() { String::new() } else { format!("continue={}", escape(&token)) }]
            .into_iter()
            .filter(|q| !q.is_empty())
            .collect();
        let body = match cluster.get(&format!("{path}?{}", query.join("&"))).await {
            Ok(body) => body,
            Err(error) if error.is_expired() && restarts <= RESTARTS => {
                restarts += 1;
                token.clear();
                out = Listed::default();
                continue;
            }
            Err(error) => return Err(error),
        };
        let (resource, context) = (resource.clone(), cluster.name.clone());
        let read = tokio::task::spawn_blocking(move || page(&body, &resource, &context));
        let (listed, next) = read.await.map_err(|e| ApiError::Odd(e.to_string()))??;
        out.objects.extend(listed.objects);
        out.odd.extend(listed.odd);
        if next.is_empty() {
            return Ok(out);
        }
        token = next;
    }
}

/// One object by its path.
pub async fn get(cluster: &Cluster, resource: &Resource, path: &str) -> Result<Listed, ApiError> {
    let body = cluster.get(path).await?;
    let text = std::str::from_utf8(&body).map_err(|e| ApiError::Odd(e.to_string()))?;
    let mut out = Listed::default();
    match object(text, resource, &resource.api_version(), &cluster.name) {
        Ok(object) => out.objects.push(object),
        Err(error) => out.odd.push(error),
    }
    Ok(out)
}

fn page(body: &[u8], resource: &Resource, context: &str) -> Result<(Listed, String), ApiError> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|e| ApiError::Odd(format!("not a list of {}: {e}", resource.plural)))?;
    let items = page.items.unwrap_or_default();
    let api_version = resource.api_version();
    let read: Vec<_> = items.par_iter().with_min_len(16).map(|item| object(item.get(), resource, &api_version, context)).collect();
    let mut out = Listed::default();
    for read in read {
        match read {
            Ok(object) => out.objects.push(object),
            Err(error) => out.odd.push(error),
        }
    }
    Ok((out, page.metadata.r#continue))
}

fn object(json: &str, resource: &Resource, api_version: &str, context: &str) -> Result<Object, String> {
    let kind = resource.kind.name();
    let yaml = render::object(json, api_version, kind, fields::of(resource.kind)).map_err(|e| format!("{kind}: {e}"))?;
    let (namespace, name) = heading(&yaml);
    let name = match namespace {
        "" => format!("kube:{context}/{kind}/{name}"),
        namespace => format!("kube:{context}/{kind}/{namespace}/{name}"),
    };
    let source = Source::new(name.as_str(), yaml);
    let parsed = parse_document(&source, Span::new(0, source.text().len()), Limits::default());
    if let Some(error) = parsed.error {
        return Err(format!("{name}: {}", error.message));
    }
    let tree = parsed.tree.map(Arc::new).ok_or_else(|| format!("{name}: it is empty"))?;
    Object::new(&tree, 0).ok_or_else(|| format!("{name}: it is no object"))
}

/// Namespace and name of a document that [`render`] wrote.
fn heading(yaml: &str) -> (&str, &str) {
    let metadata = yaml.split_once("\nmetadata:\n").map_or("", |(_, rest)| rest);
    let field = |key: &str| metadata.lines().take_while(|l| l.starts_with(' ')).find_map(|l| l.strip_prefix(key)).map_or("", |v| v.trim_matches('"'));
    (field("  namespace: "), field("  name: "))
}

/// A value of a query.
fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}
