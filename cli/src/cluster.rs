//! Clusters as sources: who asks, and what becomes of what can't be seen.

use crate::args::KubeArgs;
use crate::status::Failure;
use mesh_collectors::kube::{self, Cluster, ConnectError, Secrets, What};
use mesh_model::{Role, Snapshot};
use std::time::Duration;

/// A cluster that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The current context where none is named.
    pub context: Option<String>,
    pub role: Role,
}

impl Source {
    /// `kube` or `kube:CONTEXT`; `None` for any other word.
    pub fn parse(word: &str, role: Role) -> Option<Source> {
        match word.strip_prefix("kube") {
            Some("") => Some(Source { context: None, role }),
            Some(rest) => rest.strip_prefix(':').filter(|c| !c.is_empty()).map(|context| Source { context: Some(context.to_owned()), role }),
            None => None,
        }
    }
    pub fn name(&self) -> String {
        self.context.as_ref().map_or_else(|| "kube".to_owned(), |c| format!("kube:{c}"))
    }
}

/// How clusters are read.
#[derive(Clone, Debug, Default)]
pub struct Access {
    options: kube::Options,
    secrets: Secrets,
    revision: Option<String>,
    istio_namespace: String,
    namespaces: Vec<String>,
}

/// A cluster is read within so many requests' time.
const ROUNDS: u32 = 4;

impl Access {
    pub fn new(args: &KubeArgs, istio_namespace: &str, namespaces: &[String]) -> Result<Access, Failure> {
        let timeout = duration(&args.kubeclient_timeout)
            .filter(|d| !d.is_zero())
            .ok_or_else(|| Failure::usage(format!("--kubeclient-timeout takes a time such as 30s, not `{}`", args.kubeclient_timeout)))?;
        Ok(Access {
            options: kube::Options {
                kubeconfig: args.kubeconfig.clone(),
                context: None,
                impersonate: args.impersonate.clone(),
                impersonate_groups: args.impersonate_group.clone(),
                timeout: kube::Timeout(timeout),
            },
            secrets: if args.with_secrets { Secrets::Read } else { Secrets::Left },
            revision: args.revision.clone(),
            istio_namespace: istio_namespace.to_owned(),
            namespaces: namespaces.to_vec(),
        })
    }

    /// Reads a cluster into a snapshot; the name of its context.
    pub fn read(&self, source: &Source, cluster: u16, snapshot: &mut Snapshot) -> Result<String, ClusterError> {
        let options = kube::Options { context: source.context.clone(), ..self.options.clone() };
        let what = What {
            role: source.role,
            cluster,
            secrets: self.secrets,
            istio_namespace: self.istio_namespace.clone(),
            revision: self.revision.clone(),
            namespaces: self.namespaces.clone(),
            deadline: options.timeout.0 * ROUNDS,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| ClusterError::Unreadable(e.to_string()))?;
        let read = runtime.block_on(async {
            let cluster = Cluster::connect(&options).await.map_err(ClusterError::Connect)?;
            let read = kube::read(&cluster, &what, snapshot).await;
            let help = |e: &kube::ApiError| e.help().map_or_else(String::new, |h| format!("; {h}"));
            read.map_err(|e| ClusterError::Unreadable(format!("cluster {}: {e}{}", cluster.name, help(&e))))?;
            Ok(cluster.name)
        });
        // A login program that hangs must not keep us.
        runtime.shutdown_background();
        read
    }
}

/// Why a cluster gave nothing.
#[derive(Debug)]
pub enum ClusterError {
    Connect(ConnectError),
    Unreadable(String),
}

impl std::fmt::Display for ClusterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClusterError::Connect(error) => error.fmt(f),
            ClusterError::Unreadable(message) => f.write_str(message),
        }
    }
}

/// `30s`, `1m`, `500ms`, `2m30s`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ms" => number / 1000.0,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, want) in
            [("30s", Some(30_000)), ("1m30s", Some(90_000)), ("250ms", Some(250)), ("1.5s", Some(1500)), ("", None), ("30", None), ("3 s", None), ("-1s", None)]
        {
            assert_eq!(duration(text).map(|d| d.as_millis()), want, "{text}");
        }
    }

    #[test]
    fn only_kube_is_a_cluster() {
        assert_eq!(Source::parse("kube", Role::Judged).map(|s| s.context), Some(None));
        assert_eq!(Source::parse("kube:prod", Role::Judged).map(|s| s.context), Some(Some("prod".to_owned())));
        for word in ["kube/", "kube.yaml", "kubernetes", "kube:", "./kube"] {
            assert_eq!(Source::parse(word, Role::Judged), None, "{word}");
        }
    }
}
