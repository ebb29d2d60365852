//! What the system lets a process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that so many files can be open at once.
///
/// # Errors
/// How many can be, where that is less.
pub fn open_files(needed: u64) -> Result<(), u64> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|n| n >= needed) {
        return Ok(());
    }
    let most = now.maximum.unwrap_or(u64::MAX);
    let wanted = Rlimit { current: Some(needed.min(most)), maximum: now.maximum };
    if needed <= most && setrlimit(Resource::Nofile, wanted).is_ok() {
        Ok(())
    } else {
        Err(most.min(now.current.unwrap_or(most)).max(now.current.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::open_files;

    #[test]
    fn what_is_there_is_enough_and_what_nobody_has_is_refused() {
        assert_eq!(open_files(1), Ok(()));
        assert!(rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.is_none() || open_files(u64::MAX).is_err());
    }
}
