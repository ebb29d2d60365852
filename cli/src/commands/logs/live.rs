//! `logs --live`: what mesh-proxies decide, as they do so. A proxy is asked at its admin port, or, in a cluster, through a port
//! that is forwarded to its pod.

use crate::args::logs::LogsArgs;
use crate::args::{DumpArgs, SourceArgs};
use crate::context::Context;
use crate::dump::{block_on, sources};
use crate::reach;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::term::safe;
use mesh_analyzers::explain::causes::{Cause, Symptom, diagnose};
use mesh_collectors::dumps::Source;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options, Take, follow};
use mesh_collectors::kube::pods::Pod;
use mesh_collectors::kube::reach::Reach;
use mesh_envoy::response_code_details::Details;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const PAGE: &str = "/requests/live";

pub fn run(args: &LogsArgs, context: &Context) -> Outcome {
    if context.out.is_some() {
        return Err(Failure::usage("--live prints lines as they come: --out does not go with it"));
    }
    let place = DumpArgs {
        pod: args.pod.clone(),
        source: SourceArgs { from: args.from.clone(), namespace: args.namespace.clone(), reach: args.reach.clone() },
        which: args.which.clone(),
        output: None,
        watch: None,
    };
    let path = path(args);
    block_on(async {
        let (sender, mut lines) = mpsc::channel(256);
        let mut tasks: JoinSet<(String, Result<(), String>)> = JoinSet::new();
        let named = sources(&place.source)?;
        match named.as_slice() {
            [Source::Cluster(name)] => {
                if args.pod.is_none() && args.which.selector.is_none() {
                    return Err(Failure::usage(
                        "whose decisions? Name a pod (NAME, NAME.NAMESPACE, deployment/NAME), select some with -l LABELS, or name an admin port with --from http://127.0.0.1:15000",
                    ));
                }
                let (reach, found) = reach::proxies(name.as_deref(), &place, context).await?;
                for pod in found {
                    let (reach, path, sender) = (reach.clone(), path.clone(), sender.clone());
                    tasks.spawn(async move { (pod.full_name(), forwarded(&reach, &pod, &path, &sender).await) });
                }
            }
            ends if ends.iter().all(|s| matches!(s, Source::Live(_) | Source::Named(..))) => {
                for end in ends {
                    let (Source::Live(endpoint) | Source::Named(_, endpoint)) = end else { continue };
                    // Of several whose names are known one may be meant.
                    if let (Source::Named(name, _), Some(pod)) = (end, &args.pod)
                        && !super::files::is_of(name, pod)
                    {
                        continue;
                    }
                    let admin = Admin::new(endpoint, Options::default()).map_err(|e| Failure::none(e.to_string()))?;
                    let (name, path, sender) = (endpoint.to_string(), path.clone(), sender.clone());
                    tasks.spawn(async move {
                        let followed = admin.follow(&path, &mut Lines::to(&name, &sender)).await;
                        (name.clone(), followed.map_err(|e| told(&name, &e)))
                    });
                }
            }
            _ => {
                return Err(Failure::usage("--live follows proxies that run: a pod, or --from with an admin port such as http://127.0.0.1:15000 or unix:PATH"));
            }
        }
        drop(sender);
        let several = tasks.len() > 1;
        let mut problems = Vec::new();
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some((name, line)) => print(&line, several.then_some(name.as_str()), args, context)?,
                    None => break,
                },
                Some(Ok((_, Err(problem)))) = tasks.join_next() => problems.push(problem),
            }
        }
        while let Some(ended) = tasks.join_next().await {
            problems.extend(ended.ok().and_then(|(_, followed)| followed.err()));
        }
        match problems.as_slice() {
            [] => Ok(Status::Fine),
            all if !several => Err(Failure::none(all.join("\n"))),
            all => {
                all.iter().for_each(|problem| stdio::note(&format!("error: not seen: {}", safe(problem))));
                Ok(context.partial)
            }
        }
    })?
}

/// What is asked of the proxy, which sends nothing else.
fn path(args: &LogsArgs) -> String {
    let mut query: Vec<String> = Vec::new();
    let mut add = |name: &str, value: &str| query.push(format!("{name}={}", percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)));
    if !args.flag.is_empty() {
        add("flag", &args.flag.join(","));
    }
    if !args.status.is_empty() {
        add("status", &args.status.iter().map(|s| s.trim().to_ascii_lowercase()).collect::<Vec<_>>().join(","));
    }
    args.path.iter().for_each(|p| add("path", p));
    args.host.iter().for_each(|h| add("host", h));
    if args.failed {
        query.push("failed".to_owned());
    }
    if query.is_empty() { PAGE.to_owned() } else { format!("{PAGE}?{}", query.join("&")) }
}

