//! `meshctl route`: where a request goes, step by step, from what a proxy holds.

mod calls;
pub mod json;
pub mod manifests;
pub mod request;
pub mod text;

use crate::args::SourceArgs;
use crate::args::route::RouteArgs;
use crate::commands::proxy_config::not_a_dump;
use crate::context::Context;
use crate::print::document::{Document, render};
use crate::status::{Failure, Outcome, Status};
use mesh_envoy::engine::Configuration;
use mesh_envoy::engine::pick::UpstreamTransport as Sent;
use mesh_envoy::engine::request::Entry;
use mesh_envoy::engine::walk::{Call, End, Verdict, walk};
use mesh_envoy::identify::{Content, identify};
use mesh_resolver::Held;
use std::io::Read;
use std::path::Path;

/// What came of a request at one proxy.
pub struct Told {
    /// The proxy's name, or the file that it came from.
    pub proxy: String,
    pub verdict: Verdict,
}

/// A request's way: at the client's proxy, and at the server's where its dump is given.
pub struct Way {
    pub request: String,
    pub told: Vec<Told>,
    /// What was assumed outside the proxies, and what the input lacks.
    pub assumptions: Vec<String>,
    pub problems: Vec<String>,
}

pub fn run(args: &RouteArgs, context: &Context) -> Outcome {
    if let (Some(list), Some(proxy)) = (&args.calls, &args.proxy) {
        let translated = manifests::translated(&args.manifests, proxy, args.mesh_config_file.as_deref())?;
        translated.not_judged.iter().for_each(|n| context.note(&format!("not judged: {}", crate::term::safe(n))));
        let status = many(&translated.configuration, list, context)?;
        return Ok(if translated.not_judged.is_empty() { status } else { status.max(context.partial) });
    }
    match (&args.calls, &args.xds, args.from.first()) {
        (None, ..) if args.proxy.is_some() => Err(Failure::usage("--proxy takes its requests from --calls")),
        (Some(list), file, from) if file.is_some() || from.is_some() => {
            let file = file.as_deref().or(from.map(Path::new)).unwrap_or(Path::new(""));
            let configuration = Configuration::read(&read(file)?).map_err(|e| Failure::input(format!("{}: {e}", file.display())))?;
            many(&configuration, list, context)
        }
        (Some(_), ..) => Err(Failure::usage("--calls takes a configuration from --from DUMP or --xds FILE")),
        (None, ..) => one(args, context),
    }
}

fn many(configuration: &Configuration, list: &Path, context: &Context) -> Outcome {
    let list = std::fs::read_to_string(list).map_err(|e| Failure::input(format!("{}: {e}", list.display())))?;
    let answer = calls::answer(configuration, &list).map_err(Failure::input)?;
    if answer.mutual {
        context.note(&format!("calls over mutual TLS are assumed to come from {}", calls::CALLER));
    }
    context.answer(&answer.text)?;
    Ok(Status::Fine)
}

fn read(path: &Path) -> Result<serde_json::Value, Failure> {
    let unreadable = |e: String| Failure::input(format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| unreadable(not_a_dump(&text, &e.to_string()).to_string()))
}

fn held(path: &Path, dump: &serde_json::Value) -> Result<Held, Failure> {
    let name = path.display().to_string();
    Held::read(&name, dump).map_err(|e| Failure::input(format!("{name}: {e}")))
}

/// Whether a file holds lists of xDS resources: those are no page of a proxy.
fn is_xds(file: &Path) -> bool {
    let mut head = Vec::new();
    let read = std::fs::File::open(file).and_then(|f| f.take(64 << 10).read_to_end(&mut head));
    file.is_file() && read.is_ok() && identify(&String::from_utf8_lossy(&head)) == Content::OtherJson
}

fn one(args: &RouteArgs, context: &Context) -> Outcome {
    let format = match args.output.as_str() {
        "text" => None,
        "json" => Some(Document::Json),
        "yaml" => Some(Document::Yaml),
        other => return Err(Failure::usage(format!("-o takes text, json or yaml, not `{other}`"))),
    };
    let way = way(args, context)?;
    let status = status(&way, context);
    let answer = match format {
        None => text::show(&way),
        Some(document) => render(&json::value(&way), document),
    };
    context.answer(&answer)?;
    Ok(status)
}

/// The way of the request that arguments describe.
pub fn way(args: &RouteArgs, context: &Context) -> Result<Way, Failure> {
    let (method, url) = match (&args.method, &args.url) {
        (Some(method), Some(url)) => (method, url),
        _ => return Err(Failure::usage("give a method and a URL: meshctl route --from DUMP GET http://reviews:9080/reviews/0")),
    };
    if !args.pod.is_empty() && args.from.len() > 1 {
        return Err(Failure::usage("--pod names proxies of one source: give one --from, or a --from for each proxy"));
    }
    let place = SourceArgs { from: Vec::new(), namespace: args.namespace.clone(), reach: args.reach.clone() };
    let mut unseen = Vec::new();
    let mut proxies = args.xds.iter().map(|p| held(p, &read(p)?)).collect::<Result<Vec<_>, Failure>>()?;
    let from = args.from.first().map(String::as_str);
    let named: Vec<(Option<&str>, Option<&str>)> = match args.pod.as_slice() {
        [] => args.from.iter().map(|f| (Some(f.as_str()), None)).collect(),
        pods => pods.iter().map(|pod| (from, Some(pod.as_str()))).collect(),
    };
    for (from, pod) in named {
        if let Some(file) = from.map(Path::new).filter(|f| pod.is_none() && is_xds(f)) {
            proxies.push(held(file, &read(file)?)?);
            continue;
        }
        let found = crate::dump::whole(from, pod, &place, context)?;
        let text = &found.page.text;
        let origin = Path::new(&found.page.origin);
        let dump = serde_json::from_str(text).map_err(|e| Failure::input(format!("{}: {}", origin.display(), not_a_dump(text, &e.to_string()))))?;
        proxies.push(held(origin, &dump)?);
        unseen.extend(found.problems);
    }
    let (near, far) = match proxies.as_slice() {
        [near] => (near, None),
        [near, far] => (near, Some(far)),
        [] => {
            return Err(Failure::usage(
                "give the proxy's config dump with --from DUMP, or its pod with --pod; from manifests `meshctl why FROM URL -f DIR` answers",
            ));
        }
        _ => return Err(Failure::usage("--from and --pod are given twice at most: the client and the server")),
    };
    let mut way = follow(args, method, url, near, far)?;
    way.problems.extend(unseen);
    Ok(way)
}

