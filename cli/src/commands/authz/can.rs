//! `meshctl authz can`: would this request be allowed, by which policy and rule.

use crate::args::SourceArgs;
use crate::args::authz::{CanArgs, CanFormat};
use crate::args::mesh::MeshArgs;
use crate::commands::proxy_config::not_a_dump;
use crate::commands::route::request::{other_domain, spiffe};
use crate::context::Context;
use crate::mesh_input;
use crate::near;
use crate::output::pretty;
use crate::status::{Failure, Outcome, Status};
use crate::term::{safe, safe_json};
use anstyle::{AnsiColor, Style};
use mesh_analyzers::explain::authorization::{Judgement, judge};
use mesh_analyzers::explain::proxy::{Chain, Proxy};
use mesh_envoy::matcher::Truth;
use mesh_envoy::rbac::{Fact, Failed, Request};
use mesh_envoy::redact;
use mesh_model::{Kind, Object};
use mesh_resolver::translate::{Effect, Model, domain_of};
use mesh_resolver::why::Named;
use mesh_resolver::{InMesh, Mesh};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where Envoy's JWT filter leaves the claims.
const JWT: &str = "envoy.filters.http.jwt_authn";
/// Where Istio's proxies leave the peer's principal for filters.
const PEER: &str = "io.istio.peer_principal";

pub fn run(args: &CanArgs, context: &Context) -> Outcome {
    let place = SourceArgs { from: Vec::new(), namespace: args.namespace.clone(), reach: args.reach.clone() };
    // What was typed wrong is said before anything is read.
    request(args, None, &mut Vec::new())?;
    let held = match &args.to {
        Some(to) => translated(to, args, context)?,
        None => {
            let found = crate::dump::whole(args.from.as_deref(), args.pod.as_deref(), &place, context)?;
            Holds { text: found.page.text, problems: found.problems, ..Holds::default() }
        }
    };
    let mut assumed = Vec::new();
    let mut request = request(args, other_domain(&held.trust_domain), &mut assumed)?;
    let mut proxy = Proxy::read(&held.text).map_err(|e| not_a_dump(&held.text, &e.to_string()))?;
    proxy.problems.extend(held.problems);
    let port = port(args, &proxy)?;
    request.destination_port = Fact::Is(port);
    let chains = proxy.chains_of(Some(port));
    let mut judgement = match chain(args, &chains) {
        Some(chain) => judge(chain, proxy.table_of(chain), &request),
        None => Judgement {
            allowed: Truth::No,
            reason: format!(
                "no filter chain of port {port} takes {}",
                if args.plaintext { "plaintext (PeerAuthentication STRICT)" } else { "such a connection" }
            ),
            rules: Vec::new(),
            assumptions: Vec::new(),
        },
    };
    judgement.assumptions.extend(assumed);
    let unseen = held.unseen.iter().find(|policy| judgement.reason.starts_with(&format!("DENY by {policy},")));
    if let (Truth::No, Some(policy)) = (judgement.allowed, unseen) {
        judgement.allowed = Truth::Unknown;
        judgement.reason = format!("{policy} asks a provider of the mesh configuration, which is not in the input");
    }
    let text = match args.output {
        CanFormat::Json => safe_json(pretty(&object(&judgement, &proxy), b"  ")),
        CanFormat::Text => show(&judgement),
    };
    context.answer(&text)?;
    for problem in &proxy.problems {
        context.note(problem);
    }
    Ok(match judgement.allowed {
        Truth::No => Status::NotFine,
        Truth::Unknown => context.partial,
        Truth::Yes if !proxy.problems.is_empty() => context.partial,
        Truth::Yes => Status::Fine,
    })
}

/// What a proxy holds.
#[derive(Default)]
struct Holds {
    /// Its dump.
    text: String,
    /// What of that is not known.
    problems: Vec<String>,
    /// The mesh's; "" where it is not known.
    trust_domain: String,
    /// Policies whose provider was not seen, as they are called: in the translation they deny, as with one that is not there.
    unseen: Vec<String>,
}

