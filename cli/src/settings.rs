//! What is to be done: flags and the configuration file, checked and put together.

use crate::args::{AnalyzeArgs, Format};
use crate::config::{self, Config};
use crate::context::{Compat, Context};
use crate::entry::Place;
use crate::select::{self, Codes};
use crate::status::Failure;
use crate::suppress::Pattern;
use globset::GlobSet;
use mesh_analyzers::schema::ISTIO_MINORS;
use mesh_analyzers::{Level, Options, codes, rules, spelling};
use mesh_model::{Source, Span, Timestamp};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use toml::Spanned;

/// What a level in the configuration says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Level(Level),
    Off,
}

pub struct Settings {
    pub codes: Codes,
    /// Names of the rules that run; all when `None`.
    pub rules: Option<BTreeSet<&'static str>>,
    pub levels: BTreeMap<&'static str, Setting>,
    pub suppressions: Vec<Pattern>,
    /// `None`: nothing fails.
    pub fail_on: Option<Level>,
    pub threshold: Level,
    pub format: Format,
    pub compat: Compat,
    pub namespaces: Vec<String>,
    pub options: Options,
    pub as_of: Timestamp,
    pub exclude: Option<GlobSet>,
    pub mesh_config: Option<PathBuf>,
    pub mesh_networks: Option<PathBuf>,
    /// The folder that globs of the configuration are relative to.
    pub base_dir: PathBuf,
    /// Said on stderr.
    pub notes: Vec<String>,
}

impl Settings {
    pub fn new(args: &AnalyzeArgs, context: &Context, config: Option<&Config>) -> Result<Settings, Failure> {
        let file = config.map(|c| &c.file);
        let config_name = config.map_or_else(String::new, |c| c.path.display().to_string());
        let compat = context.compat;
        let mut notes = Vec::new();

        let mut codes: Codes = select::codes_of("all").unwrap_or_default();
        for (select, ignore, whence) in [
            (file.map_or(&[][..], |f| &f.select), file.map_or(&[][..], |f| &f.ignore), [format!("{config_name}: select"), format!("{config_name}: ignore")]),
            (&args.select.select[..], &args.select.ignore[..], ["--select".to_owned(), "--ignore".to_owned()]),
        ] {
            if !select.is_empty() {
                codes = select::all_of(select, &whence[0])?;
            }
            let ignored = select::all_of(ignore, &whence[1])?;
            codes.retain(|c| !ignored.contains(c));
        }
        let place = |value: &Spanned<String>| config.map_or_else(String::new, |c| c.place(value));
        if let Some(written) = file.and_then(|f| f.rule_set.as_ref()) {
            let (at, pin) = (place(written), written.get_ref());
            let pin = version(pin).ok_or_else(|| Failure::usage(format!("{at}: rule-set is a version of meshctl such as \"0.1\", not `{pin}`")))?;
            let own = version(env!("CARGO_PKG_VERSION")).unwrap_or_default();
            if pin > own {
                return Err(Failure::usage(format!("{at}: the rule set {}.{} is newer than this meshctl ({})", pin.0, pin.1, env!("CARGO_PKG_VERSION"))));
            }
            codes.retain(|id| codes::find(id).is_some_and(|c| c.since() <= pin));
        }

        let mut levels = BTreeMap::new();
        for (word, level) in file.into_iter().flat_map(|f| &f.levels) {
            let at = place(level);
            let setting = match level.get_ref().to_ascii_lowercase().as_str() {
                "off" => Setting::Off,
                other => Setting::Level(
                    Level::parse(other)
                        .ok_or_else(|| Failure::usage(format!("{at}: levels: `{word}` is error, warning, info or off, not `{}`", level.get_ref())))?,
                ),
            };
            for code in select::codes_of(word).map_err(|e| Failure::usage(format!("{at}: levels: {e}")))? {
                levels.insert(code, setting);
            }
        }

        let mut suppressions = args.select.suppress.iter().map(|s| Pattern::parse(s)).collect::<Result<Vec<_>, _>>()?;
        if let Some(config) = config {
            suppressions.extend(suppressions_of(config, &config_name)?);
        }

        let typed = args.select.fail_on.as_deref().map(|word| ("--fail-on".to_owned(), word));
        let written = || file.and_then(|f| f.fail_on.as_ref()).map(|w| (format!("{}: fail-on", place(w)), w.get_ref().as_str()));
        let fail_on = match typed.or_else(written) {
            None => Some(Level::Error),
            Some((_, word)) if word.eq_ignore_ascii_case("never") || word.eq_ignore_ascii_case("none") => None,
            Some((whence, word)) => {
                Some(Level::parse(word).ok_or_else(|| Failure::usage(format!("{whence} takes error, warning, info or never, not `{word}`")))?)
            }
        };
        let format = args.output.output.unwrap_or(if compat == Compat::Istioctl { Format::Log } else { Format::Text });
        let threshold = match args.select.output_threshold.as_deref() {
            Some(word) => Level::parse(word).ok_or_else(|| Failure::usage(format!("--output-threshold takes error, warning or info, not `{word}`")))?,
            None if format == Format::Text => Level::Warning.max(fail_on.unwrap_or(Level::Error)),
            None => Level::Info,
        };

        let mut options = Options::default();
        let typed = args.input.istio_version.as_deref().map(|text| ("--istio-version".to_owned(), text));
        let written = || file.and_then(|f| f.istio_version.as_ref()).map(|w| (format!("{}: istio-version", place(w)), w.get_ref().as_str()));
        if let Some((whence, text)) = typed.or_else(written) {
            options.istio_minor = istio_minor(&whence, text, options.istio_minor, &mut notes)?;
        }
        let exclude = match file.map(|f| &f.exclude) {
            Some(list) if !list.is_empty() => Some(config::globs(list, &format!("{config_name}: exclude"))?),
            _ => None,
        };
        let beside = |path: &PathBuf| config.map(|c| c.dir.join(path));
        Ok(Settings {
            codes,
            rules: analyzers(&args.list.analyzer)?,
            levels,
            suppressions,
            fail_on,
            threshold,
            format,
            compat,
            namespaces: if args.input.all_namespaces { Vec::new() } else { args.input.namespace.clone() },
            options,
            as_of: Timestamp(context.now),
            exclude,
            mesh_config: args.input.mesh_config.clone().or(file.and_then(|f| f.mesh_config.as_ref()).and_then(beside)),
            mesh_networks: args.input.mesh_networks.clone().or(file.and_then(|f| f.mesh_networks.as_ref()).and_then(beside)),
            base_dir: config.map_or_else(|| std::env::current_dir().unwrap_or_default(), |c| c.dir.clone()),
            notes,
        })
    }
}

