//! Several hundred generated queries over generated series: the store answers as a real Prometheus does on the same data.
//!
//! `.ci/install-components` installs one; where none is found the test says SKIPPED. With MESHCTL_COMPONENTS set it must be there.

// A test that was left out says so.
#![allow(clippy::print_stdout)]

use mesh_metrics::promql::{self, Options, Rules, Value, parse};
use mesh_metrics::series::{Limits, NAME, Store};
use mesh_testserver::prometheus::{self, Labels};
use std::collections::BTreeMap;

/// A multiple of two hours, as Prometheus' blocks like them.
const START: i64 = 1_700_006_400_000;
const END: i64 = START + 3600 * 1000;

/// A generator whose numbers are the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) ^ (self.0 >> 11)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// Counters with resets, gauges with gaps, histograms; some start late, some end early; times wobble as those of scrapes do.
fn generate(random: &mut Random) -> Vec<(Labels, Vec<(i64, f64)>)> {
    let mut series = Vec::new();
    let times = |random: &mut Random| -> Vec<i64> {
        let from = if random.below(4) == 0 { random.below(1800) as i64 * 1000 } else { 0 };
        let to = if random.below(4) == 0 { 1_800_000 + random.below(1800) as i64 * 1000 } else { 3_600_000 };
        let gap = from + random.below(3_600_000) as i64;
        let has_gap = random.below(3) == 0;
        let phase = random.below(15_000) as i64;
        (0..240)
            .map(|i| i * 15_000 + phase + random.below(40) as i64)
            .filter(|t| (from..to).contains(t) && !(has_gap && (gap..gap + 400_000).contains(t)))
            .map(|t| START + t)
            .collect()
    };
    let labels = |pairs: &[(&str, &str)]| -> Labels { pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect() };
    for source in ["web", "api", "cart"] {
        for target in ["api", "cart", "db", "mail"] {
            for code in ["200", "404", "503"] {
                if random.below(5) == 0 {
                    continue;
                }
                let mut value = random.below(1000) as f64;
                let points = times(random).into_iter().map(|t| {
                    value = if random.below(90) == 0 { random.below(5) as f64 } else { value + random.below(40) as f64 / 4.0 };
                    (t, value)
                });
                let points = points.collect();
                series.push((labels(&[(NAME, "requests_total"), ("source", source), ("target", target), ("code", code)]), points));
            }
        }
    }
    for pod in ["web-1", "web-2", "api-1", "db-1"] {
        for name in ["memory", "load"] {
            let points =
                times(random).into_iter().map(|t| (t, if random.below(50) == 0 { f64::NAN } else { random.below(20_001) as f64 / 16.0 - 400.0 })).collect();
            series.push((labels(&[(NAME, name), ("pod", pod), ("app", pod.split('-').next().unwrap_or(""))]), points));
        }
    }
    for app in ["web", "api"] {
        let times = times(random);
        let mut counts = [0.0; 6];
        let mut columns: Vec<Vec<(i64, f64)>> = vec![Vec::new(); 6];
        for t in times {
            let mut sum = 0.0;
            for (index, count) in counts.iter_mut().enumerate() {
                sum += random.below(7) as f64;
                *count += sum;
                columns[index].push((t, *count));
            }
        }
        for (le, points) in ["0.5", "1", "2.5", "10", "100", "+Inf"].iter().zip(columns) {
            series.push((labels(&[(NAME, "latency_bucket"), ("app", app), ("le", le)]), points));
        }
    }
    for (app, team) in [("web", "red"), ("api", "blue"), ("db", "blue")] {
        let points = (0..240).map(|i| (START + i * 15_000, 1.0)).collect();
        series.push((labels(&[(NAME, "owner"), ("app", app), ("team", team)]), points));
    }
    series
}

