//! A stream of xDS: who asks, what it may have, and the state machine between the socket and the translation.

use super::caller::Caller;
use super::shared::{Certify, Connection, Shared, lock, now};
use crate::ca::{Identity, LIFETIME};
use crate::client::Client;
use crate::pushes::{Answer, Protocol, Request, Step, Stream};
use crate::resource::{Resource, Resources, Type};
use crate::secrets;
use crate::translator::Update;
use futures_util::stream::{Stream as Answers, unfold};
use mesh_envoy::api::discovery as api;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

/// The messages of one of the two protocols.
pub trait Wire: Send + 'static {
    type Request: prost::Message + Default + Send + 'static;
    type Response: prost::Message + Default + Send + Sync + 'static;
    const PROTOCOL: Protocol;
    fn node(request: &Self::Request) -> Option<&api::Node>;
    fn request(request: &Self::Request) -> Request;
    fn answer(answer: &Answer) -> Self::Response;
}

/// How the control plane names itself: JSON in a string, as istiod does.
const IDENTIFIER: &str = concat!(r#"{"Component":"istiod","ID":"meshctl","Info":{"version":"meshctl-"#, env!("CARGO_PKG_VERSION"), r#""}}"#);

pub struct StateOfTheWorld;

impl Wire for StateOfTheWorld {
    type Request = api::DiscoveryRequest;
    type Response = api::DiscoveryResponse;
    const PROTOCOL: Protocol = Protocol::StateOfTheWorld;
    fn node(request: &Self::Request) -> Option<&api::Node> {
        request.node.as_ref()
    }
    fn request(request: &Self::Request) -> Request {
        request.into()
    }
    fn answer(answer: &Answer) -> Self::Response {
        answer.state_of_the_world(IDENTIFIER)
    }
}

pub struct Delta;

impl Wire for Delta {
    type Request = api::DeltaDiscoveryRequest;
    type Response = api::DeltaDiscoveryResponse;
    const PROTOCOL: Protocol = Protocol::Delta;
    fn node(request: &Self::Request) -> Option<&api::Node> {
        request.node.as_ref()
    }
    fn request(request: &Self::Request) -> Request {
        request.into()
    }
    fn answer(answer: &Answer) -> Self::Response {
        answer.delta(IDENTIFIER)
    }
}

/// How long ago a certificate is issued that is to have expired.
const EXPIRED: i64 = LIFETIME.as_secs().cast_signed() + 3600;

/// What a stream is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All types on one stream.
    Aggregated,
    /// Secrets alone, as Istio's agent serves them.
    Secrets,
}

pub type Sender<W> = mpsc::Sender<Result<<W as Wire>::Response, Status>>;
pub type Boxed<W> = Pin<Box<dyn Answers<Item = Result<<W as Wire>::Response, Status>> + Send>>;

/// A node is waited for so long, and a proxy that confirms nothing is taken for having it after so long.
const PATIENCE: Duration = Duration::from_secs(10);
const OVERDUE: Duration = Duration::from_secs(3);
/// Answers that the socket has not taken yet.
const WAITING: usize = 16;

/// Serves a stream on a task of its own; what it yields is what is sent.
pub fn open<W: Wire>(shared: Arc<Shared>, caller: Caller, scope: Scope, requests: Streaming<W::Request>) -> Boxed<W> {
    let (to, from) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        if let Err(status) = run::<W>(&shared, &caller, scope, requests, &to).await {
            let _ = to.send(Err(status)).await;
        }
    });
    Box::pin(unfold(from, |mut from| async move { from.recv().await.map(|item| (item, from)) }))
}

