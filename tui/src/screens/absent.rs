//! Screens whose facts no source of this version gives. They say so.

use super::{Cx, Drawn, Request, Screen, command_line, not_available};
use crate::action::{Action, Scope};
use crate::widgets::Pen;
use ratatui::buffer::Buffer;

#[derive(Default)]
pub struct Traces;

impl Screen for Traces {
    fn crumbs(&self, _cx: &Cx<'_>) -> Vec<String> {
        Vec::new()
    }
    fn scopes(&self) -> &'static [Scope] {
        &[]
    }
    fn act(&mut self, _action: Action, _cx: &Cx<'_>) -> Vec<Request> {
        Vec::new()
    }
    fn draw(&self, cx: &Cx<'_>, buffer: &mut Buffer) -> Drawn {
        let mut pen = Pen { buffer, theme: cx.theme };
        not_available(&mut pen, cx.area, "Traces", "No source holds traces.", "This version reads neither Jaeger nor Zipkin.");
        Drawn::default()
    }
    fn command(&self, cx: &Cx<'_>) -> String {
        command_line(cx, "tui --no-tui")
    }
}