/// Cuts what comes into lines, and hands them on.
struct Lines<'l> {
    name: &'l str,
    sender: &'l mpsc::Sender<(String, String)>,
}

impl<'l> Lines<'l> {
    fn to(name: &'l str, sender: &'l mpsc::Sender<(String, String)>) -> Lines<'l> {
        Lines { name, sender }
    }
}

impl Take for Lines<'_> {
    async fn take(&mut self, line: String) -> bool {
        self.sender.send((self.name.to_owned(), line)).await.is_ok()
    }
}

async fn forwarded(reach: &Reach, pod: &Pod, path: &str, sender: &mpsc::Sender<(String, String)>) -> Result<(), String> {
    let name = pod.full_name();
    let broken = |why: String| format!("{name} port {}: {why}", reach.port);
    let mut forwarded = reach.cluster.forward(&pod.namespace, &pod.name, reach.port).await.map_err(|e| broken(e.to_string()))?;
    let Some(stream) = forwarded.stream.take() else { return Err(broken("it is not forwarded".to_owned())) };
    match follow(stream, &name, path, &mut Lines::to(&name, sender)).await {
        Err(AdminError::Unreachable { why, .. }) => Err(broken(forwarded.complaint().await.map_or(why, |c| c.trim().to_owned()))),
        other => other.map_err(|e| told(&name, &e)),
    }
}

/// An Envoy has no such page.
fn told(name: &str, error: &AdminError) -> String {
    match error {
        AdminError::Status { code: 404 | 405, .. } => {
            format!("{name} has no {PAGE}: only mesh-proxy tells what it decides; `meshctl logs -f` follows an Envoy's access log")
        }
        other => other.to_string(),
    }
}

fn print(line: &str, name: Option<&str>, args: &LogsArgs, context: &Context) -> Result<(), Failure> {
    let Ok(mut decision) = serde_json::from_str::<Value>(line) else { return Ok(()) };
    if let Some(dropped) = decision["dropped"].as_u64() {
        let of = name.map_or(String::new(), |n| format!(" of {}", safe(n)));
        stdio::note(&format!("note: {dropped} decisions{of} are missing here: they came faster than they were read"));
        return Ok(());
    }
    let causes = if args.explain { causes(&decision) } else { Vec::new() };
    if args.output == "json" {
        if let Some(name) = name {
            decision["proxy"] = name.into();
        }
        if args.explain {
            decision["causes"] = causes.iter().map(|c| json!({"id": c.id, "title": c.title, "whose": c.whose.name(), "why": c.why})).collect();
        }
        return context.answer(&crate::term::safe_json(format!("{decision}\n")));
    }
    let mut out = text(&decision, name);
    if let Some(cause) = causes.first() {
        out.push_str(&format!("    {} ({}; {}): {}\n", cause.title, cause.id, cause.whose.name(), cause.why));
    }
    context.answer(&out)
}

/// A decision in a line.
fn text(d: &Value, name: Option<&str>) -> String {
    let word = |v: &Value| match v {
        Value::String(s) if !s.is_empty() => safe(s).into_owned(),
        Value::Number(n) => n.to_string(),
        _ => "-".to_owned(),
    };
    let name = name.map_or(String::new(), |n| format!("{} ", safe(n)));
    format!(
        "{} {name}{} {} {} {}{} route={} cluster={} host={} attempts={} details={} {}ms\n",
        word(&d["time"]),
        word(&d["status"]),
        word(&d["flags"]),
        word(&d["method"]),
        word(&d["authority"]),
        word(&d["path"]),
        word(&d["route"]),
        word(&d["cluster"]),
        word(&d["host"]),
        word(&d["attempts"]),
        word(&d["details"]),
        word(&d["milliseconds"]["whole"]),
    )
}

/// Why it failed, the likeliest first; none where it did not.
fn causes(d: &Value) -> Vec<&'static Cause> {
    let of = |key: &str| d[key].as_str().unwrap_or("");
    let symptom = Symptom {
        status: d["status"].as_u64().and_then(|s| u16::try_from(s).ok()).unwrap_or(0),
        flags: of("flags"),
        details: of("details"),
        transport: Details::parse(of("details")).transport,
        cluster: of("cluster"),
    };
    if symptom.is_fine() { Vec::new() } else { diagnose(&symptom) }
}
