//! Values over time: sparklines in a row, and line charts of braille dots.

use super::Pen;
use crate::text::width;
use crate::theme::{Charset, Role, Theme};
use ratatui::layout::Rect;

/// A row of so many bars; each is the most of its stretch. "" without values.
pub fn sparkline(values: &[f64], columns: usize, theme: &Theme) -> String {
    const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    const ASCII: [&str; 9] = [" ", ".", ".", ":", "-", "=", "+", "*", "#"];
    if theme.is_read() {
        return trend(values);
    }
    let glyphs = theme.pick(BARS, ASCII);
    let most = values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    if values.is_empty() || columns == 0 {
        return String::new();
    }
    (0..columns)
        .map(|c| {
            let value = peak(values, c, columns);
            // What is there at all is seen.
            let eighths = if most > 0.0 && value > 0.0 { ((value / most * 8.0).round() as usize).clamp(1, 8) } else { 0 };
            glyphs[eighths]
        })
        .collect()
}

/// Where values went, in a word: their last quarter against what was before.
fn trend(values: &[f64]) -> String {
    let mean = |list: &[f64]| list.iter().filter(|v| v.is_finite()).sum::<f64>() / list.len().max(1) as f64;
    let (before, last) = values.split_at(values.len() - values.len().div_ceil(4));
    let (before, last) = (mean(before), mean(last));
    match (before, last) {
        _ if values.len() < 2 => "",
        (b, l) if b == 0.0 && l == 0.0 => "none",
        (b, l) if l > b * 1.2 => "rising",
        (b, l) if l < b * 0.8 => "falling",
        _ => "steady",
    }
    .to_owned()
}

/// The most within one of `columns` stretches; 0 without values.
fn peak(values: &[f64], column: usize, columns: usize) -> f64 {
    let from = column * values.len() / columns;
    let to = ((column + 1) * values.len() / columns).max(from + 1).min(values.len());
    values.get(from..to).unwrap_or_default().iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max)
}

/// A line chart with a scale at the left. `title` and the last value stand above it.
pub struct Chart<'c> {
    pub title: &'c str,
    pub values: &'c [f64],
    pub role: Role,
    /// How a value is written.
    pub shown: &'c dyn Fn(f64) -> String,
}

impl Chart<'_> {
    pub fn draw(&self, pen: &mut Pen<'_>, area: Rect) {
        let area = area.intersection(pen.buffer.area);
        if area.width < 14 || area.height < 3 {
            return;
        }
        let last = self.values.iter().rev().copied().find(|v| v.is_finite());
        let now = last.map_or("-".to_owned(), |v| (self.shown)(v));
        pen.row(area, area.y, &[(self.title, Role::Heading), (" ", Role::Text), (&now, Role::Name)]);
        if last.is_none() {
            pen.text(area.x, area.y + 1, "not known", usize::from(area.width), Role::Dim);
            return;
        }
        let most = self.values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let (top, zero) = ((self.shown)(most), "0");
        let labels = width(&top).max(1).min(usize::from(area.width) / 3);
        let plot = Rect { x: area.x + labels as u16 + 1, y: area.y + 1, width: area.width - labels as u16 - 1, height: area.height - 1 };
        pen.text(area.x, plot.y, &format!("{top:>labels$}"), labels, Role::Dim);
        pen.text(area.x, plot.bottom() - 1, &format!("{zero:>labels$}"), labels, Role::Dim);
        for y in plot.y..plot.bottom() {
            pen.text(plot.x - 1, y, pen.theme.pick(["│"], ["|"])[0], 1, Role::Frame);
        }
        if most <= 0.0 || self.values.is_empty() {
            for x in plot.x..plot.right() {
                pen.text(x, plot.bottom() - 1, pen.theme.pick(["⣀"], ["_"])[0], 1, Role::Dim);
            }
            return;
        }
        match pen.theme.charset {
            Charset::Unicode => self.braille(pen, plot, most),
            Charset::Ascii => self.points(pen, plot, most),
        }
    }

    /// Two dots a column and four a row, joined from one column of dots to the next.
    fn braille(&self, pen: &mut Pen<'_>, plot: Rect, most: f64) {
        let (columns, rows) = (usize::from(plot.width), usize::from(plot.height));
        let (wide, high) = (columns * 2, rows * 4);
        let mut cells = vec![0_u8; columns * rows];
        let mut before: Option<usize> = None;
        for x in 0..wide {
            let at = x * self.values.len() / wide;
            let Some(value) = self.values.get(at).copied().filter(|v| v.is_finite()) else {
                before = None;
                continue;
            };
            let y = high - 1 - ((value / most * (high - 1) as f64).round() as usize).min(high - 1);
            let from = before.unwrap_or(y);
            for dot in from.min(y)..=from.max(y) {
                // What lies between belongs to the new column but for its own end.
                if dot != from || before.is_none() || dot == y {
                    const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
                    cells[dot / 4 * columns + x / 2] |= DOTS[dot % 4][x % 2];
                }
            }
            before = Some(y);
        }
        for (i, dots) in cells.into_iter().enumerate().filter(|(_, d)| *d > 0) {
            let glyph = char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' ').to_string();
            pen.text(plot.x + (i % columns) as u16, plot.y + (i / columns) as u16, &glyph, 1, self.role);
        }
    }

    fn points(&self, pen: &mut Pen<'_>, plot: Rect, most: f64) {
        for x in 0..plot.width {
            let value = peak(self.values, usize::from(x), usize::from(plot.width));
            let y = (value / most * f64::from(plot.height - 1)).round() as u16;
            pen.text(plot.x + x, plot.bottom() - 1 - y.min(plot.height - 1), "*", 1, self.role);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_show_the_most_of_each_stretch_and_never_hide_what_is_there() {
        let theme = Theme::default();
        assert_eq!(sparkline(&[0.0, 1.0, 8.0, 0.001], 4, &theme), " ▁█▁");
        assert_eq!(sparkline(&[0.0, 4.0, 0.0, 8.0], 2, &theme), "▄█");
        assert_eq!(sparkline(&[1.0], 3, &theme), "███");
        assert_eq!(sparkline(&[f64::NAN, 0.0], 2, &theme), "  ");
        assert_eq!(sparkline(&[], 5, &theme), "");
        let aloud = Theme { medium: crate::theme::Medium::Read, ..theme };
        let said = |values: &[f64]| sparkline(values, 14, &aloud);
        assert_eq!([&[1.0, 1.0, 1.0, 2.0][..], &[4.0, 4.0, 4.0, 1.0], &[4.0, 4.0], &[0.0, 0.0], &[1.0]].map(said), ["rising", "falling", "steady", "none", ""]);
    }
}
