//! Bodies that the kernel moves: they arrive as they were sent, nothing behind them is swallowed, and they end as those do that are
//! copied.

use crate::splice::{LARGE, bytes, connect, resetting, settled, spliced, start};
use crate::support;
use mesh_proxy::Proxy;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{bootstrap, cluster, get, log_lines, manager};

/// Routes: `/kept` keeps bodies for another try as far as there is room, `/idle` gives up on a stream that stands still, `/echo` may take
/// long, and others as long as they want.
fn proxy(up: SocketAddr, log: &Path, pipes: usize) -> Proxy {
    let to = |prefix: &str, mut action: Value| {
        action["cluster"] = "up".into();
        json!({"match": {"prefix": prefix}, "route": action})
    };
    let routes = json!([
        to("/kept", json!({"timeout": "0s", "retry_policy": {"retry_on": "5xx"}})),
        to("/idle", json!({"timeout": "0s", "idle_timeout": "3s"})),
        to("/echo", json!({"timeout": "120s"})),
        to("/", json!({"timeout": "0s"})),
    ]);
    start(bootstrap(&manager(routes, Some(log)), &[cluster("up", &[up])]), pipes)
}

/// What a path asks for: `/WORD/BYTES OF THE REQUEST/BYTES OF THE ANSWER`.
fn sizes(path: &str) -> (usize, usize) {
    let mut parts = path.rsplit('/').map(|p| p.parse().expect("a number"));
    let down = parts.next().expect("a size");
    (parts.next().expect("a size"), down)
}

/// A body of a path's, of so many bytes.
fn body(path: &str, n: usize) -> Vec<u8> {
    bytes(path.bytes().map(u64::from).sum(), n)
}

/// The first line of a head and its length; `None` at the end.
fn head(reader: &mut impl BufRead) -> Option<(String, Option<usize>)> {
    let (mut first, mut length, mut line) = (String::new(), None, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => return Some((first, length)),
            text if first.is_empty() => text.clone_into(&mut first),
            text => length = length.or_else(|| text.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok()),
        }
    }
}

/// Reads so many bytes in pieces of all sizes, with pauses; fewer where there are no more.
fn read(reader: &mut impl Read, n: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < n {
        let room = (1 << random.u32(4..21)).min(n - all.len());
        let before = all.len();
        all.resize(before + room, 0);
        let got = reader.read(&mut all[before..]).unwrap_or(0);
        all.truncate(before + got);
        if got == 0 {
            break;
        }
        pause(random);
    }
    all
}

fn write(mut stream: &TcpStream, mut bytes: &[u8], random: &mut fastrand::Rng) -> bool {
    while !bytes.is_empty() {
        let n = (1 << random.u32(0..21)).min(bytes.len());
        if stream.write_all(&bytes[..n]).is_err() {
            return false;
        }
        bytes = &bytes[n..];
        pause(random);
    }
    true
}

fn pause(random: &mut fastrand::Rng) {
    if random.u8(..) < 8 {
        std::thread::sleep(Duration::from_millis(random.u64(1..5)));
    }
}