async fn run<W: Wire>(shared: &Arc<Shared>, caller: &Caller, scope: Scope, mut requests: Streaming<W::Request>, to: &Sender<W>) -> Result<(), Status> {
    let refuse = |why: &'static str, status: Status| {
        shared.metrics.refused_stream(why);
        status
    };
    let first = tokio::time::timeout(PATIENCE, requests.message()).await.map_err(|_| Status::deadline_exceeded("no request came"))??;
    let Some(first) = first else { return Ok(()) };
    let client = Client::read(W::node(&first)).map_err(|e| refuse("node", Status::invalid_argument(e.to_string())))?;
    let client = Arc::new(client);
    let number = shared.next();
    if lock(&shared.connections).len() >= shared.most_connections {
        return Err(refuse("limit", Status::resource_exhausted(format!("{} proxies are connected, and more are not served", shared.most_connections))));
    }
    let mut updates = match scope {
        Scope::Aggregated => shared.translator.join(number, Arc::clone(&client)),
        Scope::Secrets => watch::channel(Some(Arc::new(Update::default()))).1,
    };
    let _leave = Leave { shared, number };
    // The place is taken before there is something to serve: a storm of proxies is counted from its start.
    let connection = Arc::new(Connection {
        id: format!("{}-{number}", client.full_name()),
        client: Arc::clone(&client),
        identity: caller.identity.clone(),
        address: caller.address,
        connected_at: SystemTime::now(),
        is_secrets_only: scope == Scope::Secrets,
        stream: Stream::new(W::PROTOCOL, &number.to_string(), Arc::new(Resources::default())).into(),
        refused: Default::default(),
    });
    lock(&shared.connections).insert(number, Arc::clone(&connection));
    let current = loop {
        let seen = updates.borrow_and_update().clone();
        match seen {
            Some(update) => break update,
            None => tokio::select! {
                changed = updates.changed() => changed.map_err(|_| Status::unavailable("the control plane is ending"))?,
                () = to.closed() => return Ok(()),
            },
        }
    };
    may_be(caller, &client, &current).map_err(|why| {
        shared.say(&format!("{} was refused: {why}", connection.id));
        refuse("identity", Status::permission_denied(why))
    })?;
    if current.is_placeless {
        shared.say(&format!("{}: the input has no workload of this name, so that it has no place on this machine and is sent nothing", connection.id));
    }
    *lock(&connection.stream) = Stream::new(W::PROTOCOL, &number.to_string(), Arc::clone(&current.resources));
    let mut session = Session { shared, connection: &connection, scope, generation: 0, renew_at: None };
    session.take::<W>(&first, to).await?;
    loop {
        let overdue = session.overdue();
        let renewal = session.renewal();
        tokio::select! {
            message = requests.message() => match message? {
                Some(request) => session.take::<W>(&request, to).await?,
                None => return Ok(()),
            },
            changed = updates.changed(), if scope == Scope::Aggregated => {
                changed.map_err(|_| Status::unavailable("the control plane is ending"))?;
                let update = updates.borrow_and_update().clone();
                if let Some(update) = update {
                    session.update::<W>(&update, to).await?;
                }
            }
            () = tokio::time::sleep(overdue.unwrap_or(PATIENCE)), if overdue.is_some() => {
                let answers = lock(&connection.stream).overdue(shared.millis());
                session.send::<W>(answers, to).await?;
            }
            () = tokio::time::sleep(renewal.unwrap_or(PATIENCE)), if renewal.is_some() => session.renew::<W>(to).await?,
            () = to.closed() => return Ok(()),
        }
    }
}

/// Gives the place of a connection back.
struct Leave<'s> {
    shared: &'s Arc<Shared>,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.shared.translator.leave(self.number);
        lock(&self.shared.connections).remove(&self.number);
    }
}

/// Whether a caller may be the proxy that it says it is. Who shows nothing may: it gets what is no secret.
fn may_be(caller: &Caller, client: &Client, update: &Update) -> Result<(), String> {
    if let Some(why) = &caller.rejected {
        return Err(why.clone());
    }
    let Some(identity) = &caller.identity else { return Ok(()) };
    if identity.namespace != client.namespace {
        return Err(format!("its credential is of the namespace {}, and it says that it is of {}", identity.namespace, client.namespace));
    }
    let account = update.account.as_deref().or(Some(client.service_account.as_str()).filter(|a| !a.is_empty()));
    match account {
        Some(account) if account != identity.account => {
            Err(format!("its credential is of the service account {}, and {} runs as {account}", identity.account, client.full_name()))
        }
        _ => Ok(()),
    }
}

struct Session<'s> {
    shared: &'s Arc<Shared>,
    connection: &'s Arc<Connection>,
    scope: Scope,
    /// Of a change that the proxy does not have whole yet; 0 for none.
    generation: u64,
    /// When the proxy's own certificate is to be renewed, in seconds since 1970.
    renew_at: Option<i64>,
}

