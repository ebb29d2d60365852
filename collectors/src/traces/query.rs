//! Jaeger's query API over spans in memory, as a function: what it is asked, what it answers. What a Jaeger 2 answers to the same is
//! answered here, but for orders that it leaves to chance: those are sorted.

use mesh_model::traces::store::{Query, Store};
use mesh_model::traces::{Kind, Span};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A request with GET.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Percent-encoded, as it came.
    pub path: &'r str,
    pub parameters: &'r [(String, String)],
    /// Microseconds since the epoch: where no time is given.
    pub now: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// Traces that are given where nobody says how many, and at most.
const TRACES: usize = 20;
const MOST: usize = 1_500;
/// Bytes of text in an answer. Words that many spans have are held once, and told for each.
const LONGEST: usize = 128 << 20;
const DAY: i64 = 24 * 3600 * 1_000_000;

/// JSON, or a status and why.
type Said = Result<String, (u16, String)>;

pub fn answer(store: &Store, request: &Request<'_>) -> Answer {
    let path: Vec<String> = request.path.split('/').filter(|s| !s.is_empty()).map(plain).collect();
    let said = match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Ok(json!({"status": "spans in memory, behind Jaeger's query API"}).to_string()),
        ["api", "services"] => Ok(listed(store.services().into_iter().map(Value::from).collect())),
        ["api", "services", service, "operations"] => {
            let mut names: Vec<&str> = store.operations(service).into_iter().map(|(name, _)| name).collect();
            names.dedup();
            Ok(listed(names.into_iter().map(Value::from).collect()))
        }
        ["api", "operations"] => operations(store, request),
        ["api", "traces"] => search(store, request),
        ["api", "traces", id] => one(store, id),
        ["api", "dependencies"] => dependencies(store, request),
        _ => {
            Err((404, "there is no such page: /api/services, /api/services/NAME/operations, /api/traces, /api/traces/ID and /api/dependencies are".to_owned()))
        }
    };
    match said {
        Ok(body) => Answer { status: 200, body },
        Err((status, why)) => {
            let errors = json!([{"code": status, "msg": why}]);
            Answer { status, body: json!({"data": null, "total": 0, "limit": 0, "offset": 0, "errors": errors}).to_string() }
        }
    }
}

fn plain(segment: &str) -> String {
    // A path has no `+` that stands for a blank.
    let encoded = segment.replace('+', "%2B");
    form_urlencoded::parse(format!("s={encoded}").as_bytes()).next().map_or_else(String::new, |(_, v)| v.into_owned())
}

fn listed(data: Vec<Value>) -> String {
    json!({"data": data, "total": data.len(), "limit": 0, "offset": 0, "errors": null}).to_string()
}

fn given<'r>(request: &Request<'r>, name: &'r str) -> impl Iterator<Item = &'r str> {
    request.parameters.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
}

fn wrong(name: &str, value: &str, wanted: &str) -> (u16, String) {
    (400, format!("unable to parse param '{name}': {value:?} is no {wanted}"))
}

fn integer(request: &Request<'_>, name: &str) -> Result<Option<i64>, (u16, String)> {
    let Some(value) = given(request, name).next() else { return Ok(None) };
    value.parse().map(Some).map_err(|_| wrong(name, value, "number"))
}

/// Microseconds of a duration such as `1.2s`, `100ms`, `500us`.
fn duration(request: &Request<'_>, name: &str) -> Result<Option<i64>, (u16, String)> {
    let Some(value) = given(request, name).next() else { return Ok(None) };
    let nanos = mesh_model::duration::parse(value).filter(|n| *n >= 0);
    nanos.map(|n| Some(n / 1000)).ok_or_else(|| wrong(name, value, "duration such as 100ms"))
}

fn operations(store: &Store, request: &Request<'_>) -> Said {
    let service = given(request, "service").next().ok_or_else(|| (400, "parameter 'service' is required".to_owned()))?;
    let kind = given(request, "spanKind").next();
    let all = store.operations(service).into_iter().map(|(name, k)| (name, if k == Kind::Internal { "" } else { k.word() }));
    Ok(listed(all.filter(|(_, k)| kind.is_none_or(|wanted| wanted == *k)).map(|(name, k)| json!({"name": name, "spanKind": k})).collect()))
}

