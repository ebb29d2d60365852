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

pub(super) fn answer(data: &Data, faults: &mut Faults, path_and_query: &str, token: Option<&str>) -> Answer {
    if let Some(refused) = refused(faults, path_and_query, token) {
        return refused;
    }
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Answer::ok(&json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"})),
        ["api"] => Answer::ok(&json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => Answer::ok(&data.groups()),
        ["api", version] => list_of(data.resources("", version), path),
        ["apis", group, version] => list_of(data.resources(group, version), path),
        ["api", version, rest @ ..] => objects(data, faults, "", version, rest, query, path),
        ["apis", group, version, rest @ ..] => objects(data, faults, group, version, rest, query, path),
        _ => not_found(path),
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

fn objects(data: &Data, faults: &mut Faults, group: &str, version: &str, rest: &[&str], query: &str, path: &str) -> Answer {
    let (namespace, plural, name) = match rest {
        ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
        ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
        [plural] => (None, *plural, None),
        [plural, name] => (None, *plural, Some(*name)),
        _ => return not_found(path),
    };
    let Some(resource) = data.find(group, version, plural) else { return not_found(path) };
    if faults.forbidden.contains(plural) && !namespace.is_some_and(|n| faults.allowed_namespaces.contains(n)) {
        let scope = namespace.map_or_else(|| "at the cluster scope".to_owned(), |n| format!("in the namespace \"{n}\""));
        return Answer::error(
            403,
            "Forbidden",
            &format!("{plural} is forbidden: User \"test\" cannot list resource \"{plural}\" in API group \"{group}\" {scope}"),
        );
    }
    let text = |o: &Value, key: &str| o["metadata"][key].as_str().unwrap_or("").to_owned();
    let in_namespace = |o: &&Value| namespace.is_none_or(|n| text(o, "namespace") == n);
    if let Some(name) = name {
        return match resource.items.iter().filter(in_namespace).find(|o| text(o, "name") == name) {
            Some(object) => Answer::ok(&whole(object, resource)),
            None => Answer::error(404, "NotFound", &format!("{plural}.{group} \"{name}\" not found")),
        };
    }
    let parameter = |key: &str| form_urlencoded::parse(query.as_bytes()).find(|(k, _)| k == key).map(|(_, v)| v.into_owned());
    let selected = |o: &&Value| parameter("fieldSelector").is_none_or(|s| s.split(',').all(|s| matches(o, s)));
    let labelled = |o: &&Value| parameter("labelSelector").is_none_or(|s| fits(&o["metadata"]["labels"], &s));
    let items: Vec<&Value> = resource.items.iter().filter(in_namespace).filter(selected).filter(labelled).collect();
    let start: usize = match parameter("continue") {
        Some(_) if faults.expired > 0 => {
            faults.expired -= 1;
            return Answer::error(410, "Expired", "The provided continue parameter is too old to display a consistent list result.");
        }
        Some(token) => token.trim_start_matches("after-").parse().unwrap_or(0),
        None => 0,
    };
    let limit = parameter("limit").and_then(|l| l.parse().ok()).filter(|l| *l > 0).unwrap_or(usize::MAX);
    let page: Vec<&Value> = items.iter().skip(start).take(limit).copied().collect();
    let next = start + page.len();
    let mut metadata = json!({"resourceVersion": "1000"});
    if next < items.len() {
        metadata["continue"] = json!(format!("after-{next}"));
        metadata["remainingItemCount"] = json!(items.len() - next);
    }
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Answer::ok(&json!({"kind": format!("{}List", resource.kind), "apiVersion": api_version, "metadata": metadata, "items": page}))
}

/// An object as it is answered alone: with its kind.
fn whole(object: &Value, resource: &Resource) -> Value {
    let mut object = object.clone();
    object["kind"] = json!(resource.kind);
    object["apiVersion"] = json!(if resource.group.is_empty() { resource.version.clone() } else { format!("{}/{}", resource.group, resource.version) });
    object
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
