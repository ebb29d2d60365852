//! What a request would do at a proxy, as `route` tells it, and by the manifests, as `why` does.

use crate::args::route::RouteArgs;
use crate::args::why::WhyArgs;
use crate::args::{Cli, Command};
use crate::commands::route::text;
use crate::commands::{route, why};
use crate::context::Context;
use clap::Parser;
use mesh_envoy::engine::walk::End;
use mesh_resolver::why::{self as why_answer, Mark};
use mesh_tui::graph::Health;
use mesh_tui::world::way::{Question, Station, Step, Way};

/// Answers a question; the error is for people.
pub fn answer(question: &Question, context: &Context) -> Result<Way, String> {
    let words = ["meshctl".to_owned()].into_iter().chain(question.arguments());
    match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Route(args))) => of_proxy(&args, context),
        Ok(Some(Command::Why(args))) => of_sources(&args, context),
        Ok(_) => Err("this is no request".to_owned()),
        // The usage that follows is the command line's, not the screen's.
        Err(e) => Err(e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()),
    }
}

/// As `meshctl why` tells it: what the manifests are translated to, and what proxies hold where that is known.
fn of_sources(args: &WhyArgs, context: &Context) -> Result<Way, String> {
    let (answer, _) = why::answer(args, context).map_err(|e| e.to_string())?;
    let marked = |mark: Mark| match mark {
        Mark::Good => Health::Ok,
        Mark::Doubtful => Health::Degraded,
        Mark::NotJudged => Health::Unknown,
        Mark::Broken => Health::Failing,
    };
    let step = |s: &why_answer::Step| {
        let mut passed: Vec<String> = s.thing.iter().map(why::text::shown).collect();
        passed.extend(s.misses.iter().take(if s.mark == Mark::Good { 1 } else { why::text::NEAREST }).map(why::text::passed));
        passed.extend(Some(format!("to change it: {}", s.change)).filter(|_| !s.change.is_empty()));
        Step { kind: s.stage.name().to_owned(), text: s.says.clone(), health: marked(s.mark), passed }
    };
    let station = |p: &why_answer::Part| {
        let also = if p.also.is_empty() { String::new() } else { format!(", the same at {}", p.also.join(", ")) };
        Station { proxy: format!("{}{also}", p.title), steps: p.steps.iter().map(step).collect(), ends: Vec::new() }
    };
    Ok(Way {
        request: format!("{}: {}", answer.from, answer.request),
        ends: answer.outcomes.iter().map(|o| (marked(o.mark), why::text::said(o))).collect(),
        stations: answer.parts.iter().filter(|p| !p.steps.is_empty()).map(station).collect(),
        assumed: answer.assumptions,
        problems: answer.problems,
    })
}

/// As `meshctl route` tells it.
fn of_proxy(args: &RouteArgs, context: &Context) -> Result<Way, String> {
    let way = route::way(args, context).map_err(|e| e.to_string())?;
    let station = |told: &route::Told| Station {
        proxy: told.proxy.clone(),
        steps: told
            .verdict
            .steps
            .iter()
            .filter(|s| !text::is_silent(s))
            .map(|s| Step { kind: s.kind.name().to_owned(), text: text::chosen(s), health: Health::Ok, passed: text::passed(s) })
            .collect(),
        ends: told.verdict.branches.iter().map(|b| (health(&b.end), text::outcome(b))).collect(),
    };
    let assumed = way.assumptions.iter().chain(way.told.iter().flat_map(|t| &t.verdict.assumptions)).cloned().collect();
    Ok(Way { request: way.request.clone(), ends: Vec::new(), stations: way.told.iter().map(station).collect(), assumed, problems: way.problems })
}

/// As `route`'s exit status judges it.
fn health(end: &End) -> Health {
    match end {
        End::Forwarded => Health::Ok,
        End::Replied(r) if r.status < 400 => Health::Ok,
        End::Replied(_) | End::Closed { .. } => Health::Failing,
        End::UpTo(_) => Health::Unknown,
    }
}
