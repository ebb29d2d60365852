//! Colours and glyphs. Roles, not colours, are named elsewhere; nothing is said by colour alone.

use crate::graph::Health;
use ratatui::style::{Color, Modifier, Style};

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    None,
    Ansi16,
    Ansi256,
    True,
}

/// Which characters may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Unicode,
    Ascii,
}

/// How the screen reaches its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Medium {
    #[default]
    Seen,
    /// It is read aloud: words in place of marks, no frames, no charts, nothing that moves.
    Read,
}

/// Sets of colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Palette {
    #[default]
    Dark,
    Light,
    /// For eyes that don't tell red from green.
    Deuteranopia,
    /// For eyes that don't tell blue from yellow.
    Tritanopia,
    HighContrast,
    Mono,
}

impl Palette {
    pub const ALL: [Palette; 6] = [Palette::Dark, Palette::Light, Palette::Deuteranopia, Palette::Tritanopia, Palette::HighContrast, Palette::Mono];
    pub fn name(self) -> &'static str {
        match self {
            Palette::Dark => "dark",
            Palette::Light => "light",
            Palette::Deuteranopia => "deuteranopia",
            Palette::Tritanopia => "tritanopia",
            Palette::HighContrast => "high-contrast",
            Palette::Mono => "mono",
        }
    }
    pub fn parse(name: &str) -> Option<Palette> {
        Palette::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// What a piece of the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    /// Beside the point.
    Dim,
    /// Names of nodes and objects.
    Name,
    Namespace,
    /// Frames of namespaces and panes.
    Frame,
    /// The frame of the pane that has the keyboard.
    Focus,
    Heading,
    /// The first word of the top line.
    Brand,
    /// The row or node that the keyboard acts on.
    Selected,
    Key,
    Badge,
    /// A letter that matched.
    Match,
    Health(Health),
}

/// A palette at a depth, with a set of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    pub palette: Palette,
    pub depth: Depth,
    pub charset: Charset,
    pub medium: Medium,
}

impl Default for Theme {
    fn default() -> Theme {
        Theme { palette: Palette::Dark, depth: Depth::True, charset: Charset::Unicode, medium: Medium::Seen }
    }
}

/// One colour in the three depths.
#[derive(Clone, Copy)]
struct Ink {
    rgb: (u8, u8, u8),
    ansi: Color,
}

