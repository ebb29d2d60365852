//! The moments that can be replayed.

/// One moment. Times are in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    pub at: i64,
    /// Parts of the configuration that are not as they were at the moment before.
    pub changes: usize,
    /// The share of requests that failed, in percent; `None` where it is not known.
    pub failing: Option<f64>,
}

/// Two moments at least, the earliest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    marks: Vec<Mark>,
}

/// Where one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    Next,
    Previous,
    NextChange,
    PreviousChange,
    /// The first moment at which more fails than usual.
    FirstError,
    First,
    Last,
    /// The last moment that is not later.
    To(i64),
}

impl Timeline {
    /// `None` where there is nothing to step through.
    pub fn new(mut marks: Vec<Mark>) -> Option<Timeline> {
        marks.sort_by_key(|m| m.at);
        marks.dedup_by_key(|m| m.at);
        (marks.len() > 1).then_some(Timeline { marks })
    }
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }
    pub fn last(&self) -> i64 {
        self.marks.last().map_or(0, |m| m.at)
    }
    pub fn first(&self) -> i64 {
        self.marks.first().map_or(0, |m| m.at)
    }
    /// The mark that counts at a time.
    pub fn position(&self, at: i64) -> usize {
        self.marks.partition_point(|m| m.at <= at).saturating_sub(1)
    }
    /// Where a jump from a time leads; the error says why nowhere.
    pub fn jump(&self, from: i64, jump: Jump) -> Result<i64, &'static str> {
        let now = self.position(from);
        let at = |i: Option<usize>, why: &'static str| i.and_then(|i| self.marks.get(i)).map(|m| m.at).ok_or(why);
        match jump {
            Jump::Next => at(Some(now + 1), "this is the last moment"),
            Jump::Previous => at(now.checked_sub(1), "this is the first moment"),
            Jump::NextChange => at((now + 1..self.marks.len()).find(|i| self.marks[*i].changes > 0), "no configuration changes later"),
            Jump::PreviousChange => at((0..now).rev().find(|i| self.marks[*i].changes > 0), "no configuration changed before"),
            Jump::FirstError => {
                if self.marks.iter().all(|m| m.failing.is_none()) {
                    return Err("what failed when is not known: no source has metrics over time");
                }
                at(self.marks.iter().position(|m| m.failing.is_some_and(|f| f > self.usual())), "nothing fails more than usual")
            }
            Jump::First => Ok(self.first()),
            Jump::Last => Ok(self.last()),
            Jump::To(time) if time < self.first() => Err("it begins later"),
            Jump::To(time) => Ok(self.marks[self.position(time)].at),
        }
    }
    /// What may fail without being an error: where something always fails, twice the median.
    pub fn usual(&self) -> f64 {
        let mut all: Vec<f64> = self.marks.iter().filter_map(|m| m.failing).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).map_or(0.0, |m| m * 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_steps_and_jumps_to_changes_and_errors() {
        let mark = |at, changes, failing| Mark { at, changes, failing };
        let line = Timeline::new(vec![mark(30, 0, Some(9.0)), mark(10, 0, Some(0.0)), mark(20, 1, Some(0.0)), mark(40, 2, Some(0.0))]).expect("four marks");
        let go = |from, jump| line.jump(from, jump).ok();
        assert_eq!((go(10, Jump::Next), go(25, Jump::Next), go(40, Jump::Next)), (Some(20), Some(30), None));
        assert_eq!((go(40, Jump::Previous), go(10, Jump::Previous)), (Some(30), None));
        assert_eq!((go(10, Jump::NextChange), go(20, Jump::NextChange), go(40, Jump::PreviousChange)), (Some(20), Some(40), Some(20)));
        assert_eq!((go(40, Jump::FirstError), go(10, Jump::To(39)), go(10, Jump::To(9))), (Some(30), Some(30), None));
        assert_eq!(Timeline::new(vec![mark(1, 0, None), mark(1, 0, None)]), None);
    }
}
