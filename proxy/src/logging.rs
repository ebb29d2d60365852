//! The proxy's own log: loggers by the names that Envoy has for them, each with a level that the admin port may change.

use crate::options::Level;
use clap::ValueEnum;
use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logger {
    Admin,
    /// What control planes send.
    Config,
    ConnHandler,
    /// Access logs.
    File,
    /// Filters of connections.
    Filter,
    Http,
    Jwt,
    Main,
    Secret,
    Tracing,
}

impl Logger {
    /// By their names.
    pub const ALL: [Logger; 10] = [
        Logger::Admin,
        Logger::Config,
        Logger::ConnHandler,
        Logger::File,
        Logger::Filter,
        Logger::Http,
        Logger::Jwt,
        Logger::Main,
        Logger::Secret,
        Logger::Tracing,
    ];
    pub fn name(self) -> &'static str {
        match self {
            Logger::Admin => "admin",
            Logger::Config => "config",
            Logger::ConnHandler => "conn_handler",
            Logger::File => "file",
            Logger::Filter => "filter",
            Logger::Http => "http",
            Logger::Jwt => "jwt",
            Logger::Main => "main",
            Logger::Secret => "secret",
            Logger::Tracing => "tracing",
        }
    }
    fn named(name: &str) -> Option<Logger> {
        Logger::ALL.into_iter().find(|l| l.name() == name)
    }
}

const LEVELS: [Level; 7] = [Level::Trace, Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical, Level::Off];

/// A level's name.
pub fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
        Level::Off => "off",
    }
}

/// Why levels stay as they are, in Envoy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Logger,
    Level,
    Empty,
    TooMany,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Logger => "unknown logger name",
            Refused::Level => "unknown logger level",
            Refused::Empty => "empty logger name or empty logger level",
            Refused::TooMany => "invalid number of parameters",
        })
    }
}

/// The level of each logger.
#[derive(Debug)]
pub struct Levels([AtomicU8; Logger::ALL.len()]);

impl Levels {
    pub fn new(level: Level) -> Levels {
        Levels(std::array::from_fn(|_| AtomicU8::new(level as u8)))
    }
    pub fn get(&self, logger: Logger) -> Level {
        LEVELS[usize::from(self.0[logger as usize].load(Ordering::Relaxed)).min(LEVELS.len() - 1)]
    }
    fn set(&self, logger: Logger, level: Level) {
        self.0[logger as usize].store(level as u8, Ordering::Relaxed);
    }
    /// Whether a message of a level is written.
    pub fn take(&self, logger: Logger, level: Level) -> bool {
        let least = self.get(logger);
        level >= least && least != Level::Off
    }
    /// `active loggers`, as Envoy lists them.
    pub fn list(&self) -> String {
        Logger::ALL.iter().fold("active loggers:\n".to_owned(), |out, l| out + &format!("  {}: {}\n", l.name(), word(self.get(*l)))) + "\n"
    }
    /// `--component-log-level`: those of its loggers that there are.
    pub fn follow(&self, list: &str) {
        for (name, level) in list.split(',').filter_map(|p| p.split_once(':')) {
            if let (Some(logger), Ok(level)) = (Logger::named(name.trim()), Level::from_str(level.trim(), true)) {
                self.set(logger, level);
            }
        }
    }
    /// Changes levels by a query of `/logging`: `level=L`, `paths=A:L,B:L`, `NAME=L`; all of it or nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn change(&self, query: &str) -> Result<(), Refused> {
        let mut pairs = query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        let Some((name, value)) = pairs.next() else { return Ok(()) };
        if pairs.next().is_some() {
            return Err(Refused::TooMany);
        }
        let level = |text: &str| LEVELS.into_iter().find(|l| word(*l) == text).ok_or(Refused::Level);
        let mut wanted = Vec::new();
        let value = crate::percent::decode(value);
        match (name, value.as_str()) {
            ("level" | "paths", "") => {}
            ("level", all) => {
                let level = level(all)?;
                wanted.extend(Logger::ALL.map(|l| (l, level)));
            }
            ("paths", list) => {
                for part in list.split(',') {
                    let (name, text) = part.split_once(':').filter(|(n, l)| !n.is_empty() && !l.is_empty()).ok_or(Refused::Empty)?;
                    let level = level(text)?;
                    wanted.push((Logger::named(name).ok_or(Refused::Logger)?, level));
                }
            }
            (name, text) => {
                let level = level(text)?;
                wanted.push((Logger::named(name).ok_or(Refused::Logger)?, level));
            }
        }
        wanted.into_iter().for_each(|(logger, level)| self.set(logger, level));
        Ok(())
    }
}

impl Default for Levels {
    fn default() -> Levels {
        Levels::new(Level::Info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_change_by_one_by_several_and_all_at_once() {
        let levels = Levels::new(Level::Warning);
        assert_eq!(levels.change("paths=http:debug,jwt:off"), Ok(()));
        assert_eq!((levels.get(Logger::Http), levels.get(Logger::Jwt), levels.get(Logger::Main)), (Level::Debug, Level::Off, Level::Warning));
        assert!(levels.take(Logger::Http, Level::Debug) && !levels.take(Logger::Jwt, Level::Critical) && !levels.take(Logger::Main, Level::Info));
        for (query, why) in [
            ("level=nope", Refused::Level),
            ("level=warn", Refused::Level),
            ("nope=info", Refused::Logger),
            ("paths=main:info,nope:info", Refused::Logger),
            ("paths=main", Refused::Empty),
            ("a=info&b=info", Refused::TooMany),
        ] {
            assert_eq!(levels.change(query), Err(why), "{query}");
        }
        assert_eq!(levels.get(Logger::Main), Level::Warning, "all or nothing");
        assert_eq!(levels.change("admin=trace").and(levels.change("level=")).and(levels.change("")), Ok(()));
        assert!(levels.list().starts_with("active loggers:\n  admin: trace\n  config: warning\n"), "{}", levels.list());
        levels.follow("misc:error,main:error,http:nope");
        assert_eq!(levels.get(Logger::Main), Level::Error);
    }
}
