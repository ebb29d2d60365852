//! A live admin port, played by a server on the loopback interface.

use mesh_collectors::dumps::Endpoint;
use mesh_collectors::dumps::admin::{Admin, AdminError, Options};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::Content;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Reads one request and answers it; returns its first line.
fn serve(stream: impl Read + Write, answer: &[u8]) -> String {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    let _ = reader.read_line(&mut first);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        line.clear();
    }
    // The reader may have had enough.
    let _ = reader.get_mut().write_all(answer);
    first.trim().to_owned()
}

/// A server for as many requests as there are answers.
fn server(answers: Vec<Vec<u8>>) -> (Endpoint, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = Endpoint::Url(format!("http://{}", listener.local_addr().expect("an address")));
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = tell.send(serve(stream, &answer));
        }
    });
    (endpoint, told)
}

fn http(status: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn block_on<F: Future>(f: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(f)
}

fn admin(endpoint: &Endpoint) -> Admin {
    let options = Options { connect: Duration::from_secs(2), answer: Duration::from_secs(5), page: 1 << 20 };
    Admin::new(endpoint, options).expect("a client")
}

#[test]
fn only_what_is_wanted_is_asked_for() {
    let (endpoint, asked) = server(vec![http("200 OK", br#"{"configs": []}"#), http("200 OK", b"active loggers:\n  admin: info\n")]);
    let client = admin(&endpoint);
    let page = block_on(client.sections(&[SectionKind::Clusters])).expect("a page");
    assert_eq!((page.content, page.text.as_str()), (Content::ConfigDump, r#"{"configs": []}"#));
    assert_eq!(asked.recv().as_deref(), Ok("GET /config_dump?mask=static_clusters,dynamic_active_clusters,dynamic_warming_clusters HTTP/1.1"));
    let page = block_on(client.post("/logging", &[Content::Logging])).expect("a page");
    assert_eq!((page.content, asked.recv().as_deref()), (Content::Logging, Ok("POST /logging HTTP/1.1")));
}

#[test]
fn another_page_is_named_before_all_of_it_is_read() {
    // It says that it is 100 MB long, sends a part, and waits.
    let start = format!("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n{{\"configs\": [{}", " ".repeat(100_000));
    let (endpoint, _asked) = server(vec![start.into_bytes()]);
    let error = block_on(admin(&endpoint).get("/config_dump", &[Content::Ztunnel])).expect_err("another page");
    assert!(matches!(error, AdminError::Other { what: Content::ConfigDump, .. }), "{error}");
}

#[test]
fn what_is_too_large_torn_or_refused_is_an_error_that_says_so() {
    let large = http("200 OK", &vec![b'{'; 2 << 20]);
    let torn = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"configs\": [".to_vec();
    let bytes = http("200 OK", &[0xff, 0xfe, 0x80]);
    let moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let mask = http("400 Bad Request", b"FieldMask ecds_filters could not be successfully applied to any configs.\n");
    let (endpoint, _asked) = server(vec![large, torn, bytes, moved, mask, b"nonsense\r\n\r\n".to_vec()]);
    let errors: Vec<AdminError> = (0..6).map(|_| block_on(admin(&endpoint).get("/x", &[])).expect_err("no page")).collect();
    assert!(matches!(errors[0], AdminError::TooLarge { limit: 1_048_576, .. }), "{}", errors[0]);
    assert!(matches!(errors[1], AdminError::Unreachable { .. }), "{}", errors[1]);
    assert!(matches!(errors[2], AdminError::NotText { .. }), "{}", errors[2]);
    assert!(matches!(errors[3], AdminError::Status { code: 302, .. }), "{}", errors[3]);
    assert!(errors[4].to_string().ends_with("answers 400: FieldMask ecds_filters could not be successfully applied to any configs."), "{}", errors[4]);
    assert!(matches!(errors[5], AdminError::Unreachable { .. }), "{}", errors[5]);
}

#[test]
fn who_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = Endpoint::Url(format!("http://{}", listener.local_addr().expect("an address")));
    let options = Options { answer: Duration::from_millis(100), ..Options::default() };
    let error = block_on(Admin::new(&endpoint, options).expect("a client").get("/x", &[])).expect_err("silence");
    assert!(error.to_string().ends_with("does not answer: it took too long"), "{error}");
    drop(listener);
    let error = block_on(admin(&endpoint).get("/x", &[])).expect_err("nobody");
    assert!(matches!(error, AdminError::Unreachable { .. }) && error.to_string().contains("refused"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_admin_port_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("admin.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a caller");
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        serve(stream, &http("200 OK", br#"{"cluster_statuses": []}"#))
    });
    let page = block_on(admin(&Endpoint::Unix(path)).get("/clusters?format=json", &[Content::Clusters])).expect("a page");
    assert_eq!(page.content, Content::Clusters);
    assert_eq!(served.join().ok().as_deref(), Some("GET /clusters?format=json HTTP/1.1"));
    let error = block_on(admin(&Endpoint::Unix(dir.path().join("nosuch"))).get("/x", &[])).expect_err("nobody");
    assert!(matches!(error, AdminError::Unreachable { .. }), "{error}");
}