/// What the proxy of a workload would hold.
fn translated(to: &str, args: &CanArgs, context: &Context) -> Result<Holds, Failure> {
    let sources: Vec<String> = args.from.iter().cloned().collect();
    let input = mesh_input::read_sources(&MeshArgs::default(), &sources, context)?;
    let mesh = Mesh::as_watched(&input.snapshot, domain_of(&input.snapshot));
    let model = Model::supposing(&mesh);
    let ids = Named::parse(to, args.namespace.as_deref()).workloads(&mesh);
    let id = *ids.first().ok_or_else(|| near::no_workload(to, &mesh))?;
    let w = mesh.workloads.get(id);
    let mut problems: Vec<String> = input.problems().cloned().collect();
    if !matches!(mesh.in_mesh(w), InMesh::Sidecar | InMesh::Gateway) {
        problems.push(format!("{} has no sidecar, or none that is known: what enforces its policies is not judged", w.object.origin()));
    }
    let node = model.proxy_of(id);
    let translation = model.translate(&node);
    let touching = translation.not_judged.iter().filter(|n| n.effect == Effect::Traffic && n.origin.is_none_or(|o| o.object.kind != Kind::DestinationRule));
    problems.extend(touching.map(|n| n.origin.map_or_else(|| n.what.to_string(), |o| format!("{}: {}", o.object.origin(), n.what))));
    let is_custom = |o: &&Object| o.spec().is_some_and(|s| s.text_of("action") == "CUSTOM");
    let unseen = match model.custom_providers(&node, None).len() {
        1 if !mesh.knows_config() => model.policies_for(Kind::AuthorizationPolicy, &node).into_iter().filter(is_custom).map(Object::origin).collect(),
        _ => Vec::new(),
    };
    Ok(Holds { text: translation.dump().to_string(), problems, trust_domain: mesh.config.trust_domain().to_owned(), unseen })
}

/// The request as it was typed.
fn request(args: &CanArgs, trust_domain: Option<&str>, assumed: &mut Vec<String>) -> Result<Request, Failure> {
    let mut r = Request { other_metadata: Fact::Absent, server_name: Fact::Unknown, ..Request::default() };
    let (host, path) = match args.path.as_deref() {
        // A URL has the host as well.
        Some(url) if url.contains("://") => {
            let rest = url.split_once("://").map_or("", |(_, r)| r);
            let at = rest.find('/').unwrap_or(rest.len());
            (Some(rest[..at].to_owned()), Some(if at < rest.len() { rest[at..].to_owned() } else { "/".to_owned() }))
        }
        Some(path) if path.starts_with('/') => (None, Some(path.to_owned())),
        Some(other) => return Err(Failure::usage(format!("a path begins with /, not `{other}`"))),
        None => (None, None),
    };
    for (name, value) in [(":method", args.method.clone()), (":path", path), (":authority", args.host.clone().or(host))] {
        match value {
            Some(v) => drop(r.headers.insert(name.to_owned(), v)),
            None => r.unknown_headers.push(name.to_owned()),
        }
    }
    for header in &args.headers {
        let (name, value) =
            header.split_once(':').filter(|(n, _)| !n.is_empty()).ok_or_else(|| Failure::usage(format!("-H takes `name: value`, not `{header}`")))?;
        r.headers.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
    }
    if let Some(id) = &args.principal {
        let id = spiffe(id, "--principal", trust_domain, assumed)?;
        r.filter_state.insert(PEER.to_owned(), id.clone());
        r.peer = Fact::Is(vec![id]);
    } else if args.plaintext {
        r.peer = Fact::Absent;
        r.server_name = Fact::Absent;
    }
    r.source_ip = args.source_ip.map_or(Fact::Unknown, Fact::Is);
    if let Some(claims) = &args.claims {
        let payload: Value = serde_json::from_str(claims).map_err(|e| Failure::usage(format!("--claims takes a JSON object: {e}")))?;
        r.metadata.insert(JWT.to_owned(), json!({"payload": payload}));
    }
    Ok(r)
}

