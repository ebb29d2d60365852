//! Bytes that the kernel moves: they arrive as they were sent, and all is told of them that is told of bytes that are copied.

use crate::support;
use mesh_proxy::Proxy;
use mesh_proxy::bootstrap::Bootstrap;
use mesh_proxy::server::Settings;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{cluster, get, log_lines, socket};

/// Far more than sockets and pipes hold together.
pub const LARGE: usize = 24 << 20;

/// A proxy with one worker, which has so many pipes.
pub fn start(bootstrap: Value, pipes: usize) -> Proxy {
    let settings = Settings { flush: Duration::from_millis(5), drain: Duration::from_secs(5), pipes, ..Settings::default() };
    Proxy::start(Bootstrap::new(bootstrap).unwrap_or_else(|e| panic!("{e}")), &settings).unwrap_or_else(|e| panic!("{e}"))
}

/// Bytes that went through pipes.
pub fn spliced(proxy: &Proxy) -> u64 {
    proxy.shared().spliced.load(Ordering::Relaxed)
}

/// A proxy of bytes; fields of its filter and of its listener are added.
fn tcp(to: SocketAddr, log: &Path, filter: &Value, listener: &Value) -> Value {
    let fields = json!({"flags": "%RESPONSE_FLAGS%", "received": "%BYTES_RECEIVED%", "sent": "%BYTES_SENT%"});
    let mut config = json!({"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "t", "cluster": "up",
        "access_log": [{"name": "f", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
            "log_format": {"json_format": fields}}}]});
    let add = |to: &mut Value, more: &Value| to.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    add(&mut config, filter);
    let mut own =
        json!({"name": "l", "address": socket(SocketAddr::from(([127, 0, 0, 1], 0))), "filter_chains": [{"filters": [{"name": "t", "typed_config": config}]}]});
    add(&mut own, listener);
    json!({"admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": [own], "clusters": [cluster("up", &[to])]}})
}

pub fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address("l").expect("a listener")).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    stream
}

/// Bytes that tell where they stood.
pub fn bytes(seed: u64, n: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = vec![0; n];
    random.fill(&mut all);
    all
}

/// Sends in pieces of all sizes, with pauses, and finishes.
fn send(mut stream: &TcpStream, seed: u64, all: &[u8]) {
    let (mut random, mut rest) = (fastrand::Rng::with_seed(seed), all);
    while !rest.is_empty() {
        let n = (1 << random.u32(0..21)).min(rest.len());
        stream.write_all(&rest[..n]).expect("sent");
        rest = &rest[n..];
        if random.u8(..) < 8 {
            std::thread::sleep(Duration::from_millis(random.u64(1..5)));
        }
    }
    stream.shutdown(Shutdown::Write).expect("finished");
}

/// Reads to the end in pieces of all sizes, with pauses.
fn receive(mut stream: &TcpStream, seed: u64) -> Vec<u8> {
    let (mut random, mut all, mut piece) = (fastrand::Rng::with_seed(seed), Vec::new(), vec![0; 1 << 20]);
    loop {
        let room = 1 << random.u32(4..21);
        match stream.read(&mut piece[..room]).expect("bytes") {
            0 => return all,
            n => all.extend_from_slice(&piece[..n]),
        }
        if random.u8(..) < 8 {
            std::thread::sleep(Duration::from_millis(random.u64(1..5)));
        }
    }
}

/// Resets when it is closed.
pub fn resetting(stream: TcpStream) {
    let stream = socket2::Socket::from(stream);
    stream.set_linger(Some(Duration::ZERO)).expect("set");
}

#[test]
fn bytes_arrive_as_they_were_sent_and_are_counted() {
    for (seed, pipes) in (1..=4).flat_map(|seed| [0, 1, 64].map(|pipes| (seed, pipes))) {
        let mut random = fastrand::Rng::with_seed(seed);
        let (up, down) = (random.usize(1..6 << 20), random.usize(1..6 << 20));
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("log");
        let server = support::server(move |stream| {
            std::thread::scope(|s| {
                s.spawn(|| send(&stream, seed + 10, &bytes(seed + 20, down)));
                assert!(receive(&stream, seed + 30) == bytes(seed + 40, up), "what the server got is not what was sent: {seed}");
            });
        });
        let proxy = start(tcp(server, &file, &json!({}), &json!({})), pipes);
        std::thread::scope(|s| {
            for stream in [connect(&proxy), connect(&proxy)] {
                s.spawn(move || {
                    std::thread::scope(|s| {
                        s.spawn(|| send(&stream, seed + 50, &bytes(seed + 40, up)));
                        assert!(receive(&stream, seed + 60) == bytes(seed + 20, down), "what the client got is not what was sent: {seed}, {pipes} pipes");
                    });
                });
            }
        });
        for line in log_lines(&file, 2) {
            let got = (line["flags"].as_str(), line["received"].as_u64(), line["sent"].as_u64());
            assert_eq!(got, (Some("-"), Some(up as u64), Some(down as u64)), "{seed}, {pipes} pipes");
        }
        let page = get(proxy.admin.expect("an admin port"), "/stats").text();
        let counted = [
            format!("tcp.t.downstream_cx_rx_bytes_total: {}", 2 * up),
            format!("tcp.t.downstream_cx_tx_bytes_total: {}", 2 * down),
            format!("cluster.up.upstream_cx_rx_bytes_total: {}", 2 * down),
            format!("cluster.up.upstream_cx_tx_bytes_total: {}", 2 * up),
        ];
        counted.iter().for_each(|wanted| assert!(page.contains(wanted), "{wanted} is not in {page}"));
        assert!(pipes > 0 || spliced(&proxy) == 0);
    }
}

