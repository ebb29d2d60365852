//! Streams into pods as the API server has them: forwarded ports and commands by websocket, logs.
//!
//! Of the subprotocols that a client offers the first that is known is taken: `v4.channel.k8s.io` for ports, and for commands
//! `v5.channel.k8s.io` too, in which the client can close a channel (message 255 and its number). What kubectl asks for a port,
//! SPDY inside of a websocket, is refused as API servers before 1.30 refuse it.

use super::answer::Answer;
use super::data::Data;
use super::{Body, Counts, State};
use crate::loopback::fetch;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// What is asked of a pod beside its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    namespace: String,
    pod: String,
    pub subresource: String,
    query: Vec<(String, String)>,
}

impl Wanted {
    /// `/api/v1/namespaces/NS/pods/POD/portforward?…`, and exec and log.
    pub fn of(path_and_query: &str) -> Option<Wanted> {
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
        let ["api", "v1", "namespaces", namespace, "pods", pod, subresource @ ("portforward" | "exec" | "log")] = parts.as_slice() else { return None };
        let query = form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        Some(Wanted { namespace: (*namespace).to_owned(), pod: (*pod).to_owned(), subresource: (*subresource).to_owned(), query })
    }
    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }
    fn one<'a>(&'a self, key: &'a str) -> &'a str {
        self.all(key).next().unwrap_or("")
    }
    /// Where a port of the pod leads.
    fn address(&self, data: &Data, port: u16) -> Option<SocketAddr> {
        data.ports.get(&(self.namespace.clone(), self.pod.clone(), port)).copied()
    }

    /// Whether a log is asked for that goes on.
    pub fn follows(&self) -> bool {
        self.one("follow") == "true"
    }
    /// The lines of a container's log.
    pub fn log(&self, data: &Data) -> Answer {
        let container = self.one("container");
        if !data.logs.contains_key(&(self.namespace.clone(), self.pod.clone(), container.to_owned())) {
            return Answer::error(400, "BadRequest", &format!("container {container} is not valid for pod {}", self.pod));
        }
        Answer { status: StatusCode::OK, body: self.lines(data, 0).0.into_bytes(), retry_after: None }
    }
    /// The lines behind the first `told`, how many there are, and whether no more can come, as the pod is gone.
    pub fn lines(&self, data: &Data, told: usize) -> (String, usize, bool) {
        let container = self.one("container");
        let all = data.logs.get(&(self.namespace.clone(), self.pod.clone(), container.to_owned())).map_or(&[][..], Vec::as_slice);
        let since = self.one("sinceTime");
        let mut lines: Vec<&(String, String)> = all.iter().skip(told).filter(|(at, _)| at.as_str() >= since).collect();
        if let (0, Ok(tail)) = (told, self.one("tailLines").parse::<usize>()) {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let with_times = self.one("timestamps") == "true";
        let text = lines.iter().map(|(at, line)| if with_times { format!("{at} {line}\n") } else { format!("{line}\n") }).collect();
        let is_it = |o: &serde_json::Value| o["metadata"]["namespace"] == *self.namespace && o["metadata"]["name"] == *self.pod;
        let is_there = data.find("", "v1", "pods").is_some_and(|r| r.items.iter().any(is_it));
        (text, all.len(), !is_there)
    }
}

/// Whether a request wants to become a websocket.
fn is_upgrade(request: &Request<Incoming>) -> bool {
    request.headers().get(header::UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The subprotocol that is spoken: the client's first choice of those that there are.
fn protocol(request: &Request<Incoming>, wanted: &Wanted) -> Option<&'static str> {
    let known: &[&str] = if wanted.subresource == "exec" { &["v5.channel.k8s.io", "v4.channel.k8s.io"] } else { &["v4.channel.k8s.io"] };
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|v| v.to_str().ok());
    offered.flat_map(|v| v.split(',')).find_map(|p| known.iter().copied().find(|k| *k == p.trim()))
}

