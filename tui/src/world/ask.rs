//! Of which time traffic is asked for.

/// How far rates look back, and how far before the newest sample that is. Seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub window: i64,
    pub back: i64,
}

impl Default for Ask {
    fn default() -> Ask {
        Ask { window: 600, back: 0 }
    }
}

const WINDOWS: [i64; 7] = [60, 300, 600, 1800, 3600, 3 * 3600, 12 * 3600];

impl Ask {
    /// The next longer window; after the longest the shortest.
    pub fn wider(self) -> Ask {
        let window = WINDOWS.into_iter().find(|w| *w > self.window).unwrap_or(WINDOWS[0]);
        Ask { window, ..self }
    }
    /// Half a window back, within a recording of so many seconds.
    pub fn earlier(self, span: i64) -> Ask {
        Ask { back: (self.back + self.step()).min(span.max(0)), ..self }
    }
    pub fn later(self) -> Ask {
        Ask { back: (self.back - self.step()).max(0), ..self }
    }
    fn step(self) -> i64 {
        (self.window / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_go_round_and_time_stays_within_the_recording() {
        let mut ask = Ask::default();
        let seen: Vec<i64> = (0..WINDOWS.len())
            .map(|_| {
                ask = ask.wider();
                ask.window
            })
            .collect();
        assert_eq!(seen, [1800, 3600, 10_800, 43_200, 60, 300, 600]);
        let back = Ask::default().earlier(500).earlier(500);
        assert_eq!((back.back, back.later().back, back.later().later().back), (500, 200, 0));
    }
}