/// `tags={"a":"b"}` and `tag=a:b`.
fn tags(request: &Request<'_>) -> Result<Vec<(String, String)>, (u16, String)> {
    let mut out = Vec::new();
    for value in given(request, "tags") {
        let map: BTreeMap<String, Value> = serde_json::from_str(value).map_err(|_| wrong("tags", value, "JSON object of texts"))?;
        out.extend(map.into_iter().map(|(k, v)| (k, super::plain(&v))));
    }
    for value in given(request, "tag") {
        let (name, value) = value.split_once(':').ok_or_else(|| wrong("tag", value, "name and value as in a:b"))?;
        out.push((name.to_owned(), value.to_owned()));
    }
    Ok(out)
}

fn search(store: &Store, request: &Request<'_>) -> Said {
    let ids: Vec<&str> = given(request, "traceID").collect();
    if !ids.is_empty() {
        // Each is told once, however often it is asked for.
        let mut seen = BTreeSet::new();
        return told(store, ids.into_iter().filter_map(|id| store.held(id)).filter(|t| seen.insert(*t)).take(MOST).collect());
    }
    let service = given(request, "service").next().ok_or_else(|| (400, "parameter 'service' is required".to_owned()))?;
    // The kind is no tag of what is held.
    let (kinds, tags): (Vec<_>, Vec<_>) = tags(request)?.into_iter().partition(|(k, _)| k == "span.kind");
    let query = Query {
        service: service.to_owned(),
        operation: given(request, "operation").next().map(str::to_owned),
        tags,
        kind: kinds.into_iter().next().map(|(_, v)| v),
        from: integer(request, "start")?,
        to: integer(request, "end")?,
        least: duration(request, "minDuration")?,
        most: duration(request, "maxDuration")?,
    };
    let limit = integer(request, "limit")?.map_or(TRACES, |l| usize::try_from(l).unwrap_or(0)).min(MOST);
    told(store, store.find(&query, limit))
}

fn one(store: &Store, id: &str) -> Said {
    if super::id(id).is_none() {
        return Err(wrong("traceID", id, "number of base 16"));
    }
    store.held(id).map_or_else(|| Err((404, "trace not found".to_owned())), |found| told(store, vec![found]))
}

/// Traces that were found, unless they are too much to tell.
fn told(store: &Store, found: Vec<u128>) -> Said {
    let length = found.iter().map(|t| store.length(*t)).fold(0, usize::saturating_add);
    if length > LONGEST {
        return Err((
            400,
            format!("{} traces have {} MiB of text, and {} are told at once: ask for fewer, by `limit`", found.len(), length >> 20, LONGEST >> 20),
        ));
    }
    Ok(traces(found.into_iter().map(|t| store.spans(t))))
}

fn dependencies(store: &Store, request: &Request<'_>) -> Said {
    let to = integer(request, "endTs")?.map_or(request.now, |ms| ms.saturating_mul(1000));
    let back = integer(request, "lookback")?.map_or(DAY, |ms| ms.saturating_mul(1000));
    let all = store.dependencies(to.saturating_sub(back), to);
    let data: Vec<Value> = all.into_iter().map(|((parent, child), n)| json!({"parent": parent, "child": child, "callCount": n})).collect();
    Ok(json!({"data": data, "total": 0, "limit": 0, "offset": 0, "errors": null}).to_string())
}

/// An id as Jaeger writes it.
fn long(id: &str) -> String {
    if id.len() > 16 { format!("{id:0>32}") } else { format!("{id:0>16}") }
}

/// Traces as a list, one after the other: all of them as values at once would take a multiple of their text.
fn traces(all: impl Iterator<Item = Vec<Span>>) -> String {
    let mut out = "{\"data\":[".to_owned();
    let mut total = 0;
    for spans in all {
        if total > 0 {
            out.push(',');
        }
        total += 1;
        out.push_str(&trace(&spans));
    }
    out.push_str(&format!("],\"total\":{total},\"limit\":0,\"offset\":0,\"errors\":null}}"));
    out
}

/// In Jaeger's order and spelling.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'s> {
    #[serde(rename = "traceID")]
    trace: &'s str,
    spans: Vec<Told<'s>>,
    processes: BTreeMap<String, Process<'s>>,
    warnings: (),
}

