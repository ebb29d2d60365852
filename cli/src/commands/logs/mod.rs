//! `meshctl logs`: what an app and its proxy say, merged by time; of a cluster, of files, of a running demo.

mod files;
mod follow;
mod line;
mod live;

use crate::args::logs::LogsArgs;
use crate::args::{DumpArgs, ExplainFormat, SourceArgs};
use crate::commands::explain;
use crate::context::Context;
use crate::dump::block_on;
use crate::output::pretty;
use crate::print::time::rfc3339;
use crate::reach;
use crate::status::{Failure, Outcome, Status};
use crate::stdio;
use crate::term::safe_json;
use follow::Follow;
use line::{Pods, Said, Shown, Statuses};
use mesh_collectors::kube::logs::LogOf;
use mesh_collectors::kube::pods::{PROXY_CONTAINER, Pod};
use mesh_envoy::access_log::{Format, Reader};
use serde_json::json;

/// Lines of each container without --since.
const TAIL: u64 = 200;

pub fn run(args: &LogsArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o takes text or json, not `{}`", args.output)));
    }
    if args.explain && !args.live && (!args.flag.is_empty() || args.failed) {
        return Err(Failure::usage("--explain tells of all failures by cause: neither --flag nor --failed goes with it, but with --live"));
    }
    let statuses = args.status.iter().map(|s| Statuses::parse(s).ok_or_else(|| Failure::usage(format!("--status takes one such as 503, or 5xx, not `{s}`"))));
    let statuses = statuses.collect::<Result<Vec<_>, _>>()?;
    if args.live {
        return live::run(args, context);
    }
    if args.pod.is_none() && args.which.selector.is_none() && args.from.is_empty() {
        return Err(Failure::usage(
            "whose logs? Name a pod (NAME, NAME.NAMESPACE, deployment/NAME) or select some with -l LABELS; --from names files, folders, a recording or `demo`",
        ));
    }
    if args.follow && (args.output == "json" || context.out.is_some()) {
        return Err(Failure::usage("-f prints lines as they come: neither -o json nor --out goes with it"));
    }
    let reader = match &args.format {
        None => Reader::default(),
        Some(text) => Reader::of(Format::parse(text).map_err(|e| Failure::usage(format!("--format: {e}")))?),
    };
    let since = match args.since.as_deref() {
        None => String::new(),
        Some(text) => {
            let nanos = mesh_model::duration::parse(text).filter(|n| *n >= 0);
            rfc3339(context.now - nanos.ok_or_else(|| Failure::usage(format!("--since takes a time such as 10m, not `{text}`")))? / 1_000_000_000)
        }
    };
    let tail = args.tail.or((args.since.is_none()).then_some(TAIL));
    let mut shown =
        Shown { pods: Pods::One, reader, flags: args.flag.clone(), failed: args.failed, statuses, path: args.path.clone(), host: args.host.clone() };
    if !args.from.is_empty() {
        return files::run(args, shown, &files::Wanted { since, tail }, context);
    }
    block_on(async {
        let place = DumpArgs {
            pod: args.pod.clone(),
            source: SourceArgs { from: Vec::new(), namespace: args.namespace.clone(), reach: args.reach.clone() },
            which: args.which.clone(),
            output: None,
            watch: None,
        };
        let (cluster, found, mut problems) = reach::with_proxy(&place, context).await?;
        if found.len() > 1 || (args.follow && args.pod.as_deref().is_none_or(|p| p.contains('/'))) {
            shown.pods = Pods::Several;
        }
        let wanted = wanted(&found, args, &since, tail)?;
        if args.follow {
            let logs = |pod: &Pod| self::wanted(std::slice::from_ref(pod), args, &since, tail).unwrap_or_default();
            return Follow { cluster: &cluster, args, shown: &shown, context }.run(found, logs).await;
        }
        let mut tasks = tokio::task::JoinSet::new();
        for of in wanted {
            let cluster = cluster.clone();
            tasks.spawn(async move {
                let lines = cluster.log(&of).await;
                (of, lines)
            });
        }
        let mut said = Vec::new();
        for (of, lines) in tasks.join_all().await {
            match lines {
                Ok(lines) => said.extend(lines.into_iter().map(|l| Said::new(&of, l))),
                Err(error) => {
                    let help = if error.is_forbidden() { "; a Role with {apiGroups: [\"\"], resources: [pods/log], verbs: [get]} allows it" } else { "" };
                    problems.push(format!("{}.{} {}: {error}{help}", of.pod, of.namespace, of.container));
                }
            }
        }
        said.sort();
        if said.is_empty() && !problems.is_empty() {
            return Err(Failure::none(problems.join("\n")));
        }
        let namespace = found.first().map_or("NAMESPACE", |p| p.namespace.as_str());
        give(&said, &shown, args, namespace, problems, context)
    })?
}

