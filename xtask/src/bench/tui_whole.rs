//! The whole terminal UI: from a key to the flushed frame with 1,000 workloads, and the program itself in a pseudo-terminal:
//! its first frame, what it costs and writes at rest, and its memory.

use crate::{Outcome, root};
use mesh_model::Snapshot;
use mesh_resolver::Mesh;
use mesh_tui::app::{App, Effect, Event, MouseUse, Options};
use mesh_tui::graph::{Edge, Flow, Health, Node, View};
use mesh_tui::keys::{Key, Keymap};
use mesh_tui::terminal::Canvas;
use mesh_tui::theme::Theme;
use mesh_tui::world::traffic::{Call, Load, Traffic};
use mesh_tui::world::{Answer, Ask, Asked, Input, World};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Keys that walk through the screens and in the graph.
const WALK: &str = "2 l l j j v v v e + e z l z X X b j b z 1 j j 3 j j j 2 k h l a a 7 1";
/// How long the program is left at rest.
const REST: Duration = Duration::from_secs(10);

pub fn run() -> Outcome {
    in_process()?;
    program()
}

/// A mesh of 1,000 workloads in namespaces of 20, each of which calls two others.
fn world() -> World {
    let snapshot = Snapshot::new();
    let mesh = Mesh::new(&snapshot);
    let nothing = || Answer::unavailable("none", "none");
    let mut world = World::new(Input {
        asked: Asked::all(),
        context: "bench".to_owned(),
        arguments: String::new(),
        objects: Vec::new(),
        sources: Vec::new(),
        mesh: &mesh,
        findings: Answer::unavailable("none", "none"),
        explanations: BTreeMap::new(),
        proxies: Vec::new(),
        sync: Vec::new(),
        traffic: nothing(),
        typed: None,
        logs: Answer::unavailable("none", "none"),
        traces: Answer::unavailable("none", "none"),
        timeline: None,
        history: None,
        faults: Vec::new(),
        before: None,
        created: None,
        write: mesh_collectors::recording::redact::object,
        on_one_machine: |_, _| Vec::new(),
    });
    let key = |i: usize| (format!("ns{:02}", i / 20), format!("workload-{i:04}"));
    let flow = Flow { requests: 10.0, failed: 0.0, p95: Some(20.0), secure: 10.0, judged: 10.0, ..Flow::default() };
    let (mut calls, mut edges, mut loads) = (Vec::new(), Vec::new(), BTreeMap::new());
    for i in 0..1_000 {
        loads.insert(key(i), Load { kind: "workload", namespace: key(i).0, inbound: flow, outbound: flow, health: Health::Ok, ..Load::default() });
        for to in [(i / 20) * 20 + (i + 1) % 20, (i * 7 + 13) % 1_000] {
            edges.push(Edge { from: i, to, health: Health::Ok, label: "10/s".to_owned(), flow: Some(flow) });
            calls.push(Call {
                from: key(i),
                to: key(to),
                protocol: "http".to_owned(),
                flow,
                health: Health::Ok,
                endings: Vec::new(),
                source_principal: String::new(),
                destination_principal: String::new(),
            });
        }
    }
    let node = |i: usize| Node { namespace: key(i).0, name: key(i).1, health: Health::Ok, figures: flow.figures(), badges: String::new(), flow: Some(flow) };
    let view = View::new((0..1_000).map(node).collect(), edges);
    world.traffic = Answer::Known(Arc::new(Traffic { view, loads, calls, window: Some(600), ..Traffic::default() }));
    world
}

