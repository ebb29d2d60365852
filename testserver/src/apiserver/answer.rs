//! From a path to an answer.

use super::Faults;
use super::data::{Data, Resource};
use super::stream::Wanted;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Vec<u8>,
    pub retry_after: Option<u16>,
}

impl Answer {
    fn ok(body: &Value) -> Answer {
        Answer { status: StatusCode::OK, body: body.to_string().into_bytes(), retry_after: None }
    }
    pub fn error(code: u16, reason: &str, message: &str) -> Answer {
        let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code});
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answer { status, body: body.to_string().into_bytes(), retry_after: (code == 429).then_some(1) }
    }
}

pub(super) fn answer(data: &Data, faults: &mut Faults, path_and_query: &str, form: Form) -> Answer {
    let path = path_and_query.split('?').next().unwrap_or(path_and_query);
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Answer::ok(&json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"})),
        ["api"] => Answer::ok(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => Answer::ok(&data.groups()),
        ["api", version] => list_of(data.resources("", version), path),
        ["apis", group, version] => list_of(data.resources(group, version), path),
        _ => match List::of(path_and_query) {
            Some(list) => list.answer(data, faults, form).unwrap_or_else(|refused| refused),
            None => not_found(path),
        },
    }
}

/// What is refused whatever it is: without the right token, and what the test lets fail.
pub(super) fn refused(faults: &mut Faults, path_and_query: &str, token: Option<&str>) -> Option<Answer> {
    let path = path_and_query.split('?').next().unwrap_or(path_and_query);
    if let Some(wanted) = &faults.token
        && token != Some(wanted.as_str())
    {
        return Some(Answer::error(401, "Unauthorized", "Unauthorized"));
    }
    if let Some((_, status, times)) = faults.failing.iter_mut().find(|(prefix, _, times)| *times > 0 && path.starts_with(prefix.as_str())) {
        *times -= 1;
        return Some(Answer::error(*status, "InternalError", "the test wants it so"));
    }
    // Streams and logs are rights of their own.
    if let Some(wanted) = Wanted::of(path_and_query)
        && faults.forbidden.contains(&format!("pods/{}", wanted.subresource))
    {
        let message = format!("pods is forbidden: User \"test\" cannot use resource \"pods/{}\" in API group \"\"", wanted.subresource);
        return Some(Answer::error(403, "Forbidden", &message));
    }
    None
}

fn list_of(list: Option<Value>, path: &str) -> Answer {
    list.map_or_else(|| not_found(path), |l| Answer::ok(&l))
}

fn not_found(path: &str) -> Answer {
    Answer::error(404, "NotFound", &format!("the server could not find the requested resource {path}"))
}

/// Objects that are asked for: all of a kind, or one.
pub(super) struct List {
    path: String,
    group: String,
    version: String,
    namespace: Option<String>,
    plural: String,
    name: Option<String>,
    parameters: Vec<(String, String)>,
}

impl List {
    /// `None` where a path leads to no objects.
    pub fn of(path_and_query: &str) -> Option<List> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        let owned = |text: &str| text.to_owned();
        Some(List {
            path: owned(path),
            group: owned(group),
            version: owned(version),
            namespace: namespace.map(owned),
            plural: owned(plural),
            name: name.map(owned),
            parameters: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        })
    }
    pub fn parameter(&self, key: &str) -> Option<String> {
        self.parameters.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
    }
    pub fn resource<'d>(&self, data: &'d Data) -> Result<&'d Resource, Answer> {
        data.find(&self.group, &self.version, &self.plural).ok_or_else(|| not_found(&self.path))
    }
    /// Whether the rights do not suffice.
    pub fn refused(&self, faults: &Faults) -> Result<(), Answer> {
        let List { plural, group, .. } = self;
        if !faults.forbidden.contains(plural) || self.namespace.as_ref().is_some_and(|n| faults.allowed_namespaces.contains(n)) {
            return Ok(());
        }
        let scope = self.namespace.as_ref().map_or_else(|| "at the cluster scope".to_owned(), |n| format!("in the namespace \"{n}\""));
        let message = format!("{plural} is forbidden: User \"test\" cannot list resource \"{plural}\" in API group \"{group}\" {scope}");
        Err(Answer::error(403, "Forbidden", &message))
    }
    pub fn refused_to_watch(&self, faults: &Faults) -> Result<(), Answer> {
        let List { plural, group, .. } = self;
        if !faults.forbidden.contains(&format!("{plural}:watch")) {
            return Ok(());
        }
        let message = format!("{plural} is forbidden: User \"test\" cannot watch resource \"{plural}\" in API group \"{group}\"");
        Err(Answer::error(403, "Forbidden", &message))
    }
    /// Whether an object is in the namespace, and selected.
    pub fn fits(&self, object: &Value) -> bool {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or("");
        self.namespace.as_ref().is_none_or(|n| text("namespace") == n)
            && self.name.as_ref().is_none_or(|n| text("name") == n)
            && self.parameter("fieldSelector").is_none_or(|s| s.split(',').all(|s| matches(object, s)))
            && self.parameter("labelSelector").is_none_or(|s| fits(&object["metadata"]["labels"], &s))
    }
    pub fn fitting<'d>(&self, resource: &'d Resource) -> impl Iterator<Item = &'d Value> {
        resource.items.iter().filter(|o| self.fits(o))
    }

    fn answer(&self, data: &Data, faults: &mut Faults, form: Form) -> Result<Answer, Answer> {
        let resource = self.resource(data)?;
        self.refused(faults)?;
        if let Some(name) = &self.name {
            let not_found = || Answer::error(404, "NotFound", &format!("{}.{} \"{name}\" not found", self.plural, self.group));
            return self.fitting(resource).next().map(|object| Answer::ok(&data.whole(object, resource))).ok_or_else(not_found);
        }
        let items: Vec<&Value> = self.fitting(resource).collect();
        let start: usize = match self.parameter("continue") {
            Some(_) if faults.expired > 0 => {
                faults.expired -= 1;
                return Err(Answer::error(410, "Expired", "The provided continue parameter is too old to display a consistent list result."));
            }
            Some(token) => token.trim_start_matches("after-").parse().unwrap_or(0),
            None => 0,
        };
        let limit = self.parameter("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX);
        let page: Vec<&Value> = items.iter().skip(start).take(limit).copied().collect();
        let next = start + page.len();
        let mut metadata = json!({"resourceVersion": data.version.to_string()});
        if next < items.len() {
            metadata["continue"] = json!(format!("after-{next}"));
            metadata["remainingItemCount"] = json!(items.len() - next);
        }
        if form == Form::Metadata {
            let only = |o: &&Value| json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]});
            let page: Vec<Value> = page.iter().map(only).collect();
            return Ok(Answer::ok(&json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": page})));
        }
        let api_version = if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) };
        Ok(Answer::ok(&json!({"kind": format!("{}List", resource.kind), "apiVersion": api_version, "metadata": metadata, "items": page})))
    }
}

