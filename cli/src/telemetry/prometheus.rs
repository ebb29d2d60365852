//! A live Prometheus as a source.

use super::sources::bytes;
use super::{answer, duration};
use crate::args::telemetry::{PrometheusArgs, TelemetryArgs};
use crate::context::Context;
use crate::status::Failure;
use crate::stdio::Progress;
use mesh_collectors::telemetry::prometheus::{self, Client, Credentials, Idle, Want};
use mesh_collectors::telemetry::series::Recording;
use mesh_model::graph::{self, Namespace, Options};
use std::time::Duration;

/// All that a mesh's graph needs is fetched within so many answers' time.
const ROUNDS: u32 = 5;

pub fn read(url: &str, args: &TelemetryArgs, options: &Options, context: &Context) -> Result<Recording, Failure> {
    let window = duration("--since", &args.since)? / 1000;
    let client = client(url, &args.access)?;
    // What a graph needs is the same for any namespace; ambient ones have a query more.
    let sample = Namespace { name: "default".to_owned(), duration: window, is_ambient: true };
    let metrics = graph::needs(&graph::plan(&Options { namespaces: vec![sample], ..options.clone() }));
    let deadline = match args.access.within {
        Some(within) => within,
        None => timeout(&args.access)? * ROUNDS,
    };
    let want = Want {
        metrics,
        at: answer::at(args)?.unwrap_or(context.now),
        window,
        namespaces: args.namespace.clone(),
        labels: labels(&args.access)?,
        idle: if options.include_idle_edges { Idle::Kept } else { Idle::Left },
        deadline,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Failure::none(e.to_string()))?;
    let progress = Progress::start(context.notes);
    progress.phase(|| format!("asking {}", client.url()));
    let read = runtime.block_on(prometheus::read(&client, &want));
    drop(progress);
    read.map_err(|e| Failure::none(e.to_string()))
}

pub(super) fn client(url: &str, args: &PrometheusArgs) -> Result<Client, Failure> {
    let file = |path: &Option<std::path::PathBuf>| path.as_ref().map_or(Ok(Vec::new()), |p| bytes(p));
    let credentials = match (&args.prom_token_file, &args.prom_user) {
        (Some(path), _) => Credentials::TokenFile(path.clone()),
        (None, Some(user)) => {
            let password = String::from_utf8_lossy(&file(&args.prom_password_file)?).trim_end_matches(['\r', '\n']).to_owned();
            Credentials::Basic { user: user.clone(), password }
        }
        (None, None) => Credentials::None,
    };
    let header = |text: &String| {
        let pair = text.split_once(':').map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()));
        // The text is not repeated: a header may be a secret.
        pair.ok_or_else(|| Failure::usage("--prom-header takes `NAME: VALUE`, such as 'X-Scope-OrgID: team'"))
    };
    let options = prometheus::Options {
        credentials,
        headers: args.prom_header.iter().map(header).collect::<Result<_, _>>()?,
        authorities: file(&args.prom_ca)?,
        identity: file(&args.prom_cert)?,
        answer: timeout(args)?,
        ..prometheus::Options::default()
    };
    Client::new(url, options).map_err(|e| Failure::usage(format!("--prometheus: {e}")))
}

fn timeout(args: &PrometheusArgs) -> Result<Duration, Failure> {
    let typed = Duration::from_millis(duration("--prom-timeout", &args.prom_timeout)?.unsigned_abs());
    Ok(args.within.map_or(typed, |within| within.min(typed)))
}

pub(super) fn labels(args: &PrometheusArgs) -> Result<Vec<(String, String)>, Failure> {
    let is_name = |n: &str| !n.is_empty() && !n.starts_with(|c: char| c.is_ascii_digit()) && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let label = |text: &String| match text.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage(format!("--prom-label {text}: a label and its value, such as cluster=prod-eu, must stand here"))),
    };
    args.prom_label.iter().map(label).collect()
}
