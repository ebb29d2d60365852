//! What differs between two sources that hold several proxies each: two moments of a recording, two bug reports, two folders.

use super::compare::{Compared, text, value};
use super::{Whole, end, read};
use crate::args::SourceArgs;
use crate::commands::proxy_config::Format;
use crate::context::Context;
use crate::print::dump::document;
use crate::status::{Failure, Outcome};
use crate::term::safe;
use mesh_collectors::dumps::{Dumps, Source};
use mesh_envoy::diff::{Report, Side, diff};
use mesh_envoy::identify::Content;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Config dumps by the names of their proxies.
type Named<'d> = BTreeMap<&'d str, &'d str>;

/// Compares every proxy; `None` where one of the sources holds a single one.
pub fn sources(compared: Compared<'_>, args: &SourceArgs, format: Format, context: &Context) -> Option<Outcome> {
    let found = [compared.a, compared.b].map(|word| Source::parse(word).ok().and_then(|s| read(&[s], None, &[Content::ConfigDump], Whole::Yes, args).ok()));
    let [Some(left), Some(right)] = &found else { return None };
    let (before, after) = (named(left), named(right));
    (before.len() > 1 && after.len() > 1).then(|| {
        let problems = [left, right].into_iter().flat_map(|d| d.problems.iter().map(|(s, m)| format!("{s}: {m}"))).collect::<BTreeSet<_>>();
        show(compared, &before, &after, problems.into_iter().collect(), format, context)
    })
}

fn named(dumps: &Dumps) -> Named<'_> {
    let list = if dumps.proxies.iter().any(|p| p.page(&[Content::ConfigDump]).is_some()) { &dumps.proxies } else { &dumps.views };
    list.iter().filter_map(|p| Some((p.name.as_str(), p.page(&[Content::ConfigDump])?.text.as_str()))).collect()
}

fn show(compared: Compared<'_>, before: &Named<'_>, after: &Named<'_>, mut problems: Vec<String>, format: Format, context: &Context) -> Outcome {
    let Compared { a, b } = compared;
    if matches!(format, Format::Csv) {
        return Err(Failure::usage("-o csv is for two proxies; of all proxies of two sources table, json and yaml tell"));
    }
    let mut reports: Vec<(&str, Report)> = Vec::new();
    for (name, left) in before {
        let Some(right) = after.get(name) else { continue };
        match diff(left, right) {
            Ok(report) => {
                problems.extend(report.missing.iter().map(|(kind, side)| {
                    let word = if *side == Side::Left { a } else { b };
                    format!("{word}: {name} has no {}, so that it was not compared", kind.message())
                }));
                problems.extend(report.unread.iter().map(|(side, u)| format!("{}: {name}: {u}", if *side == Side::Left { a } else { b })));
                reports.push((name, report));
            }
            Err((side, e)) => problems.push(format!("{}: {name}: {e}", if side == Side::Left { a } else { b })),
        }
    }
    let only = |these: &Named<'_>, those: &Named<'_>| these.keys().filter(|n| !those.contains_key(*n)).map(|n| (*n).to_owned()).collect::<Vec<String>>();
    let (gone, new) = (only(before, after), only(after, before));
    let differing: Vec<&(&str, Report)> = reports.iter().filter(|(_, r)| !r.differences.is_empty()).collect();
    let out = match format {
        Format::Document(as_) => {
            let each = |(name, report): &(&str, Report)| {
                let mut one = value(report, a, b, &[]);
                if let Some(map) = one.as_object_mut() {
                    ["complete", "problems", "left", "right"].iter().for_each(|key| drop(map.shift_remove(*key)));
                    map.insert("name".to_owned(), json!(name));
                }
                one
            };
            let proxies: Vec<Value> = reports.iter().map(each).collect();
            let all = json!({
                "complete": problems.is_empty(), "problems": problems, "left": a, "right": b, "proxies": proxies, "onlyInLeft": gone, "onlyInRight": new,
            });
            document(all, as_, context.compat)
        }
        _ => {
            let mut out = String::new();
            for (name, report) in &differing {
                out.push_str(&format!("{}:\n", safe(name)));
                let said = text(report, a, b);
                // What it sums up is summed up for all of them.
                let lines: Vec<&str> = said.lines().collect();
                out.extend(lines.iter().take(lines.len() - 1).map(|line| format!("  {line}\n")));
            }
            out.extend(gone.iter().map(|n| format!("{}: only in {}\n", safe(n), safe(a))));
            out.extend(new.iter().map(|n| format!("{}: only in {}\n", safe(n), safe(b))));
            out.push_str(&format!(
                "{} of {} proxies differ, from {} to {}\n",
                differing.len() + gone.len() + new.len(),
                reports.len() + gone.len() + new.len(),
                safe(a),
                safe(b)
            ));
            out
        }
    };
    let is_same = differing.is_empty() && gone.is_empty() && new.is_empty();
    context.answer(&out)?;
    Ok(end(&problems, is_same, context))
}