/// Takes bodies and sends others, as paths ask for.
fn upstream() -> SocketAddr {
    support::server(|stream| {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut random = fastrand::Rng::with_seed(3);
        while let Some((first, length)) = head(&mut reader) {
            let path = first.split(' ').nth(1).expect("a path").to_owned();
            let (word, (up, down)) = (path.split('/').nth(1).expect("a word").to_owned(), sizes(&path));
            if word == "half" {
                // Gone in the middle of the request.
                let _ = read(&mut reader, up / 2, &mut random);
                return resetting(stream);
            }
            let length = length.unwrap_or(0);
            if word == "echo" {
                (&stream).write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").as_bytes()).expect("sent");
                let mut left = length;
                while left > 0 {
                    let piece = read(&mut reader, left.min(100_000), &mut random);
                    if piece.is_empty() || !write(&stream, &piece, &mut random) {
                        return;
                    }
                    left -= piece.len();
                }
                continue;
            }
            let got = read(&mut reader, length, &mut random);
            if got.len() < length {
                return;
            }
            assert!(got == body(&path, up), "{path}: the server got {} bytes, or others", got.len());
            let answer = body(&path, down);
            let _ = (&stream).write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {down}\r\n\r\n").as_bytes());
            match word.as_str() {
                "short" => {
                    write(&stream, &answer[..down / 2], &mut random);
                    return;
                }
                "reset" => {
                    write(&stream, &answer[..down / 2], &mut random);
                    return resetting(stream);
                }
                "idle" => {
                    write(&stream, &answer[..down / 2], &mut random);
                    std::thread::sleep(Duration::from_secs(60));
                    return;
                }
                // Nobody asked for this.
                "more" => {
                    write(&stream, &[&answer[..], b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"].concat(), &mut random);
                }
                _ => {
                    write(&stream, &answer, &mut random);
                }
            }
        }
    })
}

/// Sends requests one behind the other, and reads their answers: status and body each, as far as they come.
fn ask(stream: &TcpStream, paths: &[String], seed: u64) -> Vec<(u16, Vec<u8>)> {
    std::thread::scope(|s| {
        s.spawn(|| {
            let mut random = fastrand::Rng::with_seed(seed);
            for path in paths {
                let up = sizes(path).0;
                let request = format!("POST {path} HTTP/1.1\r\nhost: a.com\r\ncontent-length: {up}\r\n\r\n").into_bytes();
                if !write(stream, &[request, body(path, up)].concat(), &mut random) {
                    return;
                }
            }
        });
        let (mut reader, mut random) = (BufReader::new(stream), fastrand::Rng::with_seed(seed + 1));
        let answers = paths.iter().map_while(|_| {
            let (first, length) = head(&mut reader)?;
            let status = first.split(' ').nth(1)?.parse().ok()?;
            Some((status, read(&mut reader, length.unwrap_or(0), &mut random)))
        });
        answers.collect()
    })
}

#[test]
fn bodies_arrive_as_they_were_sent_and_are_counted() {
    let up = upstream();
    for (seed, pipes) in (1..=3).flat_map(|seed| [0, 1, 64].map(|pipes| (seed, pipes))) {
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("log");
        let proxy = proxy(up, &file, pipes);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut size = || {
            let most = 1 << random.u32(1..22);
            random.usize(0..most)
        };
        let lists: Vec<Vec<String>> = (0..3).map(|_| ["any", "kept", "any", "more"].map(|w| format!("/{w}/{}/{}", size(), size())).to_vec()).collect();
        std::thread::scope(|s| {
            for paths in &lists {
                let stream = connect(&proxy);
                s.spawn(move || {
                    let answers = ask(&stream, paths, seed);
                    assert_eq!(answers.len(), paths.len());
                    for (path, (status, got)) in paths.iter().zip(answers) {
                        assert!(status == 200 && got == body(path, sizes(path).1), "{path}: {status}, {} bytes, {pipes} pipes", got.len());
                    }
                });
            }
        });
        let lines = log_lines(&file, 12);
        assert_eq!(lines.len(), 12);
        for line in lines {
            let (up, down) = sizes(line["path"].as_str().expect("a path"));
            assert_eq!((line["received"].as_u64(), line["sent"].as_u64(), line["flags"].as_str()), (Some(up as u64), Some(down as u64), Some("-")), "{line}");
        }
        assert!(pipes > 0 || spliced(&proxy) == 0);
    }
}

#[test]
fn bodies_that_break_off_end_as_without_pipes() {
    let up = upstream();
    for word in ["short", "reset", "half", "idle"] {
        let path = format!("/{word}/{}/{}", if word == "half" { 8 << 20 } else { 0 }, 8 << 20);
        let ended = [0, 64].map(|pipes| {
            let scratch = tempfile::tempdir().expect("a folder");
            let file = scratch.path().join("log");
            let proxy = proxy(up, &file, pipes);
            let answers = ask(&connect(&proxy), std::slice::from_ref(&path), 5);
            let line = log_lines(&file, 1).remove(0);
            let page = get(proxy.admin.expect("an admin port"), "/stats").text();
            let counts = [
                "cluster.up.upstream_rq_total",
                "cluster.up.upstream_cx_protocol_error",
                "http.in.downstream_rq_idle_timeout",
                "cluster.up.upstream_cx_active",
            ];
            let counts = counts.map(|name| page.lines().find(|l| l.starts_with(name)).map(str::to_owned));
            let begins = answers.iter().all(|(status, got)| *status != 200 || body(&path, 8 << 20).starts_with(got));
            assert!(begins, "{path}");
            let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
            (statuses, line["flags"].clone(), line["details"].clone(), counts)
        });
        assert_eq!(ended[0], ended[1], "{word}");
    }
    // A client that leaves in the middle of what it sends.
    let ended = [0, 64].map(|pipes| {
        let scratch = tempfile::tempdir().expect("a folder");
        let file = scratch.path().join("log");
        let proxy = proxy(up, &file, pipes);
        let mut stream = connect(&proxy);
        stream.write_all(format!("POST /any/{LARGE}/5 HTTP/1.1\r\nhost: a.com\r\ncontent-length: {LARGE}\r\n\r\n").as_bytes()).expect("sent");
        stream.write_all(&vec![b'x'; LARGE / 2]).expect("sent");
        drop(stream);
        let line = log_lines(&file, 1).remove(0);
        (line["flags"].clone(), line["details"].clone(), line["received"].clone())
    });
    assert_eq!(ended[0], ended[1]);
}

#[test]
fn an_answer_that_begins_before_the_request_is_over_is_passed_on() {
    let up = upstream();
    for pipes in [0, 1, 64] {
        let scratch = tempfile::tempdir().expect("a folder");
        let proxy = proxy(up, &scratch.path().join("log"), pipes);
        // More than all sockets on the way hold.
        let n = 2 * LARGE;
        let path = format!("/echo/{n}/{n}");
        let (stream, all, sent) = (connect(&proxy), body(&path, n), AtomicUsize::new(0));
        let got = std::thread::scope(|s| {
            s.spawn(|| {
                let head = format!("POST {path} HTTP/1.1\r\nhost: a.com\r\ncontent-length: {n}\r\n\r\n");
                (&stream).write_all(head.as_bytes()).expect("sent");
                for piece in all.chunks(10_000) {
                    (&stream).write_all(piece).expect("sent");
                    sent.fetch_add(piece.len(), Ordering::Relaxed);
                }
            });
            // Nothing is read until the sender is held back: what it still sends is read while its answer waits.
            settled(&sent);
            let mut reader = BufReader::new(&stream);
            head(&mut reader).expect("an answer");
            read(&mut reader, n, &mut fastrand::Rng::with_seed(9))
        });
        assert!(got == all, "{} bytes with {pipes} pipes", got.len());
        assert_eq!(ask(&stream, &[format!("/any/3/{}", 1 << 20)], 9).len(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn large_bodies_are_moved_by_the_kernel() {
    let up = upstream();
    for (path, is_moved) in [
        (format!("/any/0/{LARGE}"), true),
        (format!("/any/{LARGE}/0"), true),
        // The first of it is kept for another try.
        (format!("/kept/{LARGE}/0"), true),
        (format!("/any/0/{}", 50_000), false),
    ] {
        let scratch = tempfile::tempdir().expect("a folder");
        let proxy = proxy(up, &scratch.path().join("log"), 64);
        let answers = ask(&connect(&proxy), std::slice::from_ref(&path), 11);
        assert!(answers.len() == 1 && answers[0].1.len() == sizes(&path).1, "{path}");
        let moved = spliced(&proxy);
        assert!(if is_moved { moved > LARGE as u64 / 2 && moved <= LARGE as u64 } else { moved == 0 }, "{moved} bytes of {path}");
    }
}