/// Becomes a websocket, and goes on behind the answer.
pub(super) fn open(mut request: Request<Incoming>, wanted: Wanted, state: Arc<State>) -> Result<Response<Body>, Answer> {
    let strips = state.faults.lock().unwrap_or_else(PoisonError::into_inner).strips_upgrades;
    if strips || !is_upgrade(&request) {
        return Err(Answer::error(400, "BadRequest", "Upgrade request required"));
    }
    let Some(protocol) = protocol(&request, &wanted) else {
        return Err(Answer::error(400, "BadRequest", "unable to upgrade: none of the subprotocols that are offered is known"));
    };
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY).map(|k| derive_accept_key(k.as_bytes())).unwrap_or_default();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let open = state.counts.open_streams.fetch_add(1, Ordering::Relaxed) + 1;
        state.counts.streams.fetch_add(1, Ordering::Relaxed);
        state.counts.most_open_streams.fetch_max(open, Ordering::Relaxed);
        // The other side may go at any time.
        let _ = match wanted.subresource.as_str() {
            "portforward" => forward(socket, &wanted, &state).await,
            _ => run(socket, &wanted, &state).await,
        };
        state.counts.open_streams.fetch_sub(1, Ordering::Relaxed);
    });
    let mut response = Response::new(super::whole(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
    }
    Ok(response)
}

/// The end as Kubernetes says it: a client takes an end without a code for a broken connection.
fn ended() -> CloseFrame {
    CloseFrame { code: CloseCode::Normal, reason: "".into() }
}

/// What may go wrong with a peer that leaves.
type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn send(socket: &mut Socket, counts: &Counts, channel: u8, bytes: &[u8]) -> Ended {
    counts.stream_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    let mut message = vec![channel];
    message.extend_from_slice(bytes);
    Ok(socket.send(Message::binary(message)).await?)
}

/// Channel 0 has the bytes of the port, channel 1 the complaint where there are none; both begin with its number.
async fn forward(mut socket: Socket, wanted: &Wanted, state: &State) -> Ended {
    let port: u16 = wanted.one("ports").parse()?;
    for channel in [0, 1] {
        send(&mut socket, &state.counts, channel, &port.to_le_bytes()).await?;
    }
    let address = wanted.address(&state.data.lock().unwrap_or_else(PoisonError::into_inner), port);
    let connected = match address {
        Some(address) => tokio::net::TcpStream::connect(address).await.ok(),
        None => None,
    };
    let Some(mut stream) = connected else {
        let complaint = format!("error forwarding port {port} to pod {}: dial tcp4 127.0.0.1:{port}: connect: connection refused", wanted.pod);
        send(&mut socket, &state.counts, 1, complaint.as_bytes()).await?;
        return Ok(socket.close(Some(ended())).await?);
    };
    let mut buffer = vec![0; 32 * 1024];
    loop {
        tokio::select! {
            message = socket.next() => match message.transpose()? {
                Some(Message::Binary(bytes)) if bytes.first() == Some(&0) => stream.write_all(bytes.get(1..).unwrap_or_default()).await?,
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
            read = stream.read(&mut buffer) => match read? {
                0 => return Ok(socket.close(Some(ended())).await?),
                n => send(&mut socket, &state.counts, 0, buffer.get(..n).unwrap_or_default()).await?,
            },
        }
    }
}

/// The request commands of the agents, which ask the same ports; nothing else is installed. Channel 1 is standard output,
/// 2 standard error, 3 the end as a Status.
async fn run(mut socket: Socket, wanted: &Wanted, state: &State) -> Ended {
    let command: Vec<&str> = wanted.all("command").collect();
    let (port, method, path) = match command.as_slice() {
        ["pilot-agent", "request", method, path] => (15000, *method, format!("/{}", path.trim_start_matches('/'))),
        ["pilot-discovery", "request", method, path] => (15014, *method, (*path).to_owned()),
        _ => (0, "", String::new()),
    };
    let address = wanted.address(&state.data.lock().unwrap_or_else(PoisonError::into_inner), port);
    let answered = match address {
        Some(address) => fetch(address, method, &path).await.map_err(|e| e.to_string()),
        None if port == 0 => Err(format!("exec: \"{}\": executable file not found in $PATH", command.first().unwrap_or(&""))),
        None => Err("connection refused".to_owned()),
    };
    let end = match answered {
        Ok((200, body)) => {
            for part in body.chunks(32 * 1024) {
                send(&mut socket, &state.counts, 1, part).await?;
            }
            json!({"metadata": {}, "status": "Success"})
        }
        failed => {
            let why = failed.map_or_else(|e| e, |(status, _)| format!("unexpected status {status}"));
            send(&mut socket, &state.counts, 2, format!("Error: {why}\n").as_bytes()).await?;
            json!({"metadata": {}, "status": "Failure", "message": "command terminated with non-zero exit code", "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "1"}]}})
        }
    };
    send(&mut socket, &state.counts, 3, end.to_string().as_bytes()).await?;
    Ok(socket.close(Some(ended())).await?)
}
