//! Streams into pods, over websockets through the API server: a forwarded port, and a command's output.

use super::client::Cluster;
use super::error::{ApiError, chain};
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess, Portforwarder};
use kube::client::UpgradeConnectionError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::OwnedSemaphorePermit;

/// Why a stream into a pod is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamError {
    /// The API server refuses, or can't be reached.
    Api(ApiError),
    /// The rights do not suffice: for `pods/portforward` or `pods/exec`.
    Forbidden {
        subresource: &'static str,
        namespace: String,
        message: String,
    },
    /// Something between here and the API server does not let a connection become a websocket.
    Stripped(String),
    /// The kubelet, or the pod, refuses.
    Pod(String),
    TimedOut(Duration),
    /// The command failed.
    Command(String),
    /// The command said more than is read.
    TooLarge(usize),
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamError::Api(error) => error.fmt(f),
            StreamError::Forbidden { subresource, .. } => write!(f, "this user may not use {subresource}"),
            StreamError::Stripped(how) => write!(f, "something between here and the API server strips websocket upgrades ({how})"),
            StreamError::Pod(message) => f.write_str(message),
            StreamError::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            StreamError::Command(message) => f.write_str(message),
            StreamError::TooLarge(limit) => write!(f, "the command says more than {} MiB", limit >> 20),
        }
    }
}

impl std::error::Error for StreamError {}

impl StreamError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            StreamError::Api(error) => error.help().map(str::to_owned),
            StreamError::Forbidden { subresource, namespace, .. } => Some(format!(
                "a Role in {namespace} with these rules allows it: [{{apiGroups: [\"\"], resources: [{subresource}], verbs: [get, create]}}]; deploy/rbac-troubleshooter.yaml has it"
            )),
            StreamError::Stripped(_) => {
                Some("let the load balancer or proxy in front of the API server pass `Upgrade: websocket`, or ask from a place without it".to_owned())
            }
            StreamError::TimedOut(_) => Some("a longer --kubeclient-timeout gives it more time".to_owned()),
            StreamError::Pod(_) | StreamError::Command(_) | StreamError::TooLarge(_) => None,
        }
    }
    /// Whether another kind of stream to the same pod meets the same.
    pub fn is_of_the_way(&self) -> bool {
        matches!(self, StreamError::Stripped(_) | StreamError::TimedOut(_) | StreamError::Api(ApiError::Unreachable(_) | ApiError::TimedOut(_)))
    }

    fn of(error: kube::Error, subresource: &'static str, namespace: &str) -> StreamError {
        match error {
            kube::Error::Api(status) if status.code == 403 => {
                StreamError::Forbidden { subresource, namespace: namespace.to_owned(), message: status.message.clone() }
            }
            // The server of a stream that sees no upgrade says so, in one of these ways.
            kube::Error::Api(status) if matches!(status.code, 400 | 426) && status.message.to_ascii_lowercase().contains("upgrade") => {
                StreamError::Stripped(format!("the answer is {}: {}", status.code, status.message))
            }
            kube::Error::Api(status) => {
                StreamError::Api(ApiError::Status { code: status.code, reason: status.reason.clone(), message: status.message.clone(), retry_after: None })
            }
            kube::Error::UpgradeConnection(error) => StreamError::Stripped(match error {
                UpgradeConnectionError::ProtocolSwitch(status) => format!("the answer is {status}, not 101"),
                other => chain(&other),
            }),
            other => StreamError::Api(ApiError::Unreachable(chain(&other))),
        }
    }
}

/// A port of a pod, forwarded. The connection ends when it is dropped.
pub struct Forwarded {
    pub stream: Option<DuplexStream>,
    forwarder: Portforwarder,
    error: Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>>,
    _permit: OwnedSemaphorePermit,
}

impl Forwarded {
    /// What the kubelet says of the port, where it says something soon.
    pub async fn complaint(&mut self) -> Option<String> {
        let error = self.error.take()?;
        tokio::time::timeout(Duration::from_millis(500), error).await.ok().flatten()
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl Cluster {
    fn pods(&self, namespace: &str) -> Api<core::Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Forwards a port of a pod. Of all callers together no more than eight have a stream.
    pub async fn forward(&self, namespace: &str, pod: &str, port: u16) -> Result<Forwarded, StreamError> {
        let permit = self.stream_permit().await?;
        let pods = self.pods(namespace);
        let ports = [port];
        let connected = tokio::time::timeout(self.timeout, pods.portforward(pod, &ports)).await;
        let mut forwarder = connected.map_err(|_| StreamError::TimedOut(self.timeout))?.map_err(|e| StreamError::of(e, "pods/portforward", namespace))?;
        let stream = forwarder.take_stream(port);
        let error = forwarder.take_error(port).map(|e| Box::pin(e) as Pin<Box<dyn Future<Output = Option<String>> + Send>>);
        Ok(Forwarded { stream, forwarder, error, _permit: permit })
    }

    /// What a command in a container writes to standard output, `limit` bytes of it at most, within so much time.
    pub async fn run(&self, namespace: &str, pod: &str, container: &str, command: &[&str], limit: usize, within: Duration) -> Result<Vec<u8>, StreamError> {
        let _permit = self.stream_permit().await?;
        let parameters = AttachParams::default().container(container).stdout(true).stderr(true).max_stdout_buf_size(1 << 16).max_stderr_buf_size(1 << 16);
        let pods = self.pods(namespace);
        let connected = tokio::time::timeout(self.timeout, pods.exec(pod, command.iter().copied(), &parameters)).await;
        let mut process = connected.map_err(|_| StreamError::TimedOut(self.timeout))?.map_err(|e| StreamError::of(e, "pods/exec", namespace))?;
        let status = process.take_status();
        // Those of the command in the pod.
        let (stdout, stderr) = (AttachedProcess::stdout(&mut process), AttachedProcess::stderr(&mut process));
        // What is said on standard error must be taken away, or the command waits.
        let said = tokio::spawn(async move {
            let mut err = Vec::new();
            if let Some(stderr) = stderr {
                let _ = stderr.take(1 << 16).read_to_end(&mut err).await;
            }
            err
        });
        let read = async {
            let mut out = Vec::new();
            if let Some(stdout) = stdout {
                let _ = stdout.take(limit as u64 + 1).read_to_end(&mut out).await;
            }
            if out.len() > limit {
                return (out, Vec::new(), None);
            }
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            (out, said.await.unwrap_or_default(), status)
        };
        let (out, err, status) = tokio::time::timeout(within, read).await.map_err(|_| StreamError::TimedOut(within))?;
        if out.len() > limit {
            return Err(StreamError::TooLarge(limit));
        }
        let Some(status) = status else { return Err(StreamError::Command("the stream ended before the command did".to_owned())) };
        if status.status.as_deref() == Some("Success") {
            return Ok(out);
        }
        let text = String::from_utf8_lossy(&err);
        let last = text.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or("").trim();
        let why = status.message.unwrap_or_default();
        Err(StreamError::Command(format!("`{}` failed: {}", command.join(" "), if last.is_empty() { why } else { last.chars().take(200).collect() })))
    }

    async fn stream_permit(&self) -> Result<OwnedSemaphorePermit, StreamError> {
        std::sync::Arc::clone(&self.streams).acquire_owned().await.map_err(|e| StreamError::Api(ApiError::Odd(e.to_string())))
    }
}
