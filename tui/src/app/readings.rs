//! When each section was asked and what is shown of it is of: what is to be read, and how old what is shown is.

use crate::world::Ask;
use crate::world::sections::{Section, Sections};
use std::collections::BTreeMap;
use std::time::Duration;

/// Figures are stale when they are older than so many refreshes.
const STALE: u32 = 3;

/// One section.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// When what is shown of it came; `None` where nothing has.
    came: Option<Duration>,
    /// When it was asked last, well or not.
    asked: Duration,
    /// For which time.
    of: Ask,
    /// Whether the last time it gave nothing new.
    failed: bool,
    /// Whether something is known to have changed since.
    is_outdated: bool,
}

/// All sections that were asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings(BTreeMap<Section, Reading>);

impl Readings {
    /// Sections were read; of `old` nothing new came, and what was there is shown on.
    pub fn read(&mut self, sections: Sections, old: Sections, of: Ask, now: Duration) {
        for section in sections.iter() {
            let failed = old.contains(section);
            let came = if failed { self.0.get(&section).and_then(|r| r.came) } else { Some(now) };
            self.0.insert(section, Reading { came, asked: now, of, failed, is_outdated: false });
        }
    }
    /// They could not be read at all.
    pub fn failed(&mut self, sections: Sections, of: Ask, now: Duration) {
        self.read(sections, sections, of, now);
    }
    /// What was read of them is not of now any more.
    pub fn outdate(&mut self, sections: Sections) {
        self.0.iter_mut().filter(|(s, _)| sections.contains(**s)).for_each(|(_, r)| r.is_outdated = true);
    }
    /// Those that were never asked, or for another time, or that have changed since.
    pub fn missing(&self, needs: Sections, ask: Ask) -> Sections {
        let is_missing = |s: &Section| self.0.get(s).is_none_or(|r| r.is_outdated || !s.is_same(r.of, ask));
        needs.iter().filter(is_missing).fold(Sections::NONE, Sections::with)
    }
    /// When one of them is asked again.
    pub fn due(&self, needs: Sections, every: Duration) -> Option<Duration> {
        needs.iter().filter_map(|s| Some(self.0.get(&s)?.asked + every)).min()
    }
    /// Those that are asked again now; those that are nearly due go along.
    pub fn due_by(&self, needs: Sections, every: Duration, now: Duration) -> Sections {
        let is_due = |s: &Section| self.0.get(s).is_none_or(|r| r.asked + every / 2 <= now);
        needs.iter().filter(is_due).fold(Sections::NONE, Sections::with)
    }
    /// How old what is shown of them is; `None` where nothing is.
    pub fn oldest(&self, needs: Sections, now: Duration) -> Option<Duration> {
        needs.iter().filter_map(|s| Some(now.saturating_sub(self.0.get(&s)?.came?))).max()
    }
    /// The age of each section whose figures are stale: the last reading gave nothing new, or it was not asked for long.
    pub fn ages(&self, every: Option<Duration>, now: Duration) -> Ages {
        let mut ages = Ages::default();
        for (section, reading) in &self.0 {
            let Some(came) = reading.came else { continue };
            let age = now.saturating_sub(came);
            let is_old = every.is_some_and(|every| age > every * STALE);
            if reading.failed || is_old {
                ages.0[*section as usize] = Some(age);
            }
        }
        ages
    }
}

/// The ages of stale sections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages([Option<Duration>; Section::ALL.len()]);

impl Ages {
    /// `2m old`: the oldest of them; `None` where none is stale. In steps so coarse that a screen at rest stays as it is.
    pub fn of(&self, sections: &[Section]) -> Option<String> {
        let age = sections.iter().filter_map(|s| self.0[*s as usize]).max()?;
        Some(match age.as_secs() {
            0..15 => "moments old".to_owned(),
            s @ 15..60 => format!("{}s old", s / 15 * 15),
            s => format!("{} old", crate::screens::span((s / 60 * 60) as i64)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: Section = Section::Configuration;
    const M: Section = Section::Metrics;

    #[test]
    fn what_was_not_asked_for_this_time_is_missing_and_what_failed_is_old() {
        let (second, ask) = (Duration::from_secs, Ask::default());
        let (both, m) = (Sections::of(&[C, M]), Sections::of(&[M]));
        let mut all = Readings::default();
        assert_eq!(all.missing(both, ask), both);
        all.read(both, Sections::NONE, ask, second(10));
        assert_eq!(all.missing(both, ask), Sections::NONE);
        assert_eq!(all.missing(both, ask.wider()), m, "manifests are the same whatever rates look back");
        assert_eq!(all.missing(both, Ask { back: 60, ..ask }), both);
        assert_eq!(all.missing(both.with(Section::Logs), ask), Sections::of(&[Section::Logs]));
        // In time.
        let every = second(15);
        assert_eq!(all.due(both, every), Some(second(25)));
        all.read(Sections::of(&[C]), Sections::NONE, ask, second(20));
        assert_eq!((all.due_by(both, every, second(25)), all.due_by(both, every, second(28))), (m, both));
        // A failure takes nothing away, and its age is of what is shown.
        all.failed(m, ask, second(30));
        assert_eq!(all.missing(both, ask), Sections::NONE, "what fails is not asked at once again");
        let ages = all.ages(Some(every), second(40));
        assert_eq!((ages.of(&[M]), ages.of(&[C]), ages.of(&[C, M])), (Some("30s old".to_owned()), None, Some("30s old".to_owned())));
        assert_eq!(all.ages(None, second(500)).of(&[C]), None, "files are as old as they are");
        assert_eq!(all.ages(Some(every), second(66)).of(&[C]), Some("45s old".to_owned()));
        assert_eq!(all.ages(Some(every), second(200)).of(&[M]), Some("3m old".to_owned()));
        all.outdate(m);
        assert_eq!(all.missing(both, ask), m);
        all.read(m, Sections::NONE, ask, second(201));
        assert_eq!(all.ages(Some(every), second(201)).of(&[M]), None);
        assert_eq!(all.oldest(both, second(201)), Some(second(181)));
    }
}
