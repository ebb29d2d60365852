//! `meshctl snapshot`: recordings and bug reports.

mod bug_report;
mod collect;
mod info;
mod proxies;
mod record;

use crate::args::snapshot::{SnapshotArgs, SnapshotCommand};
use crate::context::Context;
use crate::status::{Failure, Outcome};
use mesh_collectors::recording::RecordingError;

pub fn run(args: &SnapshotArgs, context: &Context) -> Outcome {
    match &args.what {
        SnapshotCommand::Record(args) => record::run(args, context),
        SnapshotCommand::Diff(args) => super::proxy_status::diff(args, context),
        SnapshotCommand::Info(args) => info::run(args, context),
        SnapshotCommand::BugReport(args) => bug_report::run(args, context),
    }
}

/// What a recording's error is for the one who asked.
pub fn failure(error: RecordingError) -> Failure {
    match error {
        RecordingError::Io { .. } | RecordingError::Busy { .. } => Failure::none(error.to_string()),
        RecordingError::TooLarge { .. } => Failure::usage(error.to_string()),
        _ => Failure::input(error.to_string()),
    }
}

/// `256MiB`, `1GiB`, `500KB`, `4096`: bytes.
fn size(flag: &str, text: &str) -> Result<u64, Failure> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kib" | "k" => Some(1 << 10),
        "kb" => Some(1000),
        "mib" | "m" => Some(1 << 20),
        "mb" => Some(1_000_000),
        "gib" | "g" => Some(1 << 30),
        "gb" => Some(1_000_000_000),
        _ => None,
    };
    let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f)).filter(|b| *b > 0);
    bytes.ok_or_else(|| Failure::usage(format!("{flag} {text}: a size such as 256MiB must stand here")))
}

/// `12.3 MiB`.
fn shown(bytes: u64) -> String {
    match bytes {
        b if b >= 1 << 30 => format!("{:.1} GiB", b as f64 / f64::from(1 << 30)),
        b if b >= 1 << 20 => format!("{:.1} MiB", b as f64 / f64::from(1 << 20)),
        b if b >= 1 << 10 => format!("{:.1} KiB", b as f64 / f64::from(1 << 10)),
        b => format!("{b} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!((size("-", "256MiB").ok(), size("-", "7").ok(), size("-", "1 GB").ok()), (Some(256 << 20), Some(7), Some(1_000_000_000)));
        assert!(["", "MiB", "0", "-1", "1TB", "99999999999GiB"].iter().all(|t| size("-", t).is_err()));
        assert_eq!(shown(3 << 19), "1.5 MiB");
    }
}