/// An expression that gives an instant vector.
fn vector(random: &mut Random, depth: u64) -> String {
    let range = *random.pick(&["1m", "2m", "5m", "7m30s", "10m"]);
    let offset = *random.pick(&["", "", "", " offset 3m", " offset 10m"]);
    let counter = *random.pick(&[
        "requests_total",
        "requests_total{code=\"200\"}",
        "requests_total{code!=\"404\"}",
        "requests_total{code=~\"5..|404\",source!~\"c.*\"}",
        "requests_total{source=\"web\",target=~\".+\"}",
        "{__name__=~\"req.*\",target=\"db\"}",
    ]);
    let gauge = *random.pick(&["memory", "load{pod=~\"web-.\"}", "load", "memory{app!=\"db\"}"]);
    if depth == 0 {
        return match random.below(8) {
            0 => format!("{counter}{offset}"),
            1 => format!("{gauge}{offset}"),
            2..=4 => format!("{}({counter}[{range}]{offset})", random.pick(&["rate", "rate", "increase", "irate", "resets", "changes"])),
            5 => format!("{}({gauge}[{range}]{offset})", random.pick(&["delta", "idelta", "avg_over_time", "max_over_time", "min_over_time", "sum_over_time"])),
            6 => format!(
                "{}({gauge}[{range}]{offset})",
                random.pick(&["count_over_time", "last_over_time", "stddev_over_time", "stdvar_over_time", "present_over_time"])
            ),
            _ => format!("quantile_over_time(0.{}, {gauge}[{range}]{offset})", random.below(10)),
        };
    }
    let inner = |random: &mut Random| vector(random, depth - 1);
    let grouping = |random: &mut Random| {
        *random.pick(&["", " by (code)", " by (source, target)", " without (code)", " by (app)", " without (pod, source)", " by (nothing)"])
    };
    match random.below(14) {
        0..=2 => format!("{}{} ({})", random.pick(&["sum", "avg", "max", "min", "count", "group", "stddev", "stdvar"]), grouping(random), inner(random)),
        3 => format!(
            "{}({}, {}){}",
            random.pick(&["topk", "bottomk"]),
            random.below(5),
            inner(random),
            grouping(random).replace("by (nothing)", "by (code)").trim_end()
        ),
        4 => format!("quantile{} (0.{}, {})", grouping(random), random.below(10), inner(random)),
        5 => format!(
            "histogram_quantile(0.{}, {})",
            random.below(100),
            random.pick(&[
                "rate(latency_bucket[5m])",
                "sum(rate(latency_bucket[10m])) by (le)",
                "latency_bucket",
                "sum by (app, le) (increase(latency_bucket[3m]))"
            ])
        ),
        6 => format!("({}) {} {}", inner(random), random.pick(&["+", "-", "*", "/", "%", "^", ">", "<=", "==", "!=", "> bool", "< bool"]), random.below(9)),
        7 => format!("{} {} ({})", random.below(200), random.pick(&["-", "*", "/", ">", "<", ">= bool"]), inner(random)),
        8 => format!(
            "{}({})",
            random.pick(&["abs", "ceil", "floor", "sqrt", "ln", "exp", "sgn", "sort", "sort_desc", "timestamp", "absent", "-"]),
            inner(random)
        ),
        9 => format!("round({}, {})", inner(random), random.pick(&["0.001", "0.5", "1", "10"])),
        10 => {
            let op = *random.pick(&["+", "-", "/", ">", "< bool", "and", "or", "unless"]);
            let on = *random.pick(&["", " on (source, target, code)", " ignoring (source)", " on (app)", " ignoring (code)"]);
            format!("({}) {op}{on} ({})", inner(random), inner(random))
        }
        11 => {
            let op = *random.pick(&["/", "*", ">", ">= bool"]);
            format!("({}) {op} on (target) group_left ({})", inner(random), "sum by (target) (rate(requests_total[5m]))")
                .replace("group_left (sum", "group_left () (sum")
        }
        12 => format!("({}) * on (app) group_left (team) owner", inner(random)),
        _ => format!(
            "label_{}",
            random.pick(&[
                "replace(requests_total, \"zone\", \"$1-x\", \"target\", \"(.).*\")",
                "join(memory, \"both\", \"/\", \"pod\", \"app\")",
                "replace(load, \"app\", \"\", \"pod\", \"web.*\")",
                "replace(load, \"pod\", \"same\", \"app\", \"web\")",
            ])
        ),
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Labels to points, or that it was refused.
type Outcome = Result<BTreeMap<Labels, Vec<(i64, f64)>>, String>;

fn theirs(port: u16, path: &str) -> Outcome {
    let (_, body) = prometheus::get(port, path).expect("prometheus answers");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"));
    if json["status"] != "success" {
        return Err(json["error"].to_string());
    }
    let point = |p: &serde_json::Value| {
        let value = p[1].as_str().unwrap_or("");
        ((p[0].as_f64().unwrap_or(0.0) * 1000.0).round() as i64, value.parse().unwrap_or_else(|e| panic!("{value}: {e}")))
    };
    let rows = json["data"]["result"].as_array().expect("rows");
    Ok(rows
        .iter()
        .map(|row| {
            let labels = row["metric"].as_object().expect("labels").iter().map(|(n, v)| (n.clone(), v.as_str().unwrap_or("").to_owned())).collect();
            let points = row["values"].as_array().map_or_else(|| vec![point(&row["value"])], |v| v.iter().map(point).collect());
            (labels, points)
        })
        .collect())
}

fn ours(answer: Result<promql::Answer, promql::Error>) -> Outcome {
    let labels = |l: &[(std::sync::Arc<str>, std::sync::Arc<str>)]| l.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Ok(match answer.map_err(|e| e.message)?.value {
        Value::Vector(samples) => samples.iter().map(|s| (labels(&s.labels), vec![(s.at, s.value)])).collect(),
        Value::Matrix(tracks) => tracks.iter().map(|t| (labels(&t.labels), t.points.iter().map(|p| (p.at, p.value)).collect())).collect(),
        other => panic!("{other:?}"),
    })
}

/// Equal to a relative 1e-9.
fn close(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) || (a - b).abs() < 1e-12
}

fn same(a: &Outcome, b: &Outcome) -> bool {
    match (a, b) {
        (Err(_), Err(_)) => true,
        (Ok(a), Ok(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|((l, p), (m, q))| l == m && p.len() == q.len() && p.iter().zip(q).all(|(x, y)| x.0 == y.0 && close(x.1, y.1)))
        }
        _ => false,
    }
}

#[test]
fn answers_as_a_real_prometheus_does() {
    let Some(binary) = prometheus::find().expect("the components") else {
        println!("SKIPPED: no target/components/prometheus with promtool beside it; .ci/install-components installs them");
        return;
    };
    let version = prometheus::version(&binary).expect("prometheus runs");
    let rules = if version.contains("version 2.") { Rules::Prometheus2 } else { Rules::Prometheus3 };
    let options = Options { rules, ..Options::default() };

    let mut random = Random(20_240_607);
    let series = generate(&mut random);
    let mut store = Store::new(Limits::default());
    for (labels, points) in &series {
        for (at, value) in points {
            store.append(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())), *at, *value).expect("in order");
        }
    }
    let prometheus = prometheus::start(&binary, &series).expect("prometheus starts");
    let (mut answered, mut refused, mut empty) = (0, 0, 0);
    let mut different = Vec::new();
    for index in 0..900 {
        let depth = random.below(4);
        let query = vector(&mut random, depth);
        let at = START + 600_000 + random.below((END - START - 600_000) as u64) as i64;
        let expr = parse(&query).unwrap_or_else(|e| panic!("{query}: {}", e.render(&query)));
        // topk takes any of equal ones; over many steps that is a matter of luck.
        let is_range = index % 4 == 0 && !query.contains("topk") && !query.contains("bottomk");
        let (a, b) = if is_range {
            let end = at + 300_000;
            let path =
                format!("/api/v1/query_range?query={}&start={}.{:03}&end={}.{:03}&step=47", encode(&query), at / 1000, at % 1000, end / 1000, end % 1000);
            (ours(promql::query_range(&store, &expr, at, end, 47_000, &options)), theirs(prometheus.port, &path))
        } else {
            let path = format!("/api/v1/query?query={}&time={}.{:03}", encode(&query), at / 1000, at % 1000);
            (ours(promql::query(&store, &expr, at, &options)), theirs(prometheus.port, &path))
        };
        match &b {
            Err(_) => refused += 1,
            Ok(rows) if rows.is_empty() => empty += 1,
            Ok(_) => answered += 1,
        }
        if !same(&a, &b) {
            different.push(format!("{query} at {at}\n  ours   {a:?}\n  theirs {b:?}"));
        }
    }
    println!("{}: {answered} answered, {empty} empty, {refused} refused", version.lines().next().unwrap_or(""));
    assert!(
        different.is_empty(),
        "{} of 900 differ\n{}",
        different.len(),
        different.iter().take(8).map(|d| d.chars().take(1500).collect::<String>()).collect::<Vec<_>>().join("\n")
    );
    assert!(answered > 400, "too few queries with a result: {answered}");
}
