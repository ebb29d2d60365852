//! A graph as a table of callers against callees.

use super::picture::Picture;
use crate::term::safe;
use mesh_tui::graph::Health;
use std::collections::BTreeMap;
use std::fmt::Write;

pub fn render(picture: &Picture) -> String {
    let view = &picture.view;
    let count = view.nodes().len();
    let names: Vec<String> = view
        .nodes()
        .iter()
        .map(|n| if n.namespace.is_empty() { safe(&n.name).into_owned() } else { safe(&format!("{}/{}", n.namespace, n.name)).into_owned() })
        .collect();
    let calls: BTreeMap<(usize, usize), Health> = view.edges().iter().map(|e| ((e.from, e.to), e.health)).collect();
    let width = count.to_string().len();
    let longest = names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
    let mut out = String::from("Callers down, callees across; columns have the numbers of rows.  . no call  o fine  ! degraded  X failing  - no verdict\n\n");
    // Writing to a string can't fail.
    let _ = write!(out, "{:1$}", "", width + 1 + longest);
    for column in 1..=count {
        let _ = write!(out, " {column:>width$}");
    }
    out.push('\n');
    for (row, name) in names.iter().enumerate() {
        let _ = write!(out, "{:>width$} {name}{:2$}", row + 1, "", longest - name.chars().count());
        for column in 0..count {
            let mark = match calls.get(&(row, column)) {
                None => '.',
                Some(Health::Ok) => 'o',
                Some(Health::Degraded) => '!',
                Some(Health::Failing) => 'X',
                Some(Health::Idle | Health::Unknown) => '-',
            };
            let _ = write!(out, " {mark:>width$}");
        }
        out.push('\n');
    }
    out
}