/// The containers whose logs are read.
fn wanted(found: &[Pod], args: &LogsArgs, since: &str, tail: Option<u64>) -> Result<Vec<LogOf>, Failure> {
    let asks_requests = args.failed || !args.flag.is_empty() || !args.status.is_empty() || args.path.is_some() || args.host.is_some();
    let only_proxy = args.explain || asks_requests;
    let is_wanted = |name: &str| match &args.container {
        Some(container) => name == container,
        None => name == PROXY_CONTAINER || !only_proxy,
    };
    let mut out = Vec::new();
    for pod in found {
        out.extend(pod.containers.iter().filter(|c| is_wanted(&c.name)).map(|c| LogOf {
            namespace: pod.namespace.clone(),
            pod: pod.name.clone(),
            container: c.name.clone(),
            since: since.to_owned(),
            tail,
        }));
    }
    match (out.is_empty(), &args.container, found.first()) {
        (true, Some(container), Some(pod)) => {
            let names: Vec<&str> = pod.containers.iter().map(|c| c.name.as_str()).collect();
            Err(Failure::usage(format!("{} has no container {container}; it has {}", pod.full_name(), names.join(", "))))
        }
        _ => Ok(out),
    }
}

fn give(said: &[Said], shown: &Shown, args: &LogsArgs, namespace: &str, problems: Vec<String>, context: &Context) -> Outcome {
    let entries = said.iter().filter(|s| s.container == PROXY_CONTAINER && shown.is_entry(&s.text)).count();
    let of_proxies = said.iter().filter(|s| s.container == PROXY_CONTAINER).count();
    if args.explain && entries > 0 {
        let text: String = said.iter().filter(|s| s.container == PROXY_CONTAINER).map(|s| format!("{}\n", s.text)).collect();
        let format = if args.output == "json" { ExplainFormat::Json } else { ExplainFormat::Text };
        context.answer(&explain::logs::report(&text, &shown.reader, format)?)?;
    } else {
        let kept: Vec<&Said> = said.iter().filter(|s| shown.keeps(s)).collect();
        let text = if args.output == "json" {
            let lines: Vec<_> = kept.iter().map(|s| json!({"time": s.at, "pod": s.pod, "container": s.container, "line": shown.line(s)})).collect();
            safe_json(pretty(&json!({"complete": problems.is_empty(), "problems": problems, "lines": lines}), b"  "))
        } else {
            kept.iter().map(|s| s.text_line(shown)).collect()
        };
        context.answer(&text)?;
    }
    for problem in &problems {
        stdio::note(&format!("error: not seen: {problem}"));
    }
    if entries == 0 && args.container.as_deref().is_none_or(|c| c == PROXY_CONTAINER) {
        context.note(&format!(
            "no line of an access log is among the {of_proxies} of istio-proxy: nothing was requested in that time, connections of TCP last (one has its line when it ends), the log has a format of its own (--format), or access logs are off"
        ));
        for line in turn_on(namespace).lines() {
            context.note(line);
        }
    }
    Ok(if problems.is_empty() { Status::Fine } else { context.partial })
}

/// The object that turns access logs on, and what to do with it.
fn turn_on(namespace: &str) -> String {
    format!(
        "this object turns them on in {namespace}, when it is applied with kubectl:\n\
         apiVersion: telemetry.istio.io/v1\n\
         kind: Telemetry\n\
         metadata: {{name: access-logs, namespace: {namespace}}}\n\
         spec: {{accessLogging: [{{providers: [{{name: envoy}}]}}]}}"
    )
}
