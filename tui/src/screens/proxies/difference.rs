//! What a proxy holds against what the manifests say that it should.

use crate::theme::Role;
use crate::widgets::{Pen, pane};
use crate::world::Proxy;
use crate::world::drift::Drift;
use ratatui::layout::Rect;

/// What the comparison with the manifests says, in a line.
pub(super) fn drift_line(drift: &Drift) -> String {
    match drift {
        Drift::Unknown(why) => format!("not compared: {why}"),
        Drift::Compared { rows, same, .. } if rows.is_empty() => format!("it holds what they say: {same} resources"),
        Drift::Compared { rows, same, .. } => format!("{} resources differ from what they say, {same} do not: d shows them", rows.len()),
    }
}

/// Every resource that differs, with its fields.
pub(super) fn difference(pen: &mut Pen<'_>, area: Rect, proxy: &Proxy, scroll: usize) {
    let inner = pane(pen, area, &format!("{} against the manifests", proxy.full_name()), true);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let Some(drift) = &proxy.drift else { return };
    let mut lines: Vec<(String, Role)> = vec![(drift_line(drift), Role::Text)];
    if let Drift::Compared { rows, not_judged, .. } = drift {
        for row in rows {
            lines.push((row.resource.clone(), Role::Name));
            let wrapped = row.fields.iter().flat_map(|f| crate::text::wrap(f, usize::from(inner.width).saturating_sub(2)));
            lines.extend(wrapped.map(|l| (format!("  {l}"), Role::Text)));
        }
        lines.extend(not_judged.iter().map(|n| (format!("not judged: {n}"), Role::Dim)));
    }
    let most = lines.len().saturating_sub(usize::from(inner.height));
    for ((text, role), y) in lines.iter().skip(scroll.min(most)).zip(inner.y..inner.bottom()) {
        pen.text(inner.x, y, text, usize::from(inner.width), *role);
    }
}
