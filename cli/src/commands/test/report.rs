//! What is told of tests: for people, as JSON, as JUnit XML.

use super::Ran;
use super::edge::{Evidence, rounded};
use super::judge::{Judged, Outcome};
use crate::args::test::TestFormat;
use crate::commands::route::text::show;
use crate::output::{junit::xml, pretty};
use crate::term::{safe, safe_json};
use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

const FINE: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default().bold();

/// How many tests came out how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub not_judged: usize,
    pub unreadable: usize,
}

impl Counts {
    pub fn of(files: &[Ran<'_>]) -> Counts {
        let mut counts = Counts::default();
        for judged in files.iter().flat_map(|f| &f.tests) {
            match judged.outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::NotJudged(_) => counts.not_judged += 1,
                Outcome::Unreadable(..) => counts.unreadable += 1,
            }
        }
        counts
    }
}

pub fn render(files: &[Ran<'_>], format: TestFormat) -> String {
    match format {
        TestFormat::Text => text(files),
        TestFormat::Json => safe_json(pretty(&object(files), b"  ")),
        TestFormat::Junit => junit(files),
    }
}

fn text(files: &[Ran<'_>]) -> String {
    let mut out = String::new();
    for ran in files {
        let file = safe(&ran.suite.file).into_owned();
        out.push_str(&format!("{file}\n"));
        for c in &ran.suite.complaints {
            out.push_str(&format!("  {BAD}unreadable{BAD:#}  {file}:{}:{}: {}\n", c.at.line, c.at.column, safe(&c.message)));
        }
        for problem in &ran.unreadable {
            out.push_str(&format!("  {BAD}unreadable{BAD:#}  {}\n", safe(problem)));
        }
        for problem in &ran.unseen {
            out.push_str(&format!("  {OPEN}not seen{OPEN:#}    {}\n", safe(problem)));
        }
        ran.tests.iter().for_each(|judged| one(&mut out, &file, judged));
    }
    let counts = Counts::of(files);
    let parts = [(counts.passed, "passed"), (counts.failed, "failed"), (counts.not_judged, "not judged"), (counts.unreadable, "unreadable")];
    let shown: Vec<String> = parts.iter().filter(|(n, word)| *n > 0 || *word == "passed").map(|(n, word)| format!("{n} {word}")).collect();
    out.push_str(&format!("{}\n", shown.join(", ")));
    out
}

fn one(out: &mut String, file: &str, judged: &Judged<'_>) {
    let name = safe(&judged.test.name).into_owned();
    let at = |p: mesh_model::Position| format!("{file}:{}:{}", p.line, p.column);
    match &judged.outcome {
        Outcome::Passed => out.push_str(&format!("  {FINE}ok{FINE:#}          {name}\n")),
        Outcome::Unreadable(p, message) => out.push_str(&format!("  {BAD}unreadable{BAD:#}  {name}\n      {}: {}\n", at(*p), safe(message))),
        Outcome::NotJudged(reasons) => {
            out.push_str(&format!("  {OPEN}not judged{OPEN:#}  {name}\n      {}\n", at(judged.test.at)));
            out.extend(reasons.iter().map(|r| format!("      {}\n", safe(r))));
        }
        Outcome::Failed(failures) => {
            out.push_str(&format!("  {BAD}FAILED{BAD:#}      {name}\n"));
            for f in failures {
                let proxy = if judged.ways.len() > 1 { format!(" ({})", f.proxy) } else { String::new() };
                out.push_str(&format!("      {}: {}: expected {}; found {}{}\n", at(f.at), f.key, safe(&f.expected), safe(&f.found), safe(&proxy)));
            }
            judged.evidence.iter().for_each(|e| series(out, e));
            for way in judged.ways.iter().filter(|w| failures.iter().any(|f| w.told.first().is_none_or(|t| t.proxy == f.proxy))) {
                out.extend(show(way).lines().map(|l| if l.is_empty() { "\n".to_owned() } else { format!("        {l}\n") }));
            }
        }
    }
}

/// How many series are shown of an edge; JSON has them all.
const SERIES: usize = 8;

fn series(out: &mut String, evidence: &Evidence) {
    out.extend(evidence.edges.iter().map(|e| format!("        {}\n", safe(e))));
    let mut all: Vec<&(String, f64)> = evidence.series.iter().filter(|(_, rate)| *rate > 0.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    out.extend(all.iter().take(SERIES).map(|(name, rate)| format!("        {rate:>10.4}/s  {}\n", safe(&short(name)))));
    if all.len() > SERIES {
        out.push_str(&format!("        and {} more series\n", all.len() - SERIES));
    }
}

/// A series without the labels that say again what the edge says.
fn short(series: &str) -> String {
    let Some((metric, labels)) = series.strip_suffix('}').and_then(|s| s.split_once('{')) else { return series.to_owned() };
    let tells =
        ["reporter=", "response_code=", "response_flags=", "grpc_response_status=", "connection_security_policy=", "source_workload=", "destination_workload="];
    // A comma within a value cuts it in two; the second half is of no label here.
    let mut kept: Vec<String> = Vec::new();
    let mut is_kept = false;
    for part in labels.split(',') {
        let begins = part.split_once("=\"").is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
        if begins {
            is_kept = tells.iter().any(|t| part.starts_with(t));
            if is_kept {
                kept.push(part.to_owned());
            }
        } else if let (true, Some(last)) = (is_kept, kept.last_mut()) {
            last.push(',');
            last.push_str(part);
        }
    }
    format!("{metric}{{{}}}", kept.join(","))
}

/// What could not be read or seen.
fn problems<'r>(ran: &'r Ran<'_>) -> impl Iterator<Item = &'r String> {
    ran.unreadable.iter().chain(&ran.unseen)
}

fn object(files: &[Ran<'_>]) -> Value {
    let counts = Counts::of(files);
    let list: Vec<Value> = files
        .iter()
        .map(|ran| {
            let complaints: Vec<Value> = ran.suite.complaints.iter().map(|c| json!({"line": c.at.line, "column": c.at.column, "message": c.message})).collect();
            json!({
                "file": ran.suite.file, "sources": ran.sources, "errors": complaints, "problems": problems(ran).collect::<Vec<_>>(),
                "tests": ran.tests.iter().map(test).collect::<Vec<_>>(),
            })
        })
        .collect();
    let readable = counts.unreadable == 0 && files.iter().all(|f| f.suite.complaints.is_empty() && problems(f).next().is_none());
    let problems: Vec<&String> = files.iter().flat_map(problems).collect();
    json!({
        "complete": readable && counts.not_judged == 0, "problems": problems,
        "passed": counts.passed, "failed": counts.failed, "notJudged": counts.not_judged, "unreadable": counts.unreadable,
        "files": list,
    })
}

fn test(judged: &Judged<'_>) -> Value {
    let at = judged.test.at;
    let mut out = json!({"name": judged.test.name, "line": at.line, "column": at.column});
    let (result, key, more) = match &judged.outcome {
        Outcome::Passed => ("passed", "failures", json!([])),
        Outcome::Failed(list) => {
            let failures = list
                .iter()
                .map(|f| json!({"expectation": f.key, "expected": f.expected, "found": f.found, "proxy": f.proxy, "line": f.at.line, "column": f.at.column}));
            ("failed", "failures", failures.collect())
        }
        Outcome::NotJudged(reasons) => ("not judged", "reasons", json!(reasons)),
        Outcome::Unreadable(p, message) => ("unreadable", "error", json!({"line": p.line, "column": p.column, "message": message})),
    };
    out["result"] = result.into();
    out[key] = more;
    if let Some(e) = &judged.evidence {
        let series: Vec<Value> = e.series.iter().map(|(name, rate)| json!({"series": name, "rate": rate})).collect();
        out["evidence"] = json!({
            "edges": e.edges, "rate": e.rate.map(rounded), "bytes": e.bytes.map(rounded), "errorPercent": e.error_percent.map(rounded),
            "mtlsPercent": e.mtls_percent.map(rounded),
            "reportedBy": e.reported_by.map(|r| r.word()), "over": e.over, "series": series,
        });
    }
    out["ways"] = judged.ways.iter().map(crate::commands::route::json::value).collect();
    out
}

/// A suite a file, a case a test. What can't be judged or read is an error, never a pass.
fn junit(files: &[Ran<'_>]) -> String {
    let of = |c: Counts, broken: usize| {
        let (tests, errors) = (c.passed + c.failed + c.not_judged + c.unreadable + broken, c.not_judged + c.unreadable + broken);
        format!("tests=\"{tests}\" failures=\"{}\" errors=\"{errors}\" skipped=\"0\"", c.failed)
    };
    let broken = |f: &Ran<'_>| f.suite.complaints.len() + problems(f).count();
    let all = of(Counts::of(files), files.iter().map(broken).sum());
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"meshctl test\" {all}>\n");
    for ran in files {
        let file = xml(&ran.suite.file);
        out.push_str(&format!("  <testsuite name=\"{file}\" {}>\n", of(Counts::of(std::slice::from_ref(ran)), broken(ran))));
        let error = |name: &str, kind: &str, message: &str| {
            let message = xml(message);
            format!(
                "    <testcase classname=\"{file}\" name=\"{}\">\n      <error type=\"{kind}\" message=\"{message}\">{message}</error>\n    </testcase>\n",
                xml(name)
            )
        };
        for c in &ran.suite.complaints {
            out.push_str(&error("(the file)", "unreadable", &format!("{}:{}:{}: {}", ran.suite.file, c.at.line, c.at.column, c.message)));
        }
        for problem in &ran.unreadable {
            out.push_str(&error("(the sources)", "unreadable", problem));
        }
        for problem in &ran.unseen {
            out.push_str(&error("(the sources)", "not seen", problem));
        }
        for judged in &ran.tests {
            let name = &judged.test.name;
            let place = |p: mesh_model::Position| format!("{}:{}:{}", ran.suite.file, p.line, p.column);
            match &judged.outcome {
                Outcome::Passed => out.push_str(&format!("    <testcase classname=\"{file}\" name=\"{}\"/>\n", xml(name))),
                Outcome::NotJudged(reasons) => out.push_str(&error(name, "not judged", &format!("{}: {}", place(judged.test.at), reasons.join("; ")))),
                Outcome::Unreadable(p, message) => out.push_str(&error(name, "unreadable", &format!("{}: {message}", place(*p)))),
                Outcome::Failed(list) => {
                    out.push_str(&format!("    <testcase classname=\"{file}\" name=\"{}\">\n", xml(name)));
                    for f in list {
                        let message = xml(&format!("{}: expected {}; found {}", f.key, f.expected, f.found));
                        out.push_str(&format!("      <failure type=\"{}\" message=\"{message}\">{}: {message}</failure>\n", xml(&f.key), xml(&place(f.at))));
                    }
                    out.push_str("    </testcase>\n");
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
