//! A stream to a control plane for as long as the proxy runs: opened, spoken on, and opened again when it breaks.

use super::grpc::{self, Connection};
use super::kind::Kind;
use super::plan::Source;
use super::protocol::{Answer, Ask, Dialect, Session, delta};
use super::state::State;
use crate::logging::Logger;
use crate::upstream::cluster::Handle;
use crate::worker::Shared;
use http::uri::PathAndQuery;
use mesh_envoy::api::discovery::{self, DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tonic::client::Grpc;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic_prost::ProstCodec;

/// Envoy's: a random time up to these bounds before the next try, longer with every one that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const LARGEST_ANSWER: usize = 512 << 20;

/// Messages on their way out, as the stream that gRPC sends.
struct Outgoing<M>(mpsc::UnboundedReceiver<M>);

impl<M> futures_util::Stream for Outgoing<M> {
    type Item = M;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<M>> {
        self.0.poll_recv(cx)
    }
}

/// What one stream is for.
pub struct Stream {
    pub source: Source,
    pub session: Session,
    pub state: Rc<RefCell<State>>,
    pub shared: Arc<Shared>,
    /// After which something else may be wanted.
    pub changes: watch::Receiver<u64>,
    pub subject: Subject,
}

/// What a stream is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All that the control plane is asked for.
    Everything,
    /// One secret: Istio's agent is asked on a stream for each, as Envoy does.
    Secret(String),
}

/// The messages of a dialect.
trait Messages {
    type Request: prost::Message + Default + 'static;
    type Response: prost::Message + Default + Answer + 'static;
    /// For everything, and for secrets alone.
    const PATHS: [&'static str; 2];
    fn request(ask: Ask, is_answer: bool) -> Self::Request;
    fn speaker(response: &Self::Response) -> &str;
}

struct Whole;
struct Changes;

impl Messages for Whole {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;
    const PATHS: [&'static str; 2] = [discovery::STREAM_AGGREGATED, discovery::STREAM_SECRETS];
    fn request(ask: Ask, _: bool) -> DiscoveryRequest {
        ask.into()
    }
    fn speaker(response: &DiscoveryResponse) -> &str {
        response.control_plane.as_ref().map_or("", |c| &c.identifier)
    }
}

impl Messages for Changes {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;
    const PATHS: [&'static str; 2] = [discovery::DELTA_AGGREGATED, discovery::DELTA_SECRETS];
    fn request(ask: Ask, is_answer: bool) -> DeltaDiscoveryRequest {
        delta(ask, is_answer)
    }
    fn speaker(response: &DeltaDiscoveryResponse) -> &str {
        response.control_plane.as_ref().map_or("", |c| &c.identifier)
    }
}

impl Stream {
    /// Speaks with the control plane until the proxy ends.
    pub async fn run(mut self) {
        let mut failures = 0u32;
        let mut turn = 0;
        let mut last = String::new();
        let mut handles: BTreeMap<String, Handle> = BTreeMap::new();
        loop {
            let cluster = self.source.clusters[turn % self.source.clusters.len()].clone();
            let mut heard = false;
            if !handles.contains_key(&cluster)
                && let Some(handle) = grpc::handle(&self.shared, &cluster)
            {
                handles.insert(cluster.clone(), handle);
            }
            let connection = match handles.get(&cluster) {
                Some(handle) => grpc::connect(handle, turn).await.map_err(|e| e.to_string()),
                None => Err(format!("there is no cluster {cluster}")),
            };
            let ended = match connection {
                Ok(connection) => match self.source.dialect {
                    Dialect::StateOfTheWorld => self.talk::<Whole>(connection, &mut heard).await,
                    Dialect::Delta => self.talk::<Changes>(connection, &mut heard).await,
                },
                Err(why) => why,
            };
            self.note_connected(false);
            let dynamic = self.state.borrow().dynamic().clone();
            self.wanted().keys().for_each(|kind| dynamic.count(*kind, |c| &c.failure));
            failures = if heard { 1 } else { failures.saturating_add(1) };
            // Said once, not with every try.
            if heard || ended != last {
                let of = if let Subject::Secret(name) = &self.subject { format!(" for the secret {name}") } else { String::new() };
                (self.shared.complain)(Logger::Config, &format!("control plane{of}: {ended}; what it sent last is in use, and it is asked again"));
            }
            last = ended;
            turn += 1;
            tokio::time::sleep(pause(failures)).await;
        }
    }