/// The port asked for, or the only one that the workload has.
fn port(args: &CanArgs, proxy: &Proxy) -> Result<u16, Failure> {
    if let Some(port) = args.port {
        return Ok(port);
    }
    let ports: BTreeSet<u16> =
        proxy.chains.iter().filter(|c| c.is_inbound && !c.name.contains("blackhole")).filter_map(|c| c.port).filter(|p| !(15000..=15100).contains(p)).collect();
    match ports.iter().collect::<Vec<_>>().as_slice() {
        [port] => Ok(**port),
        [] => Err(Failure::usage("which port? The dump has no inbound port: give one with --port")),
        list => Err(Failure::usage(format!("which port? Give one with --port: {}", list.iter().map(|p| p.to_string()).collect::<Vec<_>>().join(", ")))),
    }
}

/// The chain that takes such a request: TLS for who has a principal, HTTP for who has a method.
fn chain<'p>(args: &CanArgs, chains: &[&'p Chain]) -> Option<&'p Chain> {
    let fits = |c: &&&Chain| !(args.plaintext && c.tls || args.principal.is_some() && !c.tls);
    let fitting = || chains.iter().filter(fits).copied();
    fitting().find(|c| c.is_http == args.method.is_some()).or_else(|| fitting().next())
}

fn verdict(j: &Judgement) -> &'static str {
    match j.allowed {
        Truth::Yes => "allowed",
        Truth::No => "refused",
        Truth::Unknown => "not known",
    }
}

fn truth(t: Truth) -> &'static str {
    match t {
        Truth::Yes => "matches",
        Truth::No => "does not match",
        Truth::Unknown => "not known",
    }
}

/// What was wanted and found, without the values of headers that carry credentials.
fn told(f: &Failed) -> (String, String) {
    let header = f.wanted.split("header ").skip(1).map(|w| w.split(' ').next().unwrap_or("")).find(|name| redact::is_secret_header(name));
    match header {
        Some(name) => (format!("header {name} has the right value"), if f.found.contains('`') { "another value".to_owned() } else { f.found.clone() }),
        None => (f.wanted.clone(), redact::text(&f.found).into_owned()),
    }
}

fn object(j: &Judgement, proxy: &Proxy) -> Value {
    let rules: Vec<Value> = j
        .rules
        .iter()
        .map(|r| json!({"action": r.action, "rule": r.name, "result": truth(r.matches), "failed": r.failed.iter().map(told).map(|(wanted, found)| json!({"wanted": wanted, "found": found})).collect::<Vec<_>>()}))
        .collect();
    json!({
        "complete": proxy.problems.is_empty() && j.allowed != Truth::Unknown, "problems": proxy.problems,
        "verdict": verdict(j), "reason": j.reason, "assumptions": j.assumptions, "rules": rules,
    })
}

fn show(j: &Judgement) -> String {
    let style: Style = match j.allowed {
        Truth::Yes => AnsiColor::Green.on_default(),
        Truth::No => AnsiColor::Red.on_default(),
        Truth::Unknown => AnsiColor::Yellow.on_default(),
    }
    .bold();
    let mut out = format!("{style}{}{style:#}: {}\n", verdict(j), safe(&j.reason));
    for r in &j.rules {
        out.push_str(&format!("  {:8}{}: {}\n", r.action, safe(&r.name), truth(r.matches)));
        for (wanted, found) in r.failed.iter().map(told) {
            out.push_str(&format!("          wants: {}; found: {}\n", safe(&wanted), safe(&found)));
        }
    }
    out.extend(j.assumptions.iter().map(|a| format!("  assumed: {a}\n")));
    out
}
