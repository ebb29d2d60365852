//! Golden signals of a node over time: rate, failures, latency.

use crate::graph::Health;
use crate::graph::flow::{count, milliseconds, percent};
use crate::screens::Cx;
use crate::text::moment;
use crate::theme::Role;
use crate::widgets::{Chart, Pen};
use crate::world::sections::Section;
use crate::world::traffic::Key;
use ratatui::layout::Rect;

/// Rows of the charts with their times, and the least of a screen that has them.
const ROWS: u16 = 6;
const LEAST: (u16, u16) = (60, 20);

/// How much of a screen the charts of a node take; 0 where there is nothing to draw, or no room.
pub(super) fn height(cx: &Cx<'_>, key: &Key) -> u16 {
    let is_known = cx.world.signals(key).is_some() && !cx.theme.is_read();
    if is_known && cx.area.width >= LEAST.0 && cx.area.height >= LEAST.1 { ROWS } else { 0 }
}

pub(super) fn draw(cx: &Cx<'_>, key: &Key, pen: &mut Pen<'_>, area: Rect) {
    let (Some(signals), Some(history)) = (cx.world.signals(key), cx.world.history.as_ref()) else { return };
    let shares = signals.shares();
    let fails = shares.iter().any(|s| *s > 0.0);
    let failing = if fails { Role::Health(Health::Failing) } else { Role::Health(Health::Ok) };
    let (rate, share, time) = (|v: f64| format!("{}/s", count(v)), |v: f64| percent(v), |v: f64| milliseconds(v));
    let charts = [
        Chart { title: "REQUESTS", values: &signals.rate, role: Role::Focus, shown: &rate },
        Chart { title: "FAIL", values: &shares, role: failing, shown: &share },
        Chart { title: "P95", values: &signals.p95, role: Role::Badge, shown: &time },
    ];
    let wide = area.width.saturating_sub(4) / 3;
    for (i, chart) in charts.iter().enumerate() {
        let cell = Rect { x: area.x + 1 + i as u16 * (wide + 1), width: wide, height: area.height.saturating_sub(1), ..area };
        chart.draw(pen, cell);
    }
    let (from, to) = (moment(history.span.from, cx.world.day()), moment(history.span.to, cx.world.day()));
    let y = area.bottom().saturating_sub(1);
    let text = cx.titled(&format!("from {from} to {to}, in steps of {}", crate::screens::span(history.span.step)), &[Section::Metrics]);
    pen.text(area.x + 1, y, &text, usize::from(area.width), Role::Dim);
}
