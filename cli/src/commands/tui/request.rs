//! What a request would do at a proxy, as `route` tells it.

use crate::args::{Cli, Command};
use crate::commands::route;
use crate::commands::route::text;
use crate::context::Context;
use clap::Parser;
use mesh_envoy::engine::walk::End;
use mesh_tui::graph::Health;
use mesh_tui::world::way::{Question, Station, Step, Way};

/// Answers a question; the error is for people.
pub fn answer(question: &Question, context: &Context) -> Result<Way, String> {
    let words = ["meshctl", "route"].map(str::to_owned).into_iter().chain(question.arguments());
    let args = match Cli::try_parse_from(words).map(|c| c.command) {
        Ok(Some(Command::Route(args))) => args,
        Ok(_) => return Err("this is no request".to_owned()),
        // The usage that follows is the command line's, not the screen's.
        Err(e) => return Err(e.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()),
    };
    let way = route::way(&args, context).map_err(|e| e.to_string())?;
    let station = |told: &route::Told| Station {
        proxy: told.proxy.clone(),
        steps: told
            .verdict
            .steps
            .iter()
            .filter(|s| !text::is_silent(s))
            .map(|s| Step { kind: s.kind.name().to_owned(), text: text::chosen(s), passed: text::passed(s) })
            .collect(),
        ends: told.verdict.branches.iter().map(|b| (health(&b.end), text::outcome(b))).collect(),
    };
    let assumed = way.assumptions.iter().chain(way.told.iter().flat_map(|t| &t.verdict.assumptions)).cloned().collect();
    Ok(Way { request: way.request.clone(), stations: way.told.iter().map(station).collect(), assumed, problems: way.problems })
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