/// A terminal that takes everything and counts it.
#[derive(Default)]
struct Sink(usize);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn in_process() -> Outcome {
    let options = Options {
        theme: Theme::default(),
        keymap: Keymap::default(),
        mouse: MouseUse::Left,
        context: "bench".to_owned(),
        open: None,
        refresh: None,
        ask: Ask::default(),
    };
    let mut app = App::new(options);
    let (mut canvas, mut sink) = (Canvas::default(), Sink::default());
    app.update(Event::Resize(200, 60), Duration::ZERO);
    app.update(Event::Loaded(Ok(Arc::new(world()))), Duration::ZERO);
    let wrong = |e: std::io::Error| e.to_string();
    canvas.draw(&mut app, Duration::ZERO, &mut sink).map_err(wrong)?;
    let keys: Vec<Key> = WALK.split(' ').filter_map(|k| Key::parse(k).ok()).collect();
    let mut at = 0;
    let jobs = RefCell::new(Vec::new());
    let app = RefCell::new(&mut app);
    let canvas = RefCell::new(&mut canvas);
    let frame = |event: Event, sink: &mut Sink| {
        let mut app = app.borrow_mut();
        jobs.borrow_mut().extend(app.update(event, Duration::ZERO).into_iter().filter_map(|e| if let Effect::LayOut(job) = e { Some(job) } else { None }));
        std::hint::black_box(canvas.borrow_mut().draw(&mut app, Duration::ZERO, sink).is_ok());
    };
    // Large layouts run beside the keys: their pictures come as events, and are drawn as frames of their own.
    let mut pictures = Vec::new();
    let mut layouts = Vec::new();
    let mut times = Vec::new();
    while times.len() < 600 {
        let start = Instant::now();
        frame(Event::Key(keys[at % keys.len()]), &mut sink);
        times.push(start.elapsed());
        at += 1;
        for job in jobs.take() {
            let start = Instant::now();
            let made = job.run();
            layouts.push(start.elapsed());
            let start = Instant::now();
            frame(Event::LaidOut(Box::new(made)), &mut sink);
            pictures.push(start.elapsed());
        }
    }
    super::tui::told("key to flushed frame, 1,000 workloads, all screens", times, 8);
    super::tui::told("  a picture that came, to its flushed frame", pictures, 8);
    super::tui::told("  its layout, beside the keys", layouts, 60);
    let mut at_rest = Sink::default();
    canvas.borrow_mut().draw(&mut app.borrow_mut(), Duration::ZERO, &mut at_rest).map_err(wrong)?;
    println!("{:<52} {:>7} B               0 B", "bytes written when nothing changed", at_rest.0);
    Ok(())
}

