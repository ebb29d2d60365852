//! `cargo xtask bench tui`: how long the graph's layout and a frame of the terminal UI take.
//!
//! The task runs itself again, built with optimisation, and prints the median and the 99th percentile of many runs beside the goal.

use crate::{Outcome, root};
use mesh_tui::graph::focus::focus;
use mesh_tui::graph::paint::{Look, paint};
use mesh_tui::graph::{Detail, Edge, Health, Labels, Node, View, layout};
use mesh_tui::theme::Theme;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};

pub fn run(args: &[String]) -> Outcome {
    if args.first().is_some_and(|a| a == "here") {
        return measure();
    }
    let built = std::process::Command::new("cargo").args(["build", "--quiet", "--release", "--package", "meshctl"]).current_dir(root()).status();
    built.map_err(|e| format!("cargo: {e}"))?;
    let status = std::process::Command::new("cargo")
        .args(["run", "--quiet", "--release", "--package", "xtask", "--", "bench", "tui", "here"])
        .current_dir(root())
        .status()
        .map_err(|e| format!("cargo: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("the measurement ended with {status}")) }
}

fn measure() -> Outcome {
    println!("{:<52} {:>9} {:>9}   goal", "", "p50", "p99");
    for (nodes, edges, goal) in [(60, 91, 1), (300, 496, 15), (1_000, 1_702, 60)] {
        let view = mesh(nodes, edges);
        for detail in [Detail::Full, Detail::Compact] {
            let name = format!("layout, {} nodes, {} edges, {detail:?}", view.nodes().len(), view.edges().len());
            report(&name, if nodes > 500 { 20 } else { 100 }, goal, || {
                std::hint::black_box(layout(&view, detail, Labels::Shown, None));
            });
        }
        let seed = layout(&view, Detail::Compact, Labels::Shown, None);
        report(&format!("  the same again, from what was there, {nodes} nodes"), 20, goal, || {
            std::hint::black_box(layout(&view, Detail::Compact, Labels::Shown, Some(seed.seed())));
        });
    }
    let view = mesh(1_000, 2_000);
    let picture = layout(&view, Detail::Compact, Labels::Shown, None);
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).map_err(|e| e.to_string())?;
    let mut at = 0;
    let theme = Theme::default();
    report("frame 200×60 while panning, 1,000 nodes, 2,000 edges", 1_000, 4, || {
        at += 1;
        let look = Look {
            theme: &theme,
            origin: (at % picture.width.max(1), (at * 3) % picture.height.max(1)),
            selected: (at % 3 == 0).then_some(at as usize % 1_000),
            boxed: None,
            found: &[],
        };
        let drawn = terminal.draw(|frame| paint(&picture, &view, &look, frame.area(), frame.buffer_mut()));
        std::hint::black_box(drawn.is_ok());
    });
    let large = mesh(10_000, 40_000);
    let mut centre = 0;
    report("two hops of 10,000 nodes, 40,000 edges: to the frame", 100, 16, || {
        centre = (centre + 7_919) % 10_000;
        let near = focus(&large, centre, 2);
        let picture = layout(&near, Detail::Compact, Labels::Shown, None);
        let look = Look { theme: &theme, origin: (0, 0), selected: None, boxed: None, found: &[] };
        let drawn = terminal.draw(|frame| paint(&picture, &near, &look, frame.area(), frame.buffer_mut()));
        std::hint::black_box(drawn.is_ok());
    });
    super::tui_whole::run()
}

pub(super) fn report(name: &str, runs: usize, goal: u64, mut run: impl FnMut()) {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    told(name, times.collect(), goal);
}

/// Prints how long runs took.
pub(super) fn told(name: &str, mut times: Vec<Duration>, goal: u64) {
    let runs = times.len();
    if runs == 0 {
        println!("{name:<52} never");
        return;
    }
    times.sort_unstable();
    let at = |share: usize| times.get((runs * share / 100).min(runs - 1)).map_or(0.0, |t| t.as_secs_f64() * 1_000.0);
    println!("{name:<52} {:>6.2} ms {:>6.2} ms   {goal} ms", at(50), at(99));
}

/// A mesh as meshes are: namespaces of a dozen, mostly calls inside them, one hub, a few calls backwards.
fn mesh(nodes: usize, edges: usize) -> View {
    let mut state = 0x2545_f491_u64 ^ nodes as u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound.max(1)
    };
    let namespaces = (nodes / 12).max(1);
    let node = |i: usize| Node {
        namespace: format!("ns{}", i % namespaces),
        name: format!("workload-{i}"),
        health: [Health::Ok, Health::Ok, Health::Ok, Health::Degraded, Health::Failing][i % 5],
        figures: format!("{i}/s 0.1%"),
        badges: "V".to_owned(),
        flow: None,
    };
    let mut pairs = Vec::new();
    while pairs.len() < edges {
        let from = next(nodes);
        let to = match next(20) {
            0 => nodes - 1 - next(nodes.div_ceil(100)),
            1 => next(nodes),
            _ => (from + namespaces * (1 + next(4))) % nodes,
        };
        let (from, to) = if next(40) == 0 || from <= to { (from, to) } else { (to, from) };
        pairs.push(Edge { from, to, health: Health::Ok, label: format!("{from}/s"), flow: None });
    }
    View::new((0..nodes).map(node).collect(), pairs)
}