#[derive(Serialize)]
struct Process<'s> {
    #[serde(rename = "serviceName")]
    service: &'s str,
    tags: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'s> {
    #[serde(rename = "traceID")]
    trace: &'s str,
    #[serde(rename = "spanID")]
    id: String,
    operation_name: &'s str,
    references: Vec<Reference<'s>>,
    start_time: i64,
    duration: i64,
    tags: Vec<Tag<'s>>,
    logs: [(); 0],
    #[serde(rename = "processID")]
    process: &'s str,
    warnings: (),
}

#[derive(Serialize)]
struct Reference<'s> {
    #[serde(rename = "refType")]
    kind: &'static str,
    #[serde(rename = "traceID")]
    trace: &'s str,
    #[serde(rename = "spanID")]
    id: String,
}

#[derive(Serialize)]
struct Tag<'s> {
    key: &'s str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: Of<'s>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Of<'s> {
    Flag(bool),
    Text(&'s str),
}

fn tag<'s>(key: &'s str, value: &'s str) -> Tag<'s> {
    match (key, value) {
        ("error", "true" | "false") => Tag { key, kind: "bool", value: Of::Flag(value == "true") },
        _ => Tag { key, kind: "string", value: Of::Text(value) },
    }
}

fn trace(spans: &[Span]) -> String {
    let mut processes: BTreeMap<&str, String> = BTreeMap::new();
    for span in spans {
        let next = format!("p{}", processes.len() + 1);
        processes.entry(&span.service).or_insert(next);
    }
    let id = spans.first().map_or_else(String::new, |s| long(&s.trace));
    let of = |s: &'_ Span| -> Vec<Reference<'_>> {
        let parent = Some(&s.parent).filter(|p| !p.is_empty());
        parent.map(|p| Reference { kind: "CHILD_OF", trace: &id, id: long(p) }).into_iter().collect()
    };
    let list = spans.iter().map(|s| Told {
        trace: &id,
        id: long(&s.id),
        operation_name: &s.operation,
        references: of(s),
        start_time: s.start,
        duration: s.duration,
        tags: s.tags.iter().map(|(k, v)| tag(k, v)).chain((s.kind != Kind::Internal).then(|| tag("span.kind", s.kind.word()))).collect(),
        logs: [],
        process: processes.get(s.service.as_str()).map_or("", String::as_str),
        warnings: (),
    });
    let one = One {
        trace: &id,
        spans: list.collect(),
        processes: processes.iter().map(|(name, key)| (key.clone(), Process { service: name, tags: [] })).collect(),
        warnings: (),
    };
    // Texts and numbers are JSON always.
    serde_json::to_string(&one).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPANS: &str = r#"[
        {"traceId": "000000000000000000000000000000ab", "id": "1", "name": "cart:80/*", "kind": "CLIENT", "timestamp": 1000, "duration": 50, "localEndpoint": {"serviceName": "web.shop"}, "tags": {"http.status_code": "503", "error": "true"}},
        {"traceId": "ab", "id": "2", "parentId": "1", "name": "cart:80/*", "kind": "SERVER", "timestamp": 1010, "duration": 30, "localEndpoint": {"serviceName": "cart.shop"}, "tags": {"upstream_cluster": "inbound|80||"}},
        {"traceId": "463ac35c9f6413ad48485a3953bb6124", "id": "3", "name": "a b", "timestamp": 2000000, "duration": 5, "localEndpoint": {"serviceName": "web.shop"}}]"#;

    fn ask(path: &str, query: &str) -> (u16, Value) {
        let mut store = Store::default();
        store.add(super::super::read("spans", SPANS).expect("spans").spans);
        let parameters = crate::http::parameters(query.as_bytes());
        let answer = answer(&store, &Request { path, parameters: &parameters, now: 3_000_000 });
        (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
    }

    #[test]
    fn it_answers_as_jaeger_does() {
        let (status, services) = ask("/api/services", "");
        assert_eq!((status, services), (200, json!({"data": ["cart.shop", "web.shop"], "total": 2, "limit": 0, "offset": 0, "errors": null})));
        assert_eq!(ask("/api/services/web%2Eshop/operations", "").1["data"], json!(["a b", "cart:80/*"]));
        let kinds = ask("/api/operations", "service=web.shop&spanKind=client").1;
        assert_eq!(kinds["data"], json!([{"name": "cart:80/*", "spanKind": "client"}]));
        let (status, one) = ask("/api/traces/ab", "");
        let spans = &one["data"][0]["spans"];
        assert_eq!((status, &one["data"][0]["traceID"], spans.as_array().map(Vec::len)), (200, &json!("00000000000000ab"), Some(2)));
        assert_eq!(spans[1]["references"], json!([{"refType": "CHILD_OF", "traceID": "00000000000000ab", "spanID": "0000000000000001"}]));
        let tags = json!([{"key": "error", "type": "bool", "value": true}, {"key": "http.status_code", "type": "string", "value": "503"}, {"key": "span.kind", "type": "string", "value": "client"}]);
        assert_eq!(spans[0]["tags"], tags);
        assert_eq!(one["data"][0]["processes"]["p2"]["serviceName"], "cart.shop");
        assert_eq!(ask("/api/dependencies", "endTs=3000&lookback=3000").1["data"], json!([{"parent": "web.shop", "child": "cart.shop", "callCount": 1}]));
        let ids = |query: &str| {
            let (status, value) = ask("/api/traces", query);
            assert_eq!(status, 200, "{query}: {value}");
            value["data"].as_array().into_iter().flatten().filter_map(|t| t["traceID"].as_str().map(|t| t[t.len() - 2..].to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(ids("service=web.shop"), ["24", "ab"]);
        assert_eq!(ids("service=web.shop&limit=1"), ["24"]);
        assert_eq!(ids("service=web.shop&tags=%7B%22error%22%3A%22true%22%7D"), ["ab"]);
        assert_eq!(ids("service=web.shop&tag=http.status_code:503&minDuration=50us&maxDuration=1ms"), ["ab"]);
        assert_eq!(ids("service=cart.shop&minDuration=31us"), Vec::<String>::new());
        assert_eq!(ids("service=web.shop&start=1000&end=1000"), ["ab"]);
        assert_eq!(ids("service=web.shop&tags=%7B%22span.kind%22%3A%22client%22%7D"), ["ab"]);
        assert_eq!(ids("traceID=ab&traceID=463ac35c9f6413ad48485a3953bb6124&traceID=7"), ["ab", "24"]);
        // What is read back is what was told.
        let again = super::super::read("again", &ask("/api/traces/ab", "").1.to_string()).expect("spans").spans;
        let told = super::super::read("spans", SPANS).expect("spans").spans;
        let key = |s: &Span| (s.trace.clone(), s.id.clone(), s.parent.clone(), s.service.clone(), s.operation.clone(), s.kind, s.start, s.duration);
        assert_eq!(again.iter().map(key).collect::<Vec<_>>(), told[..2].iter().map(key).collect::<Vec<_>>());
    }

    #[test]
    fn a_short_question_gets_no_endless_answer() {
        let many = ask("/api/traces", &"traceID=ab&".repeat(50)).1;
        assert_eq!(many["data"].as_array().map(Vec::len), Some(1));
        // A word is held once, and each span would tell it.
        let mut store = Store::default();
        let mut span = super::super::read("spans", SPANS).expect("spans").spans.remove(0);
        span.tags.insert("long".to_owned(), "x".repeat(4 << 20));
        for _ in 0..40 {
            store.add([span.clone()]);
        }
        for (path, query) in [("/api/traces/ab", ""), ("/api/traces", "traceID=ab"), ("/api/traces", "service=web.shop")] {
            let parameters = crate::http::parameters(query.as_bytes());
            let answer = answer(&store, &Request { path, parameters: &parameters, now: 3_000_000 });
            assert!(answer.status == 400 && answer.body.contains("ask for fewer"), "{path}?{query}: {}", answer.status);
        }
    }

    #[test]
    fn what_can_t_be_answered_is_said() {
        for (path, query, status, says) in [
            ("/api/traces", "", 400, "'service' is required"),
            ("/api/traces", "service=a&start=x", 400, "start"),
            ("/api/traces", "service=a&minDuration=x", 400, "minDuration"),
            ("/api/traces", "service=a&tags=x", 400, "tags"),
            ("/api/traces", "service=a&limit=x", 400, "limit"),
            ("/api/traces/zz", "", 400, "traceID"),
            ("/api/traces/7", "", 404, "trace not found"),
            ("/api/nothing", "", 404, "no such page"),
        ] {
            let (got, value) = ask(path, query);
            assert!(got == status && value["errors"][0]["msg"].as_str().is_some_and(|m| m.contains(says)), "{path}?{query}: {got} {value}");
        }
    }
}
