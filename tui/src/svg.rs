//! A buffer as a picture: SVG for documents, text for files. The same buffer gives the same bytes.

use crate::theme::Palette;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// What stands in a file of a name: SVG where that ends so, else text.
pub fn file(buffer: &Buffer, palette: Palette, name: &str) -> String {
    if name.ends_with(".svg") { render(buffer, palette) } else { text(buffer) }
}

/// The size of a cell in pixels.
const CELL: (usize, usize) = (8, 17);

/// The buffer as lines of text.
pub fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let line: String = (buffer.area.left()..buffer.area.right()).filter_map(|x| buffer.cell((x, y))).map(Cell::symbol).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The buffer as an SVG image: a rectangle for each run of a background, a text for each run of a style.
pub fn render(buffer: &Buffer, palette: Palette) -> String {
    let (paper, pen) = if palette == Palette::Light { ("#ffffff", "#24292f") } else { ("#101216", "#c8cdd5") };
    let (width, height) = (usize::from(buffer.area.width) * CELL.0, usize::from(buffer.area.height) * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"13.3\" xml:space=\"preserve\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>\n"
    );
    for y in 0..buffer.area.height {
        row(buffer, y, paper, pen, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

#[derive(Clone, PartialEq)]
struct Look {
    fg: String,
    bg: Option<String>,
    is_bold: bool,
    is_underlined: bool,
}

fn look(cell: &Cell, paper: &str, pen: &str) -> Look {
    let (mut fg, mut bg) = (colour(cell.fg, pen), if cell.bg == Color::Reset { None } else { Some(colour(cell.bg, paper)) });
    if cell.modifier.contains(Modifier::REVERSED) {
        (fg, bg) = (bg.unwrap_or_else(|| paper.to_owned()), Some(fg));
    }
    Look { fg, bg, is_bold: cell.modifier.contains(Modifier::BOLD), is_underlined: cell.modifier.contains(Modifier::UNDERLINED) }
}

fn row(buffer: &Buffer, y: u16, paper: &str, pen: &str, out: &mut String) {
    let cells: Vec<&Cell> = (0..buffer.area.width).filter_map(|x| buffer.cell((buffer.area.x + x, buffer.area.y + y))).collect();
    let top = usize::from(y) * CELL.1;
    let mut x = 0;
    while x < cells.len() {
        let style = look(cells[x], paper, pen);
        let mut end = x + 1;
        while end < cells.len() && look(cells[end], paper, pen) == style {
            end += 1;
        }
        let run: String = cells[x..end].iter().map(|c| c.symbol()).collect();
        if let Some(bg) = &style.bg {
            out.push_str(&format!("<rect x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\" fill=\"{bg}\"/>\n", x * CELL.0, (end - x) * CELL.0, CELL.1));
        }
        let blank = run.len() - run.trim_start().len();
        let shown = run.trim();
        if !shown.is_empty() {
            // A length keeps columns together whatever font there is.
            let columns = crate::text::width(shown);
            let extra = format!(
                "{}{}",
                if style.is_bold { " font-weight=\"bold\"" } else { "" },
                if style.is_underlined { " text-decoration=\"underline\"" } else { "" }
            );
            out.push_str(&format!(
                "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{extra}>{}</text>\n",
                (x + blank) * CELL.0,
                top + 13,
                columns * CELL.0,
                style.fg,
                escape(shown)
            ));
        }
        x = end;
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn colour(color: Color, default: &str) -> String {
    let rgb = match color {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Reset => return default.to_owned(),
        Color::Indexed(i @ 16..=231) => {
            let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let i = i - 16;
            (step(i / 36), step(i / 6 % 6), step(i % 6))
        }
        Color::Indexed(i @ 232..) => {
            let grey = 8 + 10 * (i - 232);
            (grey, grey, grey)
        }
        named => NAMED.iter().find(|(c, _)| *c == named).map_or((200, 205, 213), |(_, rgb)| *rgb),
    };
    format!("#{:02x}{:02x}{:02x}", rgb.0, rgb.1, rgb.2)
}

const NAMED: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (205, 49, 49)),
    (Color::Green, (13, 188, 121)),
    (Color::Yellow, (229, 229, 16)),
    (Color::Blue, (36, 114, 200)),
    (Color::Magenta, (188, 63, 188)),
    (Color::Cyan, (17, 168, 205)),
    (Color::Gray, (229, 229, 229)),
    (Color::DarkGray, (102, 102, 102)),
    (Color::LightRed, (241, 76, 76)),
    (Color::LightGreen, (35, 209, 139)),
    (Color::LightYellow, (245, 245, 67)),
    (Color::LightBlue, (59, 142, 234)),
    (Color::LightMagenta, (214, 112, 214)),
    (Color::LightCyan, (41, 184, 219)),
    (Color::White, (255, 255, 255)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn runs_of_one_style_are_one_text() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 1));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Rgb(1, 2, 3)));
        buffer.set_string(4, 0, "xy", Style::new().fg(Color::Indexed(196)).bg(Color::Black));
        let svg = render(&buffer, Palette::Dark);
        assert_eq!(svg.matches("<text").count(), 2);
        assert!(svg.contains(">a&lt;b</text>") && svg.contains("#010203") && svg.contains("#ff0000"), "{svg}");
        assert_eq!(text(&buffer), "a<b xy\n");
    }
}
