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

/// How a list is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub accept: &'static str,
    /// Objects a page.
    pub page: &'static str,
}

/// Pages of the size that kubectl asks for.
const WHOLE: Form = Form { accept: "application/json, */*", page: "500" };
/// How often a list is begun anew whose place was forgotten meanwhile.
const RESTARTS: usize = 2;

/// The objects of one list, and those that could not be read.
#[derive(Debug, Default)]
pub struct Listed {
    pub objects: Vec<Object>,
    pub odd: Vec<Odd>,
    /// Of the list, from which a watch goes on; "" of a single object.
    pub version: String,
}

/// An object that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odd {
    /// Namespace and name, where these can be read.
    pub key: Option<(String, String)>,
    /// `kube:CONTEXT/Kind/namespace/name`.
    pub subject: String,
    pub message: String,
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
pub(super) struct PageMeta {
    pub r#continue: String,
    #[serde(rename = "resourceVersion")]
    pub resource_version: String,
}

/// All objects at a path. `selector` is a parameter of the request: of fields or of labels; left out where it is empty.
pub async fn list(cluster: &Cluster, resource: &Resource, path: &str, selector: (&str, &str)) -> Result<Listed, ApiError> {
    let (resource, context) = (resource.clone(), cluster.name.clone());
    let read = move |body: &[u8]| page(body, &resource, &context);
    let mut out = Listed::default();
    for listed in pages(cluster, path, &[selector], read).await? {
        out.objects.extend(listed.objects);
        out.odd.extend(listed.odd);
        out.version = listed.version;
    }
    Ok(out)
}

/// The pages of a list, as `read` makes them of a body; it gives the continuation too, "" at the end. A list whose
/// continuation expires is begun anew, at last in one piece. Of the parameters those without a value are left out.
pub(super) async fn pages<T, F>(cluster: &Cluster, path: &str, parameters: &[(&str, &str)], read: F) -> Result<Vec<T>, ApiError>
where
    T: Send + 'static,
    F: Fn(&[u8]) -> Result<(T, String), ApiError> + Clone + Send + 'static,
{
    pages_as(cluster, path, WHOLE, parameters, read).await
}

/// The same, in another form.
pub(super) async fn pages_as<T, F>(cluster: &Cluster, path: &str, form: Form, parameters: &[(&str, &str)], read: F) -> Result<Vec<T>, ApiError>
where
    T: Send + 'static,
    F: Fn(&[u8]) -> Result<(T, String), ApiError> + Clone + Send + 'static,
{
    let mut out = Vec::new();
    let mut token = String::new();
    let mut restarts = 0;
    loop {
        let url = {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if restarts <= RESTARTS {
                query.append_pair("limit", form.page);
            }
            let parameters = parameters.iter().copied().chain([("continue", token.as_str())]);
            query.extend_pairs(parameters.filter(|(_, value)| !value.is_empty()));
            format!("{path}?{}", query.finish())
        };
        let body = match cluster.get_as(&url, form.accept).await {
            Ok(body) => body,
            Err(error) if error.is_expired() && restarts <= RESTARTS => {
                restarts += 1;
                token.clear();
                out.clear();
                continue;
            }
            Err(error) => return Err(error),
        };
        let read = read.clone();
        let (page, next) = tokio::task::spawn_blocking(move || read(&body)).await.map_err(|e| ApiError::Odd(e.to_string()))??;
        out.push(page);
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
    let mut out = Listed { version: page.metadata.resource_version, ..Listed::default() };
    for read in read {
        match read {
            Ok(object) => out.objects.push(object),
            Err(error) => out.odd.push(error),
        }
    }
    Ok((out, page.metadata.r#continue))
}

/// An object of a watch.
pub(super) fn one(json: &str, resource: &Resource, context: &str) -> Result<Object, Odd> {
    object(json, resource, &resource.api_version(), context)
}

fn object(json: &str, resource: &Resource, api_version: &str, context: &str) -> Result<Object, Odd> {
    let kind = resource.kind.name();
    let subject = |namespace: &str, name: &str| match namespace {
        "" => format!("kube:{context}/{kind}/{name}"),
        namespace => format!("kube:{context}/{kind}/{namespace}/{name}"),
    };
    let yaml = render::object(json, api_version, kind, fields::of(resource.kind)).map_err(|e| {
        let Headed { metadata } = serde_json::from_str(json).unwrap_or_default();
        let name = if metadata.name.is_empty() { "?" } else { &metadata.name };
        let subject = subject(&metadata.namespace, name);
        let key = (!metadata.name.is_empty()).then_some((metadata.namespace, metadata.name));
        Odd { key, subject, message: format!("it can't be read: {e}") }
    })?;
    let (namespace, name) = heading(&yaml);
    let key = (namespace.to_owned(), name.to_owned());
    let name = subject(namespace, name);
    let source = Source::new(name.as_str(), yaml);
    let parsed = parse_document(&source, Span::new(0, source.text().len()), Limits::default());
    if let Some(error) = parsed.error {
        return Err(Odd { key: Some(key), subject: name, message: format!("it can't be read: {}", error.message) });
    }
    let object = parsed.tree.and_then(|tree| Object::new(&Arc::new(tree), 0));
    object.ok_or_else(|| Odd { key: Some(key), subject: name, message: "it is no object".to_owned() })
}

/// As much of an object as names it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Headed {
    metadata: Heading,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Heading {
    namespace: String,
    name: String,
}

/// Namespace and name of a document that [`render`] wrote.
fn heading(yaml: &str) -> (&str, &str) {
    let metadata = yaml.split_once("\nmetadata:\n").map_or("", |(_, rest)| rest);
    let field = |key: &str| metadata.lines().take_while(|l| l.starts_with(' ')).find_map(|l| l.strip_prefix(key)).map_or("", |v| v.trim_matches('"'));
    (field("  namespace: "), field("  name: "))
}
