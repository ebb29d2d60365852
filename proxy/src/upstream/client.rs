//! Requests of the proxy's own to a cluster, from a thread beside the workers: reports of spans, keys of issuers.

use super::Failure;
use super::cluster::{Handle, Wanted};
use crate::config::cluster::Protocol;
use crate::http::forward::asked_by;
use crate::http::outgoing::Outgoing;
use crate::http::upload::Upload;
use crate::message::{HeaderMap, Request};
use crate::worker::Shared;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Version, header};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Why there is no answer, or none that is of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    NoCluster,
    NoHost,
    Late,
    /// The answer broke off, or is longer than it may be.
    Body,
    /// The request is none.
    Malformed,
    /// An answer that says no.
    Status(String),
    Failed(Failure),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::NoCluster => f.write_str("there is no such cluster"),
            SendError::NoHost => f.write_str("it has no healthy host"),
            SendError::Late => f.write_str("it did not answer in time"),
            SendError::Body => f.write_str("its answer broke off, or is too long"),
            SendError::Malformed => f.write_str("its address is none"),
            SendError::Status(status) => write!(f, "it answered {status}"),
            SendError::Failed(failure) => write!(f, "{failure}"),
        }
    }
}
impl std::error::Error for SendError {}

/// An answer that was read whole, trailers among its headers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One thread's connections for such requests.
pub struct Client {
    shared: Arc<Shared>,
    handles: RefCell<FxHashMap<Box<str>, Rc<Handle>>>,
}

impl Client {
    pub fn new(shared: Arc<Shared>) -> Client {
        Client { shared, handles: RefCell::default() }
    }
    fn handle(&self, cluster: &str) -> Option<Rc<Handle>> {
        let runtime = self.shared.runtime(cluster)?;
        let mut handles = self.handles.borrow_mut();
        if let Some(found) = handles.get(cluster).filter(|h| Arc::ptr_eq(&h.runtime, &runtime)) {
            return Some(found.clone());
        }
        let (prefix, registry) = (format!("cluster.{cluster}"), &self.shared.registry);
        // Counters go on where the configuration changes.
        let (stats, tls) = match handles.get(cluster) {
            Some(before) => (before.stats.clone(), before.tls_stats().clone()),
            None => (registry.block(&prefix), registry.block(&format!("{prefix}.ssl"))),
        };
        let handle = Rc::new(Handle::new(runtime, stats, tls));
        handles.insert(cluster.into(), handle.clone());
        Some(handle)
    }

    /// Sends a request, whose target is absolute, and reads an answer of `most` bytes at most.
    ///
    /// # Errors
    /// Why there is none; whatever status it has, an answer is one.
    pub async fn send(&self, cluster: &str, request: http::Request<Bytes>, timeout: Duration, most: usize) -> Result<Answer, SendError> {
        let handle = self.handle(cluster).ok_or(SendError::NoCluster)?;
        tokio::time::timeout(timeout, exchange(&handle, request.into(), most)).await.unwrap_or(Err(SendError::Late))
    }
}

async fn exchange(handle: &Handle, request: Request<Bytes>, most: usize) -> Result<Answer, SendError> {
    let host = handle.choose(None, None, None, &[], 0, &mut fastrand::Rng::new()).ok_or(SendError::NoHost)?;
    let mut request = request;
    let is_grpc = request.headers.get(header::CONTENT_TYPE).is_some_and(|t| t == "application/grpc");
    let protocol = if is_grpc { Protocol::Http2 } else { handle.config().protocol };
    let authority = request.uri.authority().ok_or(SendError::Malformed)?.clone();
    let server_name = handle.config().names_request.then(|| asked_by(authority.as_str())).flatten();
    if protocol == Protocol::Http2 {
        request.version = Version::HTTP_2;
    } else {
        request.headers.insert(header::HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| SendError::Malformed)?);
        request.uri = request.uri.path_and_query().ok_or(SendError::Malformed)?.as_str().parse().map_err(|_| SendError::Malformed)?;
    }
    let request = Outgoing::Message(Box::new(request.map(Upload::of)));
    let wanted =
        Wanted { request, protocol, downstream_is_http2: false, priority: 0, server_name, offers: None, interim: None, client: None, begun: Instant::now() };
    let (response, lease) = handle.send(&host, wanted, |_| {}).await.map_err(SendError::Failed)?;
    let mut incoming = response.body;
    let mut answer = Answer { status: response.status.as_u16(), headers: response.headers, body: Bytes::new() };
    let mut read = BytesMut::new();
    loop {
        let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(Pin::new(&mut incoming), cx)).await;
        let frame = match frame {
            None => break,
            Some(frame) => frame.map_err(|_| SendError::Body)?,
        };
        match frame.into_data() {
            Ok(data) if read.len() + data.len() > most => return Err(SendError::Body),
            Ok(data) => read.extend_from_slice(&data),
            Err(frame) => answer.headers.extend(HeaderMap::from(frame.into_trailers().unwrap_or_default())),
        }
    }
    lease.release();
    answer.body = read.freeze();
    Ok(answer)
}