impl Session<'_> {
    async fn take<W: Wire>(&mut self, message: &W::Request, to: &Sender<W>) -> Result<(), Status> {
        let request = W::request(message);
        let kind = Type::parse(&request.type_url);
        if self.scope == Scope::Secrets && kind != Some(Type::Secret) {
            return Err(Status::invalid_argument(format!("{} is no type of the secret discovery service", request.type_url)));
        }
        if kind == Some(Type::Secret) {
            self.provide(&request);
        }
        if let (Some(kind), Some(reason)) = (kind, &request.error) {
            self.shared.metrics.rejected(kind);
            self.shared.say(&format!("{} refused {}: {reason}", self.connection.id, kind.short().to_uppercase()));
        }
        let answers = lock(&self.connection.stream).request(&request, self.shared.millis());
        self.send::<W>(answers, to).await
    }

    async fn update<W: Wire>(&mut self, update: &Update, to: &Sender<W>) -> Result<(), Status> {
        self.generation = update.generation;
        let millis = self.shared.millis();
        let late = self.late();
        let answers = {
            let snapshot = Arc::clone(&lock(&self.shared.world).snapshot);
            let mut stream = lock(&self.connection.stream);
            let mut changed = secrets::refreshed(stream.secrets(), &snapshot, &self.connection.client.namespace);
            changed.extend(late);
            let mut answers = stream.update_secrets(changed, millis);
            answers.extend(stream.update(Arc::clone(&update.resources), millis));
            answers
        };
        self.send::<W>(answers, to).await
    }

    /// Makes the secrets that are asked for and may be had.
    fn provide(&mut self, request: &Request) {
        let mut made = Vec::new();
        for name in request.names.iter().chain(&request.subscribe).filter(|n| *n != "*") {
            if lock(&self.connection.stream).secrets().contains_key(name) {
                continue;
            }
            match self.secret(name) {
                Ok(resource) => {
                    lock(&self.connection.refused).remove(name);
                    made.push(resource);
                }
                Err(why) => {
                    let mut refused = lock(&self.connection.refused);
                    // Said once; names are the other side's, and so many are kept.
                    if refused.len() < 256 && refused.insert(name.clone(), why.clone()).is_none() {
                        self.shared.say(&format!("{} gets no secret {name}: {why}", self.connection.id));
                    }
                }
            }
        }
        lock(&self.connection.stream).put_secrets(made);
    }

    /// Secrets of the input that were not there yet when they were asked for: nobody asks twice.
    fn late(&mut self) -> Vec<Resource> {
        let names: Vec<String> = lock(&self.connection.refused).keys().filter(|n| n.starts_with(secrets::KUBERNETES)).cloned().collect();
        let found: Vec<Resource> = names.iter().filter_map(|n| self.secret(n).ok()).collect();
        lock(&self.connection.refused).retain(|name, _| found.iter().all(|r| r.name != *name));
        found
    }

    fn secret(&mut self, name: &str) -> Result<Resource, String> {
        let certify = lock(&self.shared.certify).get(&self.connection.client.full_name()).cloned();
        let authority = match &certify {
            Some(Certify::By(other)) => other,
            _ => &self.shared.authority,
        };
        if name == secrets::ROOT {
            return Ok(secrets::root(authority.root()));
        }
        let identity = self.connection.identity.as_ref().ok_or("it has shown no credential, and keys go to nobody unknown")?;
        if name == secrets::OWN {
            let issued = match &certify {
                // As one that nobody has renewed for a day and an hour.
                Some(Certify::Expired) => authority.issue(identity, now() - EXPIRED),
                Some(Certify::InTrustDomain(domain)) => authority.issue(&Identity { trust_domain: domain.clone(), ..identity.clone() }, now()),
                Some(Certify::By(_)) | None => authority.issue(identity, now()),
            };
            let issued = issued.map_err(|e| e.to_string())?;
            self.shared.metrics.issued();
            self.renew_at = Some(issued.renew_at).filter(|_| certify.is_none());
            return Ok(secrets::own(&issued));
        }
        let snapshot = Arc::clone(&lock(&self.shared.world).snapshot);
        secrets::of_input(&snapshot, name, &identity.namespace)
    }

    async fn renew<W: Wire>(&mut self, to: &Sender<W>) -> Result<(), Status> {
        if self.renew_at.is_some_and(|at| at > now()) {
            return Ok(());
        }
        // A renewal that fails is tried again a minute later; the old certificate counts until then.
        self.renew_at = Some(now() + 60);
        let answers = match self.secret(secrets::OWN) {
            Ok(resource) => lock(&self.connection.stream).update_secrets([resource], self.shared.millis()),
            Err(why) => {
                self.shared.say(&format!("{}: its certificate is not renewed: {why}", self.connection.id));
                Vec::new()
            }
        };
        self.send::<W>(answers, to).await
    }

    fn renewal(&self) -> Option<Duration> {
        // The clock may be set meanwhile: looked at once a minute at least.
        self.renew_at.map(|at| Duration::from_secs(u64::try_from(at - now()).unwrap_or(0).min(60)))
    }

    /// How long it may take yet until a step is taken without the proxy's word.
    fn overdue(&self) -> Option<Duration> {
        let stream = lock(&self.connection.stream);
        (stream.step() != Step::Done).then_some(OVERDUE)
    }

    async fn send<W: Wire>(&mut self, answers: Vec<Answer>, to: &Sender<W>) -> Result<(), Status> {
        for answer in answers {
            self.shared.metrics.pushed(answer.kind);
            if to.send(Ok(W::answer(&answer))).await.is_err() {
                return Err(Status::cancelled("the proxy has gone"));
            }
        }
        let is_done = {
            let stream = lock(&self.connection.stream);
            stream.step() == Step::Done && stream.subscriptions.values().all(|s| s.is_settled())
        };
        if is_done && self.generation > 0 {
            let read_at = lock(&self.shared.read_at).get(&self.generation).copied();
            if let Some(at) = read_at {
                self.shared.metrics.converged(at.elapsed().as_secs_f64());
            }
            self.generation = 0;
        }
        Ok(())
    }
}
