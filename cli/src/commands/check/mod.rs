//! `meshctl check`: whether a cluster's mesh works, on one page.

mod configuration;
mod control_plane;
mod injection;
mod proxies;
mod report;
mod webhooks;

use crate::args::check::CheckArgs;
use crate::args::{AnalyzeArgs, Cli, Command, SourceArgs};
use crate::cluster::Takes;
use crate::commands::analyze;
use crate::commands::proxy_status::WithProxy;
use crate::context::Context;
use crate::dump::block_on;
use crate::entry::Entry;
use crate::reach;
use crate::status::{Failure, Outcome, Status};
use clap::Parser;
use mesh_collectors::kube::pods;
use mesh_resolver::Mesh;
use report::{Line, Section};
use std::time::{Duration, Instant};

/// Between two looks of `--wait` where no object changes: what proxies have is no object.
const PAUSE: Duration = Duration::from_secs(5);

pub fn run(args: &CheckArgs, context: &Context) -> Outcome {
    if !matches!(args.output.as_str(), "text" | "json") {
        return Err(Failure::usage(format!("-o takes text or json, not `{}`", args.output)));
    }
    let wait = match args.wait.as_deref() {
        None => None,
        Some(text) => {
            let nanos = mesh_model::duration::parse(text).and_then(|n| u64::try_from(n).ok());
            Some(Duration::from_nanos(nanos.ok_or_else(|| Failure::usage(format!("--wait takes a time such as 5m, not `{text}`")))?))
        }
    };
    let (following, followers) = context.following();
    let context = if wait.is_some() { &following } else { context };
    let start = Instant::now();
    loop {
        let looked = look(args, context);
        let is_fine = looked.as_ref().is_ok_and(|sections| status(sections, context) == Status::Fine);
        let Some(left) = wait.and_then(|w| w.checked_sub(start.elapsed())).filter(|_| !is_fine) else {
            let sections = looked?;
            let text = if args.output == "json" { report::json(&sections) } else { report::text(&sections) };
            context.answer(&text)?;
            return Ok(status(&sections, context));
        };
        // A wrong call stays wrong.
        if let Err(failure @ Failure::Usage(_)) = looked {
            return Err(failure);
        }
        context.note(&format!("not fine yet; looks again for {} s", left.as_secs()));
        followers.wait(PAUSE.min(left));
    }
}

/// What is wrong weighs more than what was not seen.
fn status(sections: &[Section], context: &Context) -> Status {
    let has = |wanted: fn(&Line) -> bool| sections.iter().flat_map(|s| &s.lines).any(wanted);
    if has(Line::is_wrong) {
        Status::NotFine
    } else if has(Line::is_unseen) {
        context.partial
    } else {
        Status::Fine
    }
}

fn look(args: &CheckArgs, context: &Context) -> Result<Vec<Section>, Failure> {
    let mut sections = vec![cluster(args)?];
    let analyze_args = analyze_args(args)?;
    let mut with_proxy = None;
    let unseen = analyze::look_into(&analyze_args, context, &mut |mesh, entries, _| {
        sections.extend(of_objects(mesh, entries, args, context.now));
        // The pods are read already.
        with_proxy = injection::running(mesh);
    })?;
    let place = SourceArgs { from: Vec::new(), namespace: None, reach: args.reach.clone() };
    // The control plane first, then those that it serves.
    let at = sections.len().min(2);
    let with_proxy = with_proxy.as_ref().map_or(WithProxy::Asked, WithProxy::Known);
    sections.insert(at, proxies::section(&place, &args.namespace, &with_proxy, context));
    if !unseen.is_empty() {
        let lines = unseen.into_iter().map(|text| Line::unseen(text, "")).collect();
        sections.push(Section { title: "not seen", lines });
    }
    Ok(sections)
}

/// What the objects of the cluster tell.
fn of_objects(mesh: &Mesh<'_>, entries: &[Entry], args: &CheckArgs, now: i64) -> Vec<Section> {
    let istio = args.reach.istio_namespace.as_str();
    vec![
        control_plane::section(mesh, istio, args.reach.revision.as_deref()),
        webhooks::section(mesh, istio, now),
        injection::section(mesh, &args.namespace),
        configuration::section(entries, &args.namespace),
    ]
}

fn cluster(args: &CheckArgs) -> Result<Section, Failure> {
    let (name, version) = block_on(async {
        let reach = reach::connect_for(Takes::Kubeconfig, &args.reach, None).await?;
        let version = pods::object(&reach.cluster, "/version").await;
        let version =
            version.map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))?;
        Ok::<_, Failure>((reach.cluster.name.clone(), version))
    })??;
    let version = version["gitVersion"].as_str().unwrap_or("of unknown version").to_owned();
    Ok(Section { title: "cluster", lines: vec![Line::fine(format!("{name} answers, Kubernetes {version}"))] })
}

/// The call of `analyze` that reads the same cluster as the same user.
fn analyze_args(args: &CheckArgs) -> Result<Box<AnalyzeArgs>, Failure> {
    let connect = &args.reach.connect;
    let mut words: Vec<String> = ["meshctl", "analyze", "--no-config"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: Option<&str>| words.extend(value.map(|v| format!("--{name}={v}")));
    option("context", args.reach.context.as_deref());
    option("kubeconfig", connect.kubeconfig.as_ref().and_then(|p| p.to_str()));
    option("as", connect.impersonate.as_deref());
    option("kubeclient-timeout", Some(&connect.kubeclient_timeout));
    option("istioNamespace", Some(&args.reach.istio_namespace));
    option("revision", args.reach.revision.as_deref());
    connect.impersonate_group.iter().for_each(|group| option("as-group", Some(group)));
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Analyze(args))) => Ok(args),
        Ok(_) => Err(Failure::none("`analyze` is not called so")),
        Err(e) => Err(Failure::usage(e.to_string())),
    }
}

/// Whether something of a namespace is asked for.
fn is_asked(namespaces: &[String], namespace: &str) -> bool {
    namespaces.is_empty() || namespaces.iter().any(|n| n == namespace)
}
