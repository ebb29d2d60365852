//! Peers of HTTP/2: a client that says what it hears in order, and a server that does with a request what its path says.

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::{HeaderMap, Request, Response, StatusCode};
use std::future::poll_fn;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// What a client does with one stream. Every wait ends after 20 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Waits until an answer before the answer came, or the answer.
    Hear,
    Pause(Duration),
    Data(&'static str),
    /// The last of the body.
    End(&'static str),
    /// Ends the stream.
    Reset,
    /// Closes the connection.
    Leave,
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), future).await.expect("within 20 seconds") })
}

fn fields(headers: &HeaderMap) -> String {
    let steady = |name: &str| !["date", "x-envoy-upstream-service-time"].contains(&name);
    let mut all: Vec<String> = headers.iter().filter(|(n, _)| steady(n.as_str())).map(|(n, v)| format!("{n}={}", v.to_str().unwrap_or("?"))).collect();
    all.sort();
    all.join(" ")
}

fn error(e: &h2::Error) -> String {
    match e.reason() {
        Some(reason) if e.is_reset() => format!("reset {reason:?}"),
        Some(reason) if e.is_go_away() => format!("goodbye {reason:?}"),
        _ => "closed".to_owned(),
    }
}

/// Goes through a request on a connection of its own: the client's address, and what it heard.
pub fn play(port: u16, method: &str, path: &str, headers: &[(&'static str, &'static str)], steps: &[Step]) -> (SocketAddr, Vec<String>) {
    run(async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
        let address = stream.local_addr().expect("an address");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut sender = sender.ready().await.expect("ready");
        let mut request = Request::builder().method(method).uri(format!("http://a.com{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let is_whole = method == "GET";
        let (mut answer, mut body) = sender.send_request(request.body(()).expect("a request"), is_whole).expect("sent");
        let mut heard = Vec::new();
        let mut early = async |heard: &mut Vec<String>, until_one: bool| loop {
            match poll_fn(|cx| answer.poll_informational(cx)).await {
                Some(Ok(one)) => heard.push(format!("{} {}", one.status().as_u16(), fields(one.headers()))),
                Some(Err(_)) | None => return,
            }
            if until_one {
                return;
            }
        };
        for step in steps {
            match step {
                Step::Hear => early(&mut heard, true).await,
                Step::Pause(span) => tokio::time::sleep(*span).await,
                Step::Data(text) => drop(body.send_data(Bytes::from_static(text.as_bytes()), false)),
                Step::End(text) => drop(body.send_data(Bytes::from_static(text.as_bytes()), true)),
                Step::Reset => {
                    body.send_reset(Reason::CANCEL);
                    // It leaves before the connection does.
                    drop((sender, answer, body));
                    let _ = connection.await;
                    return (address, heard);
                }
                Step::Leave => {
                    connection.abort();
                    return (address, heard);
                }
            }
        }
        early(&mut heard, false).await;
        match Pin::new(&mut answer).await {
            Err(e) => heard.push(error(&e)),
            Ok(answer) => {
                heard.push(format!("{} {}", answer.status().as_u16(), fields(answer.headers())));
                heard.push(read(answer.into_body()).await);
            }
        }
        (address, heard)
    })
}

/// A body to its end, and how it ends.
async fn read(mut stream: RecvStream) -> String {
    let mut text = String::new();
    while let Some(data) = stream.data().await {
        match data {
            Ok(data) => {
                let _ = stream.flow_control().release_capacity(data.len());
                text += &String::from_utf8_lossy(&data);
            }
            Err(e) => return format!("{text:?} {}", error(&e)),
        }
    }
    match stream.trailers().await {
        Ok(None) => format!("{text:?}"),
        Ok(Some(trailers)) => format!("{text:?} {}", fields(&trailers)),
        Err(e) => format!("{text:?} {}", error(&e)),
    }
}

/// A client's connection whose streams have little room for answers.
async fn connect(port: u16, window: u32) -> (SocketAddr, h2::client::SendRequest<Bytes>) {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
    let address = stream.local_addr().expect("an address");
    let (sender, connection) = h2::client::Builder::new().initial_window_size(window).handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    (address, sender.ready().await.expect("ready"))
}

/// Asks for more than there is room for, and takes nothing: how the stream ends, and the client's address.
pub fn starve(port: u16, path: &str) -> (SocketAddr, String) {
    run(async {
        let (address, mut sender) = connect(port, 100).await;
        let (answer, _) = sender.send_request(Request::get(format!("http://a.com{path}")).body(()).expect("a request"), true).expect("sent");
        let mut body = answer.await.expect("an answer").into_body();
        let mut bytes = 0;
        loop {
            match body.data().await {
                Some(Ok(data)) => bytes += data.len(),
                Some(Err(e)) => return (address, format!("{bytes} bytes, {}", error(&e))),
                None => return (address, format!("{bytes} bytes")),
            }
        }
    })
}

/// Asks for more than there is room for, and takes it after a while: how many bytes came.
pub fn take_late(port: u16, path: &str, pause: Duration) -> (SocketAddr, usize) {
    run(async {
        let (address, mut sender) = connect(port, 20_000).await;
        let (answer, _) = sender.send_request(Request::get(format!("http://a.com{path}")).body(()).expect("a request"), true).expect("sent");
        let body = answer.await.expect("an answer").into_body();
        tokio::time::sleep(pause).await;
        (address, read(body).await.bytes().filter(|b| *b == b'a').count())
    })
}

/// Beside a stream that takes nothing asks `times` times on the same connection: how many answers came whole.
pub fn ask_beside_a_stalled(port: u16, times: usize) -> usize {
    run(async {
        let (_, mut sender) = connect(port, 1000).await;
        let request = |path: &str| Request::get(format!("http://a.com{path}")).body(()).expect("a request");
        let (stalled, _) = sender.send_request(request("/big"), true).expect("sent");
        let _stalled = stalled.await.expect("an answer").into_body();
        for n in 0..times {
            sender = sender.ready().await.expect("ready");
            let (answer, _) = sender.send_request(request("/ok"), true).expect("sent");
            let Ok(answer) = answer.await else { return n };
            if !read(answer.into_body()).await.contains("expect") {
                return n;
            }
        }
        times
    })
}

/// Speaks and listens in turn on one stream: what was heard of each piece.
pub fn converse(port: u16, pieces: &[&'static str]) -> Vec<String> {
    run(async {
        let (_, mut sender) = connect(port, 65_535).await;
        let request = Request::post("http://a.com/echo").body(()).expect("a request");
        let (answer, mut speak) = sender.send_request(request, false).expect("sent");
        let mut listen = answer.await.expect("an answer before the request is whole").into_body();
        let mut heard = Vec::new();
        for piece in pieces {
            speak.send_data(Bytes::from_static(piece.as_bytes()), false).expect("sent");
            let data = listen.data().await.expect("more").expect("data");
            let _ = listen.flow_control().release_capacity(data.len());
            heard.push(String::from_utf8_lossy(&data).into_owned());
        }
        speak.send_trailers(HeaderMap::from_iter([(http::HeaderName::from_static("x-last"), http::HeaderValue::from_static("1"))])).expect("sent");
        heard.push(read(listen).await);
        heard
    })
}

/// Asks the same again and again on one connection, one after the other, `most` times at most. How many answers came before the server
/// said goodbye.
pub fn ask_until_goodbye(port: u16, most: usize) -> usize {
    run(async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.expect("a connection");
        let (mut sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        for n in 0..most {
            if poll_fn(|cx| sender.poll_ready(cx)).await.is_err() {
                return n;
            }
            let Ok((answer, _)) = sender.send_request(Request::get("http://a.com/ok").body(()).expect("a request"), true) else { return n };
            let Ok(answer) = answer.await else { return n };
            read(answer.into_body()).await;
            // A goodbye is on its way with the answer, or behind it.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        most
    })
}

/// A server of HTTP/2 that does with a request what its path says.
pub fn upstream() -> SocketAddr {
    let (tell, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            let _ = tell.send(listener.local_addr().expect("an address"));
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        if request.uri().path() == "/close" {
                            return;
                        }
                        tokio::spawn(serve(request, respond));
                    }
                });
            }
        });
    });
    hear.recv().expect("an address")
}