const fn ink(rgb: u32, ansi: Color) -> Ink {
    Ink { rgb: ((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8), ansi }
}

/// The colours of a palette. Those of health follow Okabe and Ito's, which most eyes tell apart.
struct Inks {
    text: Ink,
    dim: Ink,
    bright: Ink,
    namespace: Ink,
    accent: Ink,
    badge: Ink,
    brand: Ink,
    line: Ink,
    ok: Ink,
    degraded: Ink,
    failing: Ink,
}

fn inks(palette: Palette) -> Inks {
    let dark = Inks {
        text: ink(0xC8CDD5, Color::Gray),
        dim: ink(0x6B7280, Color::DarkGray),
        bright: ink(0xF2F4F8, Color::White),
        namespace: ink(0x82AAFF, Color::LightBlue),
        accent: ink(0x7DD3FC, Color::LightCyan),
        badge: ink(0xC099FF, Color::LightMagenta),
        brand: ink(0x3B5BA9, Color::Blue),
        line: ink(0x5F7F73, Color::Gray),
        ok: ink(0x56B482, Color::Green),
        degraded: ink(0xE6AA28, Color::Yellow),
        failing: ink(0xE85046, Color::LightRed),
    };
    match palette {
        Palette::Dark | Palette::Mono => dark,
        Palette::Light => Inks {
            text: ink(0x24292F, Color::Black),
            dim: ink(0x6E7781, Color::DarkGray),
            bright: ink(0x000000, Color::Black),
            namespace: ink(0x0550AE, Color::Blue),
            accent: ink(0x0969DA, Color::Blue),
            badge: ink(0x8250DF, Color::Magenta),
            brand: ink(0xB6D4FF, Color::LightBlue),
            line: ink(0x7A9488, Color::DarkGray),
            ok: ink(0x1A7F37, Color::Green),
            degraded: ink(0x9A6700, Color::Yellow),
            failing: ink(0xCF222E, Color::Red),
        },
        Palette::Deuteranopia => Inks {
            ok: ink(0x56B4E9, Color::LightBlue),
            degraded: ink(0xF0E442, Color::LightYellow),
            failing: ink(0xE69F00, Color::LightRed),
            line: ink(0x5C7A8C, Color::Gray),
            ..dark
        },
        Palette::Tritanopia => {
            Inks { ok: ink(0x4BC6B9, Color::Cyan), degraded: ink(0xF2A7C3, Color::LightMagenta), failing: ink(0xFF4B4B, Color::LightRed), ..dark }
        }
        Palette::HighContrast => Inks {
            text: ink(0xFFFFFF, Color::White),
            dim: ink(0xB0B0B0, Color::Gray),
            bright: ink(0xFFFFFF, Color::White),
            line: ink(0xD0D0D0, Color::White),
            ok: ink(0x00FF87, Color::LightGreen),
            degraded: ink(0xFFFF00, Color::LightYellow),
            failing: ink(0xFF5F5F, Color::LightRed),
            ..dark
        },
    }
}

impl Theme {
    /// One of two, by the set of characters.
    pub fn pick<const N: usize>(&self, unicode: [&'static str; N], ascii: [&'static str; N]) -> [&'static str; N] {
        match self.charset {
            Charset::Unicode => unicode,
            Charset::Ascii => ascii,
        }
    }

    /// A health's mark, or a word where the screen is read aloud.
    pub fn glyph(&self, health: Health) -> &'static str {
        if self.is_read() { crate::find::name_of(health) } else { self.mark(health) }
    }

    /// A health's mark, one column wide, for pictures.
    pub fn mark(&self, health: Health) -> &'static str {
        let at = match health {
            Health::Ok => 0,
            Health::Degraded => 1,
            Health::Failing => 2,
            Health::Idle => 3,
            Health::Unknown => 4,
        };
        self.pick(["●", "▲", "✖", "○", "◌"], ["+", "!", "x", "o", "?"])[at]
    }

    pub fn style(&self, role: Role) -> Style {
        let inks = inks(self.palette);
        let style = Style::new();
        match role {
            Role::Text => self.fg(style, inks.text),
            Role::Dim | Role::Frame => self.fg(style, inks.dim),
            Role::Name => self.fg(style, inks.bright).add_modifier(Modifier::BOLD),
            Role::Namespace => self.fg(style, inks.namespace).add_modifier(Modifier::BOLD),
            Role::Focus => self.fg(style, inks.accent),
            Role::Heading => self.fg(style, inks.dim).add_modifier(Modifier::BOLD),
            Role::Brand if self.has_colour() => self.bg(self.fg(style, inks.bright), inks.brand).add_modifier(Modifier::BOLD),
            Role::Brand => style.add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Role::Selected => self.fg(style, inks.accent).add_modifier(Modifier::BOLD | Modifier::REVERSED),
            Role::Key => self.fg(style, inks.accent).add_modifier(Modifier::BOLD),
            Role::Match => self.fg(style, inks.accent).add_modifier(Modifier::UNDERLINED),
            Role::Badge => self.fg(style, inks.badge),
            Role::Health(Health::Ok) => self.fg(style, inks.ok),
            Role::Health(Health::Degraded) => self.fg(style, inks.degraded),
            Role::Health(Health::Failing) => self.fg(style, inks.failing).add_modifier(if self.has_colour() { Modifier::empty() } else { Modifier::BOLD }),
            Role::Health(Health::Idle | Health::Unknown) => self.fg(style, inks.dim),
        }
    }

    /// A line of the graph. What works is quiet, so that what fails is seen first.
    pub fn line(&self, health: Health, is_lit: bool, has_focus: bool) -> Style {
        let inks = inks(self.palette);
        match (is_lit, has_focus, health) {
            (true, _, Health::Degraded | Health::Failing) => self.style(Role::Health(health)).add_modifier(Modifier::BOLD),
            (true, ..) => self.fg(Style::new(), inks.accent).add_modifier(Modifier::BOLD),
            (false, _, Health::Degraded | Health::Failing) => self.style(Role::Health(health)),
            (false, true, _) => self.style(Role::Dim),
            (false, false, _) => self.fg(Style::new(), inks.line),
        }
    }

    /// The character of a line's cell: ways out are 1 left, 2 right, 4 up, 8 down.
    pub fn line_glyph(&self, ways: u8, is_heavy: bool, is_dashed: bool) -> &'static str {
        const LIGHT: [&str; 16] = [" ", "─", "─", "─", "│", "╯", "╰", "┴", "│", "╮", "╭", "┬", "│", "┤", "├", "┼"];
        const HEAVY: [&str; 16] = [" ", "━", "━", "━", "┃", "┛", "┗", "┻", "┃", "┓", "┏", "┳", "┃", "┫", "┣", "╋"];
        // Corners differ from joints, so that what lies beside a corner does not seem to meet it.
        const ASCII: [&str; 16] = [" ", "-", "-", "-", "|", "'", "'", "+", "|", ".", ".", "+", "|", "+", "+", "+"];
        let ways = usize::from(ways & 15);
        match (self.charset, is_heavy, is_dashed, ways) {
            (Charset::Ascii, _, true, 1..=3) => "=",
            (Charset::Ascii, ..) => ASCII[ways],
            (_, false, true, 1..=3) => "╌",
            (_, false, true, 4 | 8 | 12) => "╎",
            (_, true, true, 1..=3) => "╍",
            (_, true, true, 4 | 8 | 12) => "╏",
            (_, true, ..) => HEAVY[ways],
            _ => LIGHT[ways],
        }
    }

    /// Whether the screen is read aloud.
    pub fn is_read(&self) -> bool {
        self.medium == Medium::Read
    }
    fn has_colour(&self) -> bool {
        self.depth != Depth::None && self.palette != Palette::Mono
    }
    fn fg(&self, style: Style, ink: Ink) -> Style {
        self.colour(ink).map_or(style, |c| style.fg(c))
    }
    fn bg(&self, style: Style, ink: Ink) -> Style {
        self.colour(ink).map_or(style, |c| style.bg(c))
    }
    fn colour(&self, ink: Ink) -> Option<Color> {
        let (r, g, b) = ink.rgb;
        match self.depth {
            _ if self.palette == Palette::Mono => None,
            Depth::None => None,
            Depth::Ansi16 => Some(ink.ansi),
            Depth::Ansi256 => Some(Color::Indexed(cube(r, g, b))),
            Depth::True => Some(Color::Rgb(r, g, b)),
        }
    }
}

/// The nearest colour of the 6×6×6 cube and the greys of 256-colour terminals.
fn cube(r: u8, g: u8, b: u8) -> u8 {
    const STEPS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let near = |v: u8| (0..6).min_by_key(|&i| (STEPS[i] - i32::from(v)).abs()).unwrap_or(0);
    let distance = |c: [i32; 3]| [r, g, b].iter().zip(c).map(|(a, b)| (i32::from(*a) - b).pow(2)).sum::<i32>();
    let [x, y, z] = [near(r), near(g), near(b)];
    let grey = (0..24).min_by_key(|&i| distance([8 + 10 * i; 3])).unwrap_or(0);
    if distance([8 + 10 * grey; 3]) < distance([STEPS[x], STEPS[y], STEPS[z]]) { 232 + grey as u8 } else { (16 + 36 * x + 6 * y + z) as u8 }
}
