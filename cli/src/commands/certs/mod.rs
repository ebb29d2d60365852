//! `meshctl certs`: the certificates of a fleet, by expiry, and whether its proxies trust each other.

mod judge;
pub mod read;
mod show;

use crate::args::DumpArgs;
use crate::commands::proxy_config::{Answer, format};
use crate::context::Context;
use crate::dump::{self, Need};
use crate::reach;
use crate::status::{Failure, Outcome, Status};
pub use judge::distrusts;
use mesh_collectors::dumps::{Dumps, Source};
use mesh_envoy::dump::SectionKind;
use mesh_envoy::identify::Content;
use read::Held;

const NEED: Need = Need::Sections(&[SectionKind::Secrets]);

pub fn run(args: &DumpArgs, context: &Context) -> Outcome {
    if args.watch.is_some() {
        return Err(Failure::usage("certs looks once; certificates change by the hour"));
    }
    let format = format(args.output.as_deref().unwrap_or("table"))?;
    let (mut held, mut problems) = (Vec::new(), Vec::new());
    let sources = dump::sources(&args.source)?;
    let mut dumps = Dumps::default();
    let clusters = sources.iter().filter(|s| matches!(s, Source::Cluster(_))).count();
    for source in &sources {
        match source {
            Source::Cluster(name) => {
                let place = if clusters > 1 { name.clone().unwrap_or_default() } else { String::new() };
                let (pages, left_out) = reach::fleet(name.as_deref(), args, NEED, context)?;
                problems.extend(left_out);
                for (pod, page) in pages {
                    match page.map_err(|e| e.to_string()).and_then(|p| read::of_dump(&pod, &p.page.text).map_err(|e| format!("{pod}: {e}"))) {
                        Ok(found) => held.push(Held { cluster: place.clone(), ..found }),
                        Err(why) => problems.push(why),
                    }
                }
            }
            // Pages of one proxy may be in several sources.
            other => dumps.merge(dump::proxies(other)?),
        }
    }
    dump::note_passed_over(&dumps.proxies, &[Content::ConfigDump], context);
    of_dumps(&dumps, &mut held, &mut problems);
    if held.is_empty() {
        return Err(match problems.as_slice() {
            [] => Failure::none("no proxy with certificates is in it"),
            some => Failure::none(some.join("\n")),
        });
    }
    let rows = judge::rows(&held, context.now);
    let trust = judge::trust(&held);
    let is_fine = trust.is_empty() && rows.iter().all(|r| !r.is_wrong());
    let text = show::render(&rows, &trust, &problems, format, context);
    let status = Answer { text, problems }.give(context)?;
    Ok(if is_fine { status } else { Status::NotFine })
}

/// The certificates of dumps; a dump without secrets is passed over.
pub fn held(dumps: &Dumps) -> Vec<Held> {
    let mut held = Vec::new();
    of_dumps(dumps, &mut held, &mut Vec::new());
    held
}

fn of_dumps(dumps: &Dumps, held: &mut Vec<Held>, problems: &mut Vec<String>) {
    problems.extend(dumps.problems.iter().map(|(s, m)| format!("{s}: {m}")));
    for proxy in &dumps.proxies {
        let Some(page) = proxy.page(&[Content::ConfigDump]) else { continue };
        match read::of_dump(&proxy.name, &page.text) {
            Ok(found) => held.push(found),
            Err(why) => problems.push(format!("{}: {why}", proxy.name)),
        }
    }
}