/// The program in a pseudo-terminal of `script`, which ends with us.
fn program() -> Outcome {
    let binary = root().join("target/release/meshctl");
    if !binary.exists() {
        println!("SKIPPED: the program itself: {} is not built (cargo build --release -p meshctl)", binary.display());
        return Ok(());
    }
    let file = std::env::temp_dir().join(format!("meshctl-bench-{}.json", std::process::id()));
    std::fs::write(&file, series()).map_err(|e| e.to_string())?;
    let line = format!("stty cols 200 rows 60; exec {} tui {}", binary.display(), file.display());
    let started = Instant::now();
    let mut child = Command::new("script").args(["-qfec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = match &mut child {
        Ok(child) => child,
        Err(e) => {
            println!("SKIPPED: the program itself: script: {e}");
            return Ok(());
        }
    };
    let result = watch(child, started);
    let _ = child.kill();
    let _ = child.wait();
    let _ = std::fs::remove_file(&file);
    result
}

/// A series file of 1,000 workloads.
fn series() -> String {
    let labels = |from: usize, to: usize| {
        format!(
            "{{\"reporter\":\"destination\",\"source_cluster\":\"c\",\"source_workload_namespace\":\"ns{}\",\"source_workload\":\"w{from}\",\"source_canonical_service\":\"w{from}\",\"source_canonical_revision\":\"v1\",\"destination_cluster\":\"c\",\"destination_service_namespace\":\"ns{}\",\"destination_service\":\"w{to}.ns{}.svc.cluster.local\",\"destination_service_name\":\"w{to}\",\"destination_workload_namespace\":\"ns{}\",\"destination_workload\":\"w{to}\",\"destination_canonical_service\":\"w{to}\",\"destination_canonical_revision\":\"v1\",\"request_protocol\":\"http\",\"response_code\":\"200\",\"response_flags\":\"-\",\"connection_security_policy\":\"mutual_tls\"}}",
            from / 20,
            to / 20,
            to / 20,
            to / 20
        )
    };
    let one = |from: usize, to: usize| format!("{{\"metric\":\"istio_requests_total\",\"labels\":{},\"rate\":10}}", labels(from, to));
    let all: Vec<String> = (0..1_000).flat_map(|i| [one(i, (i / 20) * 20 + (i + 1) % 20), one(i, (i * 7 + 13) % 1_000)]).collect();
    format!("{{\"clusterName\":\"c\",\"series\":[{}]}}", all.join(","))
}

fn watch(child: &mut Child, started: Instant) -> Outcome {
    let mut out = child.stdout.take().ok_or("no output of script")?;
    let seen = Arc::new(AtomicUsize::new(0));
    let (counted, first) = (Arc::clone(&seen), std::sync::mpsc::channel());
    let (tell, told) = first;
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(n) = out.read(&mut buffer) {
            if n == 0 {
                return;
            }
            // The end of a synchronized update is the end of a frame.
            if buffer[..n].windows(8).any(|w| w == b"\x1b[?2026l") {
                let _ = tell.send(started.elapsed());
            }
            counted.fetch_add(n, Ordering::Relaxed);
        }
    });
    let first = told.recv_timeout(Duration::from_secs(20)).map_err(|_| "no frame came within 20 s".to_owned())?;
    println!("{:<52} {:>6.2} ms               50 ms", "start to first frame", first.as_secs_f64() * 1_000.0);
    // Reading is over when nothing more is drawn.
    while told.recv_timeout(Duration::from_secs(3)).is_ok() {}
    let pid = running(child.id())?;
    let (before, bytes, woken) = (busy(pid)?, seen.load(Ordering::Relaxed), wakeups(pid)?);
    std::thread::sleep(REST);
    let share = busy(pid)?.saturating_sub(before).as_secs_f64() / REST.as_secs_f64() * 100.0;
    println!("{:<52} {share:>6.2} %                0.5 %", "of a core at rest, 1,000 workloads");
    // A count, which a busy machine does not change.
    println!("{:<52} {:>9.1}", "wake-ups a second at rest", wakeups(pid)?.saturating_sub(woken) as f64 / REST.as_secs_f64());
    println!("{:<52} {:>7} B               0 B", "bytes written at rest", seen.load(Ordering::Relaxed) - bytes);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| e.to_string())?;
    let resident = |key: &str| status.lines().find_map(|l| l.strip_prefix(key)?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    let (now, peak) = (resident("VmRSS:").unwrap_or(0) / 1024, resident("VmHWM:").unwrap_or(0) / 1024);
    println!("{:<52} {now:>6} MB  {peak:>6} MB   60 MB", "memory with 1,000 workloads, now and at most");
    Ok(())
}

/// The process that `script` runs: the shell became it.
fn running(script: u32) -> Result<u32, String> {
    let children = std::fs::read_to_string(format!("/proc/{script}/task/{script}/children")).map_err(|e| format!("/proc: {e}"))?;
    children.split_whitespace().next().and_then(|p| p.parse().ok()).ok_or_else(|| "script runs nothing".to_owned())
}

/// How often its threads waited for something so far.
fn wakeups(pid: u32) -> Result<u64, String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|e| format!("/proc/{pid}/task: {e}"))?;
    // A thread may end meanwhile.
    let of = |task: std::fs::DirEntry| -> Option<u64> {
        let text = std::fs::read_to_string(task.path().join("status")).ok()?;
        text.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
    };
    Ok(tasks.flatten().filter_map(of).sum())
}

/// Processor time of its threads so far, as the scheduler counts it: ticks count as a whole what is short but wakes with them.
fn busy(pid: u32) -> Result<Duration, String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|e| format!("/proc/{pid}/task: {e}"))?;
    // A thread may end meanwhile.
    let of = |task: std::fs::DirEntry| -> Option<u64> { std::fs::read_to_string(task.path().join("schedstat")).ok()?.split_whitespace().next()?.parse().ok() };
    Ok(Duration::from_nanos(tasks.flatten().filter_map(of).sum()))
}