/// A client that says a word and then reads nothing, a server that sends without end until it is told to stop.
fn flood(n: usize, sent: &Arc<AtomicUsize>) -> SocketAddr {
    let sent = sent.clone();
    support::server(move |mut stream| {
        let piece = vec![b'x'; 256 * 1024];
        while sent.load(Ordering::Relaxed) < n && stream.write_all(&piece).is_ok() {
            sent.fetch_add(piece.len(), Ordering::Relaxed);
        }
    })
}

/// Waits until a number has not changed for a while.
pub fn settled(number: &AtomicUsize) -> usize {
    let until = Instant::now() + Duration::from_secs(30);
    let (mut last, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_millis(500) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
        let now = number.load(Ordering::Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

#[cfg(target_os = "linux")]
#[test]
fn much_is_moved_by_the_kernel_and_little_is_copied() {
    let scratch = tempfile::tempdir().expect("a folder");
    let server = support::server(|mut stream| {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        let _ = stream.write_all(&all);
    });
    for (sent, filter, listener, is_spliced) in [
        (LARGE, json!({}), json!({}), true),
        (32 * 1024, json!({}), json!({}), false),
        // Less may wait than is worth it.
        (LARGE, json!({}), json!({"per_connection_buffer_limit_bytes": 32768}), false),
    ] {
        let proxy = start(tcp(server, &scratch.path().join("log"), &filter, &listener), 64);
        let (stream, all) = (connect(&proxy), bytes(1, sent));
        let got = std::thread::scope(|s| {
            s.spawn(|| {
                (&stream).write_all(&all).expect("sent");
                stream.shutdown(Shutdown::Write).expect("finished");
            });
            let mut got = Vec::new();
            (&stream).read_to_end(&mut got).expect("bytes");
            got
        });
        assert!(got == all);
        let moved = spliced(&proxy);
        assert!(if is_spliced { moved > LARGE as u64 / 2 && moved <= 2 * LARGE as u64 } else { moved == 0 }, "{moved} of {sent}, {listener}");
    }
}

#[test]
fn a_slow_reader_holds_the_sender_back_and_nothing_is_lost() {
    for pipes in [0, 1, 64] {
        let (scratch, sent) = (tempfile::tempdir().expect("a folder"), Arc::<AtomicUsize>::default());
        let file = scratch.path().join("log");
        let proxy = start(tcp(flood(LARGE * 8, &sent), &file, &json!({}), &json!({})), pipes);
        let stalled: Vec<_> = (0..3).map(|_| connect(&proxy)).collect();
        let waiting = settled(&sent);
        assert!(waiting < LARGE * 4, "{waiting} bytes wait with {pipes} pipes");
        // Whoever goes on reading gets all of it.
        sent.store(LARGE * 8, Ordering::Relaxed);
        let got: usize = stalled.into_iter().map(|stream| receive(&stream, 7).len()).sum();
        let lines = log_lines(&file, 3);
        assert_eq!(lines.iter().map(|l| l["sent"].as_u64().expect("a number")).sum::<u64>(), got as u64);
        assert!(got >= waiting);
    }
}

#[test]
fn resets_and_times_end_a_stream_as_without_pipes() {
    let resets = |after: usize| {
        support::server(move |mut stream| {
            let mut piece = vec![0; 64 * 1024];
            let mut all = 0;
            while all < after {
                match stream.read(&mut piece) {
                    Ok(n @ 1..) => all += n,
                    _ => return,
                }
            }
            resetting(stream);
        })
    };
    let takes_all = || support::server(|mut stream| drop(std::io::copy(&mut stream, &mut std::io::sink())));
    let silent = || {
        support::server(|stream| {
            std::thread::sleep(Duration::from_secs(20));
            drop(stream);
        })
    };
    for pipes in [0, 64] {
        let run = |to: SocketAddr, filter: Value, client: &dyn Fn(TcpStream)| {
            let scratch = tempfile::tempdir().expect("a folder");
            let file = scratch.path().join("log");
            let proxy = start(tcp(to, &file, &filter, &json!({})), pipes);
            client(connect(&proxy));
            let line = log_lines(&file, 1).remove(0);
            let page = get(proxy.admin.expect("an admin port"), "/stats").text();
            let idle = page.lines().find_map(|l| l.strip_prefix("tcp.t.idle_timeout: ")).map(str::to_owned);
            (line["flags"].as_str().expect("text").to_owned(), idle.unwrap_or_default(), line["received"].as_u64().expect("a number"))
        };
        let until_refused = |mut stream: TcpStream| while stream.write_all(&[7; 64 * 1024]).is_ok() {};
        let (flags, _, received) = run(resets(4 << 20), json!({}), &until_refused);
        assert!(flags == "UR" && received >= 4 << 20, "{flags}, {received}, {pipes} pipes");
        let (flags, _, received) = run(takes_all(), json!({}), &|mut stream| {
            stream.write_all(&vec![7; 8 << 20]).expect("sent");
            resetting(stream);
        });
        assert!(flags == "-" && received <= 8 << 20, "{flags}, {received}, {pipes} pipes");
        let (flags, idle, _) = run(silent(), json!({"idle_timeout": "0.3s"}), &until_refused);
        assert_eq!((&*flags, &*idle), ("-", "1"), "{pipes} pipes");
        let (flags, idle, _) = run(takes_all(), json!({"max_downstream_connection_duration": "0.5s"}), &until_refused);
        assert_eq!((&*flags, &*idle), ("DT", "0"), "{pipes} pipes");
    }
}
