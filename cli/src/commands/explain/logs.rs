//! `meshctl explain -` and `meshctl explain FILE…`: access logs, read line by line.

mod report;

use crate::args::{ExplainArgs, ExplainFormat, FailOn, SourceArgs};
use crate::commands::proxy_config::not_a_dump;
use crate::context::Context;
use crate::status::{Failure, Outcome, Status};
use crate::telemetry::traces::BACK;
use mesh_analyzers::Level;
use mesh_analyzers::explain::log::Log;
use mesh_analyzers::explain::proxy::Proxy;
use mesh_collectors::recording;
use mesh_envoy::access_log::{Entry, Format, Layer, Line, Reader, Unwrapper};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A longer line is no line of a log: what is over is left out.
const LONGEST_LINE: u64 = 4 << 20;
/// Problems beyond these are counted only.
const MOST_PROBLEMS: usize = 5;

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub struct Reading {
    pub log: Log,
    pub lines: u64,
    /// Lines that look like a log's and can't be read.
    pub broken: u64,
    /// Files that can't be read, and the first of the broken lines: `FILE:LINE: why`.
    pub problems: Vec<String>,
    /// The proxy that wrote the log, where its dump was given.
    pub proxy: Option<Proxy>,
}

/// The dump of the proxy that wrote the log.
fn dump(args: &ExplainArgs, context: &Context) -> Result<Option<Proxy>, Failure> {
    if args.from.is_none() && args.pod.is_none() {
        return Ok(None);
    }
    let place = SourceArgs { from: Vec::new(), namespace: args.namespace.clone(), reach: args.reach.clone() };
    let found = crate::dump::whole(args.from.as_deref(), args.pod.as_deref(), &place, context)?;
    let mut proxy = Proxy::read(&found.page.text).map_err(|e| not_a_dump(&found.page.text, &e.to_string()))?;
    proxy.problems.extend(found.problems);
    Ok(Some(proxy))
}

pub fn run(args: &ExplainArgs, context: &Context) -> Outcome {
    let reader = match &args.format {
        None => Reader::default(),
        Some(text) => Reader::of(Format::parse(text).map_err(|e| Failure::usage(format!("--format: {e}")))?),
    };
    if args.words.iter().filter(|w| *w == "-").count() + usize::from(args.from.as_deref() == Some("-")) > 1 {
        return Err(Failure::usage("standard input can be read once only"));
    }
    let mut reading = Reading { proxy: dump(args, context)?, ..Reading::default() };
    reading.problems.extend(reading.proxy.iter().flat_map(|p| p.problems.clone()));
    for name in &args.words {
        let result = match name.as_str() {
            "-" => read(std::io::stdin().lock(), "standard input", &reader, &mut reading, &mut |_| {}),
            path => file(path, &reader, &mut reading, &mut |_| {}),
        };
        if let Err(e) = result {
            reading.problems.insert(0, format!("{name} can't be read: {e}"));
        }
    }
    if reading.log.entries == 0 && reading.broken == 0 && reading.problems.is_empty() {
        return Err(Failure::input(format!(
            "no line of an access log among {} lines: is the log of istio-proxy meant (`kubectl logs POD -c istio-proxy`), or has it a format of its own (--format)?",
            reading.lines
        )));
    }
    context.answer(&report::render(&reading, args.output))?;
    for problem in &reading.problems {
        context.note(problem);
    }
    let worst = reading.log.groups().iter().map(|g| g.level()).min();
    let fails = match args.fail_on {
        FailOn::Error => worst == Some(Level::Error),
        FailOn::Warning => worst.is_some_and(|l| l <= Level::Warning),
        FailOn::Info => worst.is_some(),
        FailOn::Never => false,
    };
    Ok(if fails {
        Status::NotFine
    } else if reading.broken > 0 || !reading.problems.is_empty() {
        Status::Unreadable
    } else {
        Status::Fine
    })
}

/// The failures of a log by cause, as they are printed.
pub fn report(text: &str, reader: &Reader, format: ExplainFormat) -> Result<String, Failure> {
    let mut reading = Reading::default();
    read(text.as_bytes(), "log", reader, &mut reading, &mut |_| {}).map_err(|e| Failure::input(e.to_string()))?;
    Ok(report::render(&reading, format))
}

/// Reads files of the default formats.
pub fn files(names: &[String]) -> Reading {
    entries(names, &mut |_| {})
}

/// The same, with each line of a request as it is read.
pub fn entries(names: &[String], each: &mut dyn FnMut(&Entry<'_>)) -> Reading {
    let mut reading = Reading::default();
    let reader = Reader::default();
    for name in names {
        if let Err(e) = file(name, &reader, &mut reading, each) {
            reading.problems.push(format!("{name} can't be read: {e}"));
        }
    }
    reading
}

/// A file of lines, or a recording of some.
fn file(path: &str, reader: &Reader, reading: &mut Reading, each: &mut dyn FnMut(&Entry<'_>)) -> std::io::Result<()> {
    let Some(recorded) = recording::find(Path::new(path)) else {
        return std::fs::File::open(path).and_then(|f| read(BufReader::with_capacity(1 << 16, f), path, reader, reading, each));
    };
    let pages = recorded.gathered("logs", BACK).map_err(|e| std::io::Error::other(e.to_string()))?;
    if pages.is_empty() {
        return Err(std::io::Error::other("it holds no access logs: name them with --from when it is recorded"));
    }
    pages.iter().try_for_each(|page| read(page.text.as_bytes(), &format!("{path}/{}", page.path), reader, reading, each))
}

/// Whether a text begins as an access log does: one of its first lines is a request's.
pub fn is_log(head: &str) -> bool {
    let reader = Reader::default();
    let mut unwrapper = Unwrapper::default();
    let mut found = false;
    for line in head.lines().take(50) {
        unwrapper.lines(line, &mut |inner, _, _| {
            let is_entry = matches!(reader.read(inner), Line::Entry(_));
            found |= is_entry;
            is_entry
        });
    }
    found
}

/// Reads to the end; memory is bounded by the longest line.
fn read(mut input: impl BufRead, name: &str, reader: &Reader, reading: &mut Reading, each: &mut dyn FnMut(&Entry<'_>)) -> std::io::Result<()> {
    let mut unwrapper = Unwrapper::default();
    let mut bytes = Vec::new();
    let mut number = 0u64;
    loop {
        bytes.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        number += 1;
        if !bytes.ends_with(b"\n") {
            skip_line(&mut input)?;
        }
        let line = String::from_utf8_lossy(&bytes);
        reading.lines += 1;
        unwrapper.lines(&line, &mut |inner, origin, layer| match (reader.read(inner), layer) {
            (Line::Entry(entry), _) => {
                each(&entry);
                reading.log.add(&entry, origin, &|| reader.sample(inner));
                true
            }
            (_, Layer::Wrapped) => false,
            (Line::Broken(why), _) => {
                reading.broken += 1;
                if reading.problems.len() < MOST_PROBLEMS {
                    reading.problems.push(format!("{name}:{number}: {why}"));
                }
                true
            }
            (Line::Other, _) => {
                reading.log.other += u64::from(!inner.trim().is_empty());
                true
            }
        });
    }
}

/// Leaves out what is left of a line.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = memchr::memchr(b'\n', buffer);
        let used = end.map_or(buffer.len(), |i| i + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}