fn follow(args: &RouteArgs, method: &str, url: &str, near: &Held, far: Option<&Held>) -> Result<Way, Failure> {
    let described = request::Described::new(&args.request, method, url)?;
    let world = request::world(&args.request)?;
    let inbound = args.inbound || args.caller.is_some();
    let mut way = Way { request: described.to_string(), told: Vec::new(), assumptions: Vec::new(), problems: near.problems() };
    let destination = described.destination(near, inbound, &mut way.assumptions);
    let source = described.source(near, inbound, &mut way.assumptions);
    let certificate = args.caller.as_deref().map(|c| request::spiffe(c, "--caller", None, &mut way.assumptions)).transpose()?;
    let connection = described.connection(source, destination, certificate.as_deref());
    let entry = if inbound { near.entry_inbound() } else { near.entry_outbound() };
    let headers = described.headers();
    let call = Call { entry, connection, request: described.request(&headers), expects: None };
    let verdict = walk(&near.configuration, &call, &world);
    let next = far.map(|far| at_server(&verdict, far, &mut way));
    let authority_and_path = verdict.upstream_request.clone();
    way.told.push(Told { proxy: near.name.clone(), verdict });
    if let (Some(Some((address, sent))), Some(far)) = (next, far) {
        way.problems.extend(far.problems());
        let principal = matches!(sent, Sent::Tls { presents_certificate: true, .. }).then(|| near.principal(request::TRUST_DOMAIN, &mut way.assumptions));
        let connection = described.as_sent_by(near, address, &sent, principal.as_deref());
        let (authority, path) = authority_and_path.unwrap_or_else(|| (described.authority.clone(), described.path.clone()));
        let headers = described.headers();
        let forwarded = described.request(&headers).map(|r| mesh_envoy::engine::request::Request { authority: &authority, path: &path, ..r });
        let call = Call { entry: Entry::CapturedInbound, connection, request: forwarded, expects: None };
        let verdict = walk(&far.configuration, &call, &world);
        way.told.push(Told { proxy: far.name.clone(), verdict });
    }
    Ok(way)
}

/// Where a request arrives at the server: the address, and over what.
fn at_server(verdict: &Verdict, far: &Held, way: &mut Way) -> Option<(std::net::SocketAddr, Sent)> {
    for branch in &verdict.branches {
        for (address, _) in &branch.endpoints {
            if let Ok(address) = address.parse::<std::net::SocketAddr>()
                && far.addresses.contains(&address.ip())
            {
                return match &branch.transport {
                    Some(known @ (Sent::Plaintext | Sent::Tls { .. })) => Some((address, known.clone())),
                    Some(Sent::Other(name)) => {
                        way.problems.push(format!("what {} receives over {name} is not known", far.name));
                        None
                    }
                    None => {
                        way.problems.push(format!("whether {} receives TLS or plaintext is not known", far.name));
                        None
                    }
                };
            }
        }
    }
    let endpoints = verdict.branches.iter().any(|b| !b.endpoints.is_empty());
    way.problems.push(match endpoints {
        true => format!("{} is none of the endpoints that the request may go to", far.name),
        false => format!("no endpoints are known, so that the request can't be followed to {}", far.name),
    });
    None
}

/// 79 for a request that fails, 75 for one that is not followed to its end.
fn status(way: &Way, context: &Context) -> Status {
    let mut status = if way.problems.is_empty() { Status::Fine } else { context.partial };
    for end in way.told.iter().flat_map(|t| &t.verdict.branches).map(|b| &b.end) {
        let of = match end {
            End::Forwarded => Status::Fine,
            End::Replied(r) if r.status < 400 => Status::Fine,
            End::Replied(_) | End::Closed { .. } => Status::NotFine,
            End::UpTo(_) => context.partial,
        };
        status = status.max(of);
    }
    status
}

/// The object that metadata names: `/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews` is
/// `VirtualService default/reviews`.
pub fn object(source: &str) -> String {
    let mut parts = source.strip_prefix("/apis/").map(|s| s.split('/').skip(2)).into_iter().flatten();
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("namespaces"), Some(namespace), Some(kind), Some(name)) => {
            let words = kind.split('-').map(|w| w.chars().take(1).flat_map(char::to_uppercase).chain(w.chars().skip(1)).collect::<String>());
            format!("{} {namespace}/{name}", words.collect::<String>())
        }
        _ => source.to_owned(),
    }
}

/// A policy's name in RBAC as the AuthorizationPolicy that it is; other names stay.
pub fn policy(name: &str) -> String {
    mesh_envoy::rbac::PolicyName::parse(name).map_or_else(|| name.to_owned(), |p| p.to_string())
}