fn suppressions_of(config: &Config, name: &str) -> Result<Vec<Pattern>, Failure> {
    let source =
        Source::new(config::shown(&config.dir, &config.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())), config.text.as_str());
    let mut out = Vec::new();
    for spanned in &config.file.suppress {
        let entry = spanned.get_ref();
        let codes = select::all_of(entry.code.list(), &format!("{name}: suppress"))?;
        let object = entry.object.clone().unwrap_or_else(|| "*".to_owned());
        let paths = if entry.paths.is_empty() { None } else { Some(config::globs(&entry.paths, &format!("{name}: suppress"))?) };
        let span = Span::new(spanned.span().start, spanned.span().end);
        let visible = Some(Span::new(0, source.text().len()));
        let written = format!("{}={object}", entry.code.list().join(","));
        out.push(Pattern { codes, object, paths, written, place: Some(Place { source: Arc::clone(&source), span, visible }), used: Cell::new(false) });
    }
    Ok(out)
}

/// The rules that `--analyzer` names, by their own name or istioctl's.
fn analyzers(words: &[String]) -> Result<Option<BTreeSet<&'static str>>, Failure> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut out = BTreeSet::new();
    for word in words {
        let found: Vec<_> =
            rules::all().filter(|r| r.name.eq_ignore_ascii_case(word) || (!word.is_empty() && r.analyzer.eq_ignore_ascii_case(word))).map(|r| r.name).collect();
        if found.is_empty() {
            let names = rules::all().flat_map(|r| [r.name, r.analyzer]).filter(|n| !n.is_empty());
            let near =
                spelling::nearest(word, names).map_or_else(|| "`meshctl analyze --list-analyzers` shows them".to_owned(), |n| format!("did you mean `{n}`?"));
            return Err(Failure::usage(format!("no analyzer `{word}`; {near}")));
        }
        out.extend(found);
    }
    Ok(Some(out))
}

/// `1.30`, `1.30.2`, `v1.30`.
fn istio_minor(whence: &str, text: &str, newest: u16, notes: &mut Vec<String>) -> Result<u16, Failure> {
    let mut parts = text.trim().trim_start_matches('v').split(['.', '-']);
    let minor = match (parts.next(), parts.next().map(str::parse::<u16>)) {
        (Some("1"), Some(Ok(minor))) => minor,
        _ => return Err(Failure::usage(format!("{whence} takes a version such as 1.{newest}, not `{text}`"))),
    };
    let oldest = *ISTIO_MINORS.start();
    if minor > newest {
        notes.push(format!("Istio 1.{minor} is newer than the newest that is known here (1.{newest}): its new fields count as unknown"));
    } else if minor < oldest {
        notes.push(format!("Istio 1.{minor} is older than the oldest that is known here (1.{oldest}): its fields are taken for those of 1.{oldest}"));
    }
    Ok(minor)
}

fn version(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
