//! JSON as it is written here: pieces in order, no tree in between.

use crate::promql::value_text;

#[derive(Default)]
pub(super) struct Json(String);

impl Json {
    pub fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub fn text(&mut self, text: &str) {
        // Quoting a string can't fail.
        self.0.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Json, &T)) {
        self.raw("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]");
    }

    pub fn labels<'a>(&mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.raw("{");
        for (index, (name, value)) in labels.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.text(name);
            self.raw(":");
            self.text(value);
        }
        self.raw("}");
    }

    /// Seconds, with three digits behind the point where there are milliseconds.
    pub fn time(&mut self, at: i64) {
        let (seconds, rest) = (at / 1000, (at % 1000).abs());
        let sign = if at < 0 && seconds == 0 { "-" } else { "" };
        match rest {
            0 => self.raw(&seconds.to_string()),
            _ => self.raw(&format!("{sign}{seconds}.{rest:03}")),
        }
    }

    /// `[time, "value"]`.
    pub fn point(&mut self, at: i64, value: f64) {
        self.raw("[");
        self.time(at);
        self.raw(",\"");
        self.raw(&value_text(value));
        self.raw("\"]");
    }

    pub fn into_string(self) -> String {
        self.0
    }
}