async fn serve(request: Request<RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let expects = request.headers().get("expect").is_some();
    let mut early = |status: u16, headers: &[(&'static str, &'static str)]| {
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        let _ = respond.send_informational(answer.body(()).expect("an answer"));
    };
    match path.as_str() {
        "/continue" | "/never" => early(100, &[]),
        "/continue-more" => early(100, &[("x-i", "1")]),
        "/hints" => early(103, &[("link", "</a.css>; rel=preload")]),
        "/processing" => early(102, &[("x-i", "1")]),
        "/both" => {
            early(103, &[("link", "</a>")]);
            early(103, &[("link", "</b>")]);
        }
        "/reset" => return respond.send_reset(Reason::INTERNAL_ERROR),
        _ => {}
    }
    if path == "/never" {
        return drop(poll_fn(|cx| respond.poll_reset(cx)).await);
    }
    if path == "/echo" {
        let Ok(mut stream) = respond.send_response(Response::new(()), false) else { return };
        let mut body = request.into_body();
        while let Some(Ok(data)) = body.data().await {
            let _ = body.flow_control().release_capacity(data.len());
            let _ = stream.send_data(data, false);
        }
        if let Ok(Some(trailers)) = body.trailers().await {
            let _ = stream.send_trailers(trailers);
        }
        return;
    }
    if path == "/big" || path == "/huge" {
        if let Ok(mut stream) = respond.send_response(Response::new(()), false) {
            let _ = stream.send_data(vec![b'a'; if path == "/big" { 1_000_000 } else { 30_000_000 }].into(), true);
            let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
        }
        return;
    }
    let (status, is_refused) = if path == "/refuse" { (StatusCode::EXPECTATION_FAILED, true) } else { (StatusCode::OK, false) };
    let body = if is_refused { String::new() } else { read(request.into_body()).await };
    let answer = Response::builder().status(status);
    if path == "/part" {
        let Ok(mut stream) = respond.send_response(answer.header("content-length", "10").body(()).expect("an answer"), false) else { return };
        let _ = stream.send_data(Bytes::from_static(b"hello"), false);
        tokio::time::sleep(Duration::from_millis(100)).await;
        return stream.send_reset(Reason::INTERNAL_ERROR);
    }
    let text = format!("expect={expects} {body}");
    let answer = answer.header("content-length", text.len());
    if let Ok(mut stream) = respond.send_response(answer.body(()).expect("an answer"), false) {
        let _ = stream.send_data(text.into(), true);
    }
}
