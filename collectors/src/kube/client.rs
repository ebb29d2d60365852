//! A connection to one cluster's API: who asks, where, and how long an answer may take.

use super::error::{ApiError, ConnectError};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Whose cluster, as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A file instead of those of `KUBECONFIG` or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it instead of the current one.
    pub context: Option<String>,
    /// A user to act as.
    pub impersonate: Option<String>,
    pub impersonate_groups: Vec<String>,
    /// How long one request may take, and a login program to begin with.
    pub timeout: Timeout,
}

/// A time limit of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Default for Timeout {
    fn default() -> Timeout {
        Timeout(Duration::from_secs(15))
    }
}

/// The largest answer that is read: a page of 500 large objects stays far below.
const ANSWER_LIMIT: usize = 256 << 20;
/// Requests at once, and streams into pods.
const AT_ONCE: usize = 8;
/// How often a request that may succeed later is made.
const ATTEMPTS: u32 = 4;
/// A server that asks for more patience than this gets none.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What stands for the name of a context inside a Pod, which needs none.
const IN_CLUSTER: &str = "in-cluster";

/// A cluster that answers.
#[derive(Clone)]
pub struct Cluster {
    pub(super) client: Client,
    /// The context's name; `in-cluster` inside a Pod.
    pub name: String,
    /// The namespace of the context.
    pub namespace: String,
    pub(super) timeout: Duration,
    permits: Arc<Semaphore>,
    pub(super) streams: Arc<Semaphore>,
    /// Whether the server serves lists as streams, as far as is known.
    pub(super) streams_lists: Arc<AtomicBool>,
}

impl Cluster {
    /// Reads the kubeconfig and logs in. A login program may ask its user on the terminal, so that this comes before
    /// anything that takes the terminal over.
    pub async fn connect(options: &Options) -> Result<Cluster, ConnectError> {
        let (mut config, name) = config(options).await?;
        let timeout = options.timeout.0;
        config.connect_timeout = Some(timeout.min(Duration::from_secs(5)));
        // Requests are repeated here, where it can be said of what.
        config.default_retry = false;
        if options.impersonate.is_some() {
            config.auth_info.impersonate.clone_from(&options.impersonate);
        }
        if !options.impersonate_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(options.impersonate_groups.clone());
        }
        let namespace = config.default_namespace.clone();
        // A login program runs while the client is built, and blocks.
        let built = tokio::task::spawn_blocking(move || Client::try_from(config));
        let client = match tokio::time::timeout(timeout.max(Duration::from_secs(15)) * 4, built).await {
            Err(_) => return Err(ConnectError::Login { context: name, message: "the login program did not end in time".to_owned() }),
            Ok(Err(join)) => return Err(ConnectError::Login { context: name, message: join.to_string() }),
            Ok(Ok(Err(error))) => return Err(ConnectError::Login { context: name, message: super::error::chain(&error) }),
            Ok(Ok(Ok(client))) => client,
        };
        let permits = || Arc::new(Semaphore::new(AT_ONCE));
        Ok(Cluster { client, name, namespace, timeout, permits: permits(), streams: permits(), streams_lists: Arc::new(AtomicBool::new(true)) })
    }

    /// Whether it is the cluster of the Pod that this runs in, found without a kubeconfig.
    pub fn is_own(&self) -> bool {
        self.name == IN_CLUSTER
    }

    /// The right to one of the requests that are made at once.
    pub(super) async fn permit(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        self.permits.acquire().await.map_err(|e| ApiError::Odd(e.to_string()))
    }

    /// The body of an answer to GET. What may succeed later is asked again, a few times; of all callers together no more
    /// than [`AT_ONCE`] wait for the server.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        self.get_as(path, "application/json, */*").await
    }

    /// The same, in another form of it that `Accept` asks for.
    pub(super) async fn get_as(&self, path: &str, accept: &str) -> Result<Vec<u8>, ApiError> {
        let mut wait = Duration::from_millis(200);
        for attempt in 1.. {
            let permit = self.permit().await?;
            let answer = tokio::time::timeout(self.timeout, self.get_once(path, accept)).await;
            drop(permit);
            let error = match answer {
                Ok(Ok(body)) => return Ok(body),
                Ok(Err(error)) => error,
                // The server has had its time; another round would double it.
                Err(_) => return Err(ApiError::TimedOut(self.timeout)),
            };
            let asked = match &error {
                ApiError::Status { code: 429 | 500 | 502 | 503 | 504, retry_after, .. } => retry_after.unwrap_or(wait),
                ApiError::Unreachable(_) => wait,
                _ => return Err(error),
            };
            if attempt >= ATTEMPTS || asked > LONGEST_WAIT {
                return Err(error);
            }
            tokio::time::sleep(asked).await;
            wait *= 2;
        }
        Err(ApiError::TimedOut(self.timeout))
    }

    async fn get_once(&self, path: &str, accept: &str) -> Result<Vec<u8>, ApiError> {
        let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).map_err(|e| ApiError::Odd(e.to_string()))?;
        let response = self.client.send(request).await.map_err(|e| ApiError::Unreachable(super::error::chain(&e)))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await.map_err(|e| ApiError::Unreachable(e.to_string()))?.to_bytes();
        if head.status == StatusCode::OK {
            return Ok(body.into());
        }
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
        Err(ApiError::of_status(head.status.as_u16(), &body, retry_after))
    }
}

async fn config(options: &Options) -> Result<(Config, String), ConnectError> {
    let read = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        // Inside a Pod there is a service account instead of a file.
        Err(error) if options.kubeconfig.is_none() && options.context.is_none() && is_missing(&error) => {
            let config = Config::incluster().map_err(|_| ConnectError::NoKubeconfig)?;
            return Ok((config, IN_CLUSTER.to_owned()));
        }
        Err(error) => return Err(ConnectError::Kubeconfig(super::error::chain(&error))),
    };
    let context = options.context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|c| !c.is_empty());
    let Some(context) = context else {
        let names = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        return Err(ConnectError::NoContext { names });
    };
    if !kubeconfig.contexts.iter().any(|c| c.name == context) {
        let names = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        return Err(ConnectError::UnknownContext { context, names });
    }
    let wanted = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &wanted).await.map_err(|e| ConnectError::Kubeconfig(super::error::chain(&e)))?;
    Ok((config, context))
}

fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(e, _) => e.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}
