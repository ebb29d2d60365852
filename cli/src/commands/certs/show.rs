//! The certificates as a table and as documents.

use super::judge::{Row, State};
use crate::commands::proxy_config::Format;
use crate::context::Context;
use crate::print::dump::document;
use crate::print::table::Table;
use crate::print::time::{age, rfc3339};
use crate::term::safe;
use serde_json::{Value, json};

const PADDING: usize = 2;

pub fn render(rows: &[Row], trust: &[String], problems: &[String], format: Format, context: &Context) -> String {
    match format {
        Format::Document(as_) => {
            let list: Vec<Value> = rows.iter().map(|r| value(r, context.now)).collect();
            document(json!({"complete": problems.is_empty(), "problems": problems, "certificates": list, "distrust": trust}), as_, context.compat)
        }
        Format::Csv => table(rows, context.now).csv(),
        Format::Table | Format::Wide => {
            let mut out = table(rows, context.now).render(PADDING);
            out.extend(trust.iter().map(|t| format!("{}\n", safe(t))));
            out
        }
    }
}

fn table(rows: &[Row], now: i64) -> Table {
    let with_clusters = rows.iter().any(|r| !r.cluster.is_empty());
    let header = ["LEFT", "NOT AFTER", "KIND", "HELD BY"];
    let mut table = Table::new(header.into_iter().chain(with_clusters.then_some("CLUSTER")).chain(["NAME", "ISSUER", "STATE"]));
    for row in rows {
        let c = &row.certificate;
        let left = c.not_after - now;
        let holders = match row.holders.as_slice() {
            [one] => one.clone(),
            several => format!("{} proxies", several.len()),
        };
        let mut cells = vec![if left > 0 { age(left) } else { "0".to_owned() }, rfc3339(c.not_after), row.kind.to_owned(), holders];
        if with_clusters {
            cells.push(row.cluster.clone());
        }
        cells.extend([name(row), if c.issuer.is_empty() { "-".to_owned() } else { c.issuer.clone() }, word(&row.state)]);
        table.row(cells);
    }
    table
}

/// Who it is of: its SPIFFE id or other names, else its subject.
fn name(row: &Row) -> String {
    let c = &row.certificate;
    if !c.sans.is_empty() {
        c.sans.join(",")
    } else if c.subject.is_empty() {
        "-".to_owned()
    } else {
        c.subject.clone()
    }
}

fn word(state: &State) -> String {
    match state {
        State::Valid => "valid".to_owned(),
        State::Soon(why) => format!("▲ {why}"),
        State::Wrong(why) => format!("✖ {why}"),
    }
}

fn value(row: &Row, now: i64) -> Value {
    let c = &row.certificate;
    let (state, why) = match &row.state {
        State::Valid => ("valid", ""),
        State::Soon(why) => ("warning", *why),
        State::Wrong(why) => ("wrong", *why),
    };
    json!({"kind": row.kind, "heldBy": row.holders, "cluster": row.cluster, "names": c.sans, "subject": c.subject, "issuer": c.issuer, "serial": c.serial,
        "notBefore": rfc3339(c.not_before), "notAfter": rfc3339(c.not_after), "secondsLeft": c.not_after - now, "state": state, "why": why})
}
