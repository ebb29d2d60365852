//! `meshctl changes`: what has changed lately, and who did it, in order of time.

mod proxies;
mod pushes;

use crate::args::changes::ChangesArgs;
use crate::commands::proxy_config::{Answer, Format, format};
use crate::context::Context;
use crate::dump::{self, block_on};
use crate::print::dump::document;
use crate::print::table::Table;
use crate::print::time::{parse_rfc3339, rfc3339};
use crate::reach;
use crate::status::{Failure, Outcome};
use mesh_collectors::dumps::Source;
use mesh_collectors::kube::changes::{Changes, changes};
use mesh_envoy::redact;
use serde_json::{Value, json};

/// A line of the answer.
struct Row {
    at: String,
    what: String,
    object: String,
    who: String,
    detail: String,
}

pub fn run(args: &ChangesArgs, context: &Context) -> Outcome {
    let place = &args.proxies;
    if place.watch.is_some() {
        return Err(Failure::usage("changes looks once; `--since` says how far back"));
    }
    let format = format(place.output.as_deref().unwrap_or("table"))?;
    let nanos = mesh_model::duration::parse(&args.since).filter(|n| *n > 0);
    let nanos = nanos.ok_or_else(|| Failure::usage(format!("--since takes a time such as 2h, not `{}`", args.since)))?;
    let from = context.now - nanos / 1_000_000_000;
    let since = rfc3339(from);
    let sources = dump::sources(&place.source)?;
    let [Source::Cluster(name)] = sources.as_slice() else {
        return Err(Failure::usage("changes are those of one cluster: leave --from out, or name it as kube:CONTEXT"));
    };
    let Changes { changes, mut problems } = block_on(async {
        let reach = reach::connect(&place.source.reach, name.as_deref()).await?;
        let found = changes(&reach.cluster, &since, place.source.namespace.as_deref(), &reach.istio_namespace).await;
        found.map_err(|e| Failure::none(format!("cluster {}: {e}{}", reach.cluster.name, e.help().map_or_else(String::new, |h| format!("; {h}")))))
    })??;
    let mut rows: Vec<Row> =
        changes.into_iter().map(|c| Row { at: c.at, what: c.what.word().to_owned(), object: c.object, who: c.who, detail: c.detail }).collect();
    proxies::pushes(place, &since, context, &mut rows, &mut problems);
    if let Some(url) = &args.prometheus {
        match pushes::over_time(url, &args.access, from, context.now) {
            Ok(more) => rows.extend(more),
            Err(error) => problems.push(format!("what istiod pushed over time: {error}")),
        }
    }
    if place.pod.is_some() || place.which.selector.is_some() {
        proxies::held(name.as_deref(), place, &since, context, &mut rows, &mut problems)?;
    }
    let key = |row: &Row| (parse_rfc3339(&row.at).unwrap_or(i64::MAX), row.at.clone(), row.object.clone());
    rows.sort_by_cached_key(key);
    let text = match format {
        Format::Document(as_) => {
            let list: Vec<Value> =
                rows.iter().map(|r| json!({"time": r.at, "what": r.what, "object": r.object, "who": r.who, "detail": redact::text(&r.detail)})).collect();
            document(json!({"complete": problems.is_empty(), "problems": problems, "since": since, "changes": list}), as_, context.compat)
        }
        _ if rows.is_empty() => format!("nothing has changed since {since}\n"),
        other => {
            let mut table = Table::new(["TIME", "WHAT", "OBJECT", "BY", "DETAIL"]);
            let or_dash = |s: &str| if s.is_empty() { "-".to_owned() } else { s.to_owned() };
            for r in &rows {
                table.row(vec![r.at.clone(), r.what.clone(), r.object.clone(), or_dash(&r.who), or_dash(&redact::text(&r.detail))]);
            }
            if other == Format::Csv { table.csv() } else { table.render(2) }
        }
    };
    Answer { text, problems }.give(context)
}
