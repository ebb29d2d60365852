//! A graph as a picture in SVG, laid out as the terminal UI lays it out. Names come from outside: all text is escaped.

use super::picture::{Picture, color};
use crate::term::is_unsafe;
use mesh_tui::graph::layout::Flow;
use mesh_tui::graph::{Detail, Labels, layout};
use std::fmt::Write;

/// Pixels of a cell.
const WIDE: i32 = 9;
const HIGH: i32 = 18;

/// Text as XML holds it, without what turns it or can't be seen.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_unsafe(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The picture; nodes have the ids `n0`, `n1`, …, edges `e0`, `e1`, …, as the picture's view numbers them.
pub fn render(picture: &Picture) -> String {
    let view = &picture.view;
    let layout = layout(view, Detail::Full, Labels::Shown, None);
    let (width, height) = ((layout.width + 2) * WIDE, (layout.height + 2) * HIGH);
    let mut out = String::new();
    // Writing to a string can't fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"ui-monospace,monospace\" font-size=\"13\">"
    );
    out.push_str("<style>text{fill:#222}.lane{fill:#f6f7f9;stroke:#c8ccd2}.node rect{fill:#fff;stroke-width:1.5}.edge path{fill:none;stroke-width:1.5}.edge text{font-size:11px}</style>\n");
    let _ = writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>");
    for lane in layout.lanes.iter().filter(|l| !l.namespace.is_empty()) {
        let area = lane.area;
        let _ = writeln!(
            out,
            "<rect class=\"lane\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"6\"/><text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            (area.left + 1) * WIDE,
            (area.top + 1) * HIGH,
            area.width() * WIDE,
            area.height() * HIGH,
            (area.left + 2) * WIDE,
            (area.top + 1) * HIGH + 13,
            escaped(&lane.namespace)
        );
    }
    for (index, (path, edge)) in layout.paths.iter().zip(view.edges()).enumerate() {
        let middle = |(x, y): &(i32, i32)| ((x + 1) * WIDE + WIDE / 2, (y + 1) * HIGH + HIGH / 2);
        let points: Vec<(i32, i32)> = path.points.iter().map(middle).collect();
        let stroke = color(edge.health);
        let _ = write!(out, "<g class=\"edge\" id=\"e{index}\"><title>{}</title>", escaped(&picture.titles[index]));
        if let (Some(first), Some(last)) = (points.first(), points.last()) {
            let mut line = format!("M{} {}", first.0 - WIDE / 2, first.1);
            for (x, y) in &points[1..] {
                let _ = write!(line, "L{x} {y}");
            }
            let dash = if path.flow == Flow::Back { " stroke-dasharray=\"5 3\"" } else { "" };
            // An arrow head points from the last corner to the box beside it.
            let from = points.iter().rev().nth(1).unwrap_or(first);
            let turn = if last.0 < from.0 || (last.0 == from.0 && path.flow == Flow::Back) { -1 } else { 1 };
            let _ = write!(
                out,
                "<path class=\"hit\" d=\"{line}\"/><path d=\"{line}\" stroke=\"{stroke}\"{dash}/><path d=\"M{} {}l{} -4v8z\" style=\"fill:{stroke}\"/>",
                last.0 + turn * WIDE / 2,
                last.1,
                -turn * 7
            );
        }
        if let (Some((x, y)), false) = (path.label, edge.label.is_empty()) {
            let _ = write!(out, "<text x=\"{}\" y=\"{}\">{}</text>", (x + 1) * WIDE, (y + 1) * HIGH + 5, escaped(&edge.label));
        }
        out.push_str("</g>\n");
    }
    for (index, (area, node)) in layout.nodes.iter().zip(view.nodes()).enumerate() {
        let (x, y) = ((area.left + 1) * WIDE, (area.top + 1) * HIGH);
        let (wide, high) = (area.width() * WIDE, area.height() * HIGH);
        let _ = write!(
            out,
            "<g class=\"node\" id=\"n{index}\"><title>{}</title><rect x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"{}\" rx=\"5\" stroke=\"{}\"/><text x=\"{}\" y=\"{}\" font-weight=\"bold\">{}</text>",
            escaped(&format!("{}/{}", node.namespace, node.name)),
            y + 3,
            high - 6,
            color(node.health),
            x + 7,
            y + 20,
            escaped(&node.name)
        );
        if !node.figures.is_empty() {
            let _ = write!(out, "<text x=\"{}\" y=\"{}\" font-size=\"11\">{}</text>", x + 7, y + 37, escaped(&node.figures));
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}