    /// One stream, to its end; why it ended.
    async fn talk<M: Messages>(&mut self, connection: Connection, heard: &mut bool) -> String {
        let origin = http::Uri::builder().scheme("http").authority(self.source.authority.as_str()).path_and_query("/").build();
        let origin = match origin {
            Ok(origin) => origin,
            Err(e) => return format!("{:?} is no authority: {e}", self.source.authority),
        };
        let mut grpc = Grpc::with_origin(connection, origin).max_decoding_message_size(LARGEST_ANSWER);
        if let Err(e) = grpc.ready().await {
            return e.to_string();
        }
        self.session.begin();
        let (sender, receiver) = mpsc::unbounded_channel();
        self.changes.mark_unchanged();
        self.ask::<M>(&sender);
        let mut request = tonic::Request::new(Outgoing(receiver));
        for (key, value) in &self.source.metadata {
            if let (Ok(key), Ok(value)) = (AsciiMetadataKey::from_bytes(key.as_bytes()), AsciiMetadataValue::try_from(value.as_str())) {
                request.metadata_mut().append(key, value);
            }
        }
        let codec = ProstCodec::<M::Request, M::Response>::default();
        let path = M::PATHS[usize::from(self.subject != Subject::Everything)];
        let mut answers = match grpc.streaming(request, PathAndQuery::from_static(path), codec).await {
            Ok(answers) => answers.into_inner(),
            Err(e) => return told(&e),
        };
        let dynamic = self.state.borrow().dynamic().clone();
        self.note_connected(true);
        loop {
            let answer = tokio::select! {
                answer = answers.message() => answer,
                // Other names are wanted now.
                _ = self.changes.changed() => {
                    self.ask::<M>(&sender);
                    continue;
                }
            };
            match answer {
                Err(e) => return told(&e),
                Ok(None) => return "the stream ended".to_owned(),
                Ok(Some(answer)) => {
                    *heard = true;
                    if let Ok(mut name) = dynamic.control_plane.lock() {
                        M::speaker(&answer).clone_into(&mut name);
                    }
                    let Some(update) = answer.update() else { continue };
                    let verdict = self.state.borrow_mut().take(&update);
                    let ask = self.session.acknowledge(&update, verdict);
                    // A stream that broke is noticed where answers are read.
                    let _ = sender.send(M::request(ask, true));
                    self.ask::<M>(&sender);
                }
            }
        }
    }

    fn note_connected(&self, is_connected: bool) {
        if self.subject == Subject::Everything {
            self.state.borrow().dynamic().is_connected.store(is_connected, Ordering::Relaxed);
        }
    }
    fn wanted(&self) -> BTreeMap<Kind, BTreeSet<String>> {
        match &self.subject {
            Subject::Everything => self.state.borrow().wanted(),
            Subject::Secret(name) => BTreeMap::from([(Kind::Secret, BTreeSet::from([name.clone()]))]),
        }
    }
    /// Asks for what is wanted and was not asked for.
    fn ask<M: Messages>(&mut self, sender: &mpsc::UnboundedSender<M::Request>) {
        for (kind, names) in &self.wanted() {
            if let Some(ask) = self.session.want(*kind, names) {
                let _ = sender.send(M::request(ask, false));
            }
        }
    }
}

fn told(status: &tonic::Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

fn pause(failures: u32) -> Duration {
    let bound = FIRST_PAUSE.saturating_mul(2u32.saturating_pow(failures.min(10)).saturating_sub(1)).min(LONGEST_PAUSE);
    Duration::from_millis(fastrand::u64(..u64::try_from(bound.as_millis()).unwrap_or(u64::MAX).max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        assert!((0..100).all(|_| pause(1) < FIRST_PAUSE));
        assert!((0..100).all(|_| pause(40) < LONGEST_PAUSE));
    }
}
