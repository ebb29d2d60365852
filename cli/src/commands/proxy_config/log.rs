//! `proxy-config log` and `ztunnel-config log`: the levels at which a proxy logs.

use super::{Answer, Format, format};
use crate::args::proxy_config::LogArgs;
use crate::context::{Compat, Context};
use crate::dump::{self, Need};
use crate::print::dump::document;
use crate::print::table::Table;
use crate::status::Outcome;
use crate::term::safe;
use crate::watch;
use serde_json::{Map, Value};

pub fn run(args: &LogArgs, context: &Context) -> Outcome {
    if args.level.is_some() || args.reset {
        return super::set_levels::run(args, context);
    }
    let format = format(args.source.output.as_deref().unwrap_or("table"))?;
    watch::run(&args.source, context, || {
        dump::answers(&args.source, Need::Logging, context, &|found| {
            Ok(Answer::whole(show(&found.page.text, args.source.pod.as_deref(), format, context)).with(found.problems))
        })
    })
}

fn show(text: &str, pod: Option<&str>, format: Format, context: &Context) -> String {
    if context.compat == Compat::Istioctl {
        let name = pod.map_or(String::new(), |p| format!("{}:\n", safe(p)));
        return text.lines().fold(name, |out, line| out + &safe(line) + "\n");
    }
    let levels = levels(text);
    match format {
        Format::Document(as_) => {
            document(Value::Object(levels.iter().map(|(n, l)| ((*n).to_owned(), Value::from(*l))).collect::<Map<_, _>>()), as_, context.compat)
        }
        _ => {
            let mut table = Table::new(["LOGGER", "LEVEL"]);
            for (name, level) in levels {
                table.row(vec![name.to_owned(), level.to_owned()]);
            }
            super::show(&table, format)
        }
    }
}

/// The levels as the command shows them without options.
pub fn table(text: &str, context: &Context) -> String {
    show(text, None, Format::Table, context)
}

/// Envoy lists its loggers, ztunnel says one line: `current log level is hyper=error,info`.
pub fn levels(text: &str) -> Vec<(&str, &str)> {
    if let Some(rest) = text.trim().strip_prefix("current log level is ") {
        return rest.split(',').map(|part| part.split_once('=').unwrap_or(("*", part))).collect();
    }
    text.lines().filter_map(|line| line.trim().split_once(": ")).collect()
}

#[cfg(test)]
mod tests {
    use super::levels;

    #[test]
    fn both_proxies_tell_their_levels() {
        assert_eq!(levels("active loggers:\n  admin: info\n  http: debug\n"), [("admin", "info"), ("http", "debug")]);
        assert_eq!(levels("current log level is hyper=error,info\n"), [("hyper", "error"), ("*", "info")]);
    }
}