/// How much of the objects of a list is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// `PartialObjectMetadataList`, as `Accept` asks for it.
    Metadata,
}

impl Form {
    pub fn of(accept: &str) -> Form {
        if accept.contains("as=PartialObjectMetadataList") { Form::Metadata } else { Form::Whole }
    }
}

/// One term of a field selector.
fn matches(object: &Value, term: &str) -> bool {
    let field = |path: &str| path.split('.').fold(object, |o, key| &o[key]).as_str().unwrap_or("").to_owned();
    match term.split_once("!=") {
        Some((path, value)) => field(path) != value,
        None => term.split_once('=').is_none_or(|(path, value)| field(path) == value.trim_start_matches('=')),
    }
}

/// Whether labels fit a selector: `a=b,c!=d,e,!f,g in (h,i),j notin (k)`.
fn fits(labels: &Value, selector: &str) -> bool {
    let mut depth = 0;
    let terms = selector.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    terms.map(str::trim).all(|term| {
        let value = |key: &str| labels[key.trim()].as_str().map(str::to_owned);
        let among = |list: &str, value: &str| list.trim_matches(['(', ')', ' ']).split(',').any(|v| v.trim() == value);
        if let Some((key, list)) = term.split_once(" notin ") {
            return value(key).is_none_or(|v| !among(list, &v));
        }
        if let Some((key, list)) = term.split_once(" in ") {
            return value(key).is_some_and(|v| among(list, &v));
        }
        if let Some((key, wanted)) = term.split_once("!=") {
            return value(key).as_deref() != Some(wanted);
        }
        if let Some((key, wanted)) = term.split_once('=') {
            return value(key).as_deref() == Some(wanted.trim_start_matches('='));
        }
        term.strip_prefix('!').map_or_else(|| value(term).is_some(), |key| value(key).is_none())
    })
}
