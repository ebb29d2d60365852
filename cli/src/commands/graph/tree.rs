//! A graph as an indented list: from those that nobody calls down to those that call nobody.

use super::picture::Picture;
use crate::term::safe;
use mesh_tui::graph::{Health, View};

/// The list. What stands above already is marked and not opened again.
pub fn render(picture: &Picture) -> String {
    let view = &picture.view;
    let near = view.neighbours();
    let mut seen = vec![false; view.nodes().len()];
    let mut out = String::new();
    let is_root = |n: &usize| near.callers[*n].iter().all(|e| view.edges()[*e].from == *n);
    // What calls itself in a circle has no root: the first that is left starts one.
    let starts: Vec<usize> = (0..seen.len()).filter(is_root).chain(0..seen.len()).collect();
    for start in starts {
        if !seen[start] {
            seen[start] = true;
            out.push_str(&line(view, start, "", ""));
            walk(picture, &near.callees, start, "", &mut seen, &mut out);
        }
    }
    out
}

fn walk(picture: &Picture, callees: &[Vec<usize>], node: usize, indent: &str, seen: &mut [bool], out: &mut String) {
    let view = &picture.view;
    for (index, edge) in callees[node].iter().enumerate() {
        let is_last = index + 1 == callees[node].len();
        let to = view.edges()[*edge].to;
        let is_new = !std::mem::replace(&mut seen[to], true);
        let title = picture.titles[*edge].split_once(": ").map_or("", |(_, said)| said);
        let more = if is_new || callees[to].is_empty() { "" } else { "  (above)" };
        out.push_str(&line(view, to, &format!("{indent}{}", if is_last { "└─ " } else { "├─ " }), &format!("  {title}{more}")));
        // Deeper than this nobody can follow an indentation.
        if is_new && indent.chars().count() < 60 {
            walk(picture, callees, to, &format!("{indent}{}", if is_last { "   " } else { "│  " }), seen, out);
        }
    }
}

fn line(view: &View, node: usize, indent: &str, said: &str) -> String {
    let node = &view.nodes()[node];
    let place = if node.namespace.is_empty() { String::new() } else { format!("{}/", node.namespace) };
    let ill = match node.health {
        Health::Failing => "  [Failure]",
        Health::Degraded => "  [Degraded]",
        _ => "",
    };
    format!("{indent}{}{}{ill}\n", safe(&format!("{place}{}", node.name)), safe(said))
}
