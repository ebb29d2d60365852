//! What a request would do at a proxy, step by step.

use super::Told;
use crate::graph::Health;
use crate::text::wrap;
use crate::theme::Role;
use crate::widgets::{Pen, pane};
use crate::world::way::{Question, Way};
use ratatui::layout::{Position, Rect};

/// Columns of the steps' names.
const KIND: usize = 21;

type Row = Vec<(String, Role)>;

/// Draws the answer, or that it is waited for, and whether what was asked was read again since; where the cursor stands.
pub(super) fn draw(pen: &mut Pen<'_>, area: Rect, asked: (&Question, &Told, bool), scroll: usize) -> Option<Position> {
    let (question, told, is_outdated) = asked;
    let words = question.words.iter().map(|w| crate::shell::quoted(w)).collect::<Vec<_>>().join(" ");
    let title = match told {
        Told::Way(way) => format!("what a request would do: {}", way.request),
        _ => format!("what a request would do: {words}"),
    };
    let inner = pane(pen, area, &title, true);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let width = usize::from(inner.width);
    let mut rows: Vec<Row> = match told {
        Told::Waited => vec![vec![("It is being asked…".to_owned(), Role::Dim)]],
        Told::Failed(why) => {
            let mut rows: Vec<Row> = wrap(why, width).into_iter().map(|l| vec![(l, Role::Health(Health::Failing))]).collect();
            rows.push(Vec::new());
            rows.push(vec![("w changes the request: GET http://reviews:9080/reviews/0 -H 'end-user: jason'".to_owned(), Role::Dim)]);
            rows
        }
        Told::Way(way) => steps(pen, way, width),
    };
    if is_outdated && !matches!(told, Told::Waited) {
        let text = "of before: the sources were read again since (w and enter ask them)";
        rows.splice(..0, wrap(text, width).into_iter().map(|l| vec![(l, Role::Health(Health::Degraded))]));
    }
    let most = rows.len().saturating_sub(usize::from(inner.height));
    for (row, y) in rows.iter().skip(scroll.min(most)).zip(inner.y..inner.bottom()) {
        let parts: Vec<(&str, Role)> = row.iter().map(|(text, role)| (text.as_str(), *role)).collect();
        pen.row(inner, y, &parts);
    }
    Some(Position { x: inner.x, y: inner.y })
}

fn steps(pen: &Pen<'_>, way: &Way, width: usize) -> Vec<Row> {
    let arrow = pen.theme.pick(["→"], ["=>"])[0];
    let mut rows: Vec<Row> = Vec::new();
    let mark = |pen: &Pen<'_>, health: Health| format!("{} ", pen.theme.glyph(health));
    // How it ends first: that is what was asked.
    for (health, text) in &way.ends {
        for (i, line) in wrap(text, width.saturating_sub(2)).into_iter().enumerate() {
            let mark = if i == 0 { mark(pen, *health) } else { "  ".to_owned() };
            rows.push(vec![(mark, Role::Health(*health)), (line, Role::Name)]);
        }
    }
    for station in &way.stations {
        for (health, text) in &station.ends {
            let mark = mark(pen, *health);
            let all = if way.stations.len() > 1 { format!("{} {arrow} {text}", station.proxy) } else { text.clone() };
            for (i, line) in wrap(&all, width.saturating_sub(2)).into_iter().enumerate() {
                let mark = if i == 0 { mark.clone() } else { "  ".to_owned() };
                rows.push(vec![(mark, Role::Health(*health)), (line, Role::Name)]);
            }
        }
    }
    for station in &way.stations {
        rows.push(Vec::new());
        rows.push(vec![("at ".to_owned(), Role::Dim), (station.proxy.clone(), Role::Heading)]);
        for step in &station.steps {
            let room = width.saturating_sub(KIND + 2);
            let text = if step.text.is_empty() { "(without a name)" } else { &step.text };
            let mut lines = wrap(text, room).into_iter();
            // What is as it should be needs no mark.
            let mark = if step.health == Health::Ok { "  ".to_owned() } else { mark(pen, step.health) };
            let text = (lines.next().unwrap_or_default(), Role::Text);
            rows.push(vec![(mark, Role::Health(step.health)), (format!("{:KIND$}", step.kind), Role::Key), text]);
            rows.extend(lines.map(|l| vec![(format!("  {:KIND$}{l}", ""), Role::Text)]));
            let passed = step.passed.iter().flat_map(|p| wrap(p, room));
            rows.extend(passed.map(|l| vec![(format!("  {:KIND$}{l}", ""), Role::Dim)]));
        }
    }
    for (heading, list, role) in [("assumed", &way.assumed, Role::Dim), ("not known", &way.problems, Role::Health(Health::Degraded))] {
        if !list.is_empty() {
            rows.push(Vec::new());
            rows.push(vec![(heading.to_owned(), Role::Heading)]);
            rows.extend(list.iter().flat_map(|text| wrap(text, width.saturating_sub(2))).map(|l| vec![(format!("  {l}"), role)]));
        }
    }
    rows
}
