//! Recordings: what was written is read, whatever happens to the file.

use mesh_collectors::recording::{Capture, Reader, Recorder, RecordingError, find};
use std::path::{Path, PathBuf};

const LARGE: u64 = 1 << 30;

fn capture(n: i64) -> Capture {
    let mut capture = Capture::new(1_795_347_600_000 + n * 1000);
    capture.add("manifests/same.yaml", "kind: Pod\nmetadata: {name: the same each time}\n".repeat(20));
    capture.add("metrics/page.txt", format!("# TYPE a counter\na{{n=\"{n}\"}} {n}\n").repeat(40));
    capture.summary.sources.push("k8s/".to_owned());
    capture.sort();
    capture
}

fn recorded(dir: &Path, count: i64) -> PathBuf {
    let file = dir.join("mesh.rec");
    let mut recorder = Recorder::open(&file, LARGE).expect("a recorder");
    for n in 0..count {
        recorder.add(&capture(n)).expect("added");
    }
    file
}

/// All moments that can be read whole, by their number.
fn whole(file: &Path) -> Vec<i64> {
    let mut reader = Reader::open(file).expect("a recording");
    let mut found = Vec::new();
    for place in 0..reader.moments().len() {
        if let Ok(read) = reader.load(place)
            && read.summary.problems.is_empty()
        {
            let n = (read.at - 1_795_347_600_000) / 1000;
            // Never something else than what was written.
            assert_eq!(read, capture(n));
            found.push(n);
        }
    }
    found
}

#[test]
fn what_was_recorded_is_read_at_each_of_its_times() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = recorded(dir.path(), 5);
    assert_eq!(whole(&file), [0, 1, 2, 3, 4]);
    let at = |time: &str| find(Path::new(&format!("{}@{time}", file.display()))).expect("a moment").capture().map(|c| c.at);
    assert_eq!(at("2026-11-22T11:40:02Z"), Ok(capture(2).at));
    assert_eq!(at("2026-11-22T12:00:00Z"), Ok(capture(4).at));
    assert!(matches!(at("2026-11-22T11:39:00Z"), Err(RecordingError::Later { .. })));
    assert_eq!(find(&file).expect("a recording").time(), Ok(capture(4).at));
    assert!(find(&dir.path().join("other")).is_none() && find(dir.path()).is_none());
    // A page that does not change is stored once.
    let reader = Reader::open(&file).expect("a recording");
    assert!(reader.moments()[4].bytes < reader.moments()[0].bytes);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_that_ends_anywhere_loses_the_last_snapshot_alone_and_can_be_gone_on_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = recorded(dir.path(), 3);
    let bytes = std::fs::read(&file).expect("bytes");
    let reader = Reader::open(&file).expect("a recording");
    let last = (reader.length - reader.moments()[2].bytes) as usize;
    drop(reader);
    for end in (last..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        std::fs::write(&file, &bytes[..end]).expect("a file");
        assert_eq!(whole(&file), [0, 1], "{end}");
        assert_eq!(Reader::open(&file).expect("a recording").unfinished, (end - last) as u64);
        let mut recorder = Recorder::open(&file, LARGE).expect("a recorder");
        recorder.add(&capture(9)).expect("added");
        assert_eq!(whole(&file), [0, 1, 9], "{end}");
    }
    // Killed while it was made.
    for end in 0..16 {
        std::fs::write(&file, &bytes[..end]).expect("a file");
        drop(Recorder::open(&file, LARGE).expect("a recorder"));
        assert_eq!(whole(&file), [] as [i64; 0]);
    }
}

#[test]
fn bytes_that_changed_cost_what_they_held_and_never_give_something_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = recorded(dir.path(), 4);
    let bytes = std::fs::read(&file).expect("bytes");
    let mut begins = 16;
    let moments = Reader::open(&file).expect("a recording").moments().to_vec();
    for (place, moment) in moments.iter().enumerate() {
        let end = begins + moment.bytes as usize;
        for at in (begins..end).step_by(5) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            std::fs::write(&file, &changed).expect("a file");
            let found = whole(&file);
            // The first segment holds a page for all; that of another costs itself.
            let others: Vec<i64> = (0..4).filter(|n| *n != place as i64).collect();
            // A bit of the packing may mean nothing: all is there then, and the same.
            assert!(place == 0 || found == others || found.len() == 4, "{at}: {found:?}");
        }
        begins = end;
    }
}

#[test]
fn a_file_stays_within_its_bound_and_keeps_the_newest() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mesh.rec");
    let mut recorder = Recorder::open(&file, 6_000).expect("a recorder");
    let mut dropped = 0;
    for n in 0..60 {
        let added = recorder.add(&capture(n)).expect("added");
        dropped += added.dropped;
        assert!(added.length <= 6_000 && std::fs::metadata(&file).expect("a file").len() == added.length);
        let found = whole(&file);
        assert_eq!(found.last(), Some(&n));
        assert_eq!(found, (n + 1 - found.len() as i64..=n).collect::<Vec<_>>());
    }
    assert!(dropped > 20 && whole(&file).len() > 1);
    drop(recorder);
    let error = Recorder::open(&file, 300).and_then(|mut r| r.add(&capture(99))).expect_err("too small");
    assert!(matches!(error, RecordingError::TooLarge { .. }), "{error}");
}

#[test]
fn a_clock_that_is_set_back_is_said_and_makes_no_rate() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mesh.rec");
    let mut recorder = Recorder::open(&file, LARGE).expect("a recorder");
    // A counter that grows by one a second, on a clock that goes back by a minute in between.
    for (second, counted) in [(0, 0), (10, 10), (20, 20), (-30, 30), (-20, 40), (30, 90)] {
        let mut capture = Capture::new(1_795_347_600_000 + second * 1000);
        capture.add("metrics/page.txt", format!("# TYPE m counter\nm{{a=\"b\"}} {counted}\n"));
        capture.sort();
        recorder.add(&capture).expect("added");
    }
    let series = find(&file).expect("a recording").series("mesh.rec", 3_600_000).expect("series");
    assert!(series.problems.iter().any(|p| p.contains("clock was set back by 50 s") && p.contains("leave out")), "{:?}", series.problems);
    let (_, last) = series.store.span().expect("samples");
    let rates = mesh_collectors::telemetry::ask(&series.store, "rate(m[5m])", last).expect("an answer").0;
    // What came after on the wrong clock is left out: never less than nothing, never a counter that started again.
    assert!(rates.iter().all(|s| s.value > 0.0 && s.value < 4.0), "{rates:?}");
}

#[test]
fn two_recorders_never_write_one_file_and_another_file_is_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = recorded(dir.path(), 1);
    let first = Recorder::open(&file, LARGE).expect("a recorder");
    assert!(matches!(Recorder::open(&file, LARGE), Err(RecordingError::Busy { .. })));
    // Reading goes on meanwhile.
    assert_eq!(whole(&file), [0]);
    drop(first);
    let other = dir.path().join("notes.txt");
    std::fs::write(&other, "do not lose me").expect("a file");
    assert!(matches!(Recorder::open(&other, LARGE), Err(RecordingError::NoRecording { .. })));
    assert_eq!(std::fs::read_to_string(&other).expect("a file"), "do not lose me");
}
